#include "tests/support/test_net.h"

#include "core/net/mac_address.h"

namespace machina {
using test::TestNet;
MACHINA_TYPE(TestNet, NetBackend);
}  // namespace machina

namespace machina::test {

namespace {

constexpr std::size_t kIp = 14, kPayload = 34;

void put16(Frame& f, std::size_t at, std::size_t v) {
  f[at] = static_cast<std::uint8_t>(v >> 8);
  f[at + 1] = static_cast<std::uint8_t>(v);
}
std::size_t get16(const Frame& f, std::size_t at) { return static_cast<std::size_t>(f[at] << 8 | f[at + 1]); }

std::uint16_t payload_sum(const Frame& f, std::size_t end) {
  std::uint32_t pseudo = f[kIp + 9];
  pseudo += static_cast<std::uint32_t>(end - kPayload);
  for (std::size_t at = kIp + 12; at < kPayload; at += 2) pseudo += static_cast<std::uint32_t>(get16(f, at));
  return ones_sum(f, kPayload, end, pseudo);
}

}  // namespace

Frame make_frame(const std::string& to, std::size_t size, std::uint16_t type) {
  Frame frame(size);
  for (std::size_t i = 0; i < size; ++i) frame[i] = static_cast<std::uint8_t>(i * 7 + 1);
  const MacAddress destination = MacAddress::parse(to), source = MacAddress::parse("02:00:00:00:00:99");
  std::copy(destination.bytes.begin(), destination.bytes.end(), frame.begin());
  std::copy(source.bytes.begin(), source.bytes.end(), frame.begin() + 6);
  put16(frame, 12, type);
  return frame;
}

Frame make_ipv4(const std::string& to, std::uint8_t protocol, std::size_t payload) {
  const std::size_t header = protocol == 6 ? 20 : 8, size = kPayload + header + payload;
  Frame f = make_frame(to, size, 0x0800);
  f[kIp] = 0x45, f[kIp + 1] = 0;
  put16(f, kIp + 2, size - kIp);
  put16(f, kIp + 4, 0x1234);
  put16(f, kIp + 6, 0);
  f[kIp + 8] = 64, f[kIp + 9] = protocol;
  put16(f, kIp + 10, 0);
  put16(f, kIp + 10, static_cast<std::uint16_t>(~ones_sum(f, kIp, kPayload)));
  if (protocol == 6) {
    put16(f, kPayload + 4, 0x0102), put16(f, kPayload + 6, 0xff00);  // sequence number
    f[kPayload + 12] = 0x50, f[kPayload + 13] = 0x19;                // 20 bytes; ACK, PSH, FIN
  } else {
    put16(f, kPayload + 4, header + payload);
  }
  const std::size_t sum = kPayload + (protocol == 6 ? 16 : 6);
  put16(f, sum, 0);
  put16(f, sum, static_cast<std::uint16_t>(~payload_sum(f, size)));
  return f;
}

std::uint16_t ones_sum(const Frame& frame, std::size_t from, std::size_t to, std::uint32_t start) {
  std::uint64_t sum = start;
  for (std::size_t i = from; i < to; i += 2)
    sum += static_cast<unsigned>(frame[i] << 8 | (i + 1 < to ? frame[i + 1] : 0));
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

bool checksums_right(const Frame& f) {
  const std::size_t end = kIp + get16(f, kIp + 2);
  return end <= f.size() && ones_sum(f, kIp, kPayload) == 0xffff && payload_sum(f, end) == 0xffff;
}

}  // namespace machina::test
