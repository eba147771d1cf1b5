#include "accel/kvm/kvm_accelerator.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "accel/kvm/kvm_api.h"
#include "accel/kvm/kvm_capabilities.h"
#include "accel/kvm/kvm_cpuid.h"
#include "accel/kvm/kvm_probe.h"
#include "accel/kvm/kvm_vcpu.h"
#include "core/error.h"
#include "core/system.h"
#include "hw/intc/ioapic_common.h"
#include "hw/x86/x86_cpu.h"

namespace machina {

namespace {

constexpr int kApiVersion = 12;  // the only one there has been since Linux 2.6.22
// Three pages that KVM uses on Intel hosts for real mode; anywhere below 4 GiB that no device or RAM has. Below the
// BIOS.
constexpr std::uint64_t kIdentityMapAddress = 0xfeffc000;
constexpr std::uint64_t kTssAddress = kIdentityMapAddress + 0x1000;

}  // namespace

void KvmAccelerator::class_init(qom::ObjectClass& c) {
  c.description = "KVM: the CPU's own virtualization through /dev/kvm";
  c.property("kernel-irqchip", &KvmAccelerator::irqchip_, KernelIrqchip::On)
      .doc("interrupt controllers in the kernel (on), only local APICs (split), or all in user space (off)");
  c.property("software-steps", &KvmAccelerator::software_steps_, true)
      .doc("instructions that KVM cannot emulate are carried out by the software CPU");
  c.property("verify-state", &KvmAccelerator::verify_state_, false)
      .doc("read back and compare each CPU state that is loaded; a difference is an error");
}

KvmAccelerator::KvmAccelerator() = default;
KvmAccelerator::~KvmAccelerator() {
  if (slots_ && system_) system_->memory.remove_listener(*slots_);
  if (memory_events_) system_->memory.remove_listener(*memory_events_);
  if (port_events_) system_->io.remove_listener(*port_events_);
}

void KvmAccelerator::open() {
  if (kvm_) return;
  const int fd = calls_->open_device();
  if (fd < 0) {
    const int error = errno;
    Error e("cannot open /dev/kvm");
    e.why(std::strerror(error));
    if (error == ENOENT) {
      e.hint("this host has no KVM: load the module kvm_intel or kvm_amd, or enable virtualization in the firmware");
    } else if (error == EACCES || error == EPERM) {
      e.hint("add your user to the group 'kvm', or run as root");
    }
    throw e;
  }
  kvm_ = kvm::Fd(*calls_, fd);
  const int version = kvm_.call(KVM_GET_API_VERSION);
  if (version != kApiVersion) throw Error(fmt::format("KVM has API version {}, expected {}", version, kApiVersion));
}

int KvmAccelerator::capability(unsigned number) const {
  const int value = (vm_ ? vm_ : kvm_).call(KVM_CHECK_EXTENSION, number);
  return value < 0 ? 0 : value;
}

void KvmAccelerator::init_machine(System& system, unsigned max_cpus) {
  system_ = &system;
  open();
  const int max = capability(KVM_CAP_MAX_VCPUS);
  if (max > 0 && max_cpus > static_cast<unsigned>(max))
    throw Error(fmt::format("KVM runs at most {} CPUs here, {} were asked for", max, max_cpus)).hint("lower -smp");
  kvm::check_required([this](unsigned number) { return capability(number); });
  vm_ = kvm::Fd(*calls_, kvm_.must(KVM_CREATE_VM, std::uintptr_t{0}, "KVM_CREATE_VM"));
  vcpu_map_size_ =
      static_cast<std::size_t>(kvm_.must(KVM_GET_VCPU_MMAP_SIZE, std::uintptr_t{0}, "KVM_GET_VCPU_MMAP_SIZE"));
  if (capability(KVM_CAP_SET_IDENTITY_MAP_ADDR) > 0) {
    std::uint64_t address = kIdentityMapAddress;
    vm_.must(KVM_SET_IDENTITY_MAP_ADDR, &address, "KVM_SET_IDENTITY_MAP_ADDR");
  }
  if (capability(KVM_CAP_SET_TSS_ADDR) > 0) vm_.must(KVM_SET_TSS_ADDR, kTssAddress, "KVM_SET_TSS_ADDR");
  msrs_ = std::make_unique<kvm::MsrSet>(kvm_);
  enable_capabilities();
  const bool kernel_lapic = irqchip_ != KernelIrqchip::Off;
  const CpuidTable supported = kvm::read_supported_cpuid(kvm_);
  supported_cpuid_ = kvm::usable_cpuid(
      supported, {.kernel_lapic = kernel_lapic,
                  .x2apic = kernel_lapic || x2apic_msrs_,
                  .tsc_deadline = kernel_lapic ? capability(KVM_CAP_TSC_DEADLINE_TIMER) > 0 : deadline_msr_,
                  .machine_check = capability(KVM_CAP_MCE) > 0,
                  // The guest sees it there in any case, and the software CPU carries out what KVM does not know of it.
                  .smap = software_steps_ && kvm::hides_smap(supported) && emulates_kernel_mode()});
  const int slot_count = capability(KVM_CAP_NR_MEMSLOTS);
  slots_ = std::make_unique<kvm::MemorySlots>(vm_, slot_count > 0 ? static_cast<unsigned>(slot_count) : 32U,
                                              capability(KVM_CAP_READONLY_MEM) > 0);
  patched_memory_ = std::make_unique<kvm::PatchedMemory>(system.memory);
  held_pages_ = std::make_unique<kvm::HeldPages>(*slots_);
  create_interrupt_half();
  kvm::KvmVcpu::install_kick_signal();
}

std::uint32_t KvmAccelerator::debug_flags() const {
  const int flags = capability(KVM_CAP_SET_GUEST_DEBUG2);
  return flags > 0 ? static_cast<std::uint32_t>(flags) : 0;
}

bool KvmAccelerator::emulates_kernel_mode() {
  if (!emulates_kernel_mode_) {
    const double figure = kvm::measure_kernel_mode(kvm_);
    emulates_kernel_mode_ = figure > 0 && figure < kvm::kEmulatedBelow;
  }
  return *emulates_kernel_mode_;
}

bool KvmAccelerator::enable(unsigned number, std::uint64_t argument) {
  if (capability(number) <= 0) return false;
  kvm_enable_cap request{};
  request.cap = number;
  request.args[0] = argument;
  return vm_.call(KVM_ENABLE_CAP, &request) == 0;
}

void KvmAccelerator::enable_capabilities() {
  state_support_ = kvm::StateSupport::find_out([this](unsigned number) { return capability(number); });
  state_support_.payload = state_support_.events && enable(KVM_CAP_EXCEPTION_PAYLOAD, 1);
  state_support_.triple_fault = state_support_.events && enable(KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1);
  // MSRs that KVM does not know come to us, so that they can be logged; the guest gets #GP as before.
  // KVM calls those of an x2APIC that it does not have invalid, not unknown.
  const bool user_apic = irqchip_ == KernelIrqchip::Off;
  const bool msrs =
      enable(KVM_CAP_X86_USER_SPACE_MSR,
             KVM_MSR_EXIT_REASON_UNKNOWN | (user_apic ? KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_FILTER : 0U));
  x2apic_msrs_ = msrs && user_apic;
  deadline_msr_ = x2apic_msrs_ && take_deadline_msr();
}

// KVM knows MSR 6E0h also where it has no local APIC to make use of it, and swallows what is written.
bool KvmAccelerator::take_deadline_msr() {
  if (capability(KVM_CAP_X86_MSR_FILTER) <= 0 || capability(KVM_CAP_GET_TSC_KHZ) <= 0) return false;
  std::uint64_t denied = 0;  // a bit for each MSR of the range: 0 makes an exit of it
  kvm_msr_filter filter{};
  filter.flags = KVM_MSR_FILTER_DEFAULT_ALLOW;
  filter.ranges[0].flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE;
  filter.ranges[0].base = kvm::kMsrTscDeadline;
  filter.ranges[0].nmsrs = 1;
  filter.ranges[0].bitmap = reinterpret_cast<std::uint8_t*>(&denied);
  return vm_.call(KVM_X86_SET_MSR_FILTER, &filter) == 0;
}

std::string KvmAccelerator::statistics() { return steps_.counts.describe(); }

std::string KvmAccelerator::details() {
  try {
    open();
    return "What this host's KVM can do:\n" +
           kvm::describe_capabilities([this](unsigned number) { return capability(number); });
  } catch (const Error& e) {
    return fmt::format("What this host's KVM can do is not known: {}{}{}\n", e.message(), e.cause().empty() ? "" : ": ",
                       e.cause());
  }
}

// Not when the VM is made: until the board is whole its memory map is one step after the other, and a slot of 2 GiB
// costs the kernel a millisecond each time. Not after the interrupt controllers either: for some milliseconds from
// KVM_CREATE_IRQCHIP on each slot waits for a grace period of the kernel, 5 ms.
void KvmAccelerator::map_memory() {
  if (memory_mapped_) return;
  memory_mapped_ = true;
  system_->memory.add_listener(*slots_);
}

void KvmAccelerator::machine_ready() {
  map_memory();
  if (!slots_->failure().empty())
    throw Error("this machine's memory cannot be had")
        .why(slots_->failure())
        .hint("lower -m, or use another accelerator");
  if (irqchip_ == KernelIrqchip::Split)
    qom::for_each<IoapicCommon>(root(), [this](IoapicCommon& ioapic) { irqchip_parts_->attach_ioapic(ioapic); });
}

// --- interrupts ---

void KvmAccelerator::create_interrupt_half() {
  const auto has = [this](unsigned number) { return capability(number) > 0; };
  kvm::IrqchipCapabilities c;
  c.irqchip = has(KVM_CAP_IRQCHIP);
  c.split = has(KVM_CAP_SPLIT_IRQCHIP);
  c.pit = has(KVM_CAP_PIT2) && has(KVM_CAP_PIT_STATE2);
  c.signal_msi = has(KVM_CAP_SIGNAL_MSI);
  c.irqfd = has(KVM_CAP_IRQFD);
  c.irqfd_resample = has(KVM_CAP_IRQFD_RESAMPLE);
  c.reinject_control = has(KVM_CAP_REINJECT_CONTROL);
  c.x2apic_api = (capability(KVM_CAP_X2APIC_API) & 3) == 3;
  c.routes = static_cast<unsigned>(capability(KVM_CAP_IRQ_ROUTING));
  irqchip_parts_ = std::make_unique<kvm::Irqchip>(vm_, *system_, irqchip_, c);
  if (!has(KVM_CAP_IOEVENTFD)) return;
  const bool any_width = has(KVM_CAP_IOEVENTFD_ANY_LENGTH);
  memory_events_ = std::make_unique<kvm::IoEventFds>(vm_, false, any_width);
  port_events_ = std::make_unique<kvm::IoEventFds>(vm_, true, any_width);
  system_->memory.add_listener(*memory_events_);
  system_->io.add_listener(*port_events_);
}

void KvmAccelerator::end_of_interrupt(std::uint8_t vector) {
  const MachineLock::Guard guard(system_->lock);
  irqchip_parts_->end_of_interrupt(vector);
}

KvmAccelerator& KvmAccelerator::of(const qom::Object& object) {
  for (const qom::Object* o = &object; o; o = o->parent())
    if (auto* found = qom::cast<KvmAccelerator>(o->child("accel"))) return *found;
  throw Error(fmt::format("a '{}' needs a machine that runs under KVM", object.type_name()))
      .hint("name the model without 'kvm-': the accelerator chooses the implementation");
}

std::string KvmAccelerator::implementation_of(const std::string& model) const {
  if (irqchip_ == KernelIrqchip::Off) return model;
  for (const char* type : {"apic", "apic-bus"})
    if (model == type) return "kvm-" + model;
  if (irqchip_ == KernelIrqchip::Split) return model;
  for (const char* type : {"gsi", "i8259", "ioapic", "i8254"})
    if (model == type) return "kvm-" + model;
  return model;
}

std::unique_ptr<Vcpu> KvmAccelerator::create_vcpu(X86Cpu& cpu) {
  if (goes_on_ && emulates_kernel_mode()) msrs_->tsc().leave_to_host();
  map_memory();
  irqchip_parts_->create();
  return std::make_unique<kvm::KvmVcpu>(*this, cpu);
}

kvm::Fd KvmAccelerator::open_vcpu(std::uint32_t apic_id, bool& again) {
  auto kept = kept_vcpus_.extract(apic_id);
  again = !kept.empty();
  if (again) return std::move(kept.mapped());
  return {*calls_, vm_.must(KVM_CREATE_VCPU, apic_id, "KVM_CREATE_VCPU")};
}

std::unique_ptr<InterruptEvent> KvmAccelerator::connect_event(IrqIn& sink, int fd, int resample_fd) {
  return irqchip_parts_->connect_line(sink, fd, resample_fd);
}

std::unique_ptr<InterruptEvent> KvmAccelerator::connect_event(const MsiMessage& message, int fd) {
  return irqchip_parts_->connect_message(message, fd);
}

void KvmAccelerator::clock_running(bool running) {
  patched_memory_->running(running);
  held_pages_->running(running);
  irqchip_parts_->clock_running(running);
  running ? msrs_->tsc().guest_runs() : msrs_->tsc().guest_stands();
  if (capability(KVM_CAP_ADJUST_CLOCK) <= 0) return;
  kvm_clock_data data{};
  if (!running) {
    for (const kvm::KvmVcpu* vcpu : vcpus_) vcpu->tell_paused();
    if (vm_.call(KVM_GET_CLOCK, &data) == 0) clock_at_stop_ = data.clock, clock_stopped_ = true;
  } else if (clock_stopped_) {
    // kvmclock stood still for the guest while the machine did.
    data.clock = clock_at_stop_;
    vm_.call(KVM_SET_CLOCK, &data);
    clock_stopped_ = false;
  }
}

// --- from and to another accelerator ---

std::optional<std::uint64_t> KvmAccelerator::guest_clock() {
  return clock_stopped_ ? std::optional(clock_at_stop_) : std::nullopt;
}

void KvmAccelerator::go_on_from(std::optional<std::uint64_t> guest_clock) {
  goes_on_ = true;
  clock_stopped_ = guest_clock.has_value();
  clock_at_stop_ = guest_clock.value_or(0);
}

void KvmAccelerator::hand_over() { slots_->sync_all(); }

Accelerator::Probe KvmAccelerator::probe() {
  try {
    open();
    kvm::check_required([this](unsigned number) { return capability(number); });
  } catch (const Error& e) {
    return {false, 0, e.message() + (e.cause().empty() ? "" : ": " + e.cause())};
  }
  const double figure = kvm::measure_kernel_mode(kvm_);
  if (figure <= 0) return {true, 0, "the speed of kernel code under KVM could not be measured on this host", true};
  const bool emulated = figure < kvm::kEmulatedBelow;
  return {true, figure,
          fmt::format("KVM on this host runs kernel code at {:.{}f} million instructions a second{}", figure,
                      figure < 10 ? 1 : 0, emulated ? " (emulated)" : ""),
          emulated};
}

MACHINA_TYPE(KvmAccelerator, Accelerator);

}  // namespace machina
