#include "accel/fault_text.h"

#include <fmt/format.h>

#include <array>

namespace machina {

namespace {

struct Exception {
  const char* mnemonic;
  const char* name;
};
/// SDM vol. 3, table 6-1.
constexpr std::array<Exception, 22> kExceptions{{{"#DE", "divide error"},
                                                 {"#DB", "debug"},
                                                 {"NMI", ""},
                                                 {"#BP", "breakpoint"},
                                                 {"#OF", "overflow"},
                                                 {"#BR", "bound range exceeded"},
                                                 {"#UD", "invalid opcode"},
                                                 {"#NM", "device not available"},
                                                 {"#DF", "double fault"},
                                                 {nullptr, nullptr},
                                                 {"#TS", "invalid TSS"},
                                                 {"#NP", "segment not present"},
                                                 {"#SS", "stack fault"},
                                                 {"#GP", "general protection"},
                                                 {"#PF", "page fault"},
                                                 {nullptr, nullptr},
                                                 {"#MF", "x87 error"},
                                                 {"#AC", "alignment check"},
                                                 {"#MC", "machine check"},
                                                 {"#XM", "SIMD error"},
                                                 {"#VE", "virtualization"},
                                                 {"#CP", "control protection"}}};

const Exception* exception_of(const FaultRecord& e) {
  if (!e.exception() || e.vector >= kExceptions.size() || !kExceptions[e.vector].mnemonic) return nullptr;
  return &kExceptions[e.vector];
}

/// SDM vol. 3, 4.7.
std::string page_fault_code(std::uint32_t code) {
  std::string text = code & 8   ? "reserved bit set in a page table entry"
                     : code & 1 ? "no right to the page"
                                : "page not present";
  text += code & 4 ? ", user " : ", supervisor ";
  text += code & 16 ? "fetch" : code & 2 ? "write" : "read";
  if (code & 32) text += ", protection key";
  return text;
}

/// SDM vol. 3, 6.13.
std::string selector_code(std::uint32_t code) {
  const char* external = code & 1 ? ", while an event was delivered" : "";
  if (code & 2) return fmt::format("vector {:#04x} of the IDT{}", code >> 3 & 0xff, external);
  if (code >> 2 == 0) return code & 1 ? "while an event was delivered" : "";
  return fmt::format("selector {:#06x} of the {}{}", code & 0xfff8, code & 4 ? "LDT" : "GDT", external);
}

std::string segment_text(std::uint64_t raw) {
  const bool code = raw >> 43 & 1;
  const auto units = static_cast<std::uint32_t>((raw & 0xffff) | (raw >> 32 & 0xf0000));
  const std::uint32_t limit = raw >> 55 & 1 ? units << 12 | 0xfff : units;
  const std::uint64_t base = (raw >> 16 & 0xffffff) | (raw >> 32 & 0xff000000);
  const char* bits = (raw >> 53 & 1) && code ? "64-bit" : raw >> 54 & 1 ? "32-bit" : "16-bit";
  return fmt::format("{} {} segment, base {:#x}, limit {:#x}, DPL {}", bits, code ? "code" : "data", base, limit,
                     raw >> 45 & 3);
}

/// SDM vol. 3, table 3-2, for descriptors with S clear.
std::string system_text(const TableRead& r, bool long_mode) {
  const unsigned type = r.low >> 40 & 0xf;
  const auto gate = [&](const char* kind) {
    const std::uint64_t offset = (r.low & 0xffff) | (r.low >> 32 & 0xffff0000) | r.high << 32;
    const unsigned ist = long_mode ? static_cast<unsigned>(r.low >> 32 & 7) : 0;
    return fmt::format("{} to {:04x}:{:x}, DPL {}{}", kind, r.low >> 16 & 0xffff, offset, r.low >> 45 & 3,
                       ist ? fmt::format(", IST {}", ist) : "");
  };
  switch (type) {
    case 2:
      return "LDT";
    case 9:
      return "available TSS";
    case 11:
      return "busy TSS";
    case 12:
      return gate("call gate");
    case 14:
      return gate("interrupt gate");
    case 15:
      return gate("trap gate");
    default:
      break;
  }
  if (!long_mode) switch (type) {
      case 1:
        return "available 16-bit TSS";
      case 3:
        return "busy 16-bit TSS";
      case 4:
        return gate("16-bit call gate");
      case 5:
        return fmt::format("task gate to TSS {:04x}", r.low >> 16 & 0xffff);
      case 6:
        return gate("16-bit interrupt gate");
      case 7:
        return gate("16-bit trap gate");
      default:
        break;
    }
  return fmt::format("type {:#x}, which is none here", type);
}

std::string entry_text(const TableRead& r, bool long_mode) {
  if (r.table == TableRead::Table::Vectors)
    return fmt::format("to {:04x}:{:04x}", r.low >> 16 & 0xffff, r.low & 0xffff);
  if (r.low == 0 && r.high == 0) return "empty";
  std::string text = (r.low >> 44 & 1) ? segment_text(r.low) : system_text(r, long_mode);
  if (!(r.low >> 47 & 1)) text += ", not present";
  return text;
}

std::string place(const FaultRecord& e) {
  return fmt::format("at {:04x}:{:x} CPL {} RSP={:#x}", e.cs, e.rip, e.cpl, e.rsp);
}

std::string name_and_code(const FaultRecord& e) {
  std::string text = event_name(e);
  if (e.has_error_code) {
    const std::string meaning = describe_error_code(e);
    text += fmt::format(" error code {:#x}", e.error_code);
    if (!meaning.empty()) text += " (" + meaning + ")";
  }
  if (e.page_fault()) text += fmt::format(" CR2={:#x}", e.address);
  return text;
}

bool same_place(const FaultRecord& a, const FaultRecord& b) {
  return a.cs == b.cs && a.rip == b.rip && a.cpl == b.cpl && a.rsp == b.rsp;
}

}  // namespace

std::string event_name(const FaultRecord& e) {
  if (e.external) return fmt::format("interrupt {:#04x}", e.vector);
  if (e.software) return fmt::format("INT {:#04x}", e.vector);
  if (const Exception* x = exception_of(e)) return x->mnemonic;
  return fmt::format("exception {:#04x}", e.vector);
}

std::string describe_error_code(const FaultRecord& e) {
  if (!e.has_error_code) return {};
  if (e.page_fault()) return page_fault_code(e.error_code);
  return e.vector == 8 || e.vector == 17 || e.vector == 21 ? std::string() : selector_code(e.error_code);
}

std::string describe_table_read(const TableRead& r, bool long_mode) {
  static constexpr const char* kTables[] = {"", "GDT", "LDT", "IDT vector", "real-mode vector"};
  const bool by_vector = r.table == TableRead::Table::Idt || r.table == TableRead::Table::Vectors;
  std::string text = kTables[static_cast<unsigned>(r.table)];
  text += by_vector ? fmt::format(" {:#04x}", r.index) : fmt::format(" selector {:#06x}", r.index);
  switch (r.result) {
    case TableRead::Result::BeyondLimit:
      return text + ": beyond the limit of the table";
    case TableRead::Result::Fault:
      return text + fmt::format(" at {:#x}: could not be read, paging does not lead there", r.linear);
    case TableRead::Result::Done:
      break;
  }
  text += fmt::format(" at {:#x}: ", r.linear);
  if (r.size == 4) {
    text += fmt::format("{:08x}", r.low);
  } else {
    text += fmt::format("{:016x}", r.low);
    if (r.size == 16) text += fmt::format(" {:016x}", r.high);
  }
  return text + ": " + entry_text(r, long_mode);
}

std::string describe_event(const FaultRecord& e) { return name_and_code(e) + " " + place(e); }

std::string describe_chain(std::span<const FaultRecord> chain, bool long_mode) {
  std::string text;
  for (std::size_t i = 0; i < chain.size(); ++i) {
    const FaultRecord& e = chain[i];
    text += fmt::format("  {}. {}", i + 1, name_and_code(e));
    if (i == 0 || !same_place(e, chain[i - 1])) text += " " + place(e);
    if (const Exception* x = exception_of(e); x && *x->name) text += std::string(", ") + x->name;
    text += i + 1 == chain.size() && !e.failed ? ": triple fault\n" : "\n";
    // Of those that follow, the cause is what the one before read last.
    if (i == 0 && e.cause) text += fmt::format("     of {}\n", describe_table_read(e.cause, long_mode));
    for (const TableRead* r : {&e.gate, &e.descriptor})
      if (*r) text += fmt::format("     read {}\n", describe_table_read(*r, long_mode));
  }
  return text;
}

}  // namespace machina
