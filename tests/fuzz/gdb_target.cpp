// A client of the gdb stub, on a machine whose CPUs take every request and execute nothing.

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "core/memory/address_space.h"
#include "machines/gdb/gdb_server.h"
#include "machines/gdb/packet.h"
#include "machines/machine.h"
#include "tests/fuzz/coverage.h"
#include "tests/fuzz/fuzz_backends.h"
#include "tests/fuzz/sandbox.h"
#include "tests/fuzz/target.h"

namespace machina::fuzz {

namespace {

class PatientVcpu final : public Vcpu {
 public:
  VcpuExit run() override { return VcpuExit::Interrupted; }
  void kick() override {}
  void load_state(const X86State& state) override { state_ = state; }
  void store_state(X86State& state) override { state = state_; }
  void set_debug(const DebugRequest& request) override {
    if (request.breakpoints.size() > kMost) throw Error("too many");
  }

 private:
  static constexpr std::size_t kMost = 64;
  X86State state_;
};

class PatientAccelerator final : public Accelerator {
 public:
  static constexpr const char* kType = "fuzz-patient-accel";
  static void class_init(qom::ObjectClass& c) { c.description = "CPUs of a fuzz target"; }
  Probe probe() override { return {true, 0, "for fuzzing"}; }
  void init_machine(System& /*system*/, unsigned /*max_cpus*/) override {}
  std::unique_ptr<Vcpu> create_vcpu(X86Cpu& cpu) override {
    constexpr std::uint32_t kLongMode = 1U << 29, kAvx = 1U << 28;
    cpu.cpuid.set({0x80000001, 0, false, 0, 0, 0, kLongMode});
    cpu.cpuid.set({1, 0, false, 0, 0, kAvx, 0});
    return std::make_unique<PatientVcpu>();
  }
  bool has_vcpus() const override { return false; }
  bool manual_time() const override { return true; }
};

class DebuggedMachine {
 public:
  static constexpr std::uint64_t kRam = 1 << 20;

  DebuggedMachine() : root_(qom::create<qom::Container>()), machine_(root_->add_new_child<Machine>("machine")) {
    const MachineLock::Guard guard(machine_.system().lock);
    machine_.no_shutdown = true;
    machine_.set_ram({kRam, kRam});
    machine_.set_accelerator(qom::create<PatientAccelerator>(), 2);
    CpuConfig cpus;
    cpus.count = cpus.max = 2;
    cpus.topology = {1, 2, 1};
    machine_.add_cpus(cpus);
    machine_.power_on({});
    for (X86Cpu* cpu : machine_.cpus().cpus()) {
      X86State state = cpu->state();
      state.xsave.assign(1024, 0);
      cpu->set_state(state);
    }
    line_ = &root_->add_new_child<FuzzChardev>("line");
    line_->set_event_loop(machine_.system().loop);
    server_ = &root_->add_new_child<GdbServer>("gdb");
    server_->set_link("chardev", line_);
    qom::realize_tree(*line_);
    qom::realize_tree(*server_);
  }
  ~DebuggedMachine() {
    const MachineLock::Guard guard(machine_.system().lock);
    qom::unrealize_tree(*server_);
    machine_.power_off();
  }
  DebuggedMachine(const DebuggedMachine&) = delete;
  DebuggedMachine& operator=(const DebuggedMachine&) = delete;

  Machine& machine() { return machine_; }
  FuzzChardev& line() { return *line_; }

