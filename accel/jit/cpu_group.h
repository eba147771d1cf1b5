#pragma once
/// The CPUs of a machine, as far as one of them has to do with the others'.

#include <cstdint>
#include <mutex>
#include <vector>

namespace machina::jit {

struct Cpu;

class CpuGroup {
 public:
  // Any thread.
  void add(Cpu& cpu);
  void remove(Cpu& cpu);

  /// By the thread of `self`, between blocks, without locks that a block may wait for. When it returns no CPU of the
  /// group writes this page of the process without looking for code, and no store is under way that did not look: where
  /// another CPU had the right to write the page, this waits for the end of the block in which that CPU is.
  void protect(Cpu& self, std::uintptr_t host_page);

 private:
  bool settled(std::vector<Cpu*>& asked);

  std::mutex one_at_a_time_;  // who comes second must not go before the first has waited
  std::mutex mutex_;          // of cpus_; nothing is locked under it
  std::vector<Cpu*> cpus_;
};

/// While it lives, blocks of the CPU run on this thread, and stores may be under way.
class InBlocks {
 public:
  explicit InBlocks(Cpu& cpu) : cpu_(cpu) { enter(cpu); }
  ~InBlocks() { leave(cpu_); }
  InBlocks(const InBlocks&) = delete;
  InBlocks& operator=(const InBlocks&) = delete;

  static void enter(Cpu& cpu);
  static void leave(Cpu& cpu);

 private:
  Cpu& cpu_;
};

}  // namespace machina::jit
