#include "core/chardev/char_ringbuf.h"

#include <algorithm>
#include <bit>

#include "core/units.h"
#include "qom/error.h"

namespace machina {
namespace {

constexpr std::uint64_t kLargest = GiB;

}  // namespace

MACHINA_TYPE(CharRingbuf, CharBackend);

void CharRingbuf::class_init(qom::ObjectClass& c) {
  c.description = "keeps the last bytes in memory";
  c.user_creatable = true;
  c.property("size", &CharRingbuf::size_, qom::Size{64 * KiB})
      .doc("bytes to keep; a power of two")
      .range(1, kLargest)
      .checked([](const qom::Value& v) {
        const auto* bytes = v.get_if<std::uint64_t>();
        if (bytes && !std::has_single_bit(*bytes))
          throw Error("size of a ring buffer must be a power of two, not " + std::to_string(*bytes))
              .hint("the next larger one is " + qom::format_size(std::bit_ceil(*bytes)));
      });
}

void CharRingbuf::realize() {
  CharBackend::realize();
  ring_.assign(size_.bytes, std::byte{0});
}

std::size_t CharRingbuf::write(std::span<const std::byte> bytes) {
  log_copy(bytes);
  if (ring_.empty()) return bytes.size();
  for (const std::byte b : bytes) ring_[produced_++ % ring_.size()] = b;
  if (produced_ - consumed_ > ring_.size()) consumed_ = produced_ - ring_.size();
  return bytes.size();
}

std::vector<std::byte> CharRingbuf::read(std::size_t max) {
  std::vector<std::byte> out(std::min(max, count()));
  for (std::byte& b : out) b = ring_[consumed_++ % ring_.size()];
  return out;
}

}  // namespace machina
