#include "accel/jit/interrupt.h"

namespace machina::jit {

void deliver(Cpu& cpu, const Event&) {
  cpu.triple_fault = true;
  cpu.exit = VcpuExit::Shutdown;
  cpu.request(kRequestExit);
}
void deliver(Cpu& cpu, const GuestFault& fault) {
  deliver(cpu, Event{.vector = static_cast<std::uint8_t>(fault.vector),
                     .has_error_code = fault.has_error_code,
                     .error_code = fault.error_code,
                     .address = fault.address});
}

}  // namespace machina::jit
