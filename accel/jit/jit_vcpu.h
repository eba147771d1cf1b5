#pragma once
/// One vCPU of the software CPU: what run_blocks() needs of a machine.

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "accel/exit_ring.h"
#include "accel/jit/cpu.h"
#include "accel/jit/debugger.h"
#include "accel/jit/environment.h"
#include "accel/jit/exit_record.h"
#include "accel/jit/kvmclock.h"
#include "accel/stop_report.h"
#include "core/memory/address_space.h"
#include "hw/x86/accelerator.h"

namespace machina {
class JitAccelerator;
class X86Cpu;
}  // namespace machina

namespace machina::jit {

class JitVcpu final : public Vcpu, public Environment {
 public:
  /// Throws Error.
  JitVcpu(JitAccelerator& accelerator, X86Cpu& cpu);
  ~JitVcpu() override;

  VcpuExit run() override;
  void kick() override { cpu_->request(kRequestKick); }
  void load_state(const X86State& state) override;
  void store_state(X86State& state) override;
  void set_debug(const DebugRequest& request) override { debugger_->set(request); }
  DebugStop debug_stop() const override { return debugger_->stop(); }
  std::uint64_t tsc() const override;
  std::uint64_t tsc_frequency() const override { return tsc_hz_; }
  std::uint64_t tsc_khz() const override { return tsc_hz_ / 1000; }
  void join_time(const Vcpu& other) override;
  /// Accelerator::guest_clock(). While parked.
  std::uint64_t guest_clock() { return kvmclock_now(*cpu_); }

  // --- by the accelerator, any thread ---
  void memory_changed() { cpu_->request(kRequestFlush); }
  /// The change of the memory map, as JitAccelerator counts them, up to which it has no translations from before.
  std::uint64_t map_known() const { return map_known_; }

 private:
  // PhysicalMemory, Environment
  std::uint64_t load_entry(std::uint64_t physical, unsigned width) override;
  bool replace_entry(std::uint64_t physical, unsigned width, std::uint64_t expected, std::uint64_t value) override;
  HostPage page(std::uint64_t physical) override;
  std::uint64_t read_physical(std::uint64_t physical, unsigned width) override;
  void write_physical(std::uint64_t physical, unsigned width, std::uint64_t value) override;
  std::mutex& bus_lock() override;
  void note_write(std::uint64_t physical, unsigned width) override;
  std::uint64_t read_port(std::uint16_t port, unsigned width) override;
  void write_port(std::uint16_t port, unsigned width, std::uint64_t value) override;
  void protect(std::uintptr_t host_page) override;
  void cache_full() override { kick(); }
  void refresh() override;
  bool interrupt_pending() override;
  int acknowledge_interrupt() override;
  bool take_nmi() override;
  void merge_nmis() override;
  bool take_smi() override;
  unsigned send_ipis(std::uint32_t first, std::uint64_t set, bool nmi, std::uint8_t vector) override;
  std::uint64_t cr8() override;
  void set_cr8(std::uint64_t value) override;
  bool read_msr(std::uint32_t index, std::uint64_t& value) override;
  bool write_msr(std::uint32_t index, std::uint64_t value) override;
  std::uint64_t tsc() override { return static_cast<const JitVcpu*>(this)->tsc(); }
  void set_tsc(std::uint64_t value) override;

  void set_cpu_model();
  void set_tsc_offset(std::uint64_t offset);
  void take_pending(const X86Events& events);
  std::string name() const override;
  VcpuExit run_until_exit();
  std::uint64_t read_device(std::uint64_t physical, unsigned width);
  void note(const ExitRecord& exit);
  void note_access(ExitRecord::Kind kind, unsigned width, std::uint64_t address, std::uint64_t value) {
    note({kind, static_cast<std::uint8_t>(width), address, value});
  }
  StopReport report(std::string why, StopKind kind, const X86State& state) const;
  void report_triple_fault();
  MemoryDispatch& memory() { return cpu_->smm ? smm_memory_ : main_memory_; }
  bool in_apic_page(std::uint64_t physical) const;
  std::uint64_t through_a20(std::uint64_t physical) const { return a20_ ? physical : physical & ~(1ULL << 20); }

  JitAccelerator& accelerator_;
  X86Cpu& x86_;
  MemoryDispatch& main_memory_;
  MemoryDispatch smm_memory_;
  std::unique_ptr<Cpu> cpu_;
  std::unique_ptr<Debugger> debugger_;

  ExitRing<ExitRecord> last_exits_;
  std::uint64_t tsc_hz_ = 0;
  std::atomic<std::uint64_t> tsc_offset_{0};
  std::uint64_t stored_tsc_ = ~std::uint64_t{0};  ///< as store_state() gave it last
  std::optional<std::uint64_t> clock_before_;     ///< JitAccelerator::clock_before(), until the first state is there

  // Events of a state that came from elsewhere, which an interrupt controller has handed over already.
  std::optional<std::uint8_t> accepted_vector_;
  bool nmi_injected_ = false, nmi_pending_ = false, smi_pending_ = false;

  // The memory map as of the last refresh(): it keeps the RAM alive that translations lead to.
  struct CachedPage {
    std::uint64_t physical = ~std::uint64_t{0};
    HostPage page;
  };
  static constexpr unsigned kCachedPages = 1024;
  std::array<CachedPage, kCachedPages> pages_;
  std::shared_ptr<const FlatView> view_;
  std::atomic<std::uint64_t> map_known_{0};
  bool smm_view_ = false;
  bool a20_ = true;
  std::uint64_t apic_page_ = ~std::uint64_t{0};  ///< physical; none: all ones
};

}  // namespace machina::jit
