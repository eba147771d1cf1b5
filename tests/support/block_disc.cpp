#include "tests/support/block_disc.h"

#include <utility>

namespace machina {
using test::BlockDisc;
MACHINA_TYPE(BlockDisc, BlockBackend);
}  // namespace machina

namespace machina::test {

void BlockDisc::class_init(qom::ObjectClass& c) { c.description = "Disc of a test"; }

void BlockDisc::read(std::uint64_t offset, std::vector<std::span<std::uint8_t>> to, Completion done) {
  ++reads;
  auto work = [this, offset, to = std::move(to), done = std::move(done)] {
    std::uint64_t at = offset;
    for (const auto& piece : to) {
      for (std::uint8_t& b : piece) b = byte(at++);
    }
    if (at > size()) return done(EINVAL);
    done(offset < (bad_block + 1) * kBlock && at > bad_block * kBlock ? EIO : 0);
  };
  if (delayed) {
    pending_.emplace_back(std::move(work));
  } else {
    work();
  }
}

void BlockDisc::complete_all() {
  while (!pending_.empty()) {
    const auto work = std::move(pending_.front());
    pending_.erase(pending_.begin());
    work();
  }
}

}  // namespace machina::test
