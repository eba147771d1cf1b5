#include "core/display/text_display.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "core/error.h"
#include "core/event_loop.h"
#include "core/machine_lock.h"
#include "core/units.h"

namespace machina {
namespace {

class FakeScreen final : public DisplaySource {
 public:
  bool text_mode() const override { return text; }
  TextScreen text_screen() override { return screen; }
  PixelScreen pixel_screen() override { return {}; }
  bool text = true;
  TextScreen screen;
};

class FakeKeyboard final : public InputSink {
 public:
  void key(QKeyCode key, bool down) override {
    events += std::string(events.empty() ? "" : " ") + (down ? "+" : "-") + std::string(key_name(key));
  }
  void mouse_move(int, int, int) override {}
  void mouse_button(MouseButton, bool) override {}
  std::string events;
};

/// A display on a pseudo terminal, whose other end the test holds.
class TextDisplayTest : public testing::Test {
 protected:
  TextDisplayTest() {
    ::unsetenv("COLORTERM");  // of whoever runs the tests
    loop.drive(realtime);
    master = ::posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    ::grantpt(master);
    ::unlockpt(master);
    slave = ::open(::ptsname(master), O_RDWR | O_NOCTTY);
    winsize size{};
    size.ws_col = 80;
    size.ws_row = 25;
    ::ioctl(slave, TIOCSWINSZ, &size);
    screen.screen.columns = 80;
    screen.screen.rows = 25;
    screen.screen.cells.resize(2000);
  }
  ~TextDisplayTest() override {
    stop();
    ::close(slave);
    ::close(master);
  }
  void start(DisplaySource* source, InputSink* sink) {
    const MachineLock::Guard guard(lock);
    display = std::make_unique<TextDisplay>(loop, realtime, source, sink, slave, slave);
    display->on_quit([this] { quits++; });
    display->while_it([this] { return listens; });
  }
  void stop() {
    const MachineLock::Guard guard(lock);
    display.reset();
  }
  bool output_has(const std::string& text) {
    return loop.run_until(
        [&] {
          char buffer[4096];
          const ::ssize_t n = ::read(master, buffer, sizeof buffer);
          if (n > 0) output.append(buffer, static_cast<std::size_t>(n));
          return output.find(text) != std::string::npos;
        },
        5 * kNsPerSecond);
  }
  void type(std::string_view bytes) { ASSERT_EQ(::write(master, bytes.data(), bytes.size()), ::ssize_t(bytes.size())); }
  bool keys_are(const std::string& events) {
    return loop.run_until([&] { return keyboard.events == events; }, 5 * kNsPerSecond);
  }
  bool echoes() const {
    termios t{};
    ::tcgetattr(slave, &t);
    return (t.c_lflag & ECHO) != 0;
  }

