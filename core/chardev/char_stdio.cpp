#include "core/chardev/char_stdio.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "core/chardev/raw_terminal.h"
#include "core/log.h"
#include "qom/error.h"

namespace machina {
namespace {

constexpr std::string_view kHelp =
    "\r\n"
    "Ctrl-a h       this help\r\n"
    "Ctrl-a x       quit\r\n"
    "Ctrl-a b       send a break\r\n"
    "Ctrl-a Ctrl-a  send Ctrl-a\r\n";

/// Firmware that shows its screen on a serial line switches the terminal's line wrapping off, and a guest may end in
/// the middle of colours or with a hidden cursor (ECMA-48 SGR; xterm's DECAWM and DECTCEM).
constexpr std::string_view kLeave = "\033[0m\033[?7h\033[?25h\r\n";

}  // namespace

MACHINA_TYPE(CharStdio, CharBackend);

void CharStdio::class_init(qom::ObjectClass& c) {
  c.description = "the terminal that the program was started from";
  c.user_creatable = true;
  c.property("signal", &CharStdio::signal_, true).doc("Ctrl-C and Ctrl-Z act on the program; off: the guest gets them");
  c.property("escape", &CharStdio::escape_, true).doc("Ctrl-a begins a command: x quits, h helps");
}

CharStdio::~CharStdio() {
  if (terminal_) raw_terminal::leave();
}

void CharStdio::realize() {
  CharBackend::realize();
  bool in_may_block = false;
  bool out_may_block = false;
  OwnedFd in = open_unblocked(in_fd_, O_RDONLY, in_may_block);
  OwnedFd out = open_unblocked(out_fd_, O_WRONLY, out_may_block);
  if (isatty(in_fd_) != 0) {
    raw_terminal::enter(in_fd_, signal_);
    terminal_ = true;
    if (isatty(out_fd_) != 0) raw_terminal::write_when_leaving(out_fd_, kLeave);
  }
  try {
    open_stream(std::move(in), std::move(out), false);
    if (out_may_block) stream_->set_may_block();
    if (terminal_) continued_ = loop().on_signal({SIGCONT}, [](int) { raw_terminal::reenter(); });
  } catch (...) {
    unrealize();
    throw;
  }
}

void CharStdio::unrealize() {
  continued_.reset();
  drain(0);
  CharStream::unrealize();
  if (std::exchange(terminal_, false)) raw_terminal::leave();
  typed_.clear();
  after_escape_ = ended_ = false;
}

std::size_t CharStdio::room() const {
  // A user at a terminal must be able to quit, whatever the guest does. A file or pipe waits.
  if (terminal_ && escape_) return FdStream::kReadSize;
  return typed_.size() < FdStream::kReadSize ? FdStream::kReadSize - typed_.size() : 0;
}

void CharStdio::received(std::span<const std::byte> bytes) {
  const qom::Ref<CharStdio> keep(this);
  for (const std::byte b : bytes) {
    if (std::exchange(after_escape_, false)) {
      command(b);
      if (!stream_) return;  // that was the quit
    } else if (escape_ && b == kEscape) {
      after_escape_ = true;
    } else if (typed_.size() < kTypeAhead) {
      typed_.push_back(b);
    } else {
      log::warn_once("chardev-stdio:" + path(), "the guest takes no input: what is typed now is lost");
    }
  }
  pass_on();
}

void CharStdio::command(std::byte key) {
  switch (static_cast<char>(key)) {
    case '\x01':
      if (typed_.size() < kTypeAhead) typed_.push_back(kEscape);
      break;
    case 'x':
      if (quit_) quit_();
      break;
    case 'b':
      pass_on();  // a break comes after what was typed before it
      report(CharFrontend::Event::Break);
      break;
    case 'h':
    case '?':
      stream_->write(std::as_bytes(std::span(kHelp)));
      break;
    default:  // as other programs with this key do: nothing
      break;
  }
}

void CharStdio::pass_on() {
  while (!typed_.empty()) {
    const std::size_t n = std::min(input_room(), typed_.size());
    if (n == 0) return;
    const auto end = typed_.begin() + static_cast<std::ptrdiff_t>(n);
    const std::vector<std::byte> some(typed_.begin(), end);
    typed_.erase(typed_.begin(), end);
    deliver(some);
  }
  if (std::exchange(ended_, false)) report(CharFrontend::Event::Closed);
}

void CharStdio::accept_input() {
  const qom::Ref<CharStdio> keep(this);
  pass_on();
  CharStream::accept_input();
}

void CharStdio::stream_closed(int) {
  ended_ = true;
  pass_on();
}

}  // namespace machina
