#pragma once
/// One case of the system oracle: a state of the CPU and memory, one instruction at its RIP, and what came of it.
///
/// Everything that is not a table holds HLT (F4h), handlers included. So whatever the instruction does, what follows is
/// a HLT: at CPL 0 the case has ended, at another it raises #GP(0), whose handler is a HLT at CPL 0. A fault shows as
/// the handler that was reached, the frame that was pushed, CR2, and a fault that cannot be delivered as a shutdown.
/// Virtual-8086 code ends with an OUT that the TSS permits.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hw/x86/x86_state.h"

namespace machina::jit {

/// Guest-physical addresses. Linear ones are the same where a case does not say otherwise.
struct SystemLayout {
  static constexpr std::uint64_t kRam = 0x30000;  ///< bytes: stacks have 64 KiB
  static constexpr std::uint64_t kVectors = 0, kGdt = 0x1000, kLdt = 0x2000, kIdt32 = 0x3000, kTss32 = 0x4000,
                                 kTss64 = 0x4800, kOtherTss32 = 0x5000, kTss16 = 0x5800, kIdt64 = 0x6000;
  static constexpr std::uint64_t kPml4 = 0x8000, kPdpt = 0x9000, kDirectory = 0xa000, kTable = 0xb000,
                                 kPdptPae = 0xc000, kDirectory32 = 0xd000, kTable32 = 0xe000;
  static constexpr std::uint64_t kCode = 0x10000, kHandlers = 0x14000, kData = 0x18000, kStack = 0x20000;
  static constexpr std::uint64_t kWindowTable = kRam - 0x1000;  ///< of entries that a case makes up
  static constexpr std::uint64_t kHandlerStep = 4;              ///< bytes from one vector's handler to the next
  /// Where far transfers go. At even addresses there is OUT to kEndPort, which ends a case where HLT is not permitted.
  static constexpr std::uint64_t kTargets = 0x17000;
  static constexpr std::uint16_t kEndPort = 0xf4;
};

/// What differs in memory from the layout at rest.
struct MemoryPatch {
  std::uint64_t physical;
  std::uint64_t value;
  std::uint8_t width;
};

struct SystemCase {
  std::uint64_t number = 0;  ///< with the seed, the way to it
  const char* family = "";   ///< "segment"
  std::string mnemonic;      ///< of the instruction under test
  const char* mode = "";     ///< "long64"
  std::vector<std::uint8_t> code;
  std::vector<MemoryPatch> patches;  ///< the code not among them
  X86State state;                    ///< XSAVE area and local APIC empty; MSRs only with `has_msrs`
  bool has_msrs = false;             ///< loads and compares system_msrs()
  bool has_debug = false;            ///< loads and compares DR0 to DR7
  /// Page tables are those at rest with all accessed and dirty flags set: who runs it need not forget translations.
  bool has_plain_tables = false;
  std::uint64_t code_physical = SystemLayout::kCode;
};

/// MSRs that instructions of this oracle read or write. EFER and the bases of FS and GS are in the state itself.
const std::vector<std::uint32_t>& system_msrs();

enum class SystemEnd : std::uint8_t {
  Halted,
  Shutdown,
  Endless,  ///< still running when time was up
  Refused,  ///< KVM could not load the state, or not emulate the instruction
};
const char* name_of(SystemEnd end);

/// Modes that not every KVM carries out. Cases of one that this KVM lacks are few, and count as refused.
struct SystemAbilities {
  bool legacy_paging = true;  ///< 32-bit and PAE paging
  bool virtual_8086 = true;
};

struct PortAccess {
  std::uint16_t port = 0;
  std::uint8_t width = 0;
  bool write = false;
  std::uint32_t value = 0;
  friend bool operator==(const PortAccess&, const PortAccess&) = default;
};
/// What every port reads as, so that both CPUs read the same.
constexpr std::uint32_t port_value(std::uint16_t port, unsigned width) {
  return static_cast<std::uint32_t>(0x9e3779b9U * (port + 1U)) & (width == 4 ? 0xffffffffU : (1U << 8 * width) - 1);
}

/// The vector whose handler a state has halted in, -1 for none.
constexpr int handler_of(std::uint64_t rip) {
  const std::uint64_t hlt = rip - 1, first = SystemLayout::kHandlers;
  const bool in_handler =
      hlt >= first && hlt < first + 256 * SystemLayout::kHandlerStep && hlt % SystemLayout::kHandlerStep == 0;
  return in_handler ? static_cast<int>((hlt - first) / SystemLayout::kHandlerStep) : -1;
}

struct SystemOutcome {
  SystemEnd end = SystemEnd::Halted;
  X86State state;  ///< as in SystemCase
  std::vector<PortAccess> ports;
  std::string why;  ///< of Refused
};

}  // namespace machina::jit
