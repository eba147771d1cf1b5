// The RTL8139's own way: four transmit buffers, one receive ring. Datasheet of the RTL8139C+, 6.3 to 6.6 and 5.

#include <algorithm>

#include "hw/net/ethernet.h"
#include "hw/net/rtl8139.h"
#include "hw/net/rtl8139_moving.h"

namespace machina {

using namespace rtl8139;

namespace {

constexpr unsigned kHead = 4;             // before each frame: status and length
constexpr unsigned kCaprBehind = 16;      // CAPR is that much less than where software reads
constexpr unsigned kLargestRing = 65536;  // in which WRAP has no meaning

}  // namespace

// Bytes up to where software reads; all of them when it has read everything.
unsigned Rtl8139::ring_free() const {
  const unsigned size = ring_size(), read = (get(kCapr, 2) + kCaprBehind) % size, write = get(kCbr, 2) % size;
  return read == write ? size : (size + read - write) % size;
}

void Rtl8139::store_in_ring(const Bytes& frame, std::uint16_t status) {
  const unsigned size = ring_size();
  const std::size_t length = frame.size() + ethernet::kFcs;
  Bytes bytes(kHead);
  bytes.insert(bytes.end(), frame.begin(), frame.end());
  const std::uint32_t fcs = ethernet::fcs(frame);
  for (unsigned i = 0; i < ethernet::kFcs; ++i) bytes.push_back(static_cast<std::uint8_t>(fcs >> (8 * i)));
  const std::uint32_t head = (status | kRxRok) | static_cast<std::uint32_t>(length) << 16;
  for (unsigned i = 0; i < kHead; ++i) bytes[i] = static_cast<std::uint8_t>(head >> (8 * i));

  const std::size_t taken = (bytes.size() + 3) & ~std::size_t{3};
  if (taken >= ring_free()) {
    missed(kIntRxovw);
    return;
  }
  const Moving moving(*this);
  const unsigned at = get(kCbr, 2) % size;
  const std::uint64_t base = get(kRbstart, 4);
  const std::span<const std::uint8_t> all = bytes;
  // 6.10, WRAP: the last frame goes on behind the end of the ring, where software has 1.5 KiB more.
  const bool beyond = get(kRcr, 4) & kRcrWrap && size < kLargestRing;
  const std::size_t first = beyond ? all.size() : std::min<std::size_t>(all.size(), size - at);
  dma().write(base + at, all.first(first));
  if (first < all.size()) dma().write(base, all.subspan(first));
  put(kCbr, 2, (at + taken) % size);
  received_well(status);
}

// 6.3: buffers go out in turn, each when its OWN is cleared.
void Rtl8139::transmit_buffers() {
  if (!(get(kCr, 1) & kCrTe)) return;
  const Moving moving(*this);
  std::uint16_t causes = 0;
  for (unsigned done = 0; done < 4; ++done) {
    const unsigned n = state_.next_buffer, at = kTsd0 + 4 * n;
    const std::uint32_t tsd = get(at, 4);
    if (tsd & kTsdOwn) break;
    Bytes frame(tsd & kTsdSize);
    state_.next_buffer = static_cast<std::uint8_t>((n + 1) % 4);
    if (dma().read(get(kTsad0 + 4 * n, 4), frame) != MemTxResult::Ok) {
      put(at, 4, tsd | kTsdOwn | kTsdTabt);
      causes |= kIntTer;
      send_failed();
      continue;
    }
    send(std::move(frame), 0);
    put(at, 4, tsd | kTsdOwn | kTsdTok);
    causes |= kIntTok;
  }
  if (causes) raise(causes);
}

}  // namespace machina
