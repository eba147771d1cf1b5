#pragma once
/// Several software CPUs on one RAM, each with a host thread: for the programs of tests/guest/asm/races.S.

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/test_paths.h"
#include "tests/unit/accel/jit/descriptor_tables.h"

namespace machina::jit {

/// In the order of the table in races.S.
enum class Program : unsigned {
  Counters,  ///< XADD, INC, CMPXCHG and XCHG of 1, 2, 4 and 8 bytes
  Cmpxchg8b = 16,
  Cmpxchg16b,
  Spinlocks,  ///< of 1, 2, 4 and 8 bytes
  StoreBufferPlain = 22,
  StoreBufferMfence,
  StoreBufferLocked,
  StoreBufferXchg,
  MessageWriter,
  MessageReader,
  Int3Patcher,
  QwordPatcher,
  JumpPatcher,
  QuietPatcher,
  Remapper,
  Caller,
  Reader,
  ByCpuid,
  ByCpuidSite,
  BySerialize,
  BySerializeSite,
  FreshWriter,
  FreshRunner,
  OnInterrupt,
  OnInt3,
  End,
};

class RacingCpus {
 public:
  static constexpr std::uint64_t kImage = 0xf0000;
  // As in races.S.
  static constexpr std::uint64_t kPhase = 0x600000, kAcknowledged = 0x600040, kTraps = 0x600080, kRemapped = 0x800000;
  static constexpr std::uint64_t kGate = 0x5f0000;

  explicit RacingCpus(unsigned count) {
    for (unsigned n = 0; n < count; ++n)
      nodes_.push_back(n == 0 ? std::make_unique<Node>(*this) : std::make_unique<Node>(*this, machine()));
    std::ifstream file(test::guest_image("races"), std::ios::binary);
    const std::vector<char> image{std::istreambuf_iterator<char>(file), {}};
    std::copy(image.begin(), image.end(), machine().ram() + kImage);
    for (unsigned n = 0; n < count; ++n) {
      nodes_[n]->long_64();
      nodes_[n]->cpu().cr4 |= kCr4Pge;
      nodes_[n]->cpu().segment[kSs].selector = DescriptorTables::kData0;
    }
    for (const auto& node : nodes_) {  // equal tables for all, written again by each
      DescriptorTables tables(*node);
      tables.gate(3, address(Program::OnInt3));
      tables.gate(kVector, address(Program::OnInterrupt));
    }
  }

  /// The CPU is to begin there, in 64-bit code at CPL 0, with these registers. R8 is set by run().
  void set(unsigned n, std::uint64_t program, std::initializer_list<std::pair<Gpr, std::uint64_t>> registers,
           bool interrupts = false) {
    Cpu& cpu = nodes_.at(n)->cpu();
    cpu.rip = program;
    cpu.gpr[kRsp] = BareMachine::kStack + 0x8000 * (n + 1);
    for (const auto& [which, value] : registers) cpu.gpr[which] = value;
    cpu.set_eflags(interrupts ? 0x202 : 2);
    cpu.exit = VcpuExit::Interrupted;
    cpu.update_mode();
    nodes_[n]->wanted = true;
  }
  void set(unsigned n, Program program, std::initializer_list<std::pair<Gpr, std::uint64_t>> registers,
           bool interrupts = false) {
    set(n, address(program), registers, interrupts);
  }
  std::uint64_t address(Program program, unsigned further = 0) {
    return machine().get<std::uint64_t>(kImage + 8 * (static_cast<unsigned>(program) + further));
  }

  /// Runs all that have been set until they halt. False: not all have within a minute.
  bool run() {
    const auto wanted = [](const auto& node) { return node->wanted; };
    machine().put<std::uint64_t>(kGate,
                                 static_cast<std::uint64_t>(std::count_if(nodes_.begin(), nodes_.end(), wanted)));
    std::vector<std::thread> threads;
    std::atomic<unsigned> running{0};
    std::atomic<bool> given_up{false};
    for (const auto& node : nodes_) {
      if (!std::exchange(node->wanted, false)) continue;
      node->cpu().gpr[kR8] = kGate;
      ++running;
      threads.emplace_back([&running, &given_up, &node] {
        node->exit = VcpuExit::Interrupted;
        while (node->exit == VcpuExit::Interrupted && !given_up) node->exit = run_blocks(node->cpu());
        node->halted = node->exit == VcpuExit::Halted || node->exit == VcpuExit::HaltedMasked;
        --running;
      });
    }
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (running != 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      if (std::chrono::steady_clock::now() < end) continue;
      given_up = true;
      for (const auto& node : nodes_) node->cpu().request(kRequestKick);
    }
    for (std::thread& t : threads) t.join();
    return std::all_of(nodes_.begin(), nodes_.end(), [](const auto& node) { return node->halted; });
  }

  Cpu& cpu(unsigned n) { return nodes_.at(n)->cpu(); }
  /// RAM, blocks and tables are those of all.
  BareMachine& machine() { return *nodes_.front(); }

 private:
  static constexpr std::uint8_t kVector = 0x40;
  static constexpr std::uint16_t kInterruptOthers = 0x80;

  class Node final : public BareMachine {
   public:
    explicit Node(RacingCpus& all) : all_(all) {}
    Node(RacingCpus& all, BareMachine& first) : BareMachine(first), all_(all) {}

    bool wanted = false;
    bool halted = true;  ///< as it should have been, if it ran at all
    VcpuExit exit = VcpuExit::Interrupted;

    void write_port(std::uint16_t port, unsigned, std::uint64_t) override {
      if (port != kInterruptOthers) return;
      for (const auto& node : all_.nodes_) {
        if (node.get() == this) continue;
        node->interrupted_ = true;
        node->cpu().request(kRequestInterrupt);
      }
    }
    bool interrupt_pending() override { return interrupted_; }
    int acknowledge_interrupt() override { return interrupted_.exchange(false) ? kVector : -1; }

   private:
    RacingCpus& all_;
    std::atomic<bool> interrupted_{false};
  };

  std::vector<std::unique_ptr<Node>> nodes_;
};

}  // namespace machina::jit
