#pragma once
/// A software CPU with 16 MiB of RAM and nothing else: for tests of instructions. Code is given as bytes; it runs until
/// HLT, or until a fault that it has no handler for (Shutdown).

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "accel/jit/block_cache.h"
#include "accel/jit/control_registers.h"
#include "accel/jit/cpu.h"
#include "accel/jit/cpu_group.h"
#include "accel/jit/environment.h"
#include "accel/jit/features.h"
#include "accel/jit/guest_ram.h"
#include "accel/jit/run.h"

namespace machina::jit {

class BareMachine : public Environment {
 public:
  static constexpr std::uint64_t kRamSize = 16 << 20;
  static constexpr std::uint64_t kCode = 0x10000, kStack = 0x80000;

  /// `block_limit`: of the cache of blocks, in bytes.
  explicit BareMachine(std::size_t block_limit = BlockCache::kLimit)
      : BareMachine(std::make_shared<Common>(block_limit)) {}
  /// Another CPU of the same machine: its RAM, its blocks.
  explicit BareMachine(BareMachine& first) : BareMachine(first.common_) {}
  ~BareMachine() override { common_->group.remove(*cpu_); }

  Cpu& cpu() { return *cpu_; }
  std::uint8_t* ram() { return ram_; }
  BlockCache& blocks() { return common_->blocks; }
  CpuGroup& group() { return common_->group; }

  template <class T>
  T get(std::uint64_t physical) const {
    T value;
    std::memcpy(&value, ram_ + physical, sizeof value);
    return value;
  }
  template <class T>
  void put(std::uint64_t physical, T value) {
    std::memcpy(ram_ + physical, &value, sizeof value);
    blocks().written(reinterpret_cast<std::uintptr_t>(ram_ + physical), sizeof value);
  }
  void put_code(std::uint64_t physical, std::span<const std::uint8_t> bytes) {
    for (std::size_t i = 0; i < bytes.size(); ++i) put<std::uint8_t>(physical + i, bytes[i]);
  }

  // --- where a test starts: flat, at CPL 0, at kCode, with a stack below kStack ---
  void real_mode() {
    set_all(0x0093, 0xffff, 0);
    cpu_->cr0 = kCr0Et;
    start();
  }
  void protected_32() {
    set_all(0xc093, 0xffffffff, 0x10);
    cpu_->set_segment(kCs, {.selector = 8, .rights = 0xc09b, .limit = 0xffffffff, .base = 0});
    cpu_->cr0 = kCr0Et | kCr0Pe;
    start();
  }
  /// With 2 MiB pages that map the first 16 MiB to themselves for everybody, at 1 MiB.
  void long_64(unsigned cpl = 0) {
    set_all(static_cast<std::uint16_t>(0xc093 | cpl << 5), 0xffffffff, static_cast<std::uint16_t>(0x10 | cpl));
    cpu_->set_segment(kCs, {.selector = static_cast<std::uint16_t>(8 | cpl),
                            .rights = static_cast<std::uint16_t>(0xa09b | cpl << 5),
                            .limit = 0xffffffff,
                            .base = 0});
    cpu_->cpl = static_cast<std::uint8_t>(cpl);
    constexpr std::uint64_t kTables = 1 << 20;
    put<std::uint64_t>(kTables, kTables + 0x1007);
    put<std::uint64_t>(kTables + 0x1000, kTables + 0x2007);
    for (std::uint64_t i = 0; i < kRamSize >> 21; ++i) put<std::uint64_t>(kTables + 0x2000 + 8 * i, i << 21 | 0x87);
    cpu_->cr3 = kTables;
    cpu_->cr4 = kCr4Pae | kCr4Osfxsr | kCr4Osxmmexcpt | kCr4Osxsave;
    cpu_->xcr0 = 7;
    cpu_->efer = kEferLme | kEferLma;
    cpu_->cr0 = kCr0Et | kCr0Pe | kCr0Pg | kCr0Mp | kCr0Ne;
    start();
  }
  void start() {
    cpu_->rip = kCode;
    cpu_->gpr[kRsp] = kStack;
    cpu_->set_eflags(2);
    cpu_->flush_tlb();
    cpu_->update_mode();
  }
  /// Runs the bytes at kCode until HLT (which the caller appends) or shutdown.
  VcpuExit run(std::span<const std::uint8_t> code) {
    put_code(kCode, code);
    cpu_->rip = kCode;
    cpu_->exit = VcpuExit::Interrupted;
    return run_blocks(*cpu_);
  }
  VcpuExit run(std::initializer_list<std::uint8_t> code) { return run(std::span(code.begin(), code.size())); }

