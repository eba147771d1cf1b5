#include "tests/support/oracle/oracle.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <set>

#include "accel/jit/float_state.h"
#include "tests/support/oracle/native_cpu.h"
#include "tests/support/oracle/software_cpu.h"

namespace machina::jit {

namespace {

constexpr std::size_t kAllData = UserLayout::kDataSize + UserLayout::kReadOnlySize;
constexpr unsigned kPageFault = 14;
constexpr const char* kNames[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                    "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

using Memory = std::array<std::uint8_t, kAllData>;

/// Lines for what is not equal: of the host, then of the software CPU.
std::string differences(const UserState& host, const UserState& mine) {
  std::string text;
  const auto number = [&text](std::string_view name, std::uint64_t a, std::uint64_t b) {
    if (a != b) text += fmt::format("  {:<8} host {:016x}  jit {:016x}\n", name, a, b);
  };
  const auto bytes = [&text](const std::string& name, const auto& a, const auto& b, std::size_t size) {
    if (std::memcmp(a.data(), b.data(), size) == 0) return;
    std::string x, y;
    for (std::size_t i = size; i-- > 0;) {
      x += fmt::format("{:02x}", a[i]);
      y += fmt::format("{:02x}", b[i]);
    }
    text += fmt::format("  {:<8} host {}  jit {}\n", name, x, y);
  };
  number("vector", host.vector, mine.vector);
  number("error", host.error, mine.error);
  number("cr2", host.address, mine.address);
  number("rip", host.rip, mine.rip);
  number("eflags", host.eflags, mine.eflags);
  for (unsigned i = 0; i < 16; ++i) number(kNames[i], host.gpr[i], mine.gpr[i]);
  number("fcw", host.fx.control, mine.fx.control);
  number("fsw", host.fx.status, mine.fx.status);
  number("ftw", host.fx.valid, mine.fx.valid);
  number("mxcsr", host.fx.mxcsr, mine.fx.mxcsr);
  for (unsigned i = 0; i < 8; ++i) bytes(fmt::format("st{}", i), host.fx.st[i], mine.fx.st[i], 10);
  for (unsigned i = 0; i < 16; ++i) {
    bytes(fmt::format("xmm{}", i), host.fx.xmm[i], mine.fx.xmm[i], 16);
    bytes(fmt::format("ymm{}h", i), host.ymm_high[i], mine.ymm_high[i], 16);
  }
  return text;
}

bool same(const UserState& a, const UserState& b) {
  if (a.rip != b.rip || a.eflags != b.eflags || a.gpr != b.gpr || a.vector != b.vector || a.error != b.error ||
      a.address != b.address)
    return false;
  if (a.fx.xmm != b.fx.xmm || a.ymm_high != b.ymm_high || a.fx.mxcsr != b.fx.mxcsr || a.fx.control != b.fx.control ||
      a.fx.status != b.fx.status || a.fx.valid != b.fx.valid)
    return false;
  for (unsigned i = 0; i < 8; ++i)
    if (std::memcmp(a.fx.st[i].data(), b.fx.st[i].data(), 10) != 0) return false;
  return true;
}

/// SCAS or CMPS, and is it repeated?
struct Comparison {
  bool is = false, repeated = false;
};
Comparison comparison(std::span<const std::uint8_t> code) {
  bool repeated = false;
  for (const std::uint8_t byte : code) {
    repeated = repeated || byte == 0xf2 || byte == 0xf3;
    const bool prefix = byte == 0xf2 || byte == 0xf3 || byte == 0x66 || byte == 0x67 || (byte & 0xf0) == 0x40 ||
                        byte == 0xf0 || (byte & 0xe7) == 0x26 || (byte & 0xfe) == 0x64;
    if (!prefix) return {(byte & 0xfe) == 0xa6 || (byte & 0xfe) == 0xae, repeated};
  }
  return {};
}

/// The mnemonic of an instruction as the disassembler has it.
bool is_instruction(std::span<const std::uint8_t> code, bool compatibility, std::initializer_list<const char*> names) {
  const std::string text = disassemble(code, 0, compatibility);
  return std::any_of(names.begin(), names.end(), [&](const char* name) { return text.starts_with(name); });
}

class Oracle {
 public:
  Oracle(std::vector<InstructionFamily> families, const OracleOptions& options)
      : options_(options), generator_(std::move(families), options.compatibility, options.seed) {
    for (std::size_t i = 0; i < pool_.size(); i += 8) {
      const std::uint64_t word = generator_.random()() >> (generator_.random()() % 4 * 16);
      std::memcpy(pool_.data() + i, &word, 8);
    }
  }

  OracleResult run() {
    if (const auto missing = generator_.missing(); !missing.empty()) {
      result_.difference = "no encoding was found of";
      for (const ZydisMnemonic m : missing) result_.difference += fmt::format(" {}", ZydisMnemonicGetString(m));
      return result_;
    }
    if (options_.compatibility && !native_.has_compatibility_mode()) {
      result_.difference = "this host runs no 32-bit code";
      return result_;
    }
    while (result_.instructions < options_.instructions) {
      InstructionSequence s = generator_.sequence(UserLayout::kCode + place(), options_.length);
      for (unsigned round = 0; round < options_.rounds; ++round) {
        put_code(s);
        const std::size_t memory = generator_.random()() % (pool_.size() - kAllData);
        if (!agree(s, memory, s.starts.size() - 1)) {
          explain(s, memory);
          software_.forget_code();
          if (reported_.size() >= options_.differences) return result_;
        }
        generator_.randomize(s);
      }
    }
    return result_;
  }

 private:
  /// Sequences follow each other through the pages, so that now and then an instruction lies across two.
  std::uint64_t place() {
    if (next_ + 2048 > UserLayout::kCodeSize) {
      next_ = 0;
      software_.forget_code();
    }
    return next_ + generator_.random()() % 16;
  }
  void put_code(const InstructionSequence& s) {
    const std::uint64_t at = s.initial.rip - UserLayout::kCode;
    std::memcpy(native_.code() + at, s.bytes.data(), s.bytes.size());
    std::memcpy(software_.code() + at, s.bytes.data(), s.bytes.size());
    next_ = at + s.bytes.size();
  }
  void put_data(std::size_t from) {
    std::memcpy(native_.data(), pool_.data() + from, kAllData);
    std::memcpy(software_.data(), pool_.data() + from, kAllData);
  }

  /// What processors are known to disagree about, before instruction `n`, which faulted, is looked at.
  void forgive(const InstructionSequence& s, std::size_t n) {
    if (n >= s.undefined_flags.size()) return;
    const auto take = [this](std::uint32_t flags) { mine_.eflags = (mine_.eflags & ~flags) | (host_.eflags & flags); };
    if (n > 0) take(s.undefined_flags[n - 1]);
    if (host_.vector != kPageFault) return;
    const Comparison c = comparison(std::span(s.bytes).subspan(s.starts[n]));
    // AMD's fault with the flags of the last element, which Intel's manual wants as they were before all of them; and
    // with the address of the quadword.
    if (c.is && c.repeated) take(kArithmetic);
    if (c.is && (mine_.address & ~std::uint64_t{7}) == (host_.address & ~std::uint64_t{7}))
      mine_.address = host_.address;
  }

  /// Intel's processors look for no page where an x87 instruction stores nothing, for an exception that is unmasked.
  /// What comes after has nothing to be compared with.
  bool has_no_page(const InstructionSequence& s, std::size_t n) const {
    return host_is_intels() && mine_.vector == kPageFault && mine_.rip < host_.rip && n < s.starts.size() &&
           (host_.fx.status & kX87ErrorSummary) &&
           is_instruction(std::span(s.bytes).subspan(s.starts[n]), options_.compatibility, {"fist", "fst", "fbstp"});
  }

  /// Runs the sequence on both. After a fault both go on with the next instruction.
  bool agree(const InstructionSequence& s, std::size_t memory, std::size_t last) {
    put_data(memory);
    host_ = mine_ = s.initial;
    const std::uint64_t end = s.initial.rip + s.starts[last];
    for (;;) {
      const std::uint64_t from = host_.rip;
      native_.run(host_, options_.compatibility);
      software_.run(mine_, options_.compatibility);
      const auto index = [&s](std::uint64_t rip) {
        const auto offset = static_cast<std::uint32_t>(rip - s.initial.rip);
        return static_cast<std::size_t>(std::lower_bound(s.starts.begin(), s.starts.end(), offset) - s.starts.begin());
      };
      result_.instructions += index(host_.rip) - index(from);
      if (has_no_page(s, index(mine_.rip))) return true;
      forgive(s, index(host_.rip));
      if (!same(host_, mine_) || std::memcmp(native_.data(), software_.data(), UserLayout::kDataSize) != 0)
        return false;
      if (host_.rip >= end) return true;
      std::size_t next = index(host_.rip) + 1;
      if (next >= s.starts.size()) return false;
      // A RET would go to whatever is there instead of what could not be pushed.
      if (const std::uint8_t opcode = s.bytes[s.starts[next]]; opcode == 0xc2 || opcode == 0xc3) ++next;
      ++result_.faults;
      ++result_.instructions;
      host_.rip = mine_.rip = s.initial.rip + s.starts[next];
    }
  }

  /// Finds the first instruction that makes a difference, by ending the sequence sooner and sooner.
  void explain(const InstructionSequence& s, std::size_t memory) {
    constexpr std::uint8_t kUndefined = 0x0f;  // 0F 0F 0F is no instruction, wherever a branch enters a run of them
    UserState before = s.initial;
    Memory memory_before{};
    std::memcpy(memory_before.data(), pool_.data() + memory, kAllData);
    for (std::size_t n = 1; n < s.starts.size(); ++n) {
      InstructionSequence shorter = s;
      std::fill(shorter.bytes.begin() + s.starts[n], shorter.bytes.end() - 2, kUndefined);
      shorter.bytes.insert(shorter.bytes.end(), 16, kUndefined);
      software_.forget_code();
      put_code(shorter);
      if (!agree(shorter, memory, n)) {
        report(s, n - 1, before, memory_before);
        return;
      }
      before = host_;
      std::memcpy(memory_before.data(), native_.data(), kAllData);
    }
    report(s, s.starts.size() - 1, before, memory_before);
  }

  void report(const InstructionSequence& s, std::size_t n, const UserState& before, const Memory& memory_before) {
    const std::uint64_t address = s.initial.rip + s.starts[n];
    const std::size_t end = n + 1 < s.starts.size() ? s.starts[n + 1] : s.bytes.size();
    const auto bytes = std::span(s.bytes).subspan(s.starts[n], end - s.starts[n]);
    const std::string code = disassemble(bytes, address, options_.compatibility);
    if (!reported_.insert(code.substr(0, code.find(' '))).second) return;
    std::string& text = result_.difference;
    text += fmt::format(
        "seed {}, after {} instructions: {:x}: {}\n", options_.seed, result_.instructions, address,
        disassemble(std::span(s.bytes).subspan(s.starts[n], end - s.starts[n]), address, options_.compatibility));
    if (n > 0)
      text += fmt::format("after {}\n",
                          disassemble(std::span(s.bytes).subspan(s.starts[n - 1], s.starts[n] - s.starts[n - 1]),
                                      s.initial.rip + s.starts[n - 1], options_.compatibility));
    text += differences(host_, mine_);
    for (std::size_t i = 0; i < UserLayout::kDataSize; ++i)
      if (native_.data()[i] != software_.data()[i])
        text += fmt::format("  [{:x}] was {:02x}: host {:02x}  jit {:02x}\n", UserLayout::kData + i, memory_before[i],
                            native_.data()[i], software_.data()[i]);
    text += fmt::format("before: eflags {:x}", before.eflags);
    for (unsigned i = 0; i < 16; ++i)
      text += fmt::format("{} {}={:x}", i % 4 == 0 ? "\n " : "", kNames[i], before.gpr[i]);
    text += fmt::format("\nhost: vector {} rip {:x}, jit: vector {} rip {:x}\n", host_.vector, host_.rip, mine_.vector,
                        mine_.rip);
    text += differences_in_float(before);
  }

  /// The state before, where anything of floating point differs after.
  std::string differences_in_float(const UserState& before) const {
    UserState host = host_, mine = mine_;
    host.gpr = mine.gpr;
    host.eflags = mine.eflags;
    host.rip = mine.rip;
    host.vector = mine.vector;
    host.error = mine.error;
    host.address = mine.address;
    if (same(host, mine)) return {};
    std::string text = fmt::format("before: fcw {:04x} fsw {:04x} ftw {:02x} mxcsr {:08x}\n", before.fx.control,
                                   before.fx.status, before.fx.valid, before.fx.mxcsr);
    const auto line = [&text](std::string_view name, unsigned i, const std::array<std::uint8_t, 16>& value) {
      text += fmt::format("  {}{:<3}", name, i);
      for (std::size_t n = value.size(); n-- > 0;) text += fmt::format("{:02x}", value[n]);
      text += '\n';
    };
    for (unsigned i = 0; i < 8; ++i) line("st", i, before.fx.st[i]);
    for (unsigned i = 0; i < 16; ++i) line("xmm", i, before.fx.xmm[i]);
    for (unsigned i = 0; i < 16; ++i) line("ymmh", i, before.ymm_high[i]);
    return text;
  }

  OracleOptions options_;
  InstructionGenerator generator_;
  NativeCpu native_;
  SoftwareCpu software_;
  std::vector<std::uint8_t> pool_ = std::vector<std::uint8_t>(1 << 20);
  std::uint64_t next_ = 0;
  UserState host_, mine_;
  std::set<std::string, std::less<>> reported_;  // mnemonics
  OracleResult result_;
};

}  // namespace

OracleResult compare_with_host(std::vector<InstructionFamily> families, const OracleOptions& options) {
  return Oracle(std::move(families), options).run();
}

OracleOptions from_environment(OracleOptions options) {
  if (const char* seed = std::getenv("MACHINA_ORACLE_SEED")) options.seed = std::strtoull(seed, nullptr, 0);
  if (const char* n = std::getenv("MACHINA_ORACLE_INSTRUCTIONS")) options.instructions = std::strtoull(n, nullptr, 0);
  if (const char* n = std::getenv("MACHINA_ORACLE_DIFFERENCES"))
    options.differences = static_cast<unsigned>(std::strtoul(n, nullptr, 0));
  return options;
}

}  // namespace machina::jit
