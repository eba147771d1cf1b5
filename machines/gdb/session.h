#pragma once
/// One client of the gdb stub: what its packets ask for, carried out on the machine (GDB manual, appendix E). How
/// packets travel is somebody else's: gdb_server.h.
///
/// Threads of gdb are CPUs, numbered from 1. Main thread, machine lock held.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "machines/gdb/guest_access.h"
#include "machines/gdb/registers.h"
#include "machines/gdb/run_control.h"
#include "machines/machine.h"

namespace machina {

class GdbSession {
 public:
  class Client {
   public:
    virtual ~Client() = default;
    /// A packet's data.
    virtual void send(std::string_view data) = 0;
    /// After the next packet that is sent, packets are not acknowledged any more.
    virtual void end_acknowledging() = 0;
    /// Carries out a line of the human monitor, about CPU `index` unless it says otherwise, and returns what it prints.
    virtual std::string monitor_command(std::string_view line) = 0;
    /// The CPU that such lines are about from now on.
    virtual void choose_cpu(unsigned index) = 0;
    /// Why the machine must not run now; empty: it may.
    virtual std::string why_not_run() { return {}; }
  };

  GdbSession(Machine& machine, Client& client);

  /// Somebody has come: the machine stops.
  void attach();
  /// The client has gone without a word: breakpoints are out, and the machine runs if it would run without the client.
  void leave();
  bool attached() const { return attached_; }

  void packet(std::string_view data);
  /// ^C.
  void interrupt();
  void machine_event(const Machine::EventData& data);
  /// The machine is about to end: a client that waits is told.
  void end();

 private:
  using Answer = std::optional<std::string>;  ///< none: there is none, or it comes later
  struct Command {
    std::string_view name;
    Answer (GdbSession::*run)(std::string_view rest);
  };
  static const std::vector<Command>& commands();
  Answer execute(std::string_view data);

  // session.cpp: threads, and what the stub is
  Answer supported(std::string_view rest);
  Answer no_acknowledging(std::string_view rest);
  Answer extended(std::string_view rest);
  Answer features(std::string_view rest);
  Answer attached_to(std::string_view rest);
  Answer current_thread(std::string_view rest);
  Answer first_threads(std::string_view rest);
  Answer more_threads(std::string_view rest);
  Answer thread_name(std::string_view rest);
  Answer set_thread(std::string_view rest);
  Answer thread_alive(std::string_view rest);
  Answer monitor(std::string_view rest);
  Answer qemu_supported(std::string_view rest);
  Answer step_bits(std::string_view rest);
  Answer get_step(std::string_view rest);
  Answer set_step(std::string_view rest);
  Answer get_physical(std::string_view rest);
  Answer set_physical(std::string_view rest);
  // session_state.cpp: registers, memory, breakpoints
  Answer read_registers(std::string_view rest);
  Answer write_registers(std::string_view rest);
  Answer read_register(std::string_view rest);
  Answer write_register(std::string_view rest);
  Answer read_memory(std::string_view rest);
  Answer write_memory(std::string_view rest);
  Answer write_binary(std::string_view rest);
  Answer insert_breakpoint(std::string_view rest);
  Answer remove_breakpoint(std::string_view rest);
  // session_run.cpp: running, and the end of it
  Answer why(std::string_view rest);
  Answer resume_kinds(std::string_view rest);
  Answer resume_some(std::string_view rest);
  Answer go(std::string_view rest);
  Answer go_signal(std::string_view rest);
  Answer step(std::string_view rest);
  Answer step_signal(std::string_view rest);
  Answer detach(std::string_view rest);
  Answer kill(std::string_view rest);
  Answer kill_answered(std::string_view rest);
  Answer restart(std::string_view rest);
  Answer restart_answered(std::string_view rest);

  X86Cpu* cpu(unsigned index) const;
  X86Cpu* current() const { return cpu(current_); }
  /// A thread as a packet names it: the number of the CPU. `all` for -1, any of 0 is the current one.
  struct Thread {
    bool all = false;
    unsigned cpu = 0;
  };
  std::optional<Thread> take_thread(std::string_view& text) const;

  /// The registers of a CPU; read once a stop.
  const X86State& state(X86Cpu& cpu);
  /// Lets `change` change them. False when it does, or when the accelerator refuses the state.
  bool change_state(X86Cpu& cpu, const std::function<bool(X86State&)>& change);
  void forget_states() { states_.clear(); }
  bool running() const;

  Answer write_bytes(std::uint64_t address, std::string_view bytes);
  Answer resume(const GdbRunControl::Orders& orders);
  Answer resume_one(std::string_view address, bool step);
  void say(std::string_view text);
  void report_stop();
  void run_on();
  /// Once the event loop is back, unless this is gone by then.
  void later(std::function<void()> work);
  void reset();

  Machine& machine_;
  Client& client_;
  GuestAccess memory_;
  std::unique_ptr<GdbRegisters> registers_;
  GdbRunControl run_;

  bool attached_ = false;
  bool swbreak_ = false, hwbreak_ = false;        ///< reasons that the client understands
  bool owed_ = false;                             ///< the client waits to be told of a stop
  bool again_ = false;                            ///< a step of a range is about to go on
  bool ours_ = false;                             ///< the machine stands still for the client
  bool may_run_ = false;                          ///< it ran when the client came, or the client has let it run
  bool detached_ = false;                         ///< the client wants nothing of the machine, but is still there
  bool starting_ = false, interrupting_ = false;  ///< what happens now happens because of us
  bool panicked_ = false;                         ///< the guest, and that ends the machine
  unsigned current_ = 0;                          ///< CPU: of registers and memory
  unsigned resumed_ = 0;                          ///< of 's' and 'c'
  std::string last_stop_;                         ///< what '?' answers
  std::map<unsigned, X86State> states_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace machina
