#include "tests/support/oracle/kvm_cpu.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "accel/jit/jit_cpuid.h"
#include "accel/kvm/kvm_api.h"
#include "accel/kvm/kvm_calls.h"
#include "accel/kvm/kvm_cpuid.h"
#include "accel/kvm/kvm_msr.h"
#include "accel/kvm/kvm_sregs.h"
#include "accel/kvm/kvm_state.h"
#include "core/error.h"
#include "hw/x86/cpu_features.h"
#include "tests/support/oracle/system_builder.h"

namespace machina::jit {

namespace {

constexpr __u64 kShared = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS;
/// Ticks of the watch that the oracle's own instructions may take.
constexpr unsigned kPatience = 10;

/// kvm_regs in the order of the instruction encoding.
constexpr __u64 kvm_regs::*kGprs[] = {&kvm_regs::rax, &kvm_regs::rcx, &kvm_regs::rdx, &kvm_regs::rbx,
                                      &kvm_regs::rsp, &kvm_regs::rbp, &kvm_regs::rsi, &kvm_regs::rdi,
                                      &kvm_regs::r8,  &kvm_regs::r9,  &kvm_regs::r10, &kvm_regs::r11,
                                      &kvm_regs::r12, &kvm_regs::r13, &kvm_regs::r14, &kvm_regs::r15};

thread_local std::atomic<unsigned> watch{0};

constexpr std::uint64_t kCr0Pg = 1U << 31, kCr4Pae = 0x20, kEferLma = 0x400, kFlagVm = 1U << 17;
bool legacy_paging(const X86State& s) { return (s.cr0 & kCr0Pg) && !(s.efer & kEferLma); }

}  // namespace

struct KvmCpu::Impl {
  kvm::Calls& calls = kvm::Calls::system();
  kvm::Fd system, vm, vcpu;
  std::uint8_t* ram = nullptr;
  kvm_run* run = nullptr;
  std::size_t run_size = 0;
  CpuidTable cpuid;
  std::unique_ptr<kvm::MsrSet> msrs;
  std::unique_ptr<kvm::StateTransfer> transfer;
  bool sregs2 = false;
  bool met_mmio = false;                         // in the last case
  bool dirty_msrs = false, dirty_debug = false;  // the last case had its own
  SystemAbilities abilities;
  X86State rest;  // after creation

  void map_ram(bool present) const {
    kvm_userspace_memory_region region{};
    region.memory_size = present ? SystemLayout::kRam : 0;
    region.userspace_addr = reinterpret_cast<std::uintptr_t>(ram);
    vm.must(KVM_SET_USER_MEMORY_REGION, &region, "KVM_SET_USER_MEMORY_REGION");
  }