 private:
  qom::Ref<qom::Object> root_;
  Machine& machine_;
  FuzzChardev* line_ = nullptr;
  GdbServer* server_ = nullptr;
};

/// An input is lines. One that begins with '~' goes over the line as it is, one that begins with '!' is what happens to
/// the machine meanwhile, and all others are data of packets.
class GdbTarget final : public Target {
 public:
  std::vector<std::string> dictionary() const override {
    return {"qSupported:swbreak+;hwbreak+",
            "QStartNoAckMode",
            "qXfer:features:read:target.xml:",
            "qRcmd,",
            "vCont;",
            "vCont;c",
            "vCont;s:1;c",
            "vCont;r1000,2000:1",
            "Z0,7c00,1",
            "z0,7c00,1",
            "Z2,1000,8",
            "Z4,",
            "m1000,10",
            "M1000,4:00000000",
            "X1000,4:",
            "P10=",
            "G",
            "g",
            "Hg",
            "Hc-1",
            "p-1.",
            "?",
            "D",
            "R00",
            "vRun;",
            "vKill;1",
            "Qqemu.PhyMemMode:1",
            "Qqemu.sstep=",
            "qThreadExtraInfo,1",
            "T2",
            "~\x03",
            "~$",
            "#00",
            "}",
            "!debug",
            "!stop",
            "!cont",
            "!reset",
            "!off",
            "!bye",
            "!break",
            "696e666f20737461747573"};
  }

  std::vector<std::vector<std::uint8_t>> seeds() const override {
    std::vector<std::vector<std::uint8_t>> all;
    const std::vector<std::string> words = dictionary();
    for (std::size_t from = 0; from < words.size(); from += 4) {
      std::string text = "qSupported:swbreak+;hwbreak+\n";
      for (std::size_t i = from; i < std::min(from + 8, words.size()); ++i) text += words[i] + "\n";
      all.emplace_back(text.begin(), text.end());
    }
    return all;
  }

  bool run(std::span<const std::uint8_t> input) override {
    enter_sandbox();
    Coverage coverage;
    DebuggedMachine machine;
    Coverage::begin();
    while (!input.empty()) {
      const StepLimit limit("a packet of gdb");
      const auto* end = std::find(input.data(), input.data() + input.size(), '\n');
      const auto length = static_cast<std::size_t>(end - input.data());
      const std::string line(reinterpret_cast<const char*>(input.data()), length);
      input = input.subspan(std::min(length + 1, input.size()));
      {
        const MachineLock::Guard guard(machine.machine().system().lock);
        carry_out(machine, line);
      }
      machine.machine().system().loop.poll();
    }
    coverage.end();
    return true;
  }

 private:
  static void carry_out(DebuggedMachine& m, const std::string& line) {
    const auto send = [&](std::string_view bytes) {
      m.line().send({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
    };
    if (line.starts_with('~')) {
      send(std::string_view(line).substr(1));
    } else if (line == "!debug") {
      m.machine().request_stop(RunState::Debug);
    } else if (line == "!stop") {
      m.machine().stop();
    } else if (line == "!cont") {
      if (m.machine().run_state() != RunState::Shutdown) m.machine().start();
    } else if (line == "!reset") {
      m.machine().request_reset(ShutdownCause::HostQmpSystemReset);
    } else if (line == "!off") {
      m.machine().request_shutdown(ShutdownCause::GuestShutdown);
    } else if (line == "!bye") {
      m.line().connect(false);
      m.line().connect(true);
    } else if (line == "!break") {
      m.line().send_break();
    } else {
      send(gdb_packet(line));
    }
    check(m.line().take_output());
  }

  /// Nothing but acknowledgements and whole packets that gdb would take.
  static void check(std::string_view output) {
    GdbPacketReader reader;
    std::size_t left = 0;
    for (const char c : output) left = c == '$' ? 1 : c == '#' ? 0 : left;
    if (left != 0) fail("a packet without an end");
    while (!output.empty()) {
      const auto item = reader.next(output);
      if (!item) break;
      if (item->kind == GdbPacketReader::Item::Kind::Damaged || item->kind == GdbPacketReader::Item::Kind::TooLong)
        fail("a packet that gdb would not take");
    }
  }
};

}  // namespace

std::vector<TargetInfo> debugger_targets() {
  return {{"gdb", "a client of the gdb stub", [] { return std::make_unique<GdbTarget>(); }}};
}

}  // namespace machina::fuzz

namespace machina {
using fuzz::PatientAccelerator;
MACHINA_TYPE(PatientAccelerator, Accelerator);
}  // namespace machina
