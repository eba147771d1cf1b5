#include "accel/kvm/kvm_capabilities.h"

#include <fmt/format.h>

#include "accel/kvm/kvm_api.h"
#include "core/error.h"

#ifndef KVM_CAP_X86_TRIPLE_FAULT_EVENT
#define KVM_CAP_X86_TRIPLE_FAULT_EVENT 218
#endif

namespace machina::kvm {

namespace {

#define CAP(name) KVM_CAP_##name, "KVM_CAP_" #name

/// Numbers and meaning: Documentation/virt/kvm/api.rst of Linux.
constexpr Capability kTable[] = {
    {CAP(IRQCHIP), false, "interrupt controllers in the kernel; without it kernel-irqchip=off"},
    {CAP(USER_MEMORY), true, "guest RAM that is memory of this process"},
    {CAP(SET_TSS_ADDR), false, "pages that Intel hosts need for real mode, where no device is"},
    {CAP(EXT_CPUID), true, "reading and setting CPUID"},
    {CAP(NR_VCPUS), false, "how many CPUs are advised"},
    {CAP(NR_MEMSLOTS), false, "how many ranges of guest memory; 32 without it"},
    {CAP(MP_STATE), false, "INIT and SIPI with a local APIC in the kernel"},
    {CAP(SYNC_MMU), false, "host memory behind the guest's may move; without it hugepages and ballooning do not mix"},
    {CAP(DESTROY_MEMORY_REGION_WORKS), true, "memory that changes place: PCI, PAM, SMRAM"},
    {CAP(USER_NMI), false, "sending NMIs without a local APIC in the kernel"},
    {CAP(IRQ_ROUTING), false, "routes from interrupt lines and MSIs to vectors; without it no MSI in the kernel"},
    {CAP(MCE), false, "machine check banks"},
    {CAP(IRQFD), false, "interrupts from other threads and processes without a round trip"},
    {CAP(PIT2), false, "the 8254 in the kernel; without it ours is used"},
    {CAP(SET_BOOT_CPU_ID), false, "which CPU is the bootstrap processor"},
    {CAP(PIT_STATE2), false, "moving the state of the 8254 in the kernel"},
    {CAP(IOEVENTFD), false, "device notifications without leaving the kernel"},
    {CAP(SET_IDENTITY_MAP_ADDR), false, "as KVM_CAP_SET_TSS_ADDR"},
    {CAP(ADJUST_CLOCK), false, "kvmclock that stands still with the machine"},
    {CAP(VCPU_EVENTS), false,
     "moving what has been recognised but not delivered; without it a snapshot may lose an NMI"},
    {CAP(INTR_SHADOW), false, "moving the shadow of STI and MOV SS"},
    {CAP(DEBUGREGS), false, "moving DR0 to DR7"},
    {CAP(X86_ROBUST_SINGLESTEP), false, "single steps that do not disturb the guest's own"},
    {CAP(XSAVE), false, "moving AVX state; without it x87 and SSE only"},
    {CAP(XCRS), false, "moving XCR0"},
    {CAP(ASYNC_PF), false, "telling the guest that a page is being fetched"},
    {CAP(SET_GUEST_DEBUG), false, "breakpoints and single steps for a debugger"},
    {CAP(TSC_CONTROL), false, "a TSC frequency other than the host's"},
    {CAP(GET_TSC_KHZ), false, "the TSC frequency, told to the guest in CPUID"},
    {CAP(MAX_VCPUS), false, "how many CPUs at most"},
    {CAP(KVMCLOCK_CTRL), false, "telling the guest's watchdog that it was paused"},
    {CAP(SIGNAL_MSI), false, "MSIs from our own devices into the kernel's local APICs"},
    {CAP(TSC_DEADLINE_TIMER), false, "the local APIC's deadline timer"},
    {CAP(READONLY_MEM), false, "ROM that runs at full speed; without it each access exits"},
    {CAP(IRQFD_RESAMPLE), false, "level-triggered interrupts from other threads and processes"},
    {CAP(SPLIT_IRQCHIP), false, "kernel-irqchip=split"},
    {CAP(MAX_VCPU_ID), false, "the largest APIC ID"},
    {CAP(X2APIC_API), false, "APIC IDs beyond 255"},
    {CAP(IMMEDIATE_EXIT), true, "stopping a CPU without a race"},
    {CAP(GET_MSR_FEATURES), false, "feature MSRs of the host for -cpu host"},
    {CAP(EXCEPTION_PAYLOAD), false, "exceptions that are pending with their CR2 or DR6"},
    {CAP(X86_USER_SPACE_MSR), false, "MSRs that KVM does not know are answered and logged here"},
    {CAP(X86_MSR_FILTER), false, "the deadline timer of local APICs in user space"},
    {CAP(VCPU_ATTRIBUTES), false, "the TSC offset of a vCPU"},
    {CAP(SREGS2), false, "moving the PDPTRs of PAE paging"},
    {CAP(XSAVE2), false, "moving XSAVE state beyond 4 KiB"},
    {CAP(X86_TRIPLE_FAULT_EVENT), false, "moving a triple fault that has not been acted on"},
};

#undef CAP

}  // namespace

std::span<const Capability> capability_table() { return kTable; }

void check_required(const CapabilityQuery& query) {
  std::string missing;
  for (const Capability& c : kTable) {
    if (!c.required || query(c.number) > 0) continue;
    missing += fmt::format("{}{} ({})", missing.empty() ? "" : ", ", c.name, c.permits);
  }
  if (!missing.empty())
    throw Error("this kernel's KVM cannot run machines")
        .why("it lacks " + missing)
        .hint("Linux 4.12 or later is needed");
}

std::string describe_capabilities(const CapabilityQuery& query) {
  std::string text;
  for (const Capability& c : kTable) {
    const int value = query(c.number);
    const std::string have = value <= 0 ? "no" : value == 1 ? "yes" : fmt::format("{:#x}", value);
    text += fmt::format("  {:<36} {:<9} {:<9} {}\n", c.name, have, c.required ? "required" : "optional", c.permits);
  }
  return text;
}

}  // namespace machina::kvm