  void open() {
    system = kvm::Fd(calls, calls.open_device());
    if (!system) throw Error("/dev/kvm cannot be opened").why(std::strerror(errno));
    vm = kvm::Fd(calls, system.must(KVM_CREATE_VM, std::uintptr_t{0}, "KVM_CREATE_VM"));
    void* memory = ::mmap(nullptr, SystemLayout::kRam, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw Error("no memory for a guest").why(std::strerror(errno));
    ram = static_cast<std::uint8_t*>(memory);
    map_ram(true);
    if ((static_cast<__u64>(system.call(KVM_CHECK_EXTENSION, std::uintptr_t{KVM_CAP_SYNC_REGS})) & kShared) != kShared)
      throw Error("this KVM does not share registers in kvm_run (KVM_CAP_SYNC_REGS)");
    vcpu = kvm::Fd(calls, vm.must(KVM_CREATE_VCPU, std::uintptr_t{0}, "KVM_CREATE_VCPU"));
    run_size =
        static_cast<std::size_t>(system.must(KVM_GET_VCPU_MMAP_SIZE, std::uintptr_t{0}, "KVM_GET_VCPU_MMAP_SIZE"));
    void* mapped = calls.map(vcpu.get(), run_size);
    if (mapped == MAP_FAILED) throw Error("kvm_run cannot be mapped").why(std::strerror(errno));
    run = static_cast<kvm_run*>(mapped);
    const kvm::CpuidPolicy policy{.kernel_lapic = false, .x2apic = false, .tsc_deadline = false, .machine_check = true};
    cpuid = kvm::usable_cpuid(kvm::read_supported_cpuid(system), policy);
    // What the software CPU does not have, neither has.
    FeatureSet features = features_of(cpuid);
    const FeatureSet ours = features_of(supported_cpuid());
    for (std::size_t i = 0; i < features.size(); ++i) features[i] &= ours[i];
    put_features(cpuid, features);
    kvm::set_cpuid(vcpu, cpuid);
    msrs = std::make_unique<kvm::MsrSet>(system);
    msrs->learn(vcpu);
    const kvm::StateSupport support = kvm::StateSupport::find_out(
        [this](unsigned number) { return system.call(KVM_CHECK_EXTENSION, static_cast<std::uintptr_t>(number)); });
    sregs2 = support.sregs2;
    transfer = std::make_unique<kvm::StateTransfer>(vcpu, support, *msrs);
    transfer->store(rest);
  }

  ~Impl() {
    if (run) calls.unmap(run, run_size);
    vcpu.reset();
    vm.reset();
    if (ram) ::munmap(ram, SystemLayout::kRam);
  }

  // --- the state ---

  void load_msrs(const X86State& s) const {
    std::vector<X86Msr> values;
    for (const std::uint32_t index : system_msrs()) values.push_back({index, s.msr(index, rest.msr(index))});
    if (!kvm::set_msrs(vcpu, values).empty()) throw Error("an MSR was refused");
  }
  void load_debug(const X86State& s) const {
    kvm_debugregs d{};
    std::copy(s.dr.begin(), s.dr.end(), d.db);
    d.dr6 = s.dr6;
    d.dr7 = s.dr7;
    vcpu.must(KVM_SET_DEBUGREGS, &d, "KVM_SET_DEBUGREGS");
  }
  /// With the next KVM_RUN.
  void load_shared(const X86State& s) const {
    kvm_sync_regs& shared = run->s.regs;
    shared = {};
    for (unsigned i = 0; i < 16; ++i) shared.regs.*kGprs[i] = s.gpr[i];
    shared.regs.rip = s.rip;
    shared.regs.rflags = s.rflags;
    kvm::fill_sregs(shared.sregs, s);
    run->cr8 = s.cr8;  // without a local APIC in the kernel, KVM_RUN takes it from here
    run->kvm_valid_regs = kShared;
    run->kvm_dirty_regs = kShared;
  }
  void load(const SystemCase& c) {
    load_shared(c.state);
    if (c.has_msrs || dirty_msrs) load_msrs(c.has_msrs ? c.state : rest);
    if (c.has_debug || dirty_debug) load_debug(c.has_debug ? c.state : rest);
    dirty_msrs = c.has_msrs;
    dirty_debug = c.has_debug;
  }
  void store(const SystemCase& c, X86State& s) const {
    const kvm_sync_regs& shared = run->s.regs;
    for (unsigned i = 0; i < 16; ++i) s.gpr[i] = shared.regs.*kGprs[i];
    s.rip = shared.regs.rip;
    s.rflags = shared.regs.rflags;
    kvm::take_sregs(shared.sregs, s);
    s.cr8 = run->cr8;
    s.pdptr_valid = false;
    s.pdptr = {};
    if (sregs2 && legacy_paging(s) && (s.cr4 & kCr4Pae)) {
      kvm_sregs2 k{};
      vcpu.must(KVM_GET_SREGS2, &k, "KVM_GET_SREGS2");
      s.pdptr_valid = k.flags & KVM_SREGS2_FLAGS_PDPTRS_VALID;
      if (s.pdptr_valid) std::copy(std::begin(k.pdptrs), std::end(k.pdptrs), s.pdptr.begin());
    }
    if (c.has_msrs) s.msrs = kvm::get_msrs(vcpu, system_msrs());
    if (c.has_debug) {
      kvm_debugregs d{};
      vcpu.must(KVM_GET_DEBUGREGS, &d, "KVM_GET_DEBUGREGS");
      std::copy(std::begin(d.db), std::end(d.db), s.dr.begin());
      s.dr6 = d.dr6;
      s.dr7 = d.dr7;
    }
    s.events = {};
    s.events.nmi_masked = shared.events.nmi.masked;
    s.events.exception_injected = shared.events.exception.injected;
    s.events.interrupt_injected = shared.events.interrupt.injected;
  }

  /// What this KVM is known not to carry out of a state, or null.
  const char* lacks(const X86State& s) const {
    if (legacy_paging(s) && !abilities.legacy_paging) return "paging outside of long mode";
    if ((s.rflags & kFlagVm) && !abilities.virtual_8086) return "virtual-8086 mode";
    return nullptr;
  }

  /// Runs one OUT in the mode, and looks whether it still is that mode. Memory is left as it was.
  bool try_mode(CodeMode mode, PagingMode paging) {
    const std::vector<std::uint8_t> memory = memory_at_rest();
    std::memcpy(ram, memory.data(), memory.size());
    std::mt19937_64 random(1);
    SystemCase c;
    SystemBuilder builder(random, c);
    builder.start(mode, mode == CodeMode::Virtual8086 ? 3 : 0, paging);
    ram[c.code_physical] = 0xe6;  // out kEndPort, al
    ram[c.code_physical + 1] = SystemLayout::kEndPort;
    SystemOutcome outcome;
    load(c);
    execute(outcome, kPatience);
    store(c, outcome.state);
    constexpr std::uint64_t kModeFlags = kFlagVm;
    return outcome.end == SystemEnd::Halted && outcome.state.rip == c.state.rip + 2 &&
           outcome.state.cr0 == c.state.cr0 && (outcome.state.rflags & kModeFlags) == (c.state.rflags & kModeFlags);
  }
  void find_abilities() {
    abilities.legacy_paging =
        try_mode(CodeMode::Protected32, PagingMode::Bits32) && try_mode(CodeMode::Protected32, PagingMode::Pae);
    abilities.virtual_8086 = try_mode(CodeMode::Virtual8086, PagingMode::None);
  }

  // --- exits ---

  void port(SystemOutcome& outcome) const {
    auto* data = reinterpret_cast<std::uint8_t*>(run) + run->io.data_offset;
    for (unsigned i = 0; i < run->io.count; ++i, data += run->io.size) {
      PortAccess access{.port = run->io.port, .width = run->io.size, .write = run->io.direction == KVM_EXIT_IO_OUT};
      if (access.write) {
        std::memcpy(&access.value, data, access.width);
      } else {
        access.value = port_value(access.port, access.width);
        std::memcpy(data, &access.value, access.width);
      }
      // KVM fetches whole runs of INS; those that the instruction does not get to are nobody's business.
      outcome.ports.push_back(access);
    }
  }

  /// False: the case has ended.
  bool serve(SystemOutcome& outcome) {
    switch (run->exit_reason) {
      case KVM_EXIT_HLT:
        outcome.end = SystemEnd::Halted;
        return false;
      case KVM_EXIT_SHUTDOWN:
        outcome.end = SystemEnd::Shutdown;
        return false;
      case KVM_EXIT_IO:
        if (run->io.port == SystemLayout::kEndPort && run->io.direction == KVM_EXIT_IO_OUT) {
          outcome.end = SystemEnd::Halted;
          return false;
        }
        port(outcome);
        return true;
      case KVM_EXIT_MMIO:  // beyond the RAM: all ones, and writes go nowhere
        met_mmio = true;
        if (!run->mmio.is_write) std::memset(run->mmio.data, 0xff, sizeof run->mmio.data);
        return true;
      case KVM_EXIT_INTERNAL_ERROR:
        outcome.end = SystemEnd::Refused;
        outcome.why = run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION
                          ? "cannot emulate"
                          : fmt::format("internal error {}", run->internal.suberror);
        return false;
      case KVM_EXIT_SET_TPR:
        return true;
      default:
        outcome.end = SystemEnd::Refused;
        outcome.why = fmt::format("exit {}", run->exit_reason);
        return false;
    }
  }

  /// What the emulator has begun (accesses to memory that is not there: each ends with another exit) it ends now, not
  /// in the next case.
  void settle(const SystemOutcome& outcome) const {
    if (outcome.end == SystemEnd::Halted && !met_mmio) return;
    constexpr unsigned kMostPieces = 64;
    run->kvm_dirty_regs = 0;
    run->immediate_exit = 1;
    for (unsigned i = 0; i < kMostPieces && vcpu.call(KVM_RUN) == 0; ++i)
      if (run->exit_reason == KVM_EXIT_MMIO && !run->mmio.is_write)
        std::memset(run->mmio.data, 0xff, sizeof run->mmio.data);
    run->immediate_exit = 0;
    drain();
  }

  /// An access that has come back and that its instruction then had no use for (POPA that faults further on) is what
  /// KVM gives to the next one that reads memory: one that nobody looks at. Memory is left as it was.
  void drain() const {
    const std::uint64_t at = SystemLayout::kCode;
    const std::uint8_t code[] = {0x8a, 0x07, 0xe6, SystemLayout::kEndPort};  // mov al, [bx]; out kEndPort, al
    std::uint8_t before[sizeof code];
    std::memcpy(before, ram + at, sizeof code);
    std::memcpy(ram + at, code, sizeof code);
    SystemCase c;
    std::mt19937_64 random(1);
    SystemBuilder(random, c).start(CodeMode::Real, 0, PagingMode::None);
    c.state.rip = at - c.state.segment[kCs].base;
    load_shared(c.state);
    for (unsigned i = 0; i < kPatience; ++i)
      if (vcpu.call(KVM_RUN) != 0 || run->exit_reason != KVM_EXIT_MMIO) break;
    std::memcpy(ram + at, before, sizeof code);
  }

  void execute(SystemOutcome& outcome, unsigned patience) {
    watch = 0;
    met_mmio = false;
    for (;;) {
      if (vcpu.call(KVM_RUN) == 0) {
        if (!serve(outcome)) return;
        if (watch >= patience) break;
        run->kvm_dirty_regs = 0;
        continue;
      }
      if (errno == EINTR) {
        run->kvm_dirty_regs = 0;
        if (watch >= patience) break;
        continue;
      }
      outcome.end = SystemEnd::Refused;
      outcome.why = errno == EINVAL ? "state refused" : std::strerror(errno);
      return;
    }
    outcome.end = SystemEnd::Endless;
  }
};

KvmCpu::KvmCpu() : impl_(std::make_unique<Impl>()) {
  impl_->open();
  impl_->find_abilities();
}
KvmCpu::~KvmCpu() = default;

std::uint8_t* KvmCpu::ram() { return impl_->ram; }
const CpuidTable& KvmCpu::cpuid() const { return impl_->cpuid; }
void KvmCpu::tick() { ++watch; }

void KvmCpu::forget_translations() {
  impl_->map_ram(false);
  impl_->map_ram(true);
}

const SystemAbilities& KvmCpu::abilities() const { return impl_->abilities; }

void KvmCpu::run(const SystemCase& c, SystemOutcome& outcome, unsigned patience) {
  outcome.ports.clear();
  outcome.why.clear();
  if (const char* lacking = impl_->lacks(c.state)) {
    outcome.end = SystemEnd::Refused;
    outcome.why = lacking;
    return;
  }
  impl_->load(c);
  impl_->execute(outcome, patience);
  impl_->store(c, outcome.state);
  impl_->settle(outcome);
}

}  // namespace machina::jit
