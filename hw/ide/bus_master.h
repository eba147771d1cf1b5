#pragma once
/// One channel of a bus-master IDE controller: "Programming Interface for Bus Master IDE Controller" (SFF-8038i),
/// revision 1.0. Moves what a drive has to memory, and back, by a table of physical regions that the guest wrote.
///
/// The table is the guest's and not trusted: it may lie anywhere, name memory that is none, and never end. A table is
/// at most 64 KiB long and does not cross a 64 KiB boundary, so at most 8192 regions are looked at in one transfer.

#include <cstdint>
#include <functional>
#include <span>

#include "core/memory/address_space.h"

namespace machina {

class BusMaster {
 public:
  static constexpr unsigned kRegisters = 8;  ///< bytes of one channel

  // SFF-8038i 2.0.
  static constexpr unsigned kCommand = 0;
  static constexpr unsigned kStatus = 2;
  static constexpr unsigned kTable = 4;
  static constexpr std::uint8_t kStart = 0x01;
  static constexpr std::uint8_t kToMemory = 0x08;
  static constexpr std::uint8_t kActive = 0x01;
  static constexpr std::uint8_t kError = 0x02;
  static constexpr std::uint8_t kInterrupt = 0x04;
  static constexpr std::uint8_t kDriveBits = 0x60;  ///< "drive n is DMA capable", software's own notes

  /// `memory` gives the address space of the moment; `started` is called when the guest starts the engine.
  BusMaster(std::function<AddressSpace&()> memory, std::function<void()> started)
      : memory_(std::move(memory)), started_(std::move(started)) {}

  std::uint8_t read(unsigned offset) const;
  void write(unsigned offset, std::uint8_t value);

  /// The drive's interrupt rose.
  void interrupt() { state_.status |= kInterrupt; }
  /// Ready to move data.
  bool running() const { return state_.status & kActive; }

  enum class Result {
    Done,      ///< all of it
    TableEnd,  ///< the regions are used up: the engine has stopped, the rest of the data goes nowhere
    Error,     ///< memory did not answer, or the table is none: the engine has stopped and says so
  };
  Result to_memory(std::span<const std::uint8_t> from);
  Result from_memory(std::span<std::uint8_t> to);

  void reset() { state_ = State(); }

 private:
  bool next_region();
  Result fail();
  template <class Bytes, class Move>
  Result walk(Bytes bytes, Move move);

  // dependencies
  std::function<AddressSpace&()> memory_;
  std::function<void()> started_;

  struct State {
    std::uint8_t command = 0;
    std::uint8_t status = 0;
    std::uint32_t table = 0;
    // Where the engine is in the table.
    std::uint32_t next_entry = 0;  ///< bytes from `table`
    std::uint32_t address = 0;     ///< of the rest of the current region
    std::uint32_t left = 0;        ///< bytes of it
    bool last = false;             ///< it is the table's last
  };
  State state_;
};

}  // namespace machina
