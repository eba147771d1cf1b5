#pragma once
/// A PCI network card in slot 3 of a machine, with memory and ports mapped, on a network that the test is the other end
/// of.

#include <gtest/gtest.h>

#include "core/units.h"
#include "hw/net/ethernet.h"
#include "hw/pci-host/i440fx.h"
#include "tests/support/pci_config.h"
#include "tests/support/test_net.h"

namespace machina::test {

/// `kMemoryBar` and `kPortBar`: which of its base address registers are for what.
template <class Card, unsigned kMemoryBar, unsigned kPortBar>
class NicTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kBar = 0xfeb00000;
  static constexpr std::uint16_t kPorts = 0xc000;
  static constexpr std::uint32_t kTxRing = 0x10000, kRxRing = 0x20000, kBuffers = 0x100000;  // in memory
  static constexpr const char* kMac = "52:54:00:12:34:56";
  static constexpr const char* kBroadcast = "ff:ff:ff:ff:ff:ff";

  NicTest() {
    m.add<I440fxHost>("i440fx");
    net = &m.object().add_new_child<TestNet>("net0");
    net->set_host(m.system().loop, m.system().clock);
    card = &m.add<Card>("nic", {{"addr", "3"}, {"romfile", ""}, {"netdev", "net0"}});
    m.start();
    set_up();
  }
  /// As firmware does; anew after a reset.
  void set_up() {
    config.l(0x10 + 4 * kMemoryBar, kBar);
    config.l(0x10 + 4 * kPortBar, kPorts);
    config.w(0x04, 7);
  }
  bool line() { return static_cast<PciBus&>(*card->parent_bus()).line_level(PciBus::line_of(3, 0)); }

  void put(std::uint64_t at, const Frame& bytes) {
    for (std::size_t i = 0; i < bytes.size(); ++i) m.write(at + i, 1, bytes[i]);
  }
  Frame bytes_at(std::uint64_t at, std::size_t n) {
    Frame f(n);
    for (std::size_t i = 0; i < n; ++i) f[i] = static_cast<std::uint8_t>(m.read(at + i, 1));
    return f;
  }

  TestMachine m{16 << 20};
  PciConfig config{m, 3, 0};
  TestNet* net = nullptr;
  Card* card = nullptr;
};

}  // namespace machina::test
