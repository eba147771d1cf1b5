#pragma once
/// The language of inputs for devices: records of 16 bytes, each an operation. Records keep their place and their
/// meaning when the bytes of one change and when others come or go.

#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace machina::fuzz {

enum class Op : std::uint8_t {
  Read,          ///< a register of the device
  Write,         ///< the same
  ReadMany,      ///< `count` times the same: a FIFO
  WriteMany,     ///< the same, with the bytes of the value in turn
  ConfigRead,    ///< PCI configuration space of the device
  ConfigWrite,   ///< the same
  Step,          ///< virtual and host time pass
  StepToTimer,   ///< as much as the next timer needs
  Ram,           ///< the value goes to guest RAM
  RamBlock,      ///< the next `count` records go to guest RAM as they are
  ReadAnywhere,  ///< a register of another device
  WriteAnywhere,
  Event,        ///< something happens outside of the machine
  Acknowledge,  ///< a CPU takes an interrupt
  LocalApic,    ///< a CPU looks at its own APIC
  Look,         ///< somebody looks from outside: screens, properties
  Reset,
  Frame,  ///< a frame for a network card, of the next `count` records
  Count_
};

struct Operation {
  std::uint8_t op = 0;
  std::uint8_t width = 0;   ///< bits 0-1: 1, 2, 4, 8 bytes; bit 7: what the device asked of the main loop waits
  std::uint8_t region = 0;  ///< which register block, of those that there are
  std::uint8_t count = 0;
  std::uint32_t offset = 0;
  std::uint64_t value = 0;

  /// Numbers from Count_ on are for what comes later, and do nothing: an old input keeps its meaning.
  Op kind() const { return static_cast<Op>(op & 31); }
  unsigned bytes() const { return 1U << (width & 3); }
  /// How many of the records that follow are its data, as far as there are so many.
  unsigned data_records() const {
    return kind() == Op::RamBlock ? count % 32U : kind() == Op::Frame ? count % 128U : 0;
  }
};
inline constexpr std::size_t kRecord = 16;
static_assert(sizeof(Operation) == kRecord);

/// The operations of an input; what is less than a record at its end is left out.
inline std::vector<Operation> decode(std::span<const std::uint8_t> input) {
  std::vector<Operation> list(input.size() / kRecord);
  if (!list.empty()) std::memcpy(list.data(), input.data(), list.size() * kRecord);
  return list;
}

const char* op_name(Op op);

/// A changed input: records come, go, are repeated, swapped and taken from elsewhere in it; in one record a field gets
/// a value that registers care about; or libFuzzer changes the bytes of one record.
std::size_t mutate_operations(std::uint8_t* data, std::size_t size, std::size_t max, std::uint32_t seed);

/// A line each, with a comment of the caller's. What a record says beside its meaning is lost.
std::string operations_to_text(std::span<const std::uint8_t> input,
                               const std::function<std::string(const Operation&)>& comment);
/// Throws Error.
std::vector<std::uint8_t> operations_from_text(std::string_view text);

}  // namespace machina::fuzz
