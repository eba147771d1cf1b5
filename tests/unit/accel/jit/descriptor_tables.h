#pragma once
/// A GDT, an IDT, an LDT and a TSS in the memory of a BareMachine, and handlers that stop it. Built by hand from
/// SDM vol. 3, figures 3-8, 6-2, 6-8, 7-2 and 7-11.

#include <cstdint>

#include "tests/unit/accel/jit/bare_machine.h"

namespace machina::jit {

class DescriptorTables {
 public:
  static constexpr std::uint64_t kGdt = 0x1000, kIdt = 0x2000, kTss = 0x3000, kLdt = 0x4000;
  /// Handlers of stop_at_every_vector(): HLT at kHandlers + 16 * vector.
  static constexpr std::uint64_t kHandlers = 0x8000;
  static constexpr std::uint64_t kInnerStack = 0x70000;  ///< of CPL 0, in the TSS
  static constexpr std::uint16_t kCode0 = 0x08, kData0 = 0x10, kCode3 = 0x1b, kData3 = 0x23, kTssSelector = 0x28;
  static constexpr std::uint16_t kFree = 0x40;  ///< selectors from here on are a test's

  /// Loads the tables for the mode that the machine is in: flat segments of CPL 0 and 3, and a TSS that is in force.
  explicit DescriptorTables(BareMachine& machine) : m_(machine), long_mode_(machine.cpu().long_mode()) {
    Cpu& cpu = m_.cpu();
    cpu.gdt = {kGdt, 0xff};
    cpu.idt = {kIdt, 0xfff};
    const std::uint16_t code = long_mode_ ? 0xa09b : 0xc09b;
    segment(kCode0, code);
    segment(kData0, 0xc093);
    segment(kCode3, static_cast<std::uint16_t>(code | 0x60));
    segment(kData3, 0xc0f3);
    segment(kTssSelector, 0x8b, kTss, 0x67);
    if (long_mode_) m_.put<std::uint64_t>(kGdt + kTssSelector + 8, 0);
    cpu.tr = {.selector = kTssSelector, .rights = 0x8b, .limit = 0x67, .base = kTss};
    if (long_mode_) {
      m_.put<std::uint64_t>(kTss + 4, kInnerStack);
    } else {
      m_.put<std::uint32_t>(kTss + 4, kInnerStack);
      m_.put<std::uint32_t>(kTss + 8, kData0);
    }
  }

  /// `rights` as in Segment::rights; the limit is in bytes.
  void segment(std::uint16_t selector, std::uint16_t rights, std::uint64_t base = 0, std::uint32_t limit = 0xffffffff) {
    if (rights & 0x8000) limit >>= 12;
    m_.put<std::uint64_t>((selector & 4 ? kLdt : kGdt) + (selector & ~7U),
                          (limit & 0xffff) | (base & 0xffffff) << 16 | std::uint64_t{rights} << 40 |
                              std::uint64_t{limit & 0xf0000} << 32 | (base >> 24 & 0xff) << 56);
  }
  std::uint8_t rights_byte(std::uint16_t selector) const {
    return m_.get<std::uint8_t>((selector & 4 ? kLdt : kGdt) + (selector & ~7U) + 5);
  }

  /// `rights`: P, DPL and type, 8Eh for an interrupt gate of CPL 0; `stack`: IST, or a call gate's parameters.
  void gate(std::uint8_t vector, std::uint64_t offset, std::uint8_t rights = 0x8e, std::uint16_t selector = kCode0,
            unsigned stack = 0) {
    put_gate(kIdt + vector * (long_mode_ ? 16U : 8U), offset, rights, selector, stack);
  }
  void call_gate(std::uint16_t at, std::uint64_t offset, std::uint8_t rights, std::uint16_t selector,
                 unsigned parameters = 0) {
    put_gate(kGdt + (at & ~7U), offset, rights, selector, parameters);
  }

  static constexpr std::uint64_t handler(unsigned vector) { return kHandlers + 16 * vector; }
  void stop_at_every_vector(std::uint8_t rights = 0x8e) {
    for (unsigned v = 0; v < 256; ++v) {
      gate(static_cast<std::uint8_t>(v), handler(v), rights);
      m_.put<std::uint8_t>(handler(v), 0xf4);
    }
  }
  /// Which handler of stop_at_every_vector() stopped; -1: none.
  int stopped_at() const {
    const std::uint64_t rip = m_.cpu().rip - 1;
    return rip >= kHandlers && rip < handler(256) && rip % 16 == 0 ? static_cast<int>((rip - kHandlers) / 16) : -1;
  }
  /// What the handler finds on its stack, in units of the gate's size.
  std::uint64_t stacked(unsigned index) const {
    const std::uint64_t rsp = m_.cpu().gpr[kRsp];
    return long_mode_ ? m_.get<std::uint64_t>(rsp + 8 * index) : m_.get<std::uint32_t>(rsp + 4 * index);
  }

  /// Goes on at CPL 3, flat, with the machine's own stack.
  void user() {
    Cpu& cpu = m_.cpu();
    cpu.set_segment(kCs, {.selector = kCode3,
                          .rights = static_cast<std::uint16_t>(long_mode_ ? 0xa0fb : 0xc0fb),
                          .limit = 0xffffffff,
                          .base = 0});
    for (const unsigned i : {kSs, kDs, kEs})
      cpu.set_segment(i, {.selector = kData3, .rights = 0xc0f3, .limit = 0xffffffff, .base = 0});
    cpu.cpl = 3;
    cpu.update_mode();
  }

 private:
  void put_gate(std::uint64_t at, std::uint64_t offset, std::uint8_t rights, std::uint16_t selector, unsigned low) {
    m_.put<std::uint64_t>(at, (offset & 0xffff) | std::uint64_t{selector} << 16 | std::uint64_t{low} << 32 |
                                  std::uint64_t{rights} << 40 | (offset & 0xffff0000) << 32);
    if (long_mode_) m_.put<std::uint64_t>(at + 8, offset >> 32);
  }

  BareMachine& m_;
  bool long_mode_;
};

}  // namespace machina::jit
