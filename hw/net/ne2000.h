#pragma once
/// An NE2000: a DP8390 with 16 KiB to 32 KiB of memory behind its remote DMA, 32 ports. The core of ne2k_isa and
/// ne2k_pci.
///
/// Source: hw/net/dp8390_regs.h; the board's ports (10h data, 18h to 1Fh reset) and memory (the address PROM from 0 on,
/// RAM from 4000h on) as Novell's NE2000 has them. A frame leaves as soon as it is started and comes whole; but the
/// next one comes no sooner than 10 Mbit/s let it. Drivers count on that: what comes between their last look into the
/// ring and their acknowledgement of PRX is not noticed before the frame after it.
///
/// Not modelled: collisions and the tally counters (nothing goes wrong on this wire), reading the FIFO, what loopback
/// leaves in it, and the send-packet command.

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/memory/memory_region.h"
#include "hw/net/nic.h"

namespace machina {

class Ne2000 {
 public:
  static constexpr unsigned kPorts = 0x20;

  struct Wires {
    std::function<void(bool)> interrupt;
    std::function<void(std::span<const std::uint8_t>)> send;
    std::function<void()> room;  ///< the ring may have room again
    /// The wire is taken for so many nanoseconds; then wire_free() is to be called.
    std::function<void(std::int64_t ns)> wire_taken;
  };
  /// `id`: what 0Ah and 0Bh of page 0 read as, by which the RTL8029 is known; both 0: neither.
  explicit Ne2000(Wires wires, std::array<std::uint8_t, 2> id = {}) : wires_(std::move(wires)), id_(id) {}

  void set_mac(const MacAddress& mac);
  /// Power-on; the reset port does less.
  void reset();

  IoResult read(Offset port, Width width);
  IoResult write(Offset port, Width width, std::uint64_t value);

  bool can_receive() const;
  void receive(std::span<const std::uint8_t> frame);
  void wire_free();
  ReceiveFilter receive_filter() const;

 private:
  static constexpr unsigned kRamStart = 0x4000, kRamEnd = 0xc000;

  std::uint8_t read_register(unsigned n);
  void write_register(unsigned n, std::uint8_t value);
  void command(std::uint8_t value);
  void transmit();
  void chip_reset();
  std::uint32_t read_data(Width width);
  void write_data(Width width, std::uint32_t value);
  void remote_advance(unsigned bytes);
  std::uint8_t load(unsigned address) const;
  void store(unsigned address, std::uint8_t value);
  bool accepts(std::span<const std::uint8_t> frame) const;
  bool ring_good() const;
  unsigned ring_free() const;  // pages
  void raise(std::uint8_t causes);
  void update() { wires_.interrupt(state_.isr & state_.imr & 0x7f); }

  Wires wires_;
  std::array<std::uint8_t, 2> id_;
  std::array<std::uint8_t, 32> prom_{};

  struct State {
    std::uint8_t cr = 0x21, isr = 0x80, imr = 0, dcr = 0x04, rcr = 0, tcr = 0, tsr = 0, rsr = 0;
    std::uint8_t pstart = 0, pstop = 0, bnry = 0, curr = 0, tpsr = 0;
    std::uint16_t tbcr = 0, rsar = 0, rbcr = 0;
    std::uint16_t crda = 0;  ///< remote DMA, now
    std::uint16_t left = 0;  ///< bytes of it
    bool wire_taken = false;
    std::array<std::uint8_t, 6> par{};
    std::array<std::uint8_t, 8> mar{};
    std::vector<std::uint8_t> ram = std::vector<std::uint8_t>(kRamEnd - kRamStart);
  } state_;
};

}  // namespace machina
