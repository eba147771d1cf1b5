#include "accel/kvm/kvm_exits.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "accel/kvm/kvm_api.h"
#include "accel/kvm/kvm_report.h"
#include "core/trace/trace_event.h"

// Exit reasons and suberrors that are younger than the header of Debian 12 (Linux 6.1).
#ifndef KVM_EXIT_LOONGARCH_IOCSR
#define KVM_EXIT_LOONGARCH_IOCSR 38
#endif
#ifndef KVM_EXIT_MEMORY_FAULT
#define KVM_EXIT_MEMORY_FAULT 39
#endif

namespace machina::kvm {

namespace {

const TraceEvent<unsigned, std::string_view> kvm_run_exit{"kvm_run_exit", "reason={} name={}", TraceScope::Vcpu};

constexpr ExitResult kRunAgain{true, VcpuExit::Interrupted};
constexpr ExitResult leave(VcpuExit exit) { return {false, exit}; }

ExitResult fail(ExitActions& actions, const std::string& why) {
  actions.fail(why);
  return leave(VcpuExit::InternalError);
}

/// kvm_run.memory_fault, which the header does not have yet. api.rst, KVM_EXIT_MEMORY_FAULT.
struct MemoryFault {
  std::uint64_t flags, gpa, size;
};
MemoryFault memory_fault(const kvm_run& run) {
  MemoryFault fault;
  std::memcpy(&fault, &run.hw, sizeof fault);
  return fault;
}

/// kvm_run.notify; flags bit 0: the VM context is corrupted.
constexpr std::uint32_t kNotifyContextInvalid = 1;

ExitResult port_io(kvm_run& run, std::size_t size, ExitActions& actions) {
  const auto& io = run.io;
  const std::uint64_t bytes = std::uint64_t{io.count} * io.size;
  if ((io.size != 1 && io.size != 2 && io.size != 4) || io.data_offset > size || bytes > size - io.data_offset) {
    return fail(actions, fmt::format("KVM describes a port access that cannot be: {} times {} bytes at offset {:#x}",
                                     io.count, io.size, std::uint64_t{io.data_offset}));
  }
  std::uint8_t* data = reinterpret_cast<std::uint8_t*>(&run) + io.data_offset;
  for (std::uint32_t i = 0; i < io.count; ++i, data += io.size) {
    std::uint64_t value = 0;
    if (io.direction == KVM_EXIT_IO_OUT) {
      std::memcpy(&value, data, io.size);
      actions.write_port(io.port, io.size, value);
    } else {
      value = actions.read_port(io.port, io.size);
      std::memcpy(data, &value, io.size);
    }
  }
  return kRunAgain;
}

/// KVM cuts an access into pieces of at most 8 bytes within one page; 3, 5, 6 and 7 occur where it crosses a page.
ExitResult mmio(kvm_run& run, ExitActions& actions) {
  auto& m = run.mmio;
  if (m.len == 0 || m.len > sizeof m.data)
    return fail(actions, fmt::format("KVM describes a memory access of {} bytes, which cannot be", m.len));
  for (unsigned done = 0; done < m.len;) {
    unsigned width = 8;
    while (width > m.len - done) width /= 2;
    std::uint64_t value = 0;
    if (m.is_write) {
      std::memcpy(&value, m.data + done, width);
      actions.write_memory(m.phys_addr + done, width, value);
    } else {
      value = actions.read_memory(m.phys_addr + done, width);
      std::memcpy(m.data + done, &value, width);
    }
    done += width;
  }
  return kRunAgain;
}

ExitResult system_event(const kvm_run& run, ExitActions& actions) {
  switch (run.system_event.type) {
    case KVM_SYSTEM_EVENT_SHUTDOWN:
      actions.request_shutdown();
      return leave(VcpuExit::Interrupted);
    case KVM_SYSTEM_EVENT_RESET:
      actions.request_reset();
      return leave(VcpuExit::Interrupted);
    case KVM_SYSTEM_EVENT_CRASH:
      actions.request_panic();
      return leave(VcpuExit::Interrupted);
    default:
      return fail(actions, fmt::format("system event {} of KVM is not known", run.system_event.type));
  }
}

std::string internal_error(const kvm_run& run) {
  switch (run.internal.suberror) {
    case KVM_INTERNAL_ERROR_EMULATION:
      return "KVM cannot emulate an instruction";
    case KVM_INTERNAL_ERROR_SIMUL_EX:
      return "an exception came up while KVM delivered another one";
    case KVM_INTERNAL_ERROR_DELIVERY_EV:
      return "the guest left guest mode while an event was being delivered, in a way that KVM cannot resume";
    case KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON:
      return "the processor left guest mode for a reason that KVM does not know";
    default:
      return fmt::format("internal error {} of KVM", run.internal.suberror);
  }
}

ExitResult msr(kvm_run& run, ExitActions& actions) {
  auto& m = run.msr;
  bool ok;
  if (run.exit_reason == KVM_EXIT_X86_RDMSR) {
    std::uint64_t value = 0;
    ok = actions.read_msr(m.index, value);
    m.data = ok ? value : 0;
  } else {
    ok = actions.write_msr(m.index, m.data);
  }
  m.error = ok ? 0 : 1;  // the instruction ends in #GP
  return kRunAgain;
}

constexpr std::array<const char*, 40> kExitNames = {"UNKNOWN",
                                                    "EXCEPTION",
                                                    "IO",
                                                    "HYPERCALL",
                                                    "DEBUG",
                                                    "HLT",
                                                    "MMIO",
                                                    "IRQ_WINDOW_OPEN",
                                                    "SHUTDOWN",
                                                    "FAIL_ENTRY",
                                                    "INTR",
                                                    "SET_TPR",
                                                    "TPR_ACCESS",
                                                    "S390_SIEIC",
                                                    "S390_RESET",
                                                    "DCR",
                                                    "NMI",
                                                    "INTERNAL_ERROR",
                                                    "OSI",
                                                    "PAPR_HCALL",
                                                    "S390_UCONTROL",
                                                    "WATCHDOG",
                                                    "S390_TSCH",
                                                    "EPR",
                                                    "SYSTEM_EVENT",
                                                    "S390_STSI",
                                                    "IOAPIC_EOI",
                                                    "HYPERV",
                                                    "ARM_NISV",
                                                    "X86_RDMSR",
                                                    "X86_WRMSR",
                                                    "DIRTY_RING_FULL",
                                                    "AP_RESET_HOLD",
                                                    "X86_BUS_LOCK",
                                                    "XEN",
                                                    "RISCV_SBI",
                                                    "RISCV_CSR",
                                                    "NOTIFY",
                                                    "LOONGARCH_IOCSR",
                                                    "MEMORY_FAULT"};

}  // namespace

std::string exit_name(std::uint32_t reason) {
  return reason < kExitNames.size() ? kExitNames[reason] : fmt::format("exit {}", reason);
}

ExitResult handle_exit(kvm_run& run, std::size_t size, ExitActions& actions) {
  kvm_run_exit(run.exit_reason, [&run] { return exit_name(run.exit_reason); });
  switch (run.exit_reason) {
    case KVM_EXIT_IO:
      return port_io(run, size, actions);
    case KVM_EXIT_MMIO:
      return mmio(run, actions);
    case KVM_EXIT_HLT:
      return leave(run.if_flag ? VcpuExit::Halted : VcpuExit::HaltedMasked);
    case KVM_EXIT_SHUTDOWN:
      return leave(VcpuExit::Shutdown);
    case KVM_EXIT_DEBUG:
      return leave(VcpuExit::Debug);
    case KVM_EXIT_INTR:
    case KVM_EXIT_NMI:
      // The host's own interrupt or NMI: it has been taken, the guest goes on once requests have been looked at.
      return leave(VcpuExit::Interrupted);
    case KVM_EXIT_IRQ_WINDOW_OPEN:
      return kRunAgain;  // what waits for the window is injected before the entry
    case KVM_EXIT_SET_TPR:
      actions.set_cr8(run.cr8);
      return kRunAgain;
    case KVM_EXIT_TPR_ACCESS:
      // Only with KVM_TPR_ACCESS_REPORTING, which helps 32-bit guests of processors without FlexPriority and is not
      // switched on. The access itself has been carried out.
      actions.note("an access to the TPR was reported");
      return kRunAgain;
    case KVM_EXIT_X86_RDMSR:
    case KVM_EXIT_X86_WRMSR:
      return msr(run, actions);
    case KVM_EXIT_HYPERCALL:
      // Only hypercalls that KVM_CAP_EXIT_HYPERCALL hands over come here, and none is asked for.
      run.hypercall.ret = static_cast<std::uint64_t>(-1000);  // -KVM_ENOSYS, hypercalls.rst
      actions.note(fmt::format("hypercall {} is not known", std::uint64_t{run.hypercall.nr}));
      return kRunAgain;
    case KVM_EXIT_HYPERV:
      if (run.hyperv.type == KVM_EXIT_HYPERV_HCALL)
        run.hyperv.u.hcall.result = 2;  // HV_STATUS_INVALID_HYPERCALL_CODE: Hyper-V TLFS, appendix B
      actions.note(fmt::format("Hyper-V exit {}: no Hyper-V interface is offered", run.hyperv.type));
      return kRunAgain;
    case KVM_EXIT_IOAPIC_EOI:
      actions.end_of_interrupt(run.eoi.vector);
      return kRunAgain;
    case KVM_EXIT_SYSTEM_EVENT:
      return system_event(run, actions);
    case KVM_EXIT_X86_BUS_LOCK:
      actions.note("the guest takes split locks on the bus");
      return kRunAgain;
    case KVM_EXIT_NOTIFY:
      if (run.notify.flags & kNotifyContextInvalid)
        return fail(actions, "the guest held the processor too long and its state is corrupted");
      actions.note("the guest kept the processor from opening an event window");
      return kRunAgain;

    case KVM_EXIT_INTERNAL_ERROR:
      if (run.internal.suberror == KVM_INTERNAL_ERROR_EMULATION)
        if (const std::optional<ExitResult> result = actions.carry_out()) return *result;
      return fail(actions, internal_error(run));
    case KVM_EXIT_FAIL_ENTRY:
      return fail(actions, fmt::format("{}, on host CPU {}",
                                       describe_entry_failure(run.fail_entry.hardware_entry_failure_reason),
                                       std::uint32_t{run.fail_entry.cpu}));
    case KVM_EXIT_UNKNOWN:
      return fail(actions,
                  fmt::format("the processor left the guest for hardware reason {:#x}, which KVM does not know",
                              std::uint64_t{run.hw.hardware_exit_reason}));
    case KVM_EXIT_EXCEPTION:
      return fail(actions, fmt::format("exception {} with error code {:#x} was not delivered to the guest",
                                       run.ex.exception, run.ex.error_code));
    case KVM_EXIT_MEMORY_FAULT:
      return fail(actions, fmt::format("guest memory at {:#x} cannot be used", memory_fault(run).gpa));
    case KVM_EXIT_DIRTY_RING_FULL:
      // KVM returns this for ever until the ring is emptied. The dirty log is a bitmap here, no ring is switched on.
      return fail(actions, "the dirty ring is full, and none is in use");
    default:
      return fail(actions,
                  fmt::format("exit reason {} ({}) has no meaning here", run.exit_reason, exit_name(run.exit_reason)));
  }
}

ExitResult handle_run_error(int error, const kvm_run& run, ExitActions& actions) {
  switch (error) {
    case EINTR:   // a kick
    case EAGAIN:  // woken while waiting for SIPI. exit_reason is stale in both cases
      return leave(VcpuExit::Interrupted);
    case EFAULT:
      if (run.exit_reason == KVM_EXIT_MEMORY_FAULT)
        return fail(actions, fmt::format("guest memory at {:#x} cannot be used", memory_fault(run).gpa));
      return fail(actions, "KVM_RUN: the host's memory behind the guest's is gone (EFAULT)");
    case EHWPOISON:
      return fail(actions, "KVM_RUN: the host's memory behind the guest's is damaged (EHWPOISON)");
    case ENOEXEC:
      return fail(actions, "KVM_RUN: the vCPU has not been initialised (ENOEXEC)");
    case ENOMEM:
      return fail(actions, "KVM_RUN: the host is out of memory (ENOMEM)");
    default:
      return fail(actions, fmt::format("KVM_RUN: {}", std::strerror(error)));
  }
}

std::string describe_exit(const kvm_run& run, std::size_t size) {
  std::string name = exit_name(run.exit_reason);
  const auto bytes = [](unsigned n) { return n == 1 ? "1 byte" : fmt::format("{} bytes", n); };
  switch (run.exit_reason) {
    case KVM_EXIT_IO: {
      std::uint64_t value = 0;
      const bool out = run.io.direction == KVM_EXIT_IO_OUT;
      if (run.io.size <= 4 && run.io.data_offset + run.io.size <= size)
        std::memcpy(&value, reinterpret_cast<const std::uint8_t*>(&run) + run.io.data_offset, run.io.size);
      const std::string times = run.io.count == 1 ? "" : fmt::format(", {} times", run.io.count);
      return fmt::format("{} {} {:#x} {}{}", name, out ? "out" : "in", run.io.port, bytes(run.io.size), times) +
             (out ? fmt::format(": {:#x}", value) : "");
    }
    case KVM_EXIT_MMIO: {
      std::uint64_t value = 0;
      std::memcpy(&value, run.mmio.data, std::min<std::size_t>(run.mmio.len, sizeof run.mmio.data));
      return fmt::format("{} {} {:#x} {}", name, run.mmio.is_write ? "write" : "read",
                         std::uint64_t{run.mmio.phys_addr}, bytes(run.mmio.len)) +
             (run.mmio.is_write ? fmt::format(": {:#x}", value) : "");
    }
    case KVM_EXIT_X86_RDMSR:
    case KVM_EXIT_X86_WRMSR:
      return fmt::format("{} {:#x}", name, run.msr.index);
    case KVM_EXIT_INTERNAL_ERROR:
      return fmt::format("{} {}", name, run.internal.suberror);
    case KVM_EXIT_IOAPIC_EOI:
      return fmt::format("{} vector {:#x}", name, run.eoi.vector);
    default:
      return name;
  }
}

}  // namespace machina::kvm
