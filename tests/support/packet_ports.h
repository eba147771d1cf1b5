#pragma once
/// A drive for packets as a guest drives it: ATA/ATAPI-6, 9.8 (PIO) and 9.9 (DMA).

#include <array>

#include "hw/block/mmc_regs.h"
#include "tests/support/ide_ports.h"

namespace machina::test {

using Packet = std::array<std::uint8_t, mmc::kCdbSize>;

/// A packet of this operation code, and bytes from byte 1 on.
inline Packet packet(mmc::Opcode opcode, std::initializer_list<unsigned> bytes = {}) {
  Packet p{static_cast<std::uint8_t>(opcode)};
  std::size_t at = 1;
  for (const unsigned b : bytes) p[at++] = static_cast<std::uint8_t>(b);
  return p;
}

class PacketPorts {
 public:
  PacketPorts(IdePorts& io, std::function<bool()> interrupt) : io_(io), interrupt_(std::move(interrupt)) {}

  struct Result {
    std::uint8_t status = 0, error = 0, reason = 0;
    std::vector<std::uint8_t> data;
    std::vector<unsigned> blocks;  ///< what the byte count registers said of each
    unsigned sense_key() const { return error >> 4; }
  };

  /// Writes the registers, the command and the packet.
  void begin(const Packet& p, unsigned features, unsigned limit) {
    io_.out(ata::kFeatures, features);
    io_.out(ata::kByteCountLow, limit);
    io_.out(ata::kByteCountHigh, limit >> 8);
    io_.command(ata::Command::Packet);
    EXPECT_EQ(io_.alt_status(), ata::kDrdy | ata::kDsc | ata::kDrq);
    EXPECT_EQ(io_.in(ata::kInterruptReason), ata::kReasonCommand);
    EXPECT_FALSE(interrupt_()) << "word 0 of the identity says that there is none";
    for (unsigned i = 0; i < p.size(); i += 2) io_.data(static_cast<std::uint16_t>(p[i] | p[i + 1] << 8));
  }

  /// One command by PIO; `out` goes to the drive.
  Result pio(const Packet& p, unsigned limit = 0xfffe, const std::vector<std::uint8_t>& out = {}) {
    begin(p, 0, limit);
    Result r;
    std::size_t sent = 0;
    while (io_.alt_status() & ata::kDrq) {
      EXPECT_TRUE(interrupt_()) << "for each block";
      io_.status();
      EXPECT_FALSE(interrupt_());
      const unsigned bytes = io_.in(ata::kByteCountLow) | io_.in(ata::kByteCountHigh) << 8;
      const bool to_host = io_.in(ata::kInterruptReason) == ata::kReasonToHost;
      r.blocks.push_back(bytes);
      for (unsigned i = 0; i < bytes; i += 2) {
        if (to_host) {
          const std::uint16_t word = io_.data();
          r.data.push_back(static_cast<std::uint8_t>(word));
          if (i + 1 < bytes) r.data.push_back(static_cast<std::uint8_t>(word >> 8));
        } else {
          EXPECT_EQ(io_.in(ata::kInterruptReason), 0);
          io_.data(static_cast<std::uint16_t>(out.at(sent) | (sent + 1 < out.size() ? out[sent + 1] << 8 : 0)));
          sent += 2;
        }
      }
      if (bytes == 0 || r.blocks.size() > 100000) break;
    }
    end(r);
    return r;
  }

  /// The end of a command: its interrupt, status, error and interrupt reason.
  void end(Result& r) {
    EXPECT_TRUE(interrupt_()) << "at the end";
    r.reason = io_.in(ata::kInterruptReason);
    r.status = io_.status();
    r.error = io_.error();
    EXPECT_FALSE(interrupt_());
    EXPECT_EQ(r.status & ~ata::kErr, ata::kDrdy | ata::kDsc);
    EXPECT_EQ(r.reason, ata::kReasonCommand | ata::kReasonToHost);
  }

 private:
  IdePorts& io_;
  std::function<bool()> interrupt_;
};

}  // namespace machina::test