  MachineLock lock;
  EventLoop loop{lock};
  Clock realtime{ClockKind::Realtime};
  FakeScreen screen;
  FakeKeyboard keyboard;
  int master = -1, slave = -1;
  std::unique_ptr<TextDisplay> display;
  std::string output;
  int quits = 0;
  bool listens = true;
};

TEST_F(TextDisplayTest, ShowsTheScreenAndItsChanges) {
  screen.screen.cells[0] = {'H', 0x1f};
  start(&screen, &keyboard);
  EXPECT_TRUE(output_has("\x1b[?1049h"));
  EXPECT_TRUE(output_has("\x1b[1;1H\x1b[0;97;44mH"));
  {
    const MachineLock::Guard guard(lock);
    screen.screen.cells[81] = {0xc9, 0x1f};
  }
  EXPECT_TRUE(output_has("\x1b[2;2H╔"));
  {
    const MachineLock::Guard guard(lock);
    screen.text = false;
  }
  EXPECT_TRUE(output_has("The guest shows graphics"));
}

TEST_F(TextDisplayTest, AsksTheEnvironmentForTrueColours) {
  ::setenv("COLORTERM", "truecolor", 1);
  screen.screen.cells[0] = {'H', 0x1f};
  start(&screen, &keyboard);
  ::unsetenv("COLORTERM");
  EXPECT_TRUE(output_has("\x1b[1;1H\x1b[0;38;2;255;255;255;48;2;0;0;170mH"));
}

TEST_F(TextDisplayTest, FiftyRowsFollowTheCursorInATerminalOfTwentyFive) {
  screen.screen.rows = 50;
  screen.screen.cells.resize(4000);
  screen.screen.cells[49 * 80] = {'Z', 0x07};
  screen.screen.cursor_visible = true;
  screen.screen.cursor_row = 49;
  start(&screen, &keyboard);
  EXPECT_TRUE(output_has("\x1b[25;1H\x1b[0;37;40mZ"));
}

TEST_F(TextDisplayTest, SaysSoWithoutAnAdapter) {
  start(nullptr, nullptr);
  EXPECT_TRUE(output_has("no display adapter"));
  type("abc");  // goes nowhere
  EXPECT_FALSE(loop.run_until([] { return false; }, 50 * kNsPerMs));
}

TEST_F(TextDisplayTest, TypedKeysArePressedAndReleased) {
  start(&screen, &keyboard);
  type("aB\x1b[A");
  EXPECT_TRUE(keys_are("+a -a +shift +b -b -shift +up -up")) << keyboard.events;
}

TEST_F(TextDisplayTest, WhatIsTypedAtAMachineThatStandsIsLost) {
  start(&screen, &keyboard);
  type("a");
  ASSERT_TRUE(keys_are("+a -a")) << keyboard.events;
  listens = false;
  type("b\x01l");
  screen.screen.cells[0].glyph = 'X';
  ASSERT_TRUE(output_has("X"));
  listens = true;
  type("c");
  EXPECT_TRUE(keys_are("+a -a +c -c")) << keyboard.events;
}

TEST_F(TextDisplayTest, EscapeNeedsAPause) {
  start(&screen, &keyboard);
  type("\x1b");
  EXPECT_TRUE(keys_are("+esc -esc")) << keyboard.events;
}

TEST_F(TextDisplayTest, CtrlAIsTheCommandKey) {
  start(&screen, &keyboard);
  type("\x01\x01");
  EXPECT_TRUE(keys_are("+ctrl +a -a -ctrl")) << keyboard.events;
  keyboard.events.clear();
  type(
      "x\x01"
      "dy");
  EXPECT_TRUE(keys_are("+x -x +ctrl +alt +delete -delete -alt -ctrl +y -y")) << keyboard.events;
  type("\x01h");
  EXPECT_TRUE(output_has("Ctrl-Alt-Delete"));
  EXPECT_EQ(quits, 0);
  type("\x01x");
  EXPECT_TRUE(loop.run_until([&] { return quits == 1; }, 5 * kNsPerSecond));
}

TEST_F(TextDisplayTest, PutsTheTerminalBack) {
  EXPECT_TRUE(echoes());
  start(&screen, &keyboard);
  EXPECT_FALSE(echoes());
  stop();
  EXPECT_TRUE(echoes());
  EXPECT_TRUE(output_has("\x1b[0 q\x1b[?25h\x1b[?1049l"));
}

TEST_F(TextDisplayTest, AKeyThatIsDownAtTheEndIsReleased) {
  start(&screen, &keyboard);
  type("q");
  ASSERT_TRUE(keys_are("+q"));
  stop();
  EXPECT_EQ(keyboard.events, "+q -q");
}

TEST_F(TextDisplayTest, NeedsATerminal) {
  int pipe_fds[2];
  ASSERT_EQ(::pipe(pipe_fds), 0);
  const MachineLock::Guard guard(lock);
  EXPECT_THROW(TextDisplay(loop, realtime, &screen, &keyboard, pipe_fds[0], pipe_fds[1]), Error);
  ::close(pipe_fds[0]);
  ::close(pipe_fds[1]);
}

}  // namespace
}  // namespace machina
