#include "core/display/text_display.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

#include "core/chardev/fd_stream.h"
#include "core/chardev/raw_terminal.h"
#include "core/error.h"
#include "core/event_loop.h"
#include "core/units.h"

namespace machina {
namespace {

constexpr char kPrefix = '\x01';  // Ctrl-a
constexpr std::size_t kTypeAhead = 4096;
constexpr std::string_view kHelp = "Ctrl-a x quit  |  d Ctrl-Alt-Delete  |  l paint again  |  Ctrl-a send Ctrl-a";
// The alternate screen keeps what the user had on his.
constexpr std::string_view kEnter = "\x1b[?1049h";
constexpr std::string_view kLeave = "\x1b[0m\x1b[0 q\x1b[?25h\x1b[?1049l";

/// What terminals of 24-bit colours have agreed to say.
bool has_true_colours() {
  const char* const says = std::getenv("COLORTERM");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  return says && (std::string_view(says) == "truecolor" || std::string_view(says) == "24bit");
}

}  // namespace

TextDisplay::TextDisplay(EventLoop& loop, Clock& realtime, DisplaySource* source, InputSink* sink, int in_fd,
                         int out_fd)
    : realtime_(realtime),
      source_(source),
      sink_(sink),
      out_fd_(out_fd),
      frame_timer_(realtime, "display.frame", [this] { refresh(); }),
      key_timer_(realtime, "display.key", [this] { next_key(); }),
      escape_timer_(realtime, "display.escape", [this] { press(keys_.flush()); }) {
  if (!isatty(in_fd) || !isatty(out_fd)) {
    throw Error("display text needs a terminal")
        .why("standard input or output is none")
        .hint("start the program from a terminal, or use -nographic");
  }
  bool in_may_block = false, out_may_block = false;
  OwnedFd in = open_unblocked(in_fd, O_RDONLY, in_may_block);
  OwnedFd out = open_unblocked(out_fd, O_WRONLY, out_may_block);
  raw_terminal::enter(in_fd, false);
  raw_terminal::write_when_leaving(out_fd, kLeave);
  try {
    FdStream::Handlers handlers;
    handlers.room = [] { return FdStream::kReadSize; };
    handlers.received = [this](std::span<const std::byte> bytes) {
      received({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    };
    handlers.closed = [this](int) {
      if (quit_) quit_();
    };
    stream_ = std::make_unique<FdStream>(loop, std::move(in), std::move(out), false, std::move(handlers));
    if (out_may_block) stream_->set_may_block();
    continued_ = loop.on_signal({SIGCONT}, [this](int) {
      raw_terminal::reenter();
      stream_->write(std::as_bytes(std::span(kEnter)));
      painter_.forget();
    });
  } catch (...) {
    stream_.reset();
    raw_terminal::leave();
    throw;
  }
  stream_->write(std::as_bytes(std::span(kEnter)));
  painter_.set_true_colours(has_true_colours());
  frame_timer_.arm(realtime_.now_ns());
}

TextDisplay::~TextDisplay() {
  if (down_ && sink_)
    for (const QKeyCode k : typed_.front()) sink_->key(k, false);
  continued_.reset();
  stream_->drain(100);
  stream_.reset();
  raw_terminal::leave();
}

void TextDisplay::refresh() {
  const std::int64_t now = realtime_.now_ns();
  frame_timer_.arm(now + kFrameNs);
  if (stream_->buffered()) return;  // the terminal is slow: it gets the picture that is current then
  winsize size{};
  if (ioctl(out_fd_, TIOCGWINSZ, &size) == 0 && size.ws_col && size.ws_row) painter_.set_size(size.ws_col, size.ws_row);
  if (help_until_ && now >= *help_until_) help_until_.reset();

  std::string out;
  if (help_until_) {
    out = painter_.paint_message(kHelp);
  } else if (!source_) {
    out = painter_.paint_message("This machine has no display adapter. Ctrl-a x quits.");
  } else if (source_->text_mode()) {
    out = painter_.paint(source_->text_screen());
  } else {
    out = painter_.paint_message("The guest shows graphics, which a terminal cannot. Ctrl-a h helps.");
  }
  stream_->write(std::as_bytes(std::span(out)));
}

void TextDisplay::received(std::string_view bytes) {
  escape_timer_.cancel();
  std::string plain;
  for (const char c : bytes) {
    if (after_prefix_) {
      after_prefix_ = false;
      if (c == kPrefix) {
        plain.push_back(c);
      } else {
        press(keys_.feed(std::exchange(plain, {})));
        command(c);
      }
    } else if (c == kPrefix) {
      after_prefix_ = true;
    } else {
      plain.push_back(c);
    }
  }
  press(keys_.feed(plain));
  if (keys_.pending()) escape_timer_.arm(realtime_.now_ns() + kEscapeNs);
}

void TextDisplay::command(char key) {
  switch (key) {
    case 'x':
      if (quit_) quit_();
      break;
    case 'd':
      press({{QKeyCode::Ctrl, QKeyCode::Alt, QKeyCode::Delete}});
      break;
    case 'l':
      painter_.forget();
      break;
    case 'h':
    case '?':
      help_until_ = realtime_.now_ns() + 3 * kNsPerSecond;
      break;
    default:
      break;
  }
}

void TextDisplay::press(std::vector<KeyChord> chords) {
  if (!sink_ || !listening()) return;
  for (KeyChord& chord : chords)
    if (typed_.size() < kTypeAhead) typed_.push_back(std::move(chord));
  if (!typed_.empty() && !key_timer_.armed()) key_timer_.arm(realtime_.now_ns());
}

void TextDisplay::next_key() {
  if (typed_.empty()) return;
  if (!down_ && !listening()) return key_timer_.arm(realtime_.now_ns() + kLookNs);
  const KeyChord& chord = typed_.front();
  if (!down_) {
    for (const QKeyCode k : chord) sink_->key(k, true);
    down_ = true;
  } else {
    for (auto k = chord.rbegin(); k != chord.rend(); ++k) sink_->key(*k, false);
    down_ = false;
    typed_.pop_front();
  }
  if (down_ || !typed_.empty()) key_timer_.arm(realtime_.now_ns() + kKeyNs);
}

}  // namespace machina
