#include "hw/x86/x86_cpu.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <system_error>

#include "core/log.h"
#include "core/thread_name.h"
#include "core/trace/trace_event.h"
#include "hw/intc/apic.h"
#include "hw/intc/apic_regs.h"
#include "hw/intc/interrupt_acknowledge.h"
#include "hw/x86/cpu_model.h"
#include "hw/x86/x86_state_check.h"

namespace machina {
namespace {

// What others ask of the CPU, from their threads; and what it does, on its own.
const TraceEvent<unsigned> vcpu_raise_nmi{"vcpu_raise_nmi", "cpu={}"};
const TraceEvent<unsigned> vcpu_raise_smi{"vcpu_raise_smi", "cpu={}"};
const TraceEvent<unsigned> vcpu_raise_init{"vcpu_raise_init", "cpu={}"};
const TraceEvent<unsigned, unsigned> vcpu_raise_sipi{"vcpu_raise_sipi", "cpu={} vector={:#x}"};
const TraceEvent<unsigned> vcpu_park{"vcpu_park", "cpu={}", TraceScope::Vcpu};
const TraceEvent<unsigned> vcpu_unpark{"vcpu_unpark", "cpu={}", TraceScope::Vcpu};
const TraceEvent<unsigned, bool> vcpu_halt{"vcpu_halt", "cpu={} interruptible={:d}", TraceScope::Vcpu};
const TraceEvent<unsigned> vcpu_wake{"vcpu_wake", "cpu={}", TraceScope::Vcpu};
const TraceEvent<unsigned> vcpu_init{"vcpu_init", "cpu={}", TraceScope::Vcpu};
const TraceEvent<unsigned, unsigned> vcpu_sipi{"vcpu_sipi", "cpu={} vector={:#x}", TraceScope::Vcpu};
const TraceEvent<unsigned, std::string_view> vcpu_stop{"vcpu_stop", "cpu={} why={}", TraceScope::Vcpu};

/// "CPU 0/KVM" for the type kvm-accel.
std::string thread_name_of(std::uint32_t index, std::string accelerator) {
  if (const auto dash = accelerator.rfind('-'); dash != std::string::npos) accelerator.resize(dash);
  std::transform(accelerator.begin(), accelerator.end(), accelerator.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return fmt::format("CPU {}/{}", index, accelerator);
}

/// A guest measures its TSC once. 250 ppm is what clocks are steered by: to be taken as equal.
void require_same_tsc(const Vcpu& from, const Vcpu& to, const std::string& model) {
  const std::uint64_t here = from.tsc_khz(), there = to.tsc_khz();
  const std::uint64_t distance = here > there ? here - there : there - here;
  if (here == 0 || there == 0 || distance * 4000 <= here) return;
  const std::string name = model.substr(0, model.find(','));
  throw Error("the guest's time stamp counter cannot go on at its frequency")
      .why(fmt::format("it runs at {} kHz, the other accelerator has {} kHz", here, there))
      .hint(fmt::format("start the machine with -cpu {},tsc-frequency={}", name, there * 1000));
}

}  // namespace

void X86Cpu::class_init(DeviceClass& c) {
  c.description = "x86-64 CPU";
  c.category = Category::Cpu;
  c.user_creatable = false;  // the machine makes as many as -smp says
  c.property("model", &X86Cpu::model_, "qemu64")
      .doc("CPU model and features: host, max, qemu64, kvm64; NAME,+avx,-sse3");
  c.property("index", &X86Cpu::index_, 0U).doc("number of the CPU; 0 is the bootstrap processor");
  c.property("apic-id", &X86Cpu::apic_id_, 0U).doc("local APIC ID");
  c.link("pic", &X86Cpu::pic_).doc("interrupt controller that answers this CPU's INTA cycles");
  c.link("apic-bus", &X86Cpu::apic_bus_).doc("what connects the local APICs; without it the CPU has none of its own");
  c.inputs(&X86Cpu::intr_, "intr");
  c.inputs(&X86Cpu::nmi_in_, "nmi");
  c.inputs(&X86Cpu::smi_in_, "smi");
  c.inputs(&X86Cpu::a20_in_, "a20");
}

X86Cpu::X86Cpu() = default;
X86Cpu::~X86Cpu() = default;

void X86Cpu::realize() {
  if (!accelerator_) throw Error("a CPU needs an accelerator");
  System& s = system();
  memory_ = std::make_unique<MemoryDispatch>(s.memory);
  ports_ = std::make_unique<MemoryDispatch>(s.io);
  make_local_apic();
  vcpu_ = accelerator_->create_vcpu(*this);
  if (!accelerator_->has_vcpus()) return;
  quit_ = false;
  // Born parked: nobody waits for the thread to say so, and it comes to life while the other CPUs are made.
  park_requested_ = true;
  parked_ = true;
  try {
    thread_ = std::thread([this] { thread_main(); });
  } catch (const std::system_error& e) {
    unrealize();
    throw Error("the host has no thread for this CPU").why(e.what()).hint("ask for fewer CPUs, or raise ulimit -u");
  }
}

void X86Cpu::show_as(const X86Cpu& other) {
  cpuid = other.cpuid;
  set_apic_id(cpuid, topology_, apic_id_);
  shown_tsc_khz_ = other.shown_tsc_khz();
  shown_as_ = true;
}

int X86Cpu::thread_id() {
  const MachineLock::Guard guard(system().lock);
  while (thread_.joinable() && thread_id_ == 0) thread_started_.wait(system().lock);
  return thread_id_;
}

// Realized with its parent, after realize() of it.
void X86Cpu::make_local_apic() {
  if (!apic_bus_ || child("lapic")) return;
  auto& apic = add_new_child<ApicCommon>("lapic", accelerator_->implementation_of(Apic::kType));
  apic.set("id", apic_id_);
  apic.set("bootstrap", bootstrap());
  local_apic_ = qom::cast<Apic>(&apic);
  if (!local_apic_) return;
  apic.set_link("bus", apic_bus_.get());
  local_apic_->connect(*this);
  lint0_.connect(*apic.input("lint", 0));
}

void X86Cpu::unrealize() {
  if (thread_.joinable()) {
    quit_ = true;
    kick();
    // The thread needs the machine lock to see that it should end.
    MachineLock& lock = system().lock;
    lock.unlock();
    thread_.join();
    lock.lock();
    thread_id_ = 0;
  }
  if (qom::Object* apic = child("lapic")) remove_child(*apic);
  local_apic_ = nullptr;
  vcpu_.reset();
  memory_.reset();
  ports_.reset();
}

// --- interrupts ---

void X86Cpu::set_intr(unsigned, bool level) {
  if (local_apic_) {
    lint0_.set(level);
  } else {
    apic_intr(level);
  }
}

void X86Cpu::apic_intr(bool level) {
  intr_level_.store(level, std::memory_order_release);
  if (level) kick();
}

bool X86Cpu::apic_has_x2apic() const {
  constexpr std::uint32_t kX2apic = 1U << 21;  // of CPUID 1:ECX
  return cpuid.find(1).ecx & kX2apic;
}

unsigned X86Cpu::apic_physical_bits() const { return physical_address_bits(cpuid); }

int X86Cpu::acknowledge_interrupt() {
  const MachineLock::Guard guard(system().lock);
  if (local_apic_) return local_apic_->acknowledge();
  return pic_ ? pic_->acknowledge() : -1;
}

void X86Cpu::raise_nmi() {
  vcpu_raise_nmi(index_);
  constexpr unsigned kMost = 2;
  if (nmis_.load(std::memory_order_relaxed) < kMost) nmis_.fetch_add(1, std::memory_order_release);
  kick();
}

bool X86Cpu::take_nmi() {
  unsigned waiting = nmis_.load(std::memory_order_relaxed);
  while (waiting != 0)
    if (nmis_.compare_exchange_weak(waiting, waiting - 1, std::memory_order_acq_rel)) return true;
  return false;
}

void X86Cpu::merge_nmis() {
  unsigned two = 2;
  nmis_.compare_exchange_strong(two, 1, std::memory_order_acq_rel);
}

void X86Cpu::raise_smi() {
  vcpu_raise_smi(index_);
  smi_.store(true, std::memory_order_release);
  kick();
}

void X86Cpu::raise_init() {
  vcpu_raise_init(index_);
  init_requested_ = true;
  sipi_requested_ = -1;
  kick();
}

void X86Cpu::raise_sipi(std::uint8_t vector) {
  vcpu_raise_sipi(index_, vector);
  sipi_requested_ = vector;
  kick();
}

// --- run control ---

void X86Cpu::kick() {
  wake_.notify_all();
  if (vcpu_) vcpu_->kick();
}

void X86Cpu::request_park() {
  park_requested_ = true;
  kick();
}

bool X86Cpu::parked() const { return parked_ || !thread_.joinable(); }

void X86Cpu::unpark() {
  park_requested_ = false;
  wake_.notify_all();
}

void X86Cpu::hold(bool on) {
  held_ = on;
  if (on) {
    kick();
  } else {
    wake_.notify_all();
  }
}

void X86Cpu::run_on_thread(std::function<void()> work) {
  work_.push_back(std::move(work));
  kick();
}

X86State X86Cpu::state() {
  X86State s;
  vcpu_->store_state(s);
  if (local_apic_) {
    s.lapic = local_apic_->registers();
    s.lapic_valid = true;
    // KVM knows nothing of the deadline of an APIC that is here.
    if (std::uint64_t deadline = 0; local_apic_->msr_read(apic::kMsrTscDeadline, deadline) && deadline != 0)
      s.set_msr(apic::kMsrTscDeadline, deadline);
  }
  if (!accelerator_->handles_mp_state()) {
    const bool halted = sleep_ == Sleep::Halted || sleep_ == Sleep::HaltedMasked;
    s.mp_state = sleep_ == Sleep::WaitForSipi ? MpState::InitReceived : halted ? MpState::Halted : MpState::Runnable;
  }
  return s;
}

void X86Cpu::set_state(const X86State& state) {
  vcpu_->load_state(state);
  if (local_apic_) {
    ApicState apic = local_apic_->get_state();
    apic.base = state.apic_base;
    local_apic_->set_state(apic);
    if (state.lapic_valid) {
      local_apic_->set_registers(state.lapic);
      // Last: it counts only once the timer's mode is "deadline", and by the TSC that the CPU has by now.
      local_apic_->msr_write(apic::kMsrTscDeadline, state.msr(apic::kMsrTscDeadline));
    }
  }
  sleep_ = Sleep::Running;
  if (accelerator_->handles_mp_state()) return;
  switch (state.mp_state) {
    case MpState::Runnable:
    case MpState::SipiReceived:
      sleep_ = Sleep::Running;
      break;
    case MpState::Uninitialized:
    case MpState::InitReceived:
      sleep_ = Sleep::WaitForSipi;
      break;
    case MpState::Halted:
      sleep_ = (state.rflags & 0x200) ? Sleep::Halted : Sleep::HaltedMasked;
      break;
  }
}

std::unique_ptr<Vcpu> X86Cpu::make_vcpu(Accelerator& accelerator) {
  const X86State now = state();
  if (now.events.triple_fault_pending)
    throw Error("the CPU is in the middle of a triple fault").object(path()).hint("let the machine run, and try again");
  if (now.events.smm && !accelerator.has_smm())
    throw Error("the CPU is in system management mode, which the other accelerator does not have")
        .object(path())
        .hint("let the machine run, and try again");
  require_possible(now, cpuid, bootstrap());
  std::unique_ptr<Vcpu> made = accelerator.create_vcpu(*this);
  require_same_tsc(*vcpu_, *made, model_);
  made->load_state(now);
  return made;
}

std::unique_ptr<Vcpu> X86Cpu::change_vcpu(Accelerator& accelerator, std::unique_ptr<Vcpu> vcpu) {
  accelerator_ = &accelerator;
  vcpu_.swap(vcpu);
  run_on_thread([this] { name_this_thread(thread_name_of(index_, accelerator_->type_name())); });
  return vcpu;
}

void X86Cpu::reset_hold() {
  nmis_ = 0;
  smi_ = false;
  init_requested_ = false;
  sipi_requested_ = -1;
  if (!vcpu_) return;
  X86State fresh = X86State::at_reset(signature(), bootstrap(), apic_id_);
  // A board without an APIC bus has CPUs without local APICs, unless the accelerator brings its own.
  if (!local_apic_ && !accelerator_->handles_mp_state()) fresh.apic_base = 0;
  set_state(fresh);
}

// --- the vCPU thread ---

void X86Cpu::thread_main() {
  name_this_thread(thread_name_of(index_, accelerator_->type_name()));
  trace::this_thread_runs_vcpu(index_);
  MachineLock& lock = system().lock;
  lock.lock();
  thread_id_ = gettid();
  thread_started_.notify_all();
  for (;;) {
    try {
      if (!prepare_to_run()) break;
      lock.unlock();
      const VcpuExit exit = vcpu_->run();
      lock.lock();
      handle_exit(exit);
    } catch (const std::exception& e) {
      // The host refuses a call that moves the CPU's state. The machine stops; whoever drives it can look, and reset.
      if (!lock.held()) lock.lock();
      log::error("{} stopped: {}", path(), e.what());
      handle_exit(VcpuExit::InternalError);
    }
  }
  lock.unlock();
}

bool X86Cpu::awake() const {
  switch (sleep_) {
    case Sleep::Running:
      return true;
    case Sleep::Halted:
      return interrupt_pending() || nmis_ != 0 || smi_;
    case Sleep::HaltedMasked:
      return nmis_ != 0 || smi_;
    case Sleep::WaitForSipi:
    case Sleep::Stopped:
      return false;
  }
  return true;
}

void X86Cpu::take_init_and_sipi() {
  if (init_requested_) {
    init_requested_ = false;
    X86State s;
    vcpu_->store_state(s);
    s.apply_init(signature(), bootstrap());
    vcpu_->load_state(s);
    vcpu_init(index_);
    sleep_ = bootstrap() ? Sleep::Running : Sleep::WaitForSipi;
  }
  if (sipi_requested_ >= 0) {
    const auto vector = static_cast<std::uint8_t>(sipi_requested_);
    // One that finds the CPU not waiting is lost, as on hardware; left pending it would wake the CPU for ever.
    sipi_requested_ = -1;
    if (sleep_ == Sleep::WaitForSipi) {
      const qom::LifecycleTrace::Scope trace([&] { return fmt::format("sipi {} vector {:#x}", path(), vector); });
      X86State s;
      vcpu_->store_state(s);
      s.apply_sipi(vector);
      vcpu_->load_state(s);
      sleep_ = Sleep::Running;
      vcpu_sipi(index_, vector);
    }
  }
}

bool X86Cpu::prepare_to_run() {
  MachineLock& lock = system().lock;
  for (;;) {
    while (!work_.empty()) {
      const auto work = std::move(work_.front());
      work_.pop_front();
      work();
    }
    if (quit_) return false;
    if (park_requested_ || held_) {
      if (!parked_) {
        const qom::LifecycleTrace::Scope trace([this] { return fmt::format("vcpu {} parked", path()); });
        vcpu_park(index_);
        parked_ = true;
        parked_changed_.notify_all();
      }
      wake_.wait(lock);
      continue;
    }
    if (parked_) {
      const qom::LifecycleTrace::Scope trace([this] { return fmt::format("vcpu {} runs", path()); });
      vcpu_unpark(index_);
      parked_ = false;
    }
    take_init_and_sipi();
    if (awake()) {
      if (sleep_ != Sleep::Running) vcpu_wake(index_);
      sleep_ = Sleep::Running;
      return true;
    }
    wake_.wait(lock);
  }
}

void X86Cpu::handle_exit(VcpuExit exit) {
  RunControl& control = system().control;
  switch (exit) {
    case VcpuExit::Interrupted:
      break;
    case VcpuExit::Halted:
      vcpu_halt(index_, true);
      sleep_ = Sleep::Halted;
      break;
    case VcpuExit::HaltedMasked:
      vcpu_halt(index_, false);
      sleep_ = Sleep::HaltedMasked;
      break;
    case VcpuExit::Shutdown:
      vcpu_stop(index_, "triple fault");
      qom::LifecycleTrace::line(fmt::format("vcpu {} triple fault", path()));
      sleep_ = Sleep::Stopped;
      control.request_reset(ShutdownCause::GuestReset);
      break;
    case VcpuExit::Debug:
      debug_stop_ = vcpu_->debug_stop();
      if (debug_stop_->halted) {
        X86State s;
        vcpu_->store_state(s);
        sleep_ = (s.rflags & 0x200) ? Sleep::Halted : Sleep::HaltedMasked;
      }
      control.request_stop(RunState::Debug);
      break;
    case VcpuExit::InternalError:
      vcpu_stop(index_, "internal error");
      sleep_ = Sleep::Stopped;
      control.request_stop(RunState::InternalError);
      break;
  }
}

// --- all CPUs ---

void CpuSet::park_all() {
  for (X86Cpu* cpu : cpus_) cpu->request_park();
  for (X86Cpu* cpu : cpus_) {
    while (!cpu->parked()) cpu->parked_changed_.wait(system_.lock);
  }
  parked_ = true;
}

void CpuSet::unpark_all() {
  parked_ = false;
  for (X86Cpu* cpu : cpus_) cpu->unpark();
}

void CpuSet::set_breakpoints(std::vector<Breakpoint> breakpoints) {
  DebugRequest request{std::move(breakpoints), false, false};
  for (std::size_t i = 0; i < cpus_.size(); ++i) {
    try {
      cpus_[i]->set_debug(request);
    } catch (...) {
      const DebugRequest before{breakpoints_, false, false};
      while (i-- > 0) cpus_[i]->set_debug(before);
      throw;
    }
  }
  breakpoints_ = std::move(request.breakpoints);
}

MACHINA_TYPE(X86Cpu, Device);

}  // namespace machina
