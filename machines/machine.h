#pragma once
/// The machine: the root of a tree of devices, what they share, and its run state.
///
/// Main thread, machine lock held, unless a member says otherwise.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/guest_alarms.h"
#include "core/machine_events.h"
#include "core/system.h"
#include "hw/base/device.h"
#include "hw/x86/accelerator.h"
#include "hw/x86/boot/linux_boot.h"
#include "hw/x86/x86_cpu.h"
#include "machines/guest_actions.h"
#include "machines/table_options.h"

namespace machina {

/// What -m, -smp and -cpu say, once checked against the board.
struct RamConfig {
  std::uint64_t size = 0;                              ///< bytes
  std::uint64_t below_4g = std::uint64_t{3584} << 20;  ///< at most this much from address 0; the rest from 4 GiB
};

struct CpuConfig {
  std::string type = X86Cpu::kType;
  std::string model = "qemu64";
  unsigned count = 1, max = 1;
  CpuTopology topology;
};

class Machine final : public qom::Object,
                      public SystemHolder,
                      public RunControl,
                      public MachineEvents,
                      public GuestAlarms {
 public:
  static constexpr const char* kType = "machine";
  static void class_init(qom::ObjectClass& c);
  Machine();
  ~Machine() override;

  System& system() override { return system_; }

  // --- composing; before realize ---
  /// Takes the accelerator into the tree (as "accel") and initialises it. Throws Error.
  void set_accelerator(qom::Ref<Accelerator> accelerator, unsigned max_cpus);
  Accelerator& accelerator() const { return *accelerator_; }
  /// The machine, which does not run, goes on under `fresh`: an accelerator that no machine has had. All or nothing.
  /// Throws Error. machine_move.cpp
  void change_accelerator(qom::Ref<Accelerator> fresh);
  /// Allocates and maps guest RAM. Throws Error.
  void set_ram(const RamConfig& ram);
  const RamConfig& ram() const { return ram_; }
  /// Makes cpu[0] … as children. Throws Error.
  void add_cpus(const CpuConfig& cpus);
  const CpuConfig& cpu_config() const { return cpu_config_; }
  CpuSet& cpus() { return cpus_; }

  /// Makes CPU `index` while the machine is there, a copy of the first in all but its number, and lets it run if the
  /// others do. Below /machine/peripheral as `id`, else as cpu[index]. Throws Error, and nothing has changed then.
  X86Cpu& plug_cpu(unsigned index, const std::string& id);
  /// Takes a CPU out that the guest has let go.
  void unplug_cpu(unsigned index);

  /// What the machine does when the guest resets or powers off.
  bool no_reboot = false;
  bool no_shutdown = false;
  GuestActions actions;
  boot::KernelEntry kernel_entry = boot::KernelEntry::Auto;  ///< -M kernel-entry=
  std::string name;                                          ///< -name
  std::string uuid;                                          ///< -uuid, canonical form or empty
  TableOptions tables;

  /// Realizes `devices` in this order, then all that is left, then resets. All or nothing. Throws Error.
  void power_on(const std::vector<Device*>& devices);
  /// The reverse of power_on(), also for a machine that never got there.
  void power_off();

  // --- running ---
  /// vCPUs run and virtual time passes: `cont`, or the end of start-up. Throws Error when the state forbids it.
  void start();
  /// All vCPUs are out of guest mode and I/O has settled when it returns: `stop`.
  void stop(RunState why = RunState::Paused);
  /// Now, with vCPUs stopped for the moment: `system_reset` comes through request_reset().
  void reset(ShutdownCause cause);
  /// Presses the power button, if there is one; what that means is the guest's: `system_powerdown`.
  void power_down();
  /// Runs the event loop until the machine is shut down; returns the exit code. Machine lock not held.
  int run();

  // --- RunControl; any thread under the machine lock ---
  RunState run_state() const override { return state_; }
  void request_reset(ShutdownCause cause) override;
  void request_shutdown(ShutdownCause cause, int exit_code = 0) override;
  void request_stop(RunState why) override;
  void request_suspend() override;
  void request_wakeup(std::string_view reason) override;

  void report_event(std::string_view name, qom::ValueMap data) override;
  // --- GuestAlarms; watchdogs on the main thread ---
  void guest_panicked() override;
  void guest_crash_loaded() override;
  void watchdog_expired() override;

  enum class Event { Reset, Shutdown, PowerDown, Stop, Resume, Suspend, Wakeup, Other };
  struct EventData {
    Event event;
    ShutdownCause cause = ShutdownCause::HostError;  ///< for Reset and Shutdown
    std::string_view name{};                         ///< for Other: what a device has reported
    qom::ValueMap data{};
  };
  /// Called for each event, in order, under the machine lock: on the main thread, but for Other. Returns an id for
  /// remove_observer().
  int add_observer(std::function<void(const EventData&)> observer);
  void remove_observer(int id);
  /// A reset, a shutdown, a stop, a sleep or its end was asked for and waits for the event loop. CPUs that leave guest
  /// mode meanwhile stay out of it.
  bool has_requests() const { return posted_; }
  /// Of the process, once the machine has ended.
  int exit_code() const { return exit_code_; }

 private:
  void emit(Event event, ShutdownCause cause = ShutdownCause::HostError);
  void set_state(RunState state);
  // start() and stop() without their events.
  void run_vcpus();
  bool halt_vcpus(RunState why);
  void require_movable(const Accelerator& fresh) const;
  void unrealize_all();
  qom::Ref<X86Cpu> make_cpu(unsigned index);
  void handle_requests();
  void post_requests();
  void drain_disks();

  System system_{*this};
  std::unique_ptr<RamRegion> low_ram_, high_ram_;
  RamConfig ram_;
  CpuConfig cpu_config_;
  qom::Ref<Accelerator> accelerator_;
  CpuSet cpus_{system_};
  std::vector<qom::Ref<Device>> order_;
  bool powered_ = false;
  bool moved_ = false;  ///< its CPUs were made by another accelerator

  RunState state_ = RunState::Prelaunch;
  bool asleep_ = false;  ///< paused while it was suspended
  struct Request {
    std::optional<ShutdownCause> reset, shutdown;
    std::optional<RunState> stop;
    bool suspend = false;
    std::optional<std::string> wakeup;
  } request_;
  bool posted_ = false;
  int exit_code_ = 0;
  std::vector<std::pair<int, std::function<void(const EventData&)>>> observers_;
  int next_observer_ = 1;
};

}  // namespace machina
