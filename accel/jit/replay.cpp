#include "accel/jit/replay.h"

#include <array>
#include <cstring>
#include <map>
#include <memory>

#include "accel/jit/environment.h"
#include "accel/jit/host_float.h"
#include "accel/jit/interrupt.h"
#include "accel/jit/stepper.h"

namespace machina::jit {

namespace {

constexpr std::uint8_t kNmiVector = 2;
constexpr std::uint32_t kMsrTsc = 0x10, kMsrApicBase = 0x1b;
constexpr std::size_t kMostPages = 1024;  // that an instruction may touch: those of a REP, above all

/// Memory as it stands, of which each page that is touched is a copy.
class Rehearsal final : private Environment {
 public:
  Rehearsal(const X86State& state, const FlatView& memory, BlockCache& blocks, const CpuidTable& cpuid)
      : state_(state), memory_(memory), stepper_(*this, blocks, cpuid) {
    stepper_.cpu().rehearses = true;
  }

  /// The events that waited for their delivery go first, unless they are to be left out. Empty: no triple fault.
  FaultRecords play(bool with_events) {
    X86State state = state_;
    if (!with_events) state.events = {};
    state.events.triple_fault_pending = false;
    const X86Events& e = state.events;
    Cpu& cpu = stepper_.cpu();
    cpu.fault_chain.delivery_count = 0;
    stepper_.load(state);
    if (e.nmi_injected) {
      inject({.vector = kNmiVector});
    } else if (e.interrupt_injected) {
      inject({.vector = e.interrupt_vector, .kind = e.interrupt_soft ? Event::Kind::Software : Event::Kind::External});
    } else {
      return stepper_.step() == Stepper::Outcome::Shutdown ? cpu.fault_chain.shutdown() : FaultRecords{};
    }
    return (cpu.requests & kRequestExit) && cpu.exit == VcpuExit::Shutdown ? cpu.fault_chain.shutdown()
                                                                           : FaultRecords{};
  }

 private:
  void inject(const Event& event) {
    const GuestFloat guest_float(stepper_.cpu());
    deliver(stepper_.cpu(), event);
  }

  struct alignas(kPageSize) Copy {
    std::array<std::uint8_t, kPageSize> bytes;
  };

  HostPage page(std::uint64_t physical) override {
    if (const auto found = copies_.find(physical); found != copies_.end())
      return {found->second.copy->bytes.data(), found->second.readonly};
    const FlatRange* range = memory_.find(physical);
    if (!range || !range->is_ram() || range->last - physical < kPageSize - 1) return {};
    if (copies_.size() >= kMostPages) throw NotHere{};
    auto copy = std::make_unique<Copy>();
    std::memcpy(copy->bytes.data(), range->host + (physical - range->first), kPageSize);
    std::uint8_t* host = copy->bytes.data();
    copies_.emplace(physical, Kept{std::move(copy), range->readonly});
    return {host, range->readonly};
  }

  std::uint64_t load_entry(std::uint64_t physical, unsigned width) override { return read_physical(physical, width); }

  bool replace_entry(std::uint64_t physical, unsigned width, std::uint64_t, std::uint64_t value) override {
    write_physical(physical, width, value);
    return true;
  }

  std::uint64_t read_physical(std::uint64_t physical, unsigned width) override {
    std::uint64_t value = 0;
    if (const HostPage p = page(physical & kPageMask); p.host) {
      std::memcpy(&value, p.host + physical % kPageSize, width);
      return value;
    }
    if (memory_.find(physical)) throw NotHere{};  // registers
    return ~value;
  }

  void write_physical(std::uint64_t physical, unsigned width, std::uint64_t value) override {
    if (const HostPage p = page(physical & kPageMask); p.host) {
      if (!p.readonly) std::memcpy(p.host + physical % kPageSize, &value, width);
    } else if (memory_.find(physical)) {
      throw NotHere{};
    }
  }

  std::mutex& bus_lock() override { return bus_lock_; }
  std::uint64_t read_port(std::uint16_t, unsigned) override { throw NotHere{}; }
  void write_port(std::uint16_t, unsigned, std::uint64_t) override { throw NotHere{}; }
  void protect(std::uintptr_t) override {}
  bool interrupt_pending() override { return false; }
  int acknowledge_interrupt() override { return -1; }
  bool take_nmi() override { return false; }
  bool take_smi() override { return false; }
  std::uint64_t cr8() override { return state_.cr8; }
  void set_cr8(std::uint64_t) override {}
  bool read_msr(std::uint32_t index, std::uint64_t& value) override {
    if (index != kMsrApicBase) throw NotHere{};
    value = state_.apic_base;
    return true;
  }
  bool write_msr(std::uint32_t, std::uint64_t) override { throw NotHere{}; }
  std::uint64_t tsc() override { return state_.msr(kMsrTsc); }
  void set_tsc(std::uint64_t) override {}

  struct Kept {
    std::unique_ptr<Copy> copy;
    bool readonly;
  };
  const X86State& state_;
  const FlatView& memory_;
  std::map<std::uint64_t, Kept> copies_;
  std::mutex bus_lock_;
  Stepper stepper_;
};

FaultRecords play(const X86State& state, const FlatView& memory, BlockCache& blocks, const CpuidTable& cpuid,
                  bool with_events) {
  try {
    // Large: not on the stack.
    return std::make_unique<Rehearsal>(state, memory, blocks, cpuid)->play(with_events);
  } catch (const NotHere&) {
    return {};  // of an event's delivery: the stack, say, is registers
  }
}

bool event_waits(const X86Events& e) {
  return e.exception_injected || e.exception_pending || e.interrupt_injected || e.nmi_injected;
}

}  // namespace

Replayed replay_shutdown(const X86State& state, const FlatView& memory, BlockCache& blocks, const CpuidTable& cpuid) {
  if (state.events.smm) return {{}, "The fault chain is not known: the CPU was in system management mode."};
  if (event_waits(state.events))
    if (FaultRecords chain = play(state, memory, blocks, cpuid, true); !chain.empty())
      return {std::move(chain), "The chain is from delivering the event that waited once more, on a copy."};
  if (FaultRecords chain = play(state, memory, blocks, cpuid, false); !chain.empty())
    return {std::move(chain), "The chain is from carrying out the instruction at RIP once more, on a copy."};
  return {
      {},
      "The fault chain could not be reconstructed: the instruction at RIP, carried out once more on a copy, does not\n"
      "end in a triple fault. An interrupt whose handler cannot be entered, or memory that changed since, would."};
}

}  // namespace machina::jit
