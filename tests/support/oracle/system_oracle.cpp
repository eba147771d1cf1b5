#include "tests/support/oracle/system_oracle.h"

#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstring>
#include <ctime>
#include <optional>
#include <thread>

#include "core/error.h"
#include "tests/support/oracle/instruction_generator.h"
#include "tests/support/oracle/kvm_cpu.h"
#include "tests/support/oracle/system_cases.h"
#include "tests/support/oracle/system_cpu.h"
#include "tests/support/oracle/system_differences.h"

namespace machina::jit {

namespace {

constexpr std::uint64_t kPage = 4096, kPages = SystemLayout::kRam / kPage;
constexpr std::string_view kCannotEmulate = "cannot emulate";  // of KvmCpu
constexpr const char* kCannotEmulateOutside = "cannot emulate, #UD outside of CPL 0";
constexpr std::uint64_t kEferLma = 0x400;
constexpr std::uint32_t kAuthenticAmd = 0x68747541;  // "Auth"
/// Ticks of the watch after which a case counts as endless, at first and for good.
constexpr unsigned kPatience = 3, kMorePatience = 15;
constexpr std::uint8_t kHlt = 0xf4;
constexpr int kInvalidOpcode = 6;
using Clock = std::chrono::steady_clock;

/// Lets both CPUs of a thread look at the time after every 10 ms that this thread has had of a processor, while it
/// lives: how busy the host is does not count.
class Watch {
 public:
  Watch() {
    struct sigaction action {};
    action.sa_handler = [](int) {
      KvmCpu::tick();
      SystemCpu::tick();
    };
    sigaction(SIGPROF, &action, nullptr);  // stays: a last tick may be on its way
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGPROF;
    event._sigev_un._tid = static_cast<pid_t>(::syscall(SYS_gettid));
    if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer_) != 0)
      throw Error("no timer for the oracle").why(std::strerror(errno));
    constexpr long kTick = 10'000'000;  // ns
    const itimerspec every{{0, kTick}, {0, kTick}};
    timer_settime(timer_, 0, &every, nullptr);
  }
  ~Watch() { timer_delete(timer_); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

 private:
  timer_t timer_{};
};

std::string describe_state(const X86State& s) {
  std::string text;
  constexpr const char* kNames[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                    "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
  for (unsigned i = 0; i < 16; ++i) text += fmt::format("{}{}={:x}", i % 8 == 0 ? "\n    " : " ", kNames[i], s.gpr[i]);
  text += fmt::format("\n    rip={:x} rflags={:x} cr0={:x} cr2={:x} cr3={:x} cr4={:x} cr8={:x} efer={:x}\n", s.rip,
                      s.rflags, s.cr0, s.cr2, s.cr3, s.cr4, s.cr8, s.efer);
  const auto segment = [&text](const char* name, const X86Segment& g) {
    text += fmt::format(
        "    {}={:04x} base {:x} limit {:x} type {:x} s {:d} dpl {} p {:d} l {:d} db {:d} g {:d} unusable {:d}\n", name,
        g.selector, g.base, g.limit, g.type, g.s, g.dpl, g.present, g.l, g.db, g.g, g.unusable);
  };
  constexpr const char* kSegments[] = {"es", "cs", "ss", "ds", "fs", "gs"};
  for (unsigned i = 0; i < 6; ++i) segment(kSegments[i], s.segment[i]);
  segment("tr", s.tr);
  segment("ldt", s.ldt);
  text += fmt::format("    gdt={:x}+{:x} idt={:x}+{:x}", s.gdt.base, s.gdt.limit, s.idt.base, s.idt.limit);
  for (const X86Msr& m : s.msrs) text += fmt::format(" [{:x}]={:x}", m.index, m.value);
  return text + '\n';
}

class SystemOracle {
 public:
  /// Does every options.threads-th case, from the `share`-th on.
  SystemOracle(const SystemOracleOptions& options, unsigned share)
      : options_(options), share_(share), software_(kvm_.cpuid()) {
    std::memcpy(kvm_.ram(), rest_.data(), rest_.size());
    std::memcpy(software_.ram(), rest_.data(), rest_.size());
  }

  SystemOracleResult run() {
    const Watch watch;
    for (const std::uint64_t seed : options_.seeds) {
      seed_ = seed;
      for (std::uint64_t i = share_; i < options_.cases; i += options_.threads) {
        make_case(seed, options_.first + i, options_.family, kvm_.abilities(), case_);
        run_case();
      }
    }
    return std::move(result_);
  }

 private:
  void put(std::uint64_t physical, const void* bytes, unsigned size) {
    std::memcpy(kvm_.ram() + physical, bytes, size);
    std::memcpy(software_.ram() + physical, bytes, size);
    const std::uint64_t last = physical + size - 1;
    software_.written(physical, static_cast<unsigned>(std::min(last | (kPage - 1), last) - physical + 1));
  }

  void load_memory() {
    for (const MemoryPatch& p : case_.patches) put(p.physical, &p.value, p.width);
    put(case_.code_physical, case_.code.data(), static_cast<unsigned>(case_.code.size()));
  }

  void run_case() {
    load_memory();
    const bool native = case_.state.segment[kCs].l && (case_.state.segment[kCs].dpl == 3);
    if (native && (!case_.has_plain_tables || !plain_tables_)) kvm_.forget_translations();
    if (native) plain_tables_ = case_.has_plain_tables;
    run_both(kPatience);
    // Whose time is up may have been unlucky. What both have written is in memory: from the start again.
    if ((by_kvm_.end == SystemEnd::Endless) != (by_software_.end == SystemEnd::Endless)) {
      compare_memory();
      restore();
      load_memory();
      run_both(kMorePatience);
    }
    judge(compare_memory());
    restore();
  }

  void run_both(unsigned patience) {
    const Clock::time_point start = Clock::now();
    kvm_.run(case_, by_kvm_, patience);
    const Clock::time_point middle = Clock::now();
    software_.run(case_, by_software_, patience);
    const Clock::time_point end = Clock::now();
    result_.kvm_seconds += std::chrono::duration<double>(middle - start).count();
    result_.software_seconds += std::chrono::duration<double>(end - middle).count();
  }

  /// Do both memories hold the same? Looks at what restore() needs to know, too.
  bool compare_memory() {
    bool same = true;
    for (std::uint64_t page = 0; page < kPages; ++page) {
      same_page_[page] = std::memcmp(kvm_.ram() + page * kPage, software_.ram() + page * kPage, kPage) == 0;
      same = same && same_page_[page];
    }
    return same;
  }

  /// Only what the case or a CPU has written differs from the memory at rest. After compare_memory().
  void restore() {
    for (std::uint64_t page = 0; page < kPages; ++page) {
      const std::uint8_t* rest = rest_.data() + page * kPage;
      std::uint8_t* theirs = kvm_.ram() + page * kPage;
      std::uint8_t* ours = software_.ram() + page * kPage;
      const bool changed = std::memcmp(theirs, rest, kPage) != 0;
      if (changed) std::memcpy(theirs, rest, kPage);
      if (same_page_[page] ? !changed : std::memcmp(ours, rest, kPage) == 0) continue;
      std::memcpy(ours, rest, kPage);
      software_.written(page * kPage, kPage);
    }
  }

  void judge(bool same_memory) {
    ++result_.cases;
    SystemOracleResult::Family& family = result_.families[case_.family];
    ++family.cases;
    const int vector = software_.first_vector();
    ++result_.vectors[vector];
    if (vector < 0) ++family.succeeded;
    if (by_software_.end == SystemEnd::Shutdown) ++result_.shutdowns;
    if (options_.verbose) tell();
    // Outside of CPL 0 it may raise #UD for what it cannot emulate. Native code is not emulated.
    if (by_kvm_.end != SystemEnd::Refused && outside_of_cpl_0() && vector != kInvalidOpcode &&
        raised_at_once(case_, by_kvm_, kvm_.ram()) == kInvalidOpcode && cannot_emulate()) {
      by_kvm_.end = SystemEnd::Refused;
      by_kvm_.why = kCannotEmulateOutside;
    }
    if (const char* lacking = lacks(by_software_.state); lacking && by_kvm_.end != SystemEnd::Refused) {
      by_kvm_.end = SystemEnd::Refused;
      by_kvm_.why = lacking;
    }
    if (by_kvm_.end == SystemEnd::Refused) {
      ++family.refused;
      ++result_.refused[by_kvm_.why == "state refused" ? std::string("state of ") + case_.family
                                                       : case_.mnemonic + ": " + by_kvm_.why];
      return;
    }
    if (by_kvm_.end == SystemEnd::Endless && by_software_.end == SystemEnd::Endless) {
      ++result_.endless;
      return;
    }
    kvm_full_ = by_kvm_;
    software_full_ = by_software_;
    trim(kvm_full_);
    trim(software_full_);
    mask_undefined(case_, kvm_full_, software_full_);
    if (same_memory && kvm_full_.end == software_full_.end && kvm_full_.ports == software_full_.ports &&
        kvm_full_.state == software_full_.state) {
      ++result_.equal;
      ++family.equal;
      return;
    }
    explain(same_memory);
  }

  /// Where what cannot be emulated may be #UD. Native code is not emulated.
  bool outside_of_cpl_0() const {
    const X86State& s = case_.state;
    return s.segment[kSs].dpl != 0 && !(s.segment[kCs].l && s.segment[kSs].dpl == 3);
  }
  /// Is the way to the handler of #UD another than at rest: its gate, or the TSS?
  bool invalid_opcode_goes_elsewhere() const {
    const X86State& s = case_.state;
    const std::uint64_t gate =
        s.efer & kEferLma ? SystemLayout::kIdt64 + 16 * kInvalidOpcode : SystemLayout::kIdt32 + 8 * kInvalidOpcode;
    const bool patched = std::any_of(case_.patches.begin(), case_.patches.end(), [gate](const MemoryPatch& p) {
      return p.physical == gate || (p.physical >= SystemLayout::kTss32 && p.physical < SystemLayout::kOtherTss32);
    });
    return patched || s.tr.type != 11 || s.tr.limit != 0x88;
  }

  /// Is the instruction one that KVM says of, in this mode at CPL 0, that it cannot emulate it? Found out by trying
  /// others of the kind, the same for each seed.
  bool cannot_emulate() {
    const auto mode_of = [](const X86State& s) {
      return s.efer & kEferLma ? " long" : s.cr0 & 1 ? " protected" : " real";
    };
    const auto [known, is_new] = unemulated_.try_emplace(case_.mnemonic + mode_of(case_.state), false);
    if (!is_new) return known->second;
    constexpr std::uint64_t kTries = 4000, kSeed = 0;
    constexpr unsigned kEnough = 40;
    unsigned tried = 0;
    SystemCase other;
    SystemOutcome outcome;
    const std::vector<std::uint8_t> memory(kvm_.ram(), kvm_.ram() + SystemLayout::kRam);
    for (std::uint64_t i = 0; i < kTries && tried < kEnough && !known->second; ++i) {
      make_case(kSeed, i, case_.family, kvm_.abilities(), other);
      if (other.state.segment[kSs].dpl != 0 || other.mnemonic + mode_of(other.state) != known->first) continue;
      ++tried;
      std::memcpy(kvm_.ram(), rest_.data(), rest_.size());
      for (const MemoryPatch& p : other.patches) std::memcpy(kvm_.ram() + p.physical, &p.value, p.width);
      std::memcpy(kvm_.ram() + other.code_physical, other.code.data(), other.code.size());
      kvm_.run(other, outcome, kPatience);
      known->second = outcome.end == SystemEnd::Refused && outcome.why == kCannotEmulate;
    }
    std::memcpy(kvm_.ram(), memory.data(), memory.size());
    return known->second;
  }

  /// A mode that the instruction has switched to, and that this KVM does not carry out.
  const char* lacks(const X86State& s) const {
    constexpr std::uint64_t kPg = 1U << 31, kLma = 0x400, kVm = 1U << 17;
    if (!kvm_.abilities().legacy_paging && (s.cr0 & kPg) && !(s.efer & kLma)) return "paging outside of long mode";
    if (!kvm_.abilities().virtual_8086 && (s.rflags & kVm)) return "virtual-8086 mode";
    return nullptr;
  }

  /// What the case does not load is not compared.
  void trim(SystemOutcome& o) const {
    if (case_.has_msrs) {
      std::vector<X86Msr> kept;
      for (const std::uint32_t index : system_msrs()) kept.push_back({index, o.state.msr(index)});
      o.state.msrs = std::move(kept);
    } else {
      o.state.msrs.clear();
    }
    if (!case_.has_debug) o.state.dr = {}, o.state.dr6 = 0, o.state.dr7 = 0;
    o.state.xcr0 = 1;
    o.state.apic_base = 0;
    o.state.tsc_khz = 0;
    o.state.lapic_valid = false;
    o.state.events.interrupt_shadow = 0;  // KVM_CAP_INTR_SHADOW may be missing; HLT has ended it
  }

  void explain(bool same_memory) {
    start_ = rest_;
    for (const MemoryPatch& p : case_.patches) std::memcpy(start_.data() + p.physical, &p.value, p.width);
    std::copy(case_.code.begin(), case_.code.end(), start_.begin() + static_cast<std::ptrdiff_t>(case_.code_physical));
    SystemDifference d{case_, kvm_full_, software_full_, software_.first_vector(), {}, {}, kvm_.ram(), start_.data()};
    d.amd = kvm_.cpuid().find(0).ebx == kAuthenticAmd;
    if (const FaultRecord* failed = software_.failed_delivery()) {
      d.failed = true;
      const auto done = [](const TableRead& r) { return r && r.result == TableRead::Result::Done; };
      const TableRead read = done(failed->descriptor) ? failed->descriptor
                             : done(failed->gate)     ? failed->gate
                                                      : TableRead{};
      d.failed_at = read.linear;
      d.failed_entry = read.low;
    }
    if (const FaultRecord* last = software_.last_delivery()) {
      d.last_vector = last->vector;
      d.last_rip = last->rip;
      d.last_address = last->address;
    }
    if (!same_memory)
      for (std::uint64_t i = 0; i < SystemLayout::kRam; ++i)
        if (kvm_.ram()[i] != software_.ram()[i]) d.memory.push_back({i, start_[i], kvm_.ram()[i], software_.ram()[i]});
    for (const std::string& line : differences(kvm_full_.state, software_full_.state))
      d.fields.push_back(line.substr(0, line.find(':')));
    if (kvm_full_.end != software_full_.end) d.fields.emplace_back("end");
    if (kvm_full_.ports != software_full_.ports) d.fields.emplace_back("ports");
    const bool accessed = drop_open_accessed_flags(d), flags = drop_flags_of_delivery(d);
    if ((accessed || flags) && d.memory.empty() && d.fields.empty()) {
      ++result_.families[case_.family].explained;
      ++result_.explained[(flags ? flags_of_delivery() : accessed_flags()).name];
      return;
    }
    // What came last was not the instruction, and not the HLT or OUT behind it or where it went to.
    const bool elsewhere = d.last_vector >= 0 && d.last_rip < SystemLayout::kCode &&
                           case_.state.segment[kCs].base == 0 && start_[d.last_rip] != kHlt;
    if (software_.strayed() || elsewhere) {
      ++result_.strayed;
      return;
    }
    // A #UD that KVM raises for want of an emulation is not seen where the way to its handler is spoiled, too.
    if (outside_of_cpl_0() && software_.first_vector() != kInvalidOpcode && invalid_opcode_goes_elsewhere() &&
        cannot_emulate()) {
      ++result_.families[case_.family].refused;
      ++result_.refused[case_.mnemonic + ": " + kCannotEmulateOutside];
      return;
    }
    for (const Explanation& e : explanations()) {
      if (!e.applies(d)) continue;
      ++result_.families[case_.family].explained;
      ++result_.explained[e.name];
      if (options_.rule != "all" && options_.rule != e.name) return;
      const std::string kind = std::string(e.name) + '|' + describe_kind(d);
      if (result_.kinds[kind]++ == 0 && options_.rule == e.name) tell_of(d);
      return;
    }
    report(d);
  }

  std::string code() const {
    ZydisDecoder decoder;
    const unsigned bits = case_.state.segment[kCs].l ? 64 : case_.state.segment[kCs].db ? 32 : 16;
    ZydisDecoderInit(&decoder,
                     bits == 64   ? ZYDIS_MACHINE_MODE_LONG_64
                     : bits == 32 ? ZYDIS_MACHINE_MODE_LONG_COMPAT_32
                                  : ZYDIS_MACHINE_MODE_LEGACY_16,
                     bits == 64   ? ZYDIS_STACK_WIDTH_64
                     : bits == 32 ? ZYDIS_STACK_WIDTH_32
                                  : ZYDIS_STACK_WIDTH_16);
    ZydisDecodedInstruction i;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    std::string text;
    for (const std::uint8_t byte : case_.code) text += fmt::format("{:02x} ", byte);
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, case_.code.data(), case_.code.size(), &i, operands)))
      return text + "(no instruction)";
    ZydisFormatter formatter;
    ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
    char buffer[128];
    ZydisFormatterFormatInstruction(&formatter, &i, operands, i.operand_count_visible, buffer, sizeof buffer,
                                    case_.state.rip, nullptr);
    return text + buffer;
  }

  std::string headline() const {
    return fmt::format("seed {} case {} [{}, {}, cpl {}]: {}", seed_, case_.number, case_.family, case_.mode,
                       case_.state.segment[kCs].dpl, code());
  }

  void tell() const {
    fmt::print("{}: kvm {} {}, software {} vector {}\n", headline(), name_of(by_kvm_.end), by_kvm_.why,
               name_of(by_software_.end), software_.first_vector());
  }

  /// Cases whose like has been told of already are counted only.
  void report(const SystemDifference& d) {
    ++result_.unexplained;
    if (result_.unexplained_kinds[describe_kind(d)]++ != 0 || result_.unexplained_kinds.size() > options_.differences)
      return;
    tell_of(d);
  }

  void tell_of(const SystemDifference& d) {
    std::string& text = result_.report;
    text += headline() + '\n';
    text += fmt::format("  ends: kvm {}, software {} (vector {})\n", name_of(by_kvm_.end), name_of(by_software_.end),
                        software_.first_vector());
    for (const std::string& line : differences(kvm_full_.state, software_full_.state))
      text += fmt::format("  {}   (kvm / software)\n", line);
    for (std::size_t i = 0; i < std::min<std::size_t>(d.memory.size(), 40); ++i)
      text += fmt::format("  [{:x}] was {:02x}: kvm {:02x}  software {:02x}\n", d.memory[i].physical,
                          d.memory[i].before, d.memory[i].kvm, d.memory[i].software);
    if (kvm_full_.ports != software_full_.ports)
      for (const SystemOutcome* o : {&kvm_full_, &software_full_}) {
        text += o == &kvm_full_ ? "  ports of kvm:" : "\n  ports of software:";
        for (const PortAccess& p : o->ports)
          text += fmt::format(" {}{:x}/{}={:x}", p.write ? "out " : "in ", p.port, p.width, p.value);
      }
    text += "  before:" + describe_state(case_.state);
    text += "  memory:";
    for (const MemoryPatch& p : case_.patches) text += fmt::format(" [{:x}]={:x}/{}", p.physical, p.value, p.width);
    text += "\n  of the software CPU: " + software_.describe() + '\n';
  }

  SystemOracleOptions options_;
  unsigned share_;
  std::uint64_t seed_ = 0;
  const std::vector<std::uint8_t> rest_ = memory_at_rest();
  KvmCpu kvm_;
  SystemCpu software_;
  SystemCase case_;
  std::vector<std::uint8_t> start_;  // memory that the case starts with, once a difference asks for it
  SystemOutcome by_kvm_, by_software_, kvm_full_, software_full_;
  std::array<bool, kPages> same_page_{};
  std::map<std::string, bool, std::less<>> unemulated_;  // by mnemonic and mode
  bool plain_tables_ = false;                            // of the last case that ran natively
  SystemOracleResult result_;
};

}  // namespace

SystemOracleResult compare_with_kvm(const SystemOracleOptions& options) {
  std::vector<SystemOracleResult> parts(options.threads);
  std::vector<std::exception_ptr> failures(options.threads);
  std::vector<std::thread> threads;
  const Clock::time_point start = Clock::now();
  for (unsigned i = 0; i < options.threads; ++i)
    threads.emplace_back([&options, &parts, &failures, i] {
      try {
        parts[i] = SystemOracle(options, i).run();
      } catch (...) {
        failures[i] = std::current_exception();
      }
    });
  for (std::thread& t : threads) t.join();
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
  SystemOracleResult all;
  for (const SystemOracleResult& part : parts) all.add(part);
  all.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return all;
}

}  // namespace machina::jit
