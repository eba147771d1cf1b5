#include "accel/kvm/kvm_irqchip.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "accel/kvm/kvm_api.h"
#include "accel/kvm/kvm_eventfd.h"
#include "accel/kvm/kvm_pit.h"
#include "core/error.h"
#include "core/system.h"

namespace machina::kvm {

namespace {

// The local APICs' window for messages: SDM vol. 3, 11.11.1. The guest's own accesses to the page of its local APIC
// never come here, the kernel has them.
constexpr std::uint64_t kMessageWindow = 0xfee00000;
constexpr std::uint64_t kMessageWindowSize = 0x100000;
constexpr const char* kOtherModes = "choose -accel kvm,kernel-irqchip=off";

}  // namespace

Irqchip::Irqchip(const Fd& vm, System& system, KernelIrqchip mode, const IrqchipCapabilities& capabilities)
    : vm_(vm), mode_(mode), capabilities_(capabilities), routes_(vm, capabilities.routes) {
  if (mode == KernelIrqchip::Off) return;
  if (mode == KernelIrqchip::On && !capabilities.irqchip)
    throw Error("this kernel's KVM has no interrupt controllers (KVM_CAP_IRQCHIP)").hint(kOtherModes);
  if (mode == KernelIrqchip::Split && !capabilities.split)
    throw Error("this kernel's KVM cannot split the interrupt controllers (KVM_CAP_SPLIT_IRQCHIP)").hint(kOtherModes);
  if (capabilities.routes <= GsiRoutes::kFirstMessage || !capabilities.signal_msi)
    throw Error("this kernel's KVM lacks KVM_CAP_IRQ_ROUTING or KVM_CAP_SIGNAL_MSI").hint(kOtherModes);
  window_ = std::make_unique<IoRegion>("kvm-msi", kMessageWindowSize, Widths::only(4), IoRegion::Read{},
                                       [this](Offset o, Width w, std::uint64_t v) { return write_window(o, w, v); });
  system.memory_root.add(kMessageWindow, *window_);
}

Irqchip::~Irqchip() {
  if (ioapic_) ioapic_->remove_listener(*this);
}

void Irqchip::create() {
  if (created_ || mode_ == KernelIrqchip::Off) return;
  if (mode_ == KernelIrqchip::On) {
    vm_.must(KVM_CREATE_IRQCHIP, std::uintptr_t{0}, "KVM_CREATE_IRQCHIP");
    routes_.use_kernel_chips(timer_pin_);
  } else {
    kvm_enable_cap cap{};
    cap.cap = KVM_CAP_SPLIT_IRQCHIP;
    cap.args[0] = GsiRoutes::kPins;  // numbers whose level-triggered messages KVM looks at
    vm_.must(KVM_ENABLE_CAP, &cap, "KVM_CAP_SPLIT_IRQCHIP");
  }
  if (capabilities_.x2apic_api) {
    // IDs and destinations of 32 bits, as X86State has them; FFh is a destination like others in x2APIC mode.
    kvm_enable_cap cap{};
    cap.cap = KVM_CAP_X2APIC_API;
    cap.args[0] = KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK;
    vm_.must(KVM_ENABLE_CAP, &cap, "KVM_CAP_X2APIC_API");
  }
  created_ = true;
  routes_.flush();
  if (pit_) create_pit();
}

// --- lines ---

void Irqchip::set_line(unsigned gsi, bool level) {
  if (!created_) return;
  kvm_irq_level line{};
  line.irq = gsi;
  line.level = level ? 1 : 0;
  vm_.must(KVM_IRQ_LINE, &line, "KVM_IRQ_LINE");
}

void Irqchip::get_chip(kvm_irqchip& chip) const { vm_.must(KVM_GET_IRQCHIP, &chip, "KVM_GET_IRQCHIP"); }
void Irqchip::set_chip(kvm_irqchip& chip) const { vm_.must(KVM_SET_IRQCHIP, &chip, "KVM_SET_IRQCHIP"); }

void Irqchip::name_gsi(unsigned gsi, IrqIn* input) {
  std::erase_if(gsi_of_, [gsi](const auto& entry) { return entry.second == gsi; });
  if (input) gsi_of_[input] = gsi;
}

// --- the timer ---

void Irqchip::attach_pit(KvmPit& pit) {
  if (pit_) throw Error("there is one 8254 in the kernel").hint("choose -accel kvm,kernel-irqchip=split for more");
  pit_ = &pit;
  if (created_) create_pit();
}

void Irqchip::detach_pit(KvmPit& pit) {
  if (pit_ == &pit) pit_ = nullptr;  // the kernel keeps its timer as long as the VM
}

void Irqchip::create_pit() {
  if (pit_created_) return;
  kvm_pit_config config{};
  config.flags = KVM_PIT_SPEAKER_DUMMY;  // port 61h in the kernel too: see kvm_pit.h
  vm_.must(KVM_CREATE_PIT2, &config, "KVM_CREATE_PIT2");
  pit_created_ = true;
  set_reinject(pit_->reinject());
}

void Irqchip::get_pit(kvm_pit_state2& state) const {
  if (pit_created_) vm_.must(KVM_GET_PIT2, &state, "KVM_GET_PIT2");
}

void Irqchip::set_pit(kvm_pit_state2& state) const {
  if (pit_created_) vm_.must(KVM_SET_PIT2, &state, "KVM_SET_PIT2");
}

void Irqchip::set_reinject(bool on) {
  if (!pit_created_ || !capabilities_.reinject_control) return;
  kvm_reinject_control control{};
  control.pit_reinject = on ? 1 : 0;
  vm_.must(KVM_REINJECT_CONTROL, &control, "KVM_REINJECT_CONTROL");
}

void Irqchip::mute_pit(bool on) {
  if (pit_) pit_->mute(on);
}

void Irqchip::clock_running(bool running) {
  if (pit_ && pit_created_) pit_->clock_running(running);
}

// --- messages ---

bool Irqchip::send(const MsiMessage& message) {
  if (!created_) return false;
  routes_.flush();  // KVM must know a level-triggered message by the time it is ended
  kvm_msi msi{};
  msi.address_lo = static_cast<std::uint32_t>(message.address);
  msi.address_hi = static_cast<std::uint32_t>(message.address >> 32);
  msi.data = message.data;
  return vm_.call(KVM_SIGNAL_MSI, &msi) > 0;
}

IoResult Irqchip::write_window(Offset offset, Width, std::uint64_t value) {
  send({kMessageWindow + offset, static_cast<std::uint32_t>(value)});
  return io_ok();
}

// --- an I/O APIC in user space ---

void Irqchip::attach_ioapic(IoapicCommon& ioapic) {
  if (ioapic_) return;
  ioapic_ = qom::Ref<IoapicCommon>(&ioapic);
  ioapic.add_listener(*this);
}

// Only what is level triggered: an edge needs no EOI, and so no route. A pin that is masked keeps its route, since its
// last interrupt may still be in service.
void Irqchip::route_changed(unsigned pin, const IoapicRoute& route) {
  if (!route.level) {
    routes_.set_pin(pin, std::nullopt);
  } else if (!route.masked) {
    routes_.set_pin(pin, MsiMessage{route.address, route.data});
  }
}

void Irqchip::end_of_interrupt(std::uint8_t vector) {
  if (ioapic_) ioapic_->eoi(vector);
}

// --- event descriptors ---

std::unique_ptr<InterruptEvent> Irqchip::connect_line(IrqIn& sink, int fd, int resample_fd) {
  const auto it = gsi_of_.find(&sink);
  if (it == gsi_of_.end() || !capabilities_.irqfd) return nullptr;
  if (resample_fd >= 0 && !capabilities_.irqfd_resample) return nullptr;
  return LineEvent::create(vm_, it->second, fd, resample_fd);
}

std::unique_ptr<InterruptEvent> Irqchip::connect_message(const MsiMessage& message, int fd) {
  if (!lapic_in_kernel() || !capabilities_.irqfd) return nullptr;
  return MessageEvent::create(vm_, routes_, message, fd);
}

}  // namespace machina::kvm
