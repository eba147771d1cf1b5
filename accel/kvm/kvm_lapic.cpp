#include "accel/kvm/kvm_lapic.h"

#include <cstring>

#include "accel/kvm/kvm_api.h"
#include "accel/kvm/kvm_vcpu.h"
#include "hw/intc/apic_page.h"
#include "hw/x86/x86_cpu.h"

namespace machina {

static_assert(sizeof(kvm_lapic_state) == ApicPage().size());

void KvmApic::class_init(DeviceClass& c) { c.description = "Local APIC (KVM)"; }

void KvmApic::realize() {
  if (!qom::cast<X86Cpu>(parent())) throw Error("a local APIC belongs to a CPU");
}

kvm::KvmVcpu& KvmApic::vcpu() const { return static_cast<kvm::KvmVcpu&>(*static_cast<X86Cpu*>(parent())->vcpu()); }

void KvmApic::pull_state() {
  kvm_lapic_state page{};
  vcpu().fd().must(KVM_GET_LAPIC, &page, "KVM_GET_LAPIC");
  ApicPage bytes;
  std::memcpy(bytes.data(), page.regs, bytes.size());
  state_.base = vcpu().apic_base();
  apply_apic_page(state_, bytes);
}

void KvmApic::push_state() {
  kvm_lapic_state page{};
  const ApicPage bytes = apic_page_of(state_);
  std::memcpy(page.regs, bytes.data(), bytes.size());
  vcpu().fd().must(KVM_SET_LAPIC, &page, "KVM_SET_LAPIC");
}

void KvmApicBus::class_init(DeviceClass& c) {
  c.description = "Messages between local APICs (KVM)";
  c.category = Category::Interrupt;
  c.user_creatable = false;
  c.link("pic", &KvmApicBus::pic_).doc("the 8259 pair, which knows the vector of an ExtINT");
}

MACHINA_TYPE(KvmApic, ApicCommon);
MACHINA_TYPE(KvmApicBus, Device);

}  // namespace machina
