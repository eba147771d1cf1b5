#include "accel/triple_fault.h"

#include <fmt/format.h>

#include "accel/fault_text.h"
#include "accel/stop_hint.h"
#include "core/log.h"
#include "core/system.h"
#include "hw/x86/x86_cpu.h"

namespace machina {

namespace {

/// As the machine, which the CPU is a part of, says; a test may have none.
bool reset_ends_machine(const X86Cpu& cpu) {
  for (const qom::Object* o = cpu.parent(); o; o = o->parent())
    if (const qom::Property* p = o->object_class().find_property("no-reboot")) return p->get(*o) == qom::Value(true);
  return false;
}

}  // namespace

TripleFaults::Detail TripleFaults::detail(const X86Cpu& cpu, System& system) {
  if (log::on(log::Category::CpuReset)) return Detail::Report;
  {
    const MachineLock::Guard guard(system.lock);
    if (reset_ends_machine(cpu)) return Detail::Report;
  }
  return lines_.load(std::memory_order_relaxed) < kLines ? Detail::Line : Detail::None;
}

void TripleFaults::tell(const StopReport& r, Detail detail) {
  switch (detail) {
    case Detail::None:
      return;
    case Detail::Report: {
      const std::string text = make_report(r);
      if (log::on(log::Category::CpuReset)) return log::write(log::Category::CpuReset, "{}", text);
      return log::warning("{}", text);
    }
    case Detail::Line:
      break;
  }
  if (!r.state || resets_on_purpose(r)) return;
  if (lines_.fetch_add(1, std::memory_order_relaxed) >= kLines) return;
  std::string events;
  for (const FaultRecord& e : r.chain) events += (events.empty() ? ": " : ", ") + event_name(e);
  log::warning("{}: triple fault at {:04x}:{:x}{}. The machine resets; -d cpu_reset, or -no-reboot, tells why", r.cpu,
               r.state->segment[kCs].selector, r.state->rip, events);
}

}  // namespace machina
