#pragma once
/// A character backend: the host's end of a serial line, a debug console, a monitor. Created by -chardev or on behalf
/// of -serial and its like, an object under /chardevs, one front end at a time.
///
/// Main thread or under the machine lock. write() never blocks: what the host does not take now stays with the front
/// end, which is told by writable(). Backends that cannot refuse (file, null, ringbuf) take all.

#include <cstddef>
#include <functional>
#include <span>
#include <string>

#include "qom/object.h"

namespace machina {

class EventLoop;

/// The device's or monitor's side.
class CharFrontend {
 public:
  virtual ~CharFrontend() = default;
  /// How many bytes receive() would take now; 0 stops the backend from reading its host side.
  virtual std::size_t can_receive() = 0;
  virtual void receive(std::span<const std::byte> bytes) = 0;
  enum class Event { Opened, Closed, Break };
  virtual void event(Event) {}
  /// After a short write(): there is room again.
  virtual void writable() {}
  /// Behind a multiplexer: what is typed comes here from now on, or goes to somebody else.
  virtual void focused(bool /*here*/) {}
};

class CharBackend : public qom::Object {
 public:
  static constexpr const char* kType = "chardev";
  static void class_init(qom::ObjectClass& c);
  ~CharBackend() override;

  /// Null detaches. Throws Error when another front end is attached. A connected backend reports Opened at once.
  void attach(CharFrontend* frontend);
  CharFrontend* frontend() const { return frontend_; }

  /// Returns how many bytes were taken, in order from the start.
  virtual std::size_t write(std::span<const std::byte> bytes) = 0;
  /// For front ends that do not care for back-pressure (debug console): what is not taken is dropped.
  void put(std::byte b) { (void)write({&b, 1}); }
  /// The front end can receive again.
  virtual void accept_input() {}
  virtual bool connected() const { return true; }
  /// Whether an Opened may follow a Closed. Nobody comes back to a standard input that has ended.
  virtual bool can_reopen() const { return true; }
  /// "disconnected:unix:/tmp/x,server=on": what query-chardev shows.
  virtual std::string description() const = 0;
  /// Waits (at most `timeout_ms`) until bytes that the backend has buffered itself have reached the host; at exit.
  virtual void drain(int /*timeout_ms*/) {}
  /// A descriptor that the peer has sent along (SCM_RIGHTS), the oldest first; -1 when there is none. The caller's now.
  virtual int take_fd() { return -1; }

  /// The loop that the backend watches its descriptors with; set before realize.
  void set_event_loop(EventLoop& loop) { loop_ = &loop; }
  /// A sink that gets a copy of everything written and received: chardev option logfile.
  void log_copy(std::span<const std::byte> bytes);

 protected:
  /// Opens the log file. A backend calls it first in its own realize().
  void realize() override;
  void unrealize() override;

  EventLoop& loop() const { return *loop_; }
  virtual void frontend_changed() {}

  /// For backends: what the front end would take, and what it is told. Nothing happens without a front end.
  std::size_t input_room() const;
  void deliver(std::span<const std::byte> bytes);
  void report(CharFrontend::Event event);
  void report_writable();

  std::string logfile_;
  bool logappend_ = false;

 private:
  void close_log();
  void copy_to_log(std::span<const std::byte> bytes);

  EventLoop* loop_ = nullptr;
  int log_fd_ = -1;
  CharFrontend* frontend_ = nullptr;
};

}  // namespace machina
