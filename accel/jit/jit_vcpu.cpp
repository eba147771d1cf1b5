#include "accel/jit/jit_vcpu.h"

#include <fmt/format.h>

#include <utility>

#include "accel/jit/block_cache.h"
#include "accel/jit/cpuid_leaf.h"
#include "accel/jit/fault_chain.h"
#include "accel/jit/host_float.h"
#include "accel/jit/jit_accelerator.h"
#include "accel/jit/jit_cpuid.h"
#include "accel/jit/jit_state.h"
#include "accel/jit/ram_entry.h"
#include "accel/jit/run.h"
#include "core/log.h"
#include "core/system.h"
#include "core/units.h"
#include "hw/intc/apic.h"
#include "hw/x86/cpu_model.h"
#include "hw/x86/cpuid_support.h"
#include "hw/x86/x86_cpu.h"

namespace machina::jit {

namespace {

constexpr std::uint32_t kMsrApicBase = 0x1b, kMsrTsc = 0x10;

/// The guest's time stamp counter is the machine's virtual clock: it stands still while the machine does, is the same
/// on all CPUs, and its frequency is known exactly.
constexpr std::uint64_t kDefaultTscHz = 1'000'000'000;

}  // namespace

JitVcpu::JitVcpu(JitAccelerator& accelerator, X86Cpu& cpu)
    : accelerator_(accelerator),
      x86_(cpu),
      main_memory_(cpu.memory()),
      smm_memory_(accelerator.smm_memory()),
      cpu_(std::make_unique<Cpu>(static_cast<Environment&>(*this), accelerator.blocks())),
      debugger_(std::make_unique<Debugger>(*cpu_)) {
  clock_before_ = accelerator.clock_before();
  set_cpu_model();
  refresh();
  accelerator_.add_vcpu(*this);
  accelerator_.cpus().add(*cpu_);
}

JitVcpu::~JitVcpu() {
  accelerator_.cpus().remove(*cpu_);
  accelerator_.remove_vcpu(*this);
}

void JitVcpu::set_cpu_model() {
  if (x86_.has_cpuid()) {
    require_supported(x86_.cpuid, supported_cpuid(), "the software CPU");
    if (const std::uint64_t khz = x86_.shown_tsc_khz(); khz != 0) tsc_hz_ = khz * 1000;
    set_cpuid(*cpu_, x86_.cpuid);
    cpu_->tsc_khz = tsc_hz_ / 1000;
    return;
  }
  const CpuModelSpec spec = parse_cpu_model(x86_.model());
  tsc_hz_ = spec.tsc_hz ? spec.tsc_hz : kDefaultTscHz;
  CpuidTable supported = supported_cpuid();
  if (!x86_.local_apic()) {
    // A board without an APIC bus: the CPU is one from before local APICs.
    FeatureSet set = features_of(supported);
    for (const char* name : {"apic", "x2apic", "tsc-deadline"}) set_feature(set, name, false);
    put_features(supported, set);
  }
  const CpuPlatform platform{.supported = supported,
                             .supporter = "the software CPU",
                             .topology = x86_.topology(),
                             .apic_id = x86_.apic_id(),
                             .kvm_signature = true,
                             .tsc_khz = tsc_hz_ / 1000};
  CpuidResult made = make_cpuid(spec, platform);
  for (const std::string& warning : made.warnings) log::warn_once(warning, warning);  // once for all CPUs
  x86_.cpuid = std::move(made.table);
  set_cpuid(*cpu_, x86_.cpuid);
  cpu_->tsc_khz = tsc_hz_ / 1000;
}

VcpuExit JitVcpu::run() {
  if (x86_.a20_enabled() != a20_) memory_changed();  // another CPU, or a device, moved the gate
  if (accelerator_.blocks().full()) accelerator_.empty_cache();
  const VcpuExit exit = run_until_exit();
  switch (exit) {
    case VcpuExit::Halted:
      note({.kind = ExitRecord::Kind::Halt});
      break;
    case VcpuExit::HaltedMasked:
      note({.kind = ExitRecord::Kind::HaltMasked});
      break;
    case VcpuExit::Debug:
      note({.kind = ExitRecord::Kind::Debug});
      break;
    case VcpuExit::Shutdown:
      note({.kind = ExitRecord::Kind::Shutdown});
      report_triple_fault();
      break;
    default:  // kicks come all the time, and tell nothing
      break;
  }
  return exit;
}

VcpuExit JitVcpu::run_until_exit() {
  try {
    const World::Visit visit(accelerator_.world());
    return run_blocks(*cpu_);
  } catch (const std::exception& e) {
    // A host without memory, or a device that cannot do what it must. RIP is that of the block at work.
    X86State state;
    jit::store_state(*cpu_, state);
    log::error("{}", make_report(report(e.what(), StopKind::Other, state)));
    return VcpuExit::InternalError;
  }
}

std::string JitVcpu::name() const { return x86_.path(); }

void JitVcpu::note(const ExitRecord& exit) {
  last_exits_.add(exit);
  if (log::on(log::Category::Exit)) [[unlikely]]
    log::write(log::Category::Exit, "{}: {}", x86_.path(), describe(exit));
}

StopReport JitVcpu::report(std::string why, StopKind kind, const X86State& state) const {
  return {.cpu = x86_.path(),
          .why = std::move(why),
          .kind = kind,
          .state = &state,
          .read = ram_reader(view_),
          .earlier = cpu_->fault_chain.earlier(),
          .last_exits = last_exits_.describe([](const ExitRecord& e) { return describe(e); })};
}

void JitVcpu::report_triple_fault() {
  TripleFaults& told = accelerator_.triple_faults();
  const TripleFaults::Detail detail = told.detail(x86_, accelerator_.system());
  if (detail == TripleFaults::Detail::None) return;
  X86State state;
  jit::store_state(*cpu_, state);
  StopReport stop = report("triple fault", StopKind::TripleFault, state);
  stop.chain = cpu_->fault_chain.shutdown();
  told.tell(stop, detail);
}

void JitVcpu::load_state(const X86State& state) {
  const std::uint64_t offset = tsc_offset_;
  jit::load_state(*cpu_, state);
  // A state that comes back, as that of a CPU does which takes an INIT: its counter went on meanwhile.
  if (state.msr(kMsrTsc) == stored_tsc_) {
    set_tsc_offset(offset);
  } else {
    cpu_->kvmclock = {};
    if (const auto clock = std::exchange(clock_before_, {})) cpu_->kvmclock = {tsc() - cpu_->msrs.tsc_adjust, *clock};
    update_kvmclock(*cpu_);
  }
  take_pending(state.events);
  if (state.mp_state == MpState::Halted) {  // as an SMI's handler is told
    cpu_->wait.halt_instructions = cpu_->instructions;
    cpu_->wait.halt_rip = cpu_->rip;
  }
  apic_page_ = ~std::uint64_t{0};
  if (x86_.local_apic() && (state.apic_base & apic::kBaseEnable) && !(state.apic_base & apic::kBaseExtended))
    apic_page_ = state.apic_base & apic::kBaseAddress;
  if (x86_.local_apic()) {
    const MachineLock::Guard guard(accelerator_.system().lock);
    x86_.local_apic()->set_cr8(state.cr8);
  }
  refresh();
}

// KVM takes an interrupt from its controller, or an NMI, some time before it delivers it.
void JitVcpu::take_pending(const X86Events& events) {
  accepted_vector_.reset();
  if (events.interrupt_injected) accepted_vector_ = events.interrupt_vector;
  nmi_injected_ = events.nmi_injected;
  // Some KVMs say already that NMIs are blocked, by the one that is to be delivered.
  if (nmi_injected_) cpu_->nmi_masked = false;
  nmi_pending_ = events.nmi_pending;
  smi_pending_ = events.smi_pending;
}

void JitVcpu::store_state(X86State& state) {
  jit::store_state(*cpu_, state);
  state.events.interrupt_injected = accepted_vector_.has_value();
  state.events.interrupt_vector = accepted_vector_.value_or(0);
  state.events.nmi_injected = nmi_injected_;
  state.events.nmi_pending = nmi_pending_;
  state.events.smi_pending = smi_pending_;
  stored_tsc_ = state.msr(kMsrTsc);
  state.tsc_khz = static_cast<std::uint32_t>(tsc_hz_ / 1000);
  if (!x86_.local_apic()) return;
  const MachineLock::Guard guard(accelerator_.system().lock);
  state.cr8 = x86_.local_apic()->cr8();
  x86_.local_apic()->msr_read(kMsrApicBase, state.apic_base);
}

// --- time ---

std::uint64_t JitVcpu::tsc() const {
  const auto now = static_cast<std::uint64_t>(accelerator_.system().clock.now_ns());
  return mul_div(now, tsc_hz_, static_cast<std::uint64_t>(kNsPerSecond)) + tsc_offset_;
}

void JitVcpu::set_tsc(std::uint64_t value) { set_tsc_offset(tsc_offset_ + value - tsc()); }

/// Deadlines count by the TSC, wherever it stands now. SDM vol. 3, 11.5.4.1.
void JitVcpu::set_tsc_offset(std::uint64_t offset) {
  if (!x86_.local_apic()) {
    tsc_offset_ = offset;
    return;
  }
  const MachineLock::Guard guard(accelerator_.system().lock);
  tsc_offset_ = offset;
  x86_.local_apic()->tsc_changed();
}

void JitVcpu::join_time(const Vcpu& other) {
  const auto& from = static_cast<const JitVcpu&>(other);
  set_tsc_offset(from.tsc_offset_ - from.cpu_->msrs.tsc_adjust + cpu_->msrs.tsc_adjust);
  cpu_->kvmclock = from.cpu_->kvmclock;
  update_kvmclock(*cpu_);
}

// --- physical memory ---

void JitVcpu::refresh() {
  // Before the view: a change between the two is asked for again. The caller forgets translations before it makes more,
  // and makes blocks of none.
  map_known_ = accelerator_.map_changes();
  const AddressSpace& space = cpu_->smm ? accelerator_.smm_memory() : accelerator_.system().memory;
  view_ = space.view();
  smm_view_ = cpu_->smm;
  a20_ = x86_.a20_enabled();
  pages_.fill({});
  if (log::on(log::Category::Mmu)) [[unlikely]]
    log::write(log::Category::Mmu, "{}: the memory map may have changed", x86_.path());
  accelerator_.forget_removed();
}

HostPage JitVcpu::page(std::uint64_t physical) {
  if (cpu_->smm != smm_view_) refresh();
  physical = through_a20(physical);
  CachedPage& cached = pages_[physical >> kPageBits & (kCachedPages - 1)];
  if (cached.physical == physical) return cached.page;
  HostPage found;
  if (physical != apic_page_) {
    const FlatRange* range = view_->find(physical);
    if (range && range->is_ram() && range->last - physical >= kPageSize - 1)
      found = {range->host + (physical - range->first), range->readonly, range->dirty_log};
  }
  cached = {physical, found};
  return found;
}

std::uint64_t JitVcpu::load_entry(std::uint64_t physical, unsigned width) {
  const HostPage p = page(physical & kPageMask);
  if (!p.host) return read_physical(physical, width);
  return ram_load_entry(p.host + (physical & (kPageSize - 1)), width);
}

bool JitVcpu::replace_entry(std::uint64_t physical, unsigned width, std::uint64_t expected, std::uint64_t value) {
  const HostPage p = page(physical & kPageMask);
  if (!p.host || p.readonly) return true;  // page tables in ROM keep their bits as they are
  std::uint8_t* at = p.host + (physical & (kPageSize - 1));
  const bool done = ram_replace_entry(at, width, expected, value);
  if (done && p.logged) note_write(physical, width);
  if (done) cpu_->blocks.written(reinterpret_cast<std::uintptr_t>(at), width);
  return done;
}

bool JitVcpu::in_apic_page(std::uint64_t physical) const { return (physical & kPageMask) == apic_page_; }

std::uint64_t JitVcpu::read_physical(std::uint64_t physical, unsigned width) {
  leave_guest_float(*cpu_);
  physical = through_a20(physical);
  const std::uint64_t value = read_device(physical, width);
  // The way of what crosses pages of RAM, too.
  if (!page(physical & kPageMask).host) note_access(ExitRecord::Kind::MemoryRead, width, physical, value);
  return value;
}

std::uint64_t JitVcpu::read_device(std::uint64_t physical, unsigned width) {
  if (!in_apic_page(physical)) return memory().read(physical, static_cast<Width>(width));
  const MachineLock::Guard guard(accelerator_.system().lock);
  return x86_.local_apic()->mmio_read(physical % kPageSize, static_cast<Width>(width));
}

void JitVcpu::write_physical(std::uint64_t physical, unsigned width, std::uint64_t value) {
  leave_guest_float(*cpu_);
  physical = through_a20(physical);
  if (!page(physical & kPageMask).host) note_access(ExitRecord::Kind::MemoryWrite, width, physical, value);
  if (!in_apic_page(physical)) return memory().write(physical, static_cast<Width>(width), value);
  const MachineLock::Guard guard(accelerator_.system().lock);
  x86_.local_apic()->mmio_write(physical % kPageSize, static_cast<Width>(width), value);
}

std::mutex& JitVcpu::bus_lock() { return accelerator_.bus_lock(); }

void JitVcpu::note_write(std::uint64_t physical, unsigned width) {
  physical = through_a20(physical);
  const FlatRange* range = view_->find(physical);
  if (!range || !range->ram) return;
  const std::uint8_t* at = range->host + (physical - range->first);
  range->ram->mark_dirty(static_cast<std::uint64_t>(at - range->ram->host()), width);
}

std::uint64_t JitVcpu::read_port(std::uint16_t port, unsigned width) {
  const std::uint64_t value = x86_.ports().read(port, static_cast<Width>(width));
  note_access(ExitRecord::Kind::PortRead, width, port, value);
  return value;
}

void JitVcpu::write_port(std::uint16_t port, unsigned width, std::uint64_t value) {
  note_access(ExitRecord::Kind::PortWrite, width, port, value);
  x86_.ports().write(port, static_cast<Width>(width), value);
  if (x86_.a20_enabled() != a20_) memory_changed();
}

// --- code ---

void JitVcpu::protect(std::uintptr_t host_page) { accelerator_.cpus().protect(*cpu_, host_page); }

// --- interrupts and MSRs of the local APIC ---

bool JitVcpu::interrupt_pending() { return accepted_vector_ || x86_.interrupt_pending(); }
int JitVcpu::acknowledge_interrupt() {
  const auto accepted = std::exchange(accepted_vector_, {});
  const int vector = accepted ? *accepted : x86_.acknowledge_interrupt();
  if (vector >= 0) note({.kind = ExitRecord::Kind::Interrupt, .address = static_cast<std::uint64_t>(vector)});
  return vector;
}
bool JitVcpu::take_nmi() {
  const bool taken = std::exchange(nmi_injected_, false) || std::exchange(nmi_pending_, false) || x86_.take_nmi();
  if (taken) note({.kind = ExitRecord::Kind::Nmi});
  return taken;
}
void JitVcpu::merge_nmis() { x86_.merge_nmis(); }
bool JitVcpu::take_smi() {
  const bool taken = std::exchange(smi_pending_, false) || x86_.take_smi();
  if (taken) note({.kind = ExitRecord::Kind::Smi});
  return taken;
}

unsigned JitVcpu::send_ipis(std::uint32_t first, std::uint64_t set, bool nmi, std::uint8_t vector) {
  if (!x86_.local_apic()) return 0;
  const MachineLock::Guard guard(accelerator_.system().lock);
  return x86_.local_apic()->send_to_each(first, set, nmi ? ApicDelivery::Nmi : ApicDelivery::Fixed, vector);
}

std::uint64_t JitVcpu::cr8() {
  if (!x86_.local_apic()) return 0;
  const MachineLock::Guard guard(accelerator_.system().lock);
  return x86_.local_apic()->cr8();
}

void JitVcpu::set_cr8(std::uint64_t value) {
  if (!x86_.local_apic()) return;
  const MachineLock::Guard guard(accelerator_.system().lock);
  x86_.local_apic()->set_cr8(value);
}

bool JitVcpu::read_msr(std::uint32_t index, std::uint64_t& value) {
  if (!x86_.local_apic()) return false;
  const MachineLock::Guard guard(accelerator_.system().lock);
  const bool known = x86_.local_apic()->msr_read(index, value);
  if (known && cpu_->in_blocks.load(std::memory_order_relaxed))  // else it is the state that is stored
    note({.kind = ExitRecord::Kind::MsrRead, .address = index, .value = value});
  return known;
}

bool JitVcpu::write_msr(std::uint32_t index, std::uint64_t value) {
  if (!x86_.local_apic()) return false;
  if (cpu_->in_blocks.load(std::memory_order_relaxed))
    note({.kind = ExitRecord::Kind::MsrWrite, .address = index, .value = value});
  const MachineLock::Guard guard(accelerator_.system().lock);
  if (!x86_.local_apic()->msr_write(index, value)) return false;
  if (index == kMsrApicBase) {
    apic_page_ = x86_.local_apic()->page_enabled() ? x86_.local_apic()->page_address() : ~std::uint64_t{0};
    memory_changed();
  }
  return true;
}

}  // namespace machina::jit
