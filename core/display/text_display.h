#pragma once
/// `-display text`: the guest's text screen in the terminal that the program was started from, and its keyboard.
///
/// The screen is looked at 30 times a second of real time, and only what changed is sent; a terminal that takes no
/// output misses pictures, it does not hold up the machine. Keys are pressed and released at the pace of a quick
/// typist, since a PC keyboard buffers 16 bytes. Ctrl-a begins a command: x quits, d is Ctrl-Alt-Delete, l paints the
/// screen again, h helps, Ctrl-a sends itself. Whatever ends the process, the terminal is put back.
///
/// Main thread, under the machine lock. One display a process, as there is one terminal.

#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "core/clock.h"
#include "core/display/display.h"
#include "core/display/input_sink.h"
#include "core/display/terminal_keys.h"
#include "core/display/terminal_painter.h"

namespace machina {

class EventLoop;
class FdStream;

class TextDisplay {
 public:
  static constexpr std::int64_t kFrameNs = 33'000'000;
  static constexpr std::int64_t kKeyNs = 10'000'000;     ///< a key is down, and then up, for so long
  static constexpr std::int64_t kLookNs = 50'000'000;    ///< between two looks whether a machine that stands goes on
  static constexpr std::int64_t kEscapeNs = 50'000'000;  ///< an escape that nothing follows is the key

  /// `source` may be null (a machine without display adapter), `sink` too (without keyboard); both outlive the display.
  /// `realtime` is a realtime clock that `loop` drives. Throws Error when the descriptors are no terminal.
  TextDisplay(EventLoop& loop, Clock& realtime, DisplaySource* source, InputSink* sink, int in_fd = 0, int out_fd = 1);
  ~TextDisplay();
  TextDisplay(const TextDisplay&) = delete;
  TextDisplay& operator=(const TextDisplay&) = delete;

  /// Called for Ctrl-a x, and when the terminal goes away.
  void on_quit(std::function<void()> quit) { quit_ = std::move(quit); }
  /// What is typed while the machine does not listen, as it stands, is lost; always, unless this is called.
  void while_it(std::function<bool()> listens) { listens_ = std::move(listens); }

 private:
  bool listening() const { return !listens_ || listens_(); }
  void refresh();
  void received(std::string_view bytes);
  void command(char key);
  void press(std::vector<KeyChord> chords);
  void next_key();

  Clock& realtime_;
  DisplaySource* source_;
  InputSink* sink_;
  int out_fd_;
  std::function<void()> quit_;
  std::function<bool()> listens_;
  std::unique_ptr<FdStream> stream_;
  std::shared_ptr<void> continued_;
  TerminalPainter painter_;
  TerminalKeys keys_;
  bool after_prefix_ = false;
  std::optional<std::int64_t> help_until_;
  std::deque<KeyChord> typed_;
  bool down_ = false;  // the chord at the front is pressed
  Timer frame_timer_;
  Timer key_timer_;
  Timer escape_timer_;
};

}  // namespace machina
