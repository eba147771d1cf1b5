#include "core/block/block_backend.h"

#include <algorithm>
#include <chrono>

namespace machina {

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
    c.time_ns += std::chrono::nanoseconds(std::chrono::steady_clock::now() - begin).count();
    done(error);
  };
}

}  // namespace machina