  // --- what is seen from outside ---
  struct PortWrite {
    std::uint16_t port;
    unsigned width;
    std::uint64_t value;
  };
  std::vector<PortWrite> port_writes;
  struct Ipi {
    std::uint32_t first;
    std::uint64_t set;
    bool nmi;
    std::uint8_t vector;
    friend bool operator==(const Ipi&, const Ipi&) = default;
  };
  std::vector<Ipi> ipis;
  std::map<std::uint16_t, std::uint64_t> ports;
  std::map<std::uint32_t, std::uint64_t> msrs;
  int interrupt_vector = -1;  ///< INTR, while it is not negative
  bool nmi = false, smi = false;
  int nmi_merges = 0;  ///< how often NMIs were let in again
  std::uint64_t time_stamp = 1000;

  // Environment
  HostPage page(std::uint64_t physical) override {
    return physical < kRamSize ? HostPage{ram_ + physical} : HostPage{};
  }
  std::uint64_t read_physical(std::uint64_t physical, unsigned width) override {
    std::uint64_t value = ~std::uint64_t{0};
    if (physical + width <= kRamSize) std::memcpy(&value, ram_ + physical, width);
    return value;
  }
  void write_physical(std::uint64_t physical, unsigned width, std::uint64_t value) override {
    if (physical + width <= kRamSize) std::memcpy(ram_ + physical, &value, width);
  }
  std::uint64_t load_entry(std::uint64_t physical, unsigned width) override {
    if (physical + width > kRamSize) return 0;
    return width == 4 ? ram_load<std::uint32_t>(ram_ + physical) : ram_load<std::uint64_t>(ram_ + physical);
  }
  bool replace_entry(std::uint64_t physical, unsigned width, std::uint64_t expected, std::uint64_t value) override {
    if (physical + width > kRamSize) return expected == 0;
    if (width == 8) return ram_compare_exchange(ram_ + physical, expected, value);
    auto old = static_cast<std::uint32_t>(expected);
    return ram_compare_exchange(ram_ + physical, old, static_cast<std::uint32_t>(value));
  }
  std::mutex& bus_lock() override { return common_->bus_lock; }
  std::uint64_t read_port(std::uint16_t port, unsigned) override {
    const auto it = ports.find(port);
    return it == ports.end() ? ~std::uint64_t{0} : it->second;
  }
  void write_port(std::uint16_t port, unsigned width, std::uint64_t value) override {
    port_writes.push_back({port, width, value});
  }
  void protect(std::uintptr_t host_page) override { common_->group.protect(*cpu_, host_page); }
  bool interrupt_pending() override { return interrupt_vector >= 0; }
  int acknowledge_interrupt() override { return std::exchange(interrupt_vector, -1); }
  bool take_nmi() override { return std::exchange(nmi, false); }
  void merge_nmis() override { ++nmi_merges; }
  bool take_smi() override { return std::exchange(smi, false); }
  unsigned send_ipis(std::uint32_t first, std::uint64_t set, bool nmi, std::uint8_t vector) override {
    ipis.push_back({first, set, nmi, vector});
    return static_cast<unsigned>(std::popcount(set));
  }
  std::uint64_t cr8() override { return cr8_; }
  void set_cr8(std::uint64_t value) override { cr8_ = value; }
  bool read_msr(std::uint32_t index, std::uint64_t& value) override {
    const auto it = msrs.find(index);
    if (it == msrs.end()) return false;
    value = it->second;
    return true;
  }
  bool write_msr(std::uint32_t index, std::uint64_t value) override {
    if (!msrs.contains(index)) return false;
    msrs[index] = value;
    return true;
  }
  std::uint64_t tsc() override { return time_stamp; }
  void set_tsc(std::uint64_t value) override { time_stamp = value; }

 private:
  void set_all(std::uint16_t rights, std::uint32_t limit, std::uint16_t selector) {
    cpu_->cpl = 0;
    cpu_->efer = 0;
    cpu_->cr4 = 0;
    for (unsigned i = 0; i < 6; ++i)
      cpu_->set_segment(i, {.selector = selector, .rights = rights, .limit = limit, .base = 0});
    if (rights == 0x0093) cpu_->set_segment(kCs, {.selector = 0, .rights = 0x009b, .limit = limit, .base = 0});
  }

  /// What the CPUs of a machine share.
  struct Common {
    explicit Common(std::size_t block_limit)
        : ram(static_cast<std::uint8_t*>(
              mmap(nullptr, kRamSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))),
          blocks(block_limit) {}
    ~Common() { munmap(ram, kRamSize); }
    Common(const Common&) = delete;
    Common& operator=(const Common&) = delete;

    std::uint8_t* const ram;
    BlockCache blocks;
    CpuGroup group;
    std::mutex bus_lock;
  };

  explicit BareMachine(std::shared_ptr<Common> common)
      : common_(std::move(common)), ram_(common_->ram), cpu_(std::make_unique<Cpu>(*this, common_->blocks)) {
    cpu_->features.fill(~0U);
    set(cpu_->features, feature::kAvx512f, false);
    common_->group.add(*cpu_);
    real_mode();
  }

  std::shared_ptr<Common> common_;
  std::uint8_t* ram_;
  std::unique_ptr<Cpu> cpu_;
  std::uint64_t cr8_ = 0;
};

}  // namespace machina::jit
