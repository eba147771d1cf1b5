#include "accel/jit/interrupt.h"

#include "accel/jit/cpu_log.h"
#include "accel/jit/debug.h"
#include "accel/jit/interrupt_gate.h"
#include "core/log.h"
#include "core/trace/trace_event.h"

namespace machina::jit {

namespace {

const TraceEvent<unsigned, unsigned, std::uint64_t> jit_interrupt{"jit_interrupt", "vector={:#x} cs={:#x} rip={:#x}",
                                                                  TraceScope::Vcpu};
const TraceEvent<unsigned, unsigned, std::uint64_t, unsigned, std::uint64_t> jit_fault{
    "jit_fault", "vector={} error={:#x} address={:#x} cs={:#x} rip={:#x}", TraceScope::Vcpu};
const TraceEvent<unsigned, unsigned, std::uint64_t> jit_software_interrupt{
    "jit_software_interrupt", "vector={:#x} cs={:#x} rip={:#x}", TraceScope::Vcpu};
const TraceEvent<std::uint64_t> jit_shutdown{"jit_shutdown", "rip={:#x}", TraceScope::Vcpu};

/// SDM vol. 3, table 6-4.
enum class Severity { Benign, Contributory, PageFault, DoubleFault };

Severity severity_of(const Event& event) {
  if (event.kind != Event::Kind::Exception) return Severity::Benign;
  switch (static_cast<Vector>(event.vector)) {
    case Vector::DivideError:
    case Vector::InvalidTss:
    case Vector::SegmentNotPresent:
    case Vector::StackSegment:
    case Vector::GeneralProtection:
      return Severity::Contributory;
    case Vector::PageFault:
      return Severity::PageFault;
    case Vector::DoubleFault:
      return Severity::DoubleFault;
    default:
      return Severity::Benign;
  }
}

/// What comes of `second` while `first` was on its way: SDM vol. 3, table 6-5. True: nothing but a shutdown.
bool combine(const Event& first, Event& second) {
  const Severity a = severity_of(first), b = severity_of(second);
  if (a == Severity::DoubleFault) return b != Severity::Benign;
  const bool doubled = (a == Severity::Contributory && b == Severity::Contributory) ||
                       (a == Severity::PageFault && (b == Severity::Contributory || b == Severity::PageFault));
  if (doubled)
    second = Event{.vector = static_cast<std::uint8_t>(Vector::DoubleFault), .has_error_code = true, .error_code = 0};
  return false;
}

Event event_of(const GuestFault& fault) {
  return {.vector = static_cast<std::uint8_t>(fault.vector),
          .has_error_code = fault.has_error_code,
          .error_code = fault.error_code,
          .address = fault.address};
}

GuestFault fault_of(const Event& event) {
  return {.vector = static_cast<Vector>(event.vector),
          .has_error_code = event.has_error_code,
          .error_code = event.error_code,
          .address = event.address};
}

/// #DB's handler may use the debug registers, and is not stepped from branch to branch: SDM vol. 3, 18.2.4 and 18.4.1.
void note_debug(Cpu& cpu, const Event& event) {
  if (event.kind != Event::Kind::Exception || event.vector != static_cast<std::uint8_t>(Vector::Debug)) return;
  cpu.dr7 &= ~kDr7GeneralDetect;
  cpu.msrs.debugctl &= ~kDebugctlBranchStep;
}

void note_address(Cpu& cpu, const Event& event) {
  if (event.kind == Event::Kind::Exception && event.vector == static_cast<std::uint8_t>(Vector::PageFault))
    cpu.cr2 = event.address;
}

/// Is `read` what the error code of `event` is about? SDM vol. 3, 6.13.
bool names(const FaultRecord& event, const TableRead& read) {
  if (!read || !event.has_error_code || event.vector == static_cast<std::uint8_t>(Vector::PageFault)) return false;
  switch (read.table) {
    case TableRead::Table::Vectors:  // there is no error code in real mode
      return read.result == TableRead::Result::BeyondLimit;
    case TableRead::Table::Idt:  // INT n
      return (event.error_code & 2) && event.error_code >> 3 == read.index;
    default:
      return (event.error_code & 2) == 0 && event.error_code > 3 &&
             (event.error_code & 0xfffc) == (read.index & 0xfffcU);
  }
}

void record(Cpu& cpu, const Event& event) {
  auto& d = cpu.fault_chain.add_delivery();
  d.vector = event.vector;
  d.cpl = cpu.cpl;
  d.external = event.kind == Event::Kind::External;
  d.software = event.kind == Event::Kind::Software || event.kind == Event::Kind::SoftwareException;
  d.has_error_code = event.has_error_code;
  d.error_code = event.error_code;
  d.address = event.address;
  d.cs = cpu.segment[kCs].selector;
  d.rip = cpu.rip;
  d.rsp = cpu.gpr[kRsp];
  if (d.exception())
    for (const TableRead* read : {&cpu.fault_chain.gate, &cpu.fault_chain.descriptor})
      if (names(d, *read)) d.cause = *read;
  if (log::on(log::Category::Int) || log::on(log::Category::Mmu)) [[unlikely]]
    log_event(cpu, d);
  if (cpu.rehearses) return;
  if (d.external) {
    jit_interrupt(d.vector, d.cs, cpu.rip);
  } else if (d.software) {
    jit_software_interrupt(d.vector, d.cs, cpu.rip);
  } else {
    jit_fault(d.vector, static_cast<unsigned>(d.error_code), d.address, d.cs, cpu.rip);
  }
}

/// True: `fault` kept the handler from being entered.
bool fails(Cpu& cpu, const Event& event, Event& fault) {
  FaultChain& chain = cpu.fault_chain;
  record(cpu, event);
  chain.gate = chain.descriptor = {};
  bool failed = false;
  try {
    enter_handler(cpu, event, cpu.rip);
  } catch (const GuestFault& f) {
    fault = event_of(is_external(event) ? of_external_event(f) : f);
    failed = true;
  }
  FaultRecord& recorded = chain.last_delivery();
  recorded.gate = chain.gate;
  recorded.descriptor = chain.descriptor;
  recorded.failed = failed;
  if (!failed) chain.gate = chain.descriptor = {};
  return failed;
}

}  // namespace

void shut_down(Cpu& cpu) {
  if (!cpu.rehearses) jit_shutdown(cpu.rip);
  cpu.exit = VcpuExit::Shutdown;
  cpu.request(kRequestExit);
}

void deliver(Cpu& cpu, const Event& first) {
  cpu.block = nullptr;  // its bytes may be written: it is over
  cpu.chain_slot = nullptr;
  cpu.fault_op = nullptr;
  cpu.interrupt_shadow = 0;
  note_address(cpu, first);
  note_debug(cpu, first);
  Event event = first;
  for (Event fault; fails(cpu, event, fault); event = fault) {
    note_address(cpu, fault);
    if (combine(event, fault)) {
      record(cpu, fault);
      shut_down(cpu);
      break;
    }
    // Some handlers can never be entered, as that of #AC with an odd stack at CPL 3: a processor tries for ever, too.
    // Nobody else may have to wait for it.
    if (cpu.requests.load(std::memory_order_relaxed) & ~std::uint32_t{kRequestInterrupt}) {
      cpu.undelivered = fault_of(fault);
      cpu.request(kRequestInterrupt);
      break;
    }
  }
  cpu.mid_repetition = false;
  cpu.update_mode();
}

void deliver(Cpu& cpu, const GuestFault& fault) { deliver(cpu, event_of(fault)); }

}  // namespace machina::jit
