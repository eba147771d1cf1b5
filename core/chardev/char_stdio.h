#pragma once
/// chardev-stdio: the terminal (or pipe, or file) that the program was started from.
///
/// A terminal is put into raw mode while the backend is realized, and back again when it goes, at exit, and when the
/// process is killed by a signal that a program can catch. There is one standard input, so there is one such backend.
///
/// Ctrl-a begins a command: x quits, b sends a break, h helps, Ctrl-a sends itself. On a terminal it works even while
/// the guest takes no input: what is typed ahead beyond kTypeAhead is lost then.

#include <deque>
#include <functional>
#include <memory>

#include "core/chardev/char_stream.h"

namespace machina {

class CharStdio final : public CharStream {
 public:
  static constexpr const char* kType = "chardev-stdio";
  static constexpr std::size_t kTypeAhead = 64 * 1024;
  static void class_init(qom::ObjectClass& c);
  ~CharStdio() override;

  std::string description() const override { return "stdio"; }
  void accept_input() override;
  bool can_reopen() const override { return false; }

  /// Called for Ctrl-a x.
  void on_quit(std::function<void()> quit) { quit_ = std::move(quit); }
  /// Other descriptors than 0 and 1, for tests; before realize.
  void use_descriptors(int in, int out) { in_fd_ = in, out_fd_ = out; }

 protected:
  void realize() override;
  void unrealize() override;
  void frontend_changed() override { accept_input(); }
  void received(std::span<const std::byte> bytes) override;
  std::size_t room() const override;
  void stream_closed(int error) override;

 private:
  static constexpr std::byte kEscape{0x01};  // Ctrl-a

  void command(std::byte key);
  void pass_on();

  bool signal_ = true;
  bool escape_ = true;
  int in_fd_ = 0;
  int out_fd_ = 1;
  bool terminal_ = false;
  bool after_escape_ = false;
  bool ended_ = false;
  std::deque<std::byte> typed_;
  std::function<void()> quit_;
  std::unique_ptr<EventLoop::Watch> continued_;
};

}  // namespace machina
