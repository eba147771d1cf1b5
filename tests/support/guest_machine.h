#pragma once
/// A machine for tests of accelerators: CPUs, RAM, a 64 KiB firmware image, and a few test devices that
/// are made here instead of by a board file.
///
///   port 402h    debug console: each byte is appended to the guest's output
///   port F4h     exit: a byte v ends the machine with exit code (v << 1) | 1
///   ports 500h-50Fh      16 bytes that read back what was written, accesses of 1, 2 and 4 bytes, each counted
///   D0000000h-D0000FFFh  4 KiB of the same for memory accesses of 1, 2, 4 and 8 bytes
///
/// Tests run it through run_guest(), which does so in a process of its own under a time limit.

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "machines/machine.h"
#include "tests/support/isolated.h"

namespace machina::test {

/// Skips the running test with the reason when KVM cannot be used here: SKIP_WITHOUT_KVM();
std::string why_no_kvm();
#define SKIP_WITHOUT_KVM()                                                         \
  if (const std::string reason_ = ::machina::test::why_no_kvm(); !reason_.empty()) \
  GTEST_SKIP() << "KVM cannot be used here: " << reason_

/// The test devices above, as one.
class GuestPort final : public Device {
 public:
  static constexpr const char* kType = "test-guest-port";
  static void class_init(DeviceClass& c);
  const std::string& output() const { return output_; }

  static constexpr std::uint64_t kMmio = 0xd0000000;
  /// Number of accesses of 1, 2, 4 and 8 bytes that reached the registers.
  struct Counts {
    std::array<unsigned, 9> reads{}, writes{};
  };
  Counts ports, mmio;

 protected:
  void realize() override;

 private:
  IoResult console(Offset, Width, std::uint64_t value);
  IoResult exit(Offset, Width, std::uint64_t value);
  static IoResult load(const std::uint8_t* from, Width w, Counts& counts);
  static IoResult store(std::uint8_t* to, Width w, std::uint64_t value, Counts& counts);

  std::string output_;
  std::array<std::uint8_t, 16> port_bytes_{};
  std::array<std::uint8_t, 4096> mmio_bytes_{};
  IoRegion console_{"console", 1, Widths::only(1), [](Offset, Width) -> IoResult { return 0xe9; },
                    [this](Offset o, Width w, std::uint64_t v) { return console(o, w, v); }};
  IoRegion exit_{"exit", 1, Widths::only(1), {}, [this](Offset o, Width w, std::uint64_t v) { return exit(o, w, v); }};
  IoRegion port_scratch_{"port-scratch", 16, Widths{1, 4, true},
                         [this](Offset o, Width w) { return load(&port_bytes_[o], w, ports); },
                         [this](Offset o, Width w, std::uint64_t v) { return store(&port_bytes_[o], w, v, ports); }};
  IoRegion mmio_scratch_{"mmio-scratch", 4096, Widths{1, 8, true},
                         [this](Offset o, Width w) { return load(&mmio_bytes_[o], w, mmio); },
                         [this](Offset o, Width w, std::uint64_t v) { return store(&mmio_bytes_[o], w, v, mmio); }};
};

struct GuestOptions {
  std::string guest;  ///< tests/guest/asm/<guest>.S
  unsigned cpus = 1;
  unsigned max_cpus = 0;  ///< places for CPUs; 0: as many as there are
  std::uint64_t ram = 16 << 20;
  std::string cpu_model = "host";
  std::string accelerator = "kvm";                              ///< or "jit"
  std::vector<std::pair<std::string, std::string>> accel = {};  ///< its properties
  std::vector<std::pair<std::string, std::string>> cpu = {};    ///< properties of every CPU
  bool no_reboot = true;                                        ///< a reset ends the machine
  /// Adds devices to the machine, after its CPUs were made, and returns those that are realized first, in order.
  std::function<std::vector<Device*>(Machine&)> devices = {};
};

class GuestMachine {
 public:
  /// Throws Error. Powered on and reset, not running. `accelerator` is one of its own instead of what the options name.
  explicit GuestMachine(const GuestOptions& options, qom::Ref<Accelerator> accelerator = {});
  ~GuestMachine();

  Machine& machine() { return *machine_; }
  System& system() { return machine_->system(); }
  GuestPort& port() { return *port_; }
  X86Cpu& cpu(unsigned n = 0) { return *machine_->cpus().cpus().at(n); }
  const std::string& output() const { return port_->output(); }

  /// Starts and runs until the guest ends the machine; its exit code, or -1 when it stopped in another way (run_state()
  /// says how).
  int run();
  /// Runs the event loop until `done` (machine lock held) or the time is up. True when done.
  bool run_until(const std::function<bool()>& done, double seconds);

 private:
  qom::Ref<qom::Object> root_;
  Machine* machine_ = nullptr;
  std::unique_ptr<RamRegion> rom_high_, rom_low_;
  qom::Ref<GuestPort> port_;
};

struct GuestRun {
  std::string output;
  int exit_code = -1;     ///< -1: the machine stopped without an exit of the guest's
  std::string run_state;  ///< when it ended
  std::string stderr_;
  std::string failure;  ///< empty unless the process was killed, crashed or threw
};

/// The guest in a process of its own, from power-on to its end.
GuestRun run_guest(const GuestOptions& options, double seconds = 20);

}  // namespace machina::test
