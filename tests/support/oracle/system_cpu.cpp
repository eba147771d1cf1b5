#include "tests/support/oracle/system_cpu.h"

#include <algorithm>
#include <atomic>

#include "accel/fault_text.h"
#include "accel/jit/cpuid_leaf.h"
#include "accel/jit/jit_state.h"
#include "accel/stop_report.h"
#include "tests/unit/accel/jit/bare_machine.h"

namespace machina::jit {

namespace {

/// Blocks whose bytes have changed stay in memory until the cache is emptied.
constexpr unsigned kCasesBetweenEmptying = 4096;

thread_local std::atomic<unsigned> watch{0};
thread_local std::atomic<Cpu*> watched{nullptr};

}  // namespace

/// Has the RAM of SystemLayout; beyond it, reads give ones.
class SystemCpu::Machine : public BareMachine {
 public:
  HostPage page(std::uint64_t physical) override {
    return physical < SystemLayout::kRam ? HostPage{ram() + physical} : HostPage{};
  }
  std::uint64_t read_physical(std::uint64_t physical, unsigned width) override {
    return physical + width <= SystemLayout::kRam ? BareMachine::read_physical(physical, width) : ~std::uint64_t{0};
  }
  void write_physical(std::uint64_t physical, unsigned width, std::uint64_t value) override {
    if (physical + width <= SystemLayout::kRam) BareMachine::write_physical(physical, width, value);
  }
  std::uint64_t load_entry(std::uint64_t physical, unsigned width) override {
    return physical + width <= SystemLayout::kRam ? BareMachine::load_entry(physical, width) : ~std::uint64_t{0};
  }
  bool replace_entry(std::uint64_t physical, unsigned width, std::uint64_t expected, std::uint64_t value) override {
    return physical + width > SystemLayout::kRam || BareMachine::replace_entry(physical, width, expected, value);
  }
  std::uint64_t read_port(std::uint16_t port, unsigned width) override {
    note({.port = port, .width = static_cast<std::uint8_t>(width), .write = false, .value = port_value(port, width)});
    return port_value(port, width);
  }
  void write_port(std::uint16_t port, unsigned width, std::uint64_t value) override {
    if (port == SystemLayout::kEndPort) {
      cpu().exit = VcpuExit::Halted;
      return cpu().request(kRequestExit);
    }
    const auto mask = width == 4 ? 0xffffffffU : (1U << 8 * width) - 1;
    note({.port = port,
          .width = static_cast<std::uint8_t>(width),
          .write = true,
          .value = static_cast<std::uint32_t>(value) & mask});
  }

  std::vector<PortAccess>* log = nullptr;
  unsigned cases = 0;

 private:
  void note(const PortAccess& access) const {
    if (log) log->push_back(access);
  }
};

SystemCpu::SystemCpu(const CpuidTable& cpuid) : machine_(std::make_unique<Machine>()) {
  set_cpuid(machine_->cpu(), cpuid);
  watched = &machine_->cpu();
}

SystemCpu::~SystemCpu() { watched = nullptr; }

void SystemCpu::tick() {
  ++watch;
  if (Cpu* cpu = watched) cpu->request(kRequestKick);
}

std::uint8_t* SystemCpu::ram() { return machine_->ram(); }

void SystemCpu::written(std::uint64_t physical, unsigned size) {
  machine_->blocks().written(reinterpret_cast<std::uintptr_t>(machine_->ram() + physical), size);
}

const FaultRecord* SystemCpu::failed_delivery() const {
  const FaultChain& chain = machine_->cpu().fault_chain;
  const std::uint64_t count = std::min<std::uint64_t>(chain.delivery_count, FaultChain::kDeliveries);
  for (std::uint64_t i = 0; i < count; ++i)
    if (chain.deliveries[i].failed) return &chain.deliveries[i];
  return nullptr;
}

const FaultRecord* SystemCpu::last_delivery() const {
  const FaultChain& chain = machine_->cpu().fault_chain;
  return chain.delivery_count == 0 ? nullptr : &chain.deliveries[(chain.delivery_count - 1) % FaultChain::kDeliveries];
}

bool SystemCpu::strayed() const {
  // Blocks are counted whole: the instruction with the HLT behind it; then a HLT for each event.
  constexpr std::uint64_t kMost = 5;
  const Cpu& cpu = machine_->cpu();
  const std::uint64_t deliveries = cpu.fault_chain.delivery_count;
  return cpu.instructions > kMost + deliveries || deliveries > FaultChain::kDeliveries;
}

std::string SystemCpu::describe() const {
  Cpu& cpu = machine_->cpu();
  X86State state;
  store_state(cpu, state);
  std::string text = "events, oldest first:\n";
  for (const std::string& line : cpu.fault_chain.earlier()) text += "  " + line + "\n";
  return text + describe_chain(cpu.fault_chain.shutdown(), cpu.long_mode()) + describe_registers(state);
}

void SystemCpu::run(const SystemCase& c, SystemOutcome& outcome, unsigned patience) {
  outcome.ports.clear();
  outcome.why.clear();
  Cpu& cpu = machine_->cpu();
  machine_->log = &outcome.ports;
  if (++machine_->cases % kCasesBetweenEmptying == 0) machine_->blocks().clear();
  machine_->set_cr8(c.state.cr8);
  load_state(cpu, c.state);
  cpu.exit = VcpuExit::Interrupted;
  cpu.fault_chain.delivery_count = 0;
  cpu.instructions = 0;
  watch = 0;
  VcpuExit exit = VcpuExit::Interrupted;
  do {
    cpu.requests.store(0);
    exit = run_blocks(cpu);
  } while (exit == VcpuExit::Interrupted && watch < patience);
  outcome.end = exit == VcpuExit::Shutdown      ? SystemEnd::Shutdown
                : exit == VcpuExit::Interrupted ? SystemEnd::Endless
                                                : SystemEnd::Halted;
  cpu.requests.store(0);
  store_state(cpu, outcome.state);
  outcome.state.cr8 = machine_->cr8();
  outcome.state.xsave.clear();
  const FaultChain& chain = cpu.fault_chain;
  first_vector_ = -1;
  if (chain.delivery_count > 0 && chain.delivery_count <= FaultChain::kDeliveries) {
    const auto& first = chain.deliveries[0];
    if (first.rip == c.state.rip && !first.software) first_vector_ = first.vector;
  }
}

}  // namespace machina::jit
