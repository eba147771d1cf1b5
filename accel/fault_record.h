#pragma once
/// What a CPU notes of an event that it delivers, or tries to, so that somebody can be told how it came to a triple
/// fault. The software CPU writes it: of its own events, or of those of another accelerator's CPU that it plays again.

#include <cstdint>
#include <vector>

namespace machina {

/// An entry of a descriptor table, or a real-mode vector, as the processor read it.
struct TableRead {
  enum class Table : std::uint8_t { None, Gdt, Ldt, Idt, Vectors };
  enum class Result : std::uint8_t {
    Done,
    BeyondLimit,  ///< the table ends before it
    Fault,        ///< where it should be, paging does not lead to
  };
  Table table = Table::None;
  Result result = Result::Done;
  std::uint8_t size = 8;    ///< bytes: 4 (a real-mode vector), 8 or 16
  std::uint16_t index = 0;  ///< the selector, or the vector
  std::uint64_t linear = 0, low = 0, high = 0;

  explicit operator bool() const { return table != Table::None; }
};

struct FaultRecord {
  std::uint8_t vector = 0;
  std::uint8_t cpl = 0;
  bool external = false;  ///< INTR
  bool software = false;  ///< INT n and its like
  bool has_error_code = false;
  bool failed = false;  ///< another event took its place
  std::uint16_t cs = 0;
  std::uint32_t error_code = 0;
  std::uint64_t address = 0;  ///< CR2 of a page fault
  std::uint64_t rip = 0, rsp = 0;
  TableRead cause;       ///< what the error code names, when the instruction read it
  TableRead gate;        ///< read for its delivery,
  TableRead descriptor;  ///< and then, last, from the GDT or LDT

  bool exception() const { return !external && !software; }
  bool page_fault() const { return exception() && vector == 14; }
};

/// Events of which each but the last could not be delivered because of the next; the last ended in a shutdown.
using FaultRecords = std::vector<FaultRecord>;

}  // namespace machina
