#pragma once
/// A network backend in memory: what the guest sends is kept, and frames come when the test says so.

#include <string>
#include <vector>

#include "core/net/net_backend.h"

namespace machina::test {

using Frame = std::vector<std::uint8_t>;

class TestNet final : public NetBackend {
 public:
  static constexpr const char* kType = "netdev-of-a-test";
  static void class_init(qom::ObjectClass& c) { c.description = "test network"; }

  std::string description() const override { return "test"; }

  /// A frame for the guest.
  void inject(const Frame& frame) { deliver(frame); }
  bool blocked() const { return input_blocked(); }

  std::vector<Frame> sent;
  Frame answer;           ///< what is delivered from inside of each transmit()
  unsigned possible = 0;  ///< calls of input_possible()

 protected:
  void transmit(FrameView frame) override {
    sent.emplace_back(frame.begin(), frame.end());
    if (!answer.empty()) deliver(answer);
  }
  void input_possible() override { ++possible; }
};

/// Destination, source and type, then a pattern up to `size` bytes.
Frame make_frame(const std::string& to, std::size_t size, std::uint16_t type = 0x88b5);
/// TCP (`protocol` 6) or UDP (17) over IPv4, with right checksums.
Frame make_ipv4(const std::string& to, std::uint8_t protocol, std::size_t payload);
/// The one's complement sum of [from, to) with what must come before it in the pseudo-header; 0xffff when it is right.
std::uint16_t ones_sum(const Frame& frame, std::size_t from, std::size_t to, std::uint32_t start = 0);
/// Whether the checksums of a frame made by make_ipv4(), or cut from one, are right.
bool checksums_right(const Frame& frame);

}  // namespace machina::test
