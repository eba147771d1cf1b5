#pragma once
/// A multiplexer: several front ends, such as a serial port and a monitor, share one character backend. What any of
/// them writes goes to the host; what is typed goes to the one that has the focus.
///
/// Ctrl-a begins a command: c gives the focus to the next front end, x quits, b sends a break, h helps, Ctrl-a sends
/// itself. So a backend that has such commands of its own (stdio) is made without them.
///
/// The front ends attach to ports, each of which is a character backend; the multiplexer is the backend's only front
/// end.

#include <deque>
#include <functional>
#include <vector>

#include "core/chardev/char_backend.h"

namespace machina {

class CharMuxPort;

class CharMux final : public qom::Object, private CharFrontend {
 public:
  static constexpr const char* kType = "mux";
  static constexpr std::size_t kTypeAhead = 64 * 1024;  ///< bytes that wait for a front end that takes none
  static void class_init(qom::ObjectClass& c);

  /// Called for Ctrl-a x.
  void on_quit(std::function<void()> quit) { quit_ = std::move(quit); }
  /// Who gets what is typed; null while no port has a front end.
  const CharMuxPort* focus() const { return focus_; }

 protected:
  void realize() override;
  void unrealize() override;

 private:
  friend class CharMuxPort;
  static constexpr std::byte kEscape{0x01};  // Ctrl-a

  // CharFrontend
  std::size_t can_receive() override;
  void receive(std::span<const std::byte> bytes) override;
  void event(Event event) override;
  void writable() override;

  void command(std::byte key);
  void next_focus();
  void set_focus(CharMuxPort* port);

  // dependencies
  qom::Link<CharBackend> chardev_;
  // run time
  std::vector<CharMuxPort*> ports_;  // realized, in that order
  CharMuxPort* focus_ = nullptr;
  bool after_escape_ = false;
  std::function<void()> quit_;
};

class CharMuxPort final : public CharBackend {
 public:
  static constexpr const char* kType = "chardev-mux-port";
  static void class_init(qom::ObjectClass& c);

  std::size_t write(std::span<const std::byte> bytes) override;
  void accept_input() override;
  bool connected() const override;
  bool can_reopen() const override;
  std::string description() const override;
  void drain(int timeout_ms) override;

 protected:
  void realize() override;
  void unrealize() override;
  void frontend_changed() override;

 private:
  friend class CharMux;
  CharBackend* base() const { return mux_ ? mux_->chardev_.get() : nullptr; }
  void give_focus();

  // configuration
  bool on_focus_ = false;
  // dependencies
  qom::Link<CharMux> mux_;
  // run time
  bool was_focused_ = false;
  std::deque<std::byte> typed_;
};

}  // namespace machina
