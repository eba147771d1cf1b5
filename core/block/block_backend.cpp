#include "core/block/block_backend.h"

#include "core/trace/trace_event.h"

#include <algorithm>
#include <chrono>

namespace machina {
namespace {

const TraceEvent<std::uint64_t, std::int64_t, int> block_done{"block_done", "bytes={} ns={} error={}"};

}  // namespace

MACHINA_ABSTRACT_TYPE(BlockBackend, qom::Object);

void BlockBackend::class_init(qom::ObjectClass& c) { c.description = "the disk behind a drive"; }

BlockBackend::Completion BlockBackend::counted(Counter Statistics::*counter, std::uint64_t bytes, Completion done,
                                               std::uint64_t write_end) {
  const auto begin = std::chrono::steady_clock::now();
  return [this, counter, bytes, write_end, begin, done = std::move(done)](int error) {
    Counter& c = statistics_.*counter;
    if (error) {
      ++c.failed;
    } else {
      ++c.operations;
      c.bytes += bytes;
      statistics_.highest_write = std::max(statistics_.highest_write, write_end);
    }
    const std::int64_t taken = std::chrono::nanoseconds(std::chrono::steady_clock::now() - begin).count();
    block_done(bytes, taken, error);
    c.time_ns += taken;
    done(error);
  };
}

}  // namespace machina
