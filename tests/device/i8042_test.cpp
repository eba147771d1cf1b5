/// Keyboard and mouse controller with its devices, from the IBM PS/2 Hardware Interface Technical Reference.

#include "hw/input/i8042.h"

#include <map>

#include "core/units.h"
#include "tests/support/test_machine.h"

namespace machina::test {
namespace {

using Bytes = std::vector<std::uint8_t>;

class I8042Test : public testing::Test {
 protected:
  I8042Test() {
    m.add_isa_bus();
    device = &m.add<I8042>("kbc", {{"a20", "14"}, {"wake", "13"}});
    m.start();
  }

  void command(std::uint8_t c) { m.outb(0x64, c); }
  void command(std::uint8_t c, std::uint8_t parameter) {
    m.outb(0x64, c);
    m.outb(0x60, parameter);
  }
  bool full() { return (m.inb(0x64) & 0x01) != 0; }
  bool from_mouse() { return (m.inb(0x64) & 0x21) == 0x21; }
  /// All that comes, each byte after its time on the wire.
  Bytes drain() {
    Bytes bytes;
    for (int idle = 0; idle < 2;) {
      if (full()) {
        bytes.push_back(m.inb(0x60));
        idle = 0;
      } else {
        m.step(I8042::kByteTimeNs);
        ++idle;
      }
    }
    return bytes;
  }
  Bytes keyboard(std::initializer_list<std::uint8_t> bytes) {
    Bytes all;
    for (const std::uint8_t b : bytes) {
      m.outb(0x60, b);
      for (const std::uint8_t r : drain()) all.push_back(r);
    }
    return all;
  }
  Bytes mouse(std::initializer_list<std::uint8_t> bytes) {
    Bytes all;
    for (const std::uint8_t b : bytes) {
      command(0xd4, b);
      for (const std::uint8_t r : drain()) all.push_back(r);
    }
    return all;
  }
  void key(QKeyCode k, bool down) {
    const MachineLock::Guard guard(m.system().lock);
    device->key(k, down);
  }
  Bytes tap(QKeyCode k) {
    key(k, true);
    Bytes all = drain();
    key(k, false);
    for (const std::uint8_t r : drain()) all.push_back(r);
    return all;
  }
  void move(int dx, int dy, int wheel = 0) {
    const MachineLock::Guard guard(m.system().lock);
    device->mouse_move(dx, dy, wheel);
  }
  void button(MouseButton b, bool down) {
    const MachineLock::Guard guard(m.system().lock);
    device->mouse_button(b, down);
  }
  void set_command_byte(std::uint8_t v) { command(0x60, v); }
  std::uint8_t command_byte() {
    command(0x20);
    return m.inb(0x60);
  }

  TestMachine m;
  I8042* device = nullptr;
};

// --- the controller ---

TEST_F(I8042Test, SelfTestSetsTheSystemFlag) {
  EXPECT_EQ(m.inb(0x64), 0x10);  // not locked, nothing there
  command(0xaa);
  EXPECT_EQ(m.inb(0x64), 0x1d);
  EXPECT_EQ(m.inb(0x60), 0x55);
  EXPECT_EQ(m.inb(0x64), 0x1c);
  EXPECT_EQ(m.inb(0x60), 0x55);  // the buffer keeps its byte
  set_command_byte(0x03);
  EXPECT_EQ(m.inb(0x64), 0x10);  // the flag is the command byte's
}

TEST_F(I8042Test, StatusTellsCommandsFromData) {
  command(0xae);
  EXPECT_EQ(m.inb(0x64) & 0x08, 0x08);
  m.outb(0x60, 0xee);
  EXPECT_EQ(m.inb(0x64) & 0x08, 0x00);
}

TEST_F(I8042Test, InterfaceTests) {
  command(0xab);
  EXPECT_EQ(drain(), Bytes{0x00});
  command(0xa9);
  EXPECT_EQ(drain(), Bytes{0x00});
  command(0xa4);
  EXPECT_EQ(drain(), Bytes{0xf1});
  command(0xc0);
  EXPECT_EQ(drain(), Bytes{0x80});
}

TEST_F(I8042Test, CommandByteAndRam) {
  set_command_byte(0x67);
  EXPECT_EQ(command_byte(), 0x67);
  command(0x7f, 0xa5);
  command(0x61, 0x5a);
  command(0x3f);
  EXPECT_EQ(m.inb(0x60), 0xa5);
  command(0x21);
  EXPECT_EQ(m.inb(0x60), 0x5a);
  EXPECT_EQ(command_byte(), 0x67);
}

TEST_F(I8042Test, ACommandInsteadOfAParameterDropsTheFirst) {
  command(0x60);
  command(0xd1);
  m.outb(0x60, 0xcd);  // goes to the output port, not to the command byte
  EXPECT_FALSE(m.line(14));
  EXPECT_EQ(command_byte(), 0x03);
}

TEST_F(I8042Test, InhibitBitsAndTestInputs) {
  set_command_byte(0x00);
  command(0xe0);
  EXPECT_EQ(drain(), Bytes{0x03});
  command(0xad);
  command(0xa7);
  EXPECT_EQ(command_byte(), 0x30);
  command(0xe0);
  EXPECT_EQ(drain(), Bytes{0x00});
  command(0xae);
  EXPECT_EQ(command_byte(), 0x20);
  command(0xa8);
  EXPECT_EQ(command_byte(), 0x00);
}

TEST_F(I8042Test, OutputPortGatesA20) {
  EXPECT_TRUE(m.line(14));
  command(0xd1, 0xdd);
  EXPECT_FALSE(m.line(14));
  command(0xd0);
  EXPECT_EQ(m.inb(0x60) & 0x03, 0x01);
  command(0xd1, 0xdf);
  EXPECT_TRUE(m.line(14));
  command(0xd0);
  EXPECT_EQ(m.inb(0x60) & 0x03, 0x03);
  EXPECT_TRUE(m.object().resets.empty());
}

TEST_F(I8042Test, OutputPortShowsTheInterruptPins) {
  key(QKeyCode::A, true);
  EXPECT_TRUE(m.line(1));
  command(0xd0);  // replaces the byte in the buffer, whose interrupt stays up
  EXPECT_EQ(m.inb(0x60) & 0x30, 0x10);
  command(0xd0);
  EXPECT_EQ(m.inb(0x60) & 0x30, 0x00);
}

TEST_F(I8042Test, ResetByPulseAndByOutputPort) {
  command(0xfe);
  EXPECT_EQ(m.object().resets, std::vector{ShutdownCause::GuestReset});
  command(0xff);  // pulses nothing
  command(0xfd);  // pulses A20 only
  EXPECT_EQ(m.object().resets.size(), 1U);
  command(0xf0);
  EXPECT_EQ(m.object().resets.size(), 2U);
  command(0xd1, 0xde);
  EXPECT_EQ(m.object().resets.size(), 3U);
}

TEST_F(I8042Test, BytesWrittenBackLookLikeTheDevices) {
  command(0xd2, 0x42);
  EXPECT_TRUE(m.line(1));
  EXPECT_EQ(m.inb(0x64) & 0x21, 0x01);
  EXPECT_EQ(m.inb(0x60), 0x42);
  EXPECT_FALSE(m.line(1));
  command(0xd3, 0x43);
  EXPECT_TRUE(m.line(12));
  EXPECT_FALSE(m.line(1));
  EXPECT_EQ(m.inb(0x64) & 0x21, 0x21);
  EXPECT_EQ(m.inb(0x60), 0x43);
  EXPECT_FALSE(m.line(12));
}

TEST_F(I8042Test, APasswordIsSwallowed) {
  command(0xa5, 0x1e);
  m.outb(0x60, 0x30);
  m.outb(0x60, 0x00);
  EXPECT_EQ(drain(), Bytes{});  // none of it reached the keyboard
  EXPECT_EQ(keyboard({0xee}), Bytes{0xee});
}

TEST_F(I8042Test, TheNextByteTakesItsTimeOnTheWire) {
  key(QKeyCode::A, true);
  key(QKeyCode::A, false);
  EXPECT_TRUE(m.line(1));
  EXPECT_EQ(m.inb(0x60), 0x1c);
  EXPECT_FALSE(m.line(1));
  EXPECT_FALSE(full());
  EXPECT_EQ(m.inb(0x60), 0x1c);  // read twice, the same byte
  m.step(I8042::kByteTimeNs - 1);
  EXPECT_FALSE(full());
  m.step(1);
  EXPECT_TRUE(full());
  EXPECT_TRUE(m.line(1));
  EXPECT_EQ(m.rises(1), 2U);
  EXPECT_EQ(drain(), (Bytes{0xf0, 0x1c}));
}

TEST_F(I8042Test, InterruptsFollowTheCommandByte) {
  set_command_byte(0x00);
  key(QKeyCode::A, true);
  EXPECT_TRUE(full());
  EXPECT_FALSE(m.line(1));
  set_command_byte(0x01);
  EXPECT_TRUE(m.line(1));
  set_command_byte(0x00);
  EXPECT_FALSE(m.line(1));
}

TEST_F(I8042Test, AnInhibitedKeyboardKeepsItsBytes) {
  command(0xad);
  key(QKeyCode::A, true);
  EXPECT_FALSE(full());
  command(0xae);
  EXPECT_TRUE(full());
  EXPECT_EQ(m.inb(0x60), 0x1c);
  // A byte to the keyboard ends the inhibition.
  command(0xad);
  EXPECT_EQ(keyboard({0xee}), Bytes{0xee});
  EXPECT_EQ(command_byte() & 0x10, 0);
}

TEST_F(I8042Test, MachineReset) {
  set_command_byte(0x74);
  command(0xd1, 0xdd);
  key(QKeyCode::A, true);
  m.reset();
  EXPECT_EQ(m.inb(0x64), 0x10);
  EXPECT_EQ(command_byte(), 0x03);
  EXPECT_TRUE(m.line(14));
  EXPECT_EQ(drain(), Bytes{});
}

TEST_F(I8042Test, APressWakesAMachineThatSleeps) {
  tap(QKeyCode::A);
  button(MouseButton::Left, true), button(MouseButton::Left, false);
  EXPECT_EQ(m.rises(13), 0U) << "nobody sleeps";
  m.object().state = RunState::Suspended;
  key(QKeyCode::B, true);
  EXPECT_EQ(m.rises(13), 1U);
  key(QKeyCode::B, false);
  move(5, 5);
  EXPECT_EQ(m.rises(13), 1U) << "letting go and moving are no presses";
  button(MouseButton::Right, true);
  EXPECT_EQ(m.rises(13), 2U);
  EXPECT_FALSE(m.line(13)) << "a pulse";
}

// --- the keyboard ---

TEST_F(I8042Test, KeyboardResetAndId) {
  EXPECT_EQ(keyboard({0xff}), (Bytes{0xfa, 0xaa}));
  EXPECT_EQ(keyboard({0xf2}), (Bytes{0xfa, 0xab, 0x83}));
  EXPECT_EQ(keyboard({0xee}), (Bytes{0xee}));
  EXPECT_EQ(keyboard({0xe0}), (Bytes{0xfe}));
  set_command_byte(0x43);  // through translation
  EXPECT_EQ(keyboard({0xf2}), (Bytes{0xfa, 0xab, 0x41}));
  EXPECT_EQ(keyboard({0xff}), (Bytes{0xfa, 0xaa}));
}

TEST_F(I8042Test, Leds) {
  EXPECT_EQ(keyboard({0xed, 0x05}), (Bytes{0xfa, 0xfa}));
  EXPECT_EQ(device->keyboard_leds(), 5);
  EXPECT_EQ(keyboard({0xed, 0xee}), (Bytes{0xfa, 0xee}));  // a command instead of the parameter
  EXPECT_EQ(device->keyboard_leds(), 5);
  EXPECT_EQ(keyboard({0x05}), (Bytes{0xfe}));
}

TEST_F(I8042Test, ResendRepeatsTheLastByte) {
  key(QKeyCode::A, true);
  EXPECT_EQ(drain(), Bytes{0x1c});
  EXPECT_EQ(keyboard({0xfe}), Bytes{0x1c});
  // In the middle of an answer: once more, and then its rest.
  m.outb(0x60, 0xf2);
  EXPECT_EQ(m.inb(0x60), 0xfa);
  EXPECT_EQ(keyboard({0xfe}), (Bytes{0xfa, 0xab, 0x83}));
  command(0xd4, 0xf2);
  EXPECT_EQ(m.inb(0x60), 0xfa);
  EXPECT_EQ(mouse({0xfe}), (Bytes{0xfa, 0x00}));
  for (int i = 0; i < 1000; ++i) m.outb(0x60, 0xfe);
  EXPECT_LE(drain().size(), 17U) << "nobody reads: it does not pile up";
}

TEST_F(I8042Test, ScanCodesInSet2) {
  EXPECT_EQ(tap(QKeyCode::A), (Bytes{0x1c, 0xf0, 0x1c}));
  EXPECT_EQ(tap(QKeyCode::F7), (Bytes{0x83, 0xf0, 0x83}));
  EXPECT_EQ(tap(QKeyCode::Up), (Bytes{0xe0, 0x75, 0xe0, 0xf0, 0x75}));
  EXPECT_EQ(tap(QKeyCode::CtrlR), (Bytes{0xe0, 0x14, 0xe0, 0xf0, 0x14}));
  EXPECT_EQ(tap(QKeyCode::Print), (Bytes{0xe0, 0x12, 0xe0, 0x7c, 0xe0, 0xf0, 0x7c, 0xe0, 0xf0, 0x12}));
  EXPECT_EQ(tap(QKeyCode::Pause), (Bytes{0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77}));
}

TEST_F(I8042Test, ScanCodesTranslatedToSet1) {
  set_command_byte(0x43);
  EXPECT_EQ(tap(QKeyCode::A), (Bytes{0x1e, 0x9e}));
  EXPECT_EQ(tap(QKeyCode::Esc), (Bytes{0x01, 0x81}));
  EXPECT_EQ(tap(QKeyCode::Ret), (Bytes{0x1c, 0x9c}));
  EXPECT_EQ(tap(QKeyCode::F7), (Bytes{0x41, 0xc1}));
  EXPECT_EQ(tap(QKeyCode::F12), (Bytes{0x58, 0xd8}));
  EXPECT_EQ(tap(QKeyCode::Less), (Bytes{0x56, 0xd6}));
  EXPECT_EQ(tap(QKeyCode::KpEnter), (Bytes{0xe0, 0x1c, 0xe0, 0x9c}));
  EXPECT_EQ(tap(QKeyCode::MetaL), (Bytes{0xe0, 0x5b, 0xe0, 0xdb}));
  EXPECT_EQ(tap(QKeyCode::Print), (Bytes{0xe0, 0x2a, 0xe0, 0x37, 0xe0, 0xb7, 0xe0, 0xaa}));
  EXPECT_EQ(tap(QKeyCode::Pause), (Bytes{0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5}));
}

TEST_F(I8042Test, ScanCodesInSet1OfTheKeyboardItself) {
  EXPECT_EQ(keyboard({0xf0, 0x01}), (Bytes{0xfa, 0xfa}));
  EXPECT_EQ(tap(QKeyCode::A), (Bytes{0x1e, 0x9e}));
  EXPECT_EQ(tap(QKeyCode::Delete), (Bytes{0xe0, 0x53, 0xe0, 0xd3}));
  EXPECT_EQ(keyboard({0xf0, 0x00}), (Bytes{0xfa, 0xfa, 0x01}));
}

TEST_F(I8042Test, TheWholeUsKeyboardInSet1) {
  // Codes 01h to 53h of the XT keyboard in order; the keys named as QEMU names them.
  const char* keys[] = {"esc",
                        "1",
                        "2",
                        "3",
                        "4",
                        "5",
                        "6",
                        "7",
                        "8",
                        "9",
                        "0",
                        "minus",
                        "equal",
                        "backspace",
                        "tab",
                        "q",
                        "w",
                        "e",
                        "r",
                        "t",
                        "y",
                        "u",
                        "i",
                        "o",
                        "p",
                        "bracket_left",
                        "bracket_right",
                        "ret",
                        "ctrl",
                        "a",
                        "s",
                        "d",
                        "f",
                        "g",
                        "h",
                        "j",
                        "k",
                        "l",
                        "semicolon",
                        "apostrophe",
                        "grave_accent",
                        "shift",
                        "backslash",
                        "z",
                        "x",
                        "c",
                        "v",
                        "b",
                        "n",
                        "m",
                        "comma",
                        "dot",
                        "slash",
                        "shift_r",
                        "kp_multiply",
                        "alt",
                        "spc",
                        "caps_lock",
                        "f1",
                        "f2",
                        "f3",
                        "f4",
                        "f5",
                        "f6",
                        "f7",
                        "f8",
                        "f9",
                        "f10",
                        "num_lock",
                        "scroll_lock",
                        "kp_7",
                        "kp_8",
                        "kp_9",
                        "kp_subtract",
                        "kp_4",
                        "kp_5",
                        "kp_6",
                        "kp_add",
                        "kp_1",
                        "kp_2",
                        "kp_3",
                        "kp_0",
                        "kp_decimal"};
  std::uint8_t code = 1;
  for (const char* name : keys) {
    const auto k = key_by_name(name);
    ASSERT_TRUE(k) << name;
    EXPECT_EQ(ps2::scan_bytes(*k, true, 1, {}), Bytes{code}) << name;
    EXPECT_EQ(ps2::scan_bytes(*k, false, 1, {}), Bytes{static_cast<std::uint8_t>(code | 0x80)}) << name;
    ++code;
  }
  EXPECT_EQ(code, 0x54);
}

TEST_F(I8042Test, EveryKeyHasACodeOfItsOwn) {
  std::map<Bytes, std::string_view> seen;
  for (const std::string_view name : key_names()) {
    const Bytes bytes = ps2::scan_bytes(*key_by_name(name), true, 2, {});
    ASSERT_FALSE(bytes.empty()) << name;
    const auto [at, fresh] = seen.emplace(bytes, name);
    const bool same_key = name == "compose" || name == "katakanahiragana";  // two names of one key
    EXPECT_EQ(fresh, !same_key) << name << " and " << at->second;
  }
}

TEST_F(I8042Test, SysRqAndBreak) {
  set_command_byte(0x43);
  key(QKeyCode::Alt, true);
  EXPECT_EQ(drain(), Bytes{0x38});
  EXPECT_EQ(tap(QKeyCode::Print), (Bytes{0x54, 0xd4}));
  key(QKeyCode::Alt, false);
  key(QKeyCode::Ctrl, true);
  EXPECT_EQ(drain(), (Bytes{0xb8, 0x1d}));
  EXPECT_EQ(tap(QKeyCode::Pause), (Bytes{0xe0, 0x46, 0xe0, 0xc6}));
  EXPECT_EQ(tap(QKeyCode::Print), (Bytes{0xe0, 0x37, 0xe0, 0xb7}));
}

TEST_F(I8042Test, Set3AndItsKeyTypes) {
  EXPECT_EQ(keyboard({0xf0, 0x03}), (Bytes{0xfa, 0xfa}));
  EXPECT_EQ(tap(QKeyCode::A), Bytes{0x1c});                    // typematic: no break
  EXPECT_EQ(tap(QKeyCode::Shift), (Bytes{0x12, 0xf0, 0x12}));  // make and break
  EXPECT_EQ(tap(QKeyCode::F1), Bytes{0x07});                   // make only
  EXPECT_EQ(keyboard({0xf8}), Bytes{0xfa});
  EXPECT_EQ(tap(QKeyCode::A), (Bytes{0x1c, 0xf0, 0x1c}));
  EXPECT_EQ(keyboard({0xfd, 0x1c, 0x12}), (Bytes{0xfa, 0xfa, 0xfa}));  // a list of keys
  EXPECT_EQ(keyboard({0xf4}), Bytes{0xfa});                            // ended by a command
  EXPECT_EQ(tap(QKeyCode::A), Bytes{0x1c});
  EXPECT_EQ(tap(QKeyCode::Shift), Bytes{0x12});
  EXPECT_EQ(tap(QKeyCode::B), (Bytes{0x32, 0xf0, 0x32}));
  EXPECT_EQ(keyboard({0xfa}), Bytes{0xfa});
  EXPECT_EQ(tap(QKeyCode::F1), (Bytes{0x07, 0xf0, 0x07}));
  EXPECT_EQ(keyboard({0xf6}), Bytes{0xfa});  // defaults: set 2 again
  EXPECT_EQ(tap(QKeyCode::F1), (Bytes{0x05, 0xf0, 0x05}));
}

TEST_F(I8042Test, AByteToADeviceEndsItsAnswerToTheOneBefore) {
  // Nobody reads: what waits does not pile up. The first byte of the first answer is in the output buffer.
  for (int i = 0; i < 1000; ++i) m.outb(0x60, 0xf2);
  EXPECT_EQ(drain(), (Bytes{0xfa, 0xfa, 0xab, 0x83}));
  for (int i = 0; i < 1000; ++i) command(0xd4, 0xe9);
  EXPECT_EQ(drain(), (Bytes{0xfa, 0xfa, 0x00, 0x02, 0x64}));
  EXPECT_EQ(mouse({0xee}), Bytes{0xfa});  // wrap mode, in which every byte is answered
  for (int i = 0; i < 1000; ++i) command(0xd4, static_cast<std::uint8_t>(i % 0xe0));
  EXPECT_EQ(drain(), (Bytes{0x00, 999 % 0xe0}));
}

TEST_F(I8042Test, SetsThatAreNoneAreRefused) {
  EXPECT_EQ(keyboard({0xf0, 0x04}), (Bytes{0xfa, 0xfe}));
  EXPECT_EQ(keyboard({0x02}), Bytes{0xfa});  // still waits
  EXPECT_EQ(keyboard({0xf0, 0x00}), (Bytes{0xfa, 0xfa, 0x02}));
  set_command_byte(0x43);
  EXPECT_EQ(keyboard({0xf0, 0x00}), (Bytes{0xfa, 0xfa, 0x41}));  // translated, as every byte is
}

TEST_F(I8042Test, DisabledKeyboardIsSilent) {
  EXPECT_EQ(keyboard({0xf5}), Bytes{0xfa});
  EXPECT_EQ(tap(QKeyCode::A), Bytes{});
  EXPECT_EQ(keyboard({0xf4}), Bytes{0xfa});
  EXPECT_EQ(tap(QKeyCode::A), (Bytes{0x1c, 0xf0, 0x1c}));
}

TEST_F(I8042Test, AnAnswerComesBeforeWhatWasTyped) {
  command(0xad);
  key(QKeyCode::A, true);
  m.outb(0x60, 0xf2);
  EXPECT_EQ(drain(), (Bytes{0xfa, 0xab, 0x83, 0x1c}));
}

TEST_F(I8042Test, BufferOverrun) {
  command(0xad);
  for (int i = 0; i < 6; ++i) {
    key(QKeyCode::A, true);
    key(QKeyCode::A, false);
  }
  command(0xae);
  const Bytes bytes = drain();
  // Five times make and break, a sixth make, then no room for the break.
  ASSERT_EQ(bytes.size(), 17U);
  EXPECT_EQ(bytes[15], 0x1c);
  EXPECT_EQ(bytes[16], 0x00);
  EXPECT_EQ(tap(QKeyCode::B), (Bytes{0x32, 0xf0, 0x32}));
}

TEST_F(I8042Test, HeldKeysRepeat) {
  key(QKeyCode::A, true);
  key(QKeyCode::A, true);  // it is down already
  EXPECT_EQ(drain(), Bytes{0x1c});
  m.step(490 * kNsPerMs);
  EXPECT_FALSE(full());
  m.step(10 * kNsPerMs);
  EXPECT_EQ(drain(), Bytes{0x1c});
  m.step(85 * kNsPerMs);  // 91.74 ms, of which drain() took some
  EXPECT_FALSE(full());
  m.step(7 * kNsPerMs);
  EXPECT_EQ(drain(), Bytes{0x1c});
  key(QKeyCode::B, true);  // the last one pressed repeats
  EXPECT_EQ(drain(), Bytes{0x32});
  m.step(500 * kNsPerMs);
  EXPECT_EQ(drain(), Bytes{0x32});
  key(QKeyCode::A, false);
  EXPECT_EQ(drain(), (Bytes{0xf0, 0x1c}));
  m.step(92 * kNsPerMs);
  EXPECT_EQ(drain(), Bytes{0x32});
  key(QKeyCode::B, false);
  EXPECT_EQ(drain(), (Bytes{0xf0, 0x32}));
  m.step(2 * kNsPerSecond);
  EXPECT_FALSE(full());
}

TEST_F(I8042Test, TypematicRateIsProgrammable) {
  EXPECT_EQ(keyboard({0xf3, 0x60}), (Bytes{0xfa, 0xfa}));  // 1 s, then 33.36 ms
  key(QKeyCode::A, true);
  EXPECT_EQ(m.inb(0x60), 0x1c);
  m.step(999 * kNsPerMs);
  EXPECT_FALSE(full());
  m.step(1 * kNsPerMs);
  EXPECT_TRUE(full());
  EXPECT_EQ(m.inb(0x60), 0x1c);
  m.step(33 * kNsPerMs);
  EXPECT_FALSE(full());
  m.step(1 * kNsPerMs);
  EXPECT_TRUE(full());
}

// --- the mouse ---

TEST_F(I8042Test, MouseResetIdAndStatus) {
  EXPECT_EQ(mouse({0xff}), (Bytes{0xfa, 0xaa, 0x00}));
  EXPECT_EQ(mouse({0xf2}), (Bytes{0xfa, 0x00}));
  EXPECT_EQ(mouse({0xe9}), (Bytes{0xfa, 0x00, 0x02, 0x64}));
  EXPECT_EQ(mouse({0xe8, 0x03}), (Bytes{0xfa, 0xfa}));
  EXPECT_EQ(mouse({0xf3, 40}), (Bytes{0xfa, 0xfa}));
  EXPECT_EQ(mouse({0xe7}), Bytes{0xfa});
  EXPECT_EQ(mouse({0xf4}), Bytes{0xfa});
  EXPECT_EQ(mouse({0xe9}), (Bytes{0xfa, 0x30, 0x03, 40}));
  EXPECT_EQ(mouse({0xf6}), Bytes{0xfa});
  EXPECT_EQ(mouse({0xe9}), (Bytes{0xfa, 0x00, 0x02, 0x64}));
  EXPECT_EQ(mouse({0xe8, 0x04}), (Bytes{0xfa, 0xfe}));
  EXPECT_EQ(mouse({0xf3, 33}), (Bytes{0xfa, 0xfe}));
  EXPECT_EQ(mouse({0x12}), Bytes{0xfe});
}

TEST_F(I8042Test, MouseBytesAreMarkedAndInterrupt) {
  command(0xd4, 0xf4);
  EXPECT_TRUE(from_mouse());
  EXPECT_TRUE(m.line(12));
  EXPECT_FALSE(m.line(1));
  EXPECT_EQ(m.inb(0x60), 0xfa);
  EXPECT_FALSE(m.line(12));
}

TEST_F(I8042Test, MouseReportsMovementsAndButtons) {
  move(5, 5);  // before reporting is enabled: forgotten
  (void)mouse({0xf4});
  EXPECT_EQ(drain(), Bytes{});
  move(3, 2);  // right and down: y counts up
  EXPECT_EQ(drain(), (Bytes{0x28, 0x03, 0xfe}));
  m.step(10 * kNsPerMs);
  button(MouseButton::Left, true);
  EXPECT_EQ(drain(), (Bytes{0x09, 0x00, 0x00}));
  m.step(10 * kNsPerMs);
  button(MouseButton::Right, true);
  button(MouseButton::Left, true);  // no change
  EXPECT_EQ(drain(), (Bytes{0x0b, 0x00, 0x00}));
  m.step(10 * kNsPerMs);
  button(MouseButton::Middle, true);
  move(-1, 0);
  EXPECT_EQ(mouse({0xe9})[0], 0x0f);
}

TEST_F(I8042Test, MouseSamplesAtItsRateAndLosesNoMovement) {
  (void)mouse({0xf3, 10, 0xf4});
  m.step(kNsPerSecond);
  move(1, 0);
  EXPECT_EQ(drain(), (Bytes{0x08, 0x01, 0x00}));
  for (int i = 0; i < 300; ++i) move(1, 0);
  EXPECT_EQ(drain(), Bytes{});
  m.step(100 * kNsPerMs);
  EXPECT_EQ(drain(), (Bytes{0x08, 0xff, 0x00}));  // nine bits are 255
  m.step(100 * kNsPerMs);
  EXPECT_EQ(drain(), (Bytes{0x08, 45, 0x00}));
  m.step(kNsPerSecond);
  EXPECT_EQ(drain(), Bytes{});
}

TEST_F(I8042Test, MouseScalingAppliesToTheStreamOnly) {
  (void)mouse({0xe7, 0xf4});
  const std::pair<int, std::uint8_t> scaled[] = {{1, 1}, {2, 1}, {3, 3}, {4, 6}, {5, 9}, {6, 12}, {-4, 0xfa}};
  for (const auto& [moved, reported] : scaled) {
    m.step(10 * kNsPerMs);
    move(moved, 0);
    const Bytes packet = drain();
    ASSERT_EQ(packet.size(), 3U);
    EXPECT_EQ(packet[1], reported) << moved;
  }
  (void)mouse({0xf0});
  move(4, 0);
  EXPECT_EQ(mouse({0xeb}), (Bytes{0xfa, 0x08, 0x04, 0x00}));
}

TEST_F(I8042Test, RemoteModeSpeaksWhenAsked) {
  (void)mouse({0xf4, 0xf0});
  move(7, 0);
  EXPECT_EQ(drain(), Bytes{});
  EXPECT_EQ(mouse({0xeb}), (Bytes{0xfa, 0x08, 0x07, 0x00}));
  EXPECT_EQ(mouse({0xeb}), (Bytes{0xfa, 0x08, 0x00, 0x00}));
  EXPECT_EQ(mouse({0xe9})[1], 0x60);
  (void)mouse({0xea});
  move(1, 0);
  EXPECT_EQ(drain(), (Bytes{0x08, 0x01, 0x00}));
}

TEST_F(I8042Test, WrapModeEchoes) {
  EXPECT_EQ(mouse({0xee}), Bytes{0xfa});
  EXPECT_EQ(mouse({0xf2, 0x12, 0xee}), (Bytes{0xf2, 0x12, 0xee}));
  EXPECT_EQ(mouse({0xec}), Bytes{0xfa});
  EXPECT_EQ(mouse({0xf2}), (Bytes{0xfa, 0x00}));
}

TEST_F(I8042Test, IntelliMouseAndExplorer) {
  (void)mouse({0xf3, 200, 0xf3, 100, 0xf3, 80});
  EXPECT_EQ(mouse({0xf2}), (Bytes{0xfa, 0x03}));
  (void)mouse({0xf4});
  move(1, 0, -2);
  EXPECT_EQ(drain(), (Bytes{0x08, 0x01, 0x00, 0xfe}));
  (void)mouse({0xf3, 200, 0xf3, 200, 0xf3, 80});
  EXPECT_EQ(mouse({0xf2}), (Bytes{0xfa, 0x04}));
  m.step(20 * kNsPerMs);
  button(MouseButton::Side, true);
  EXPECT_EQ(drain(), (Bytes{0x08, 0x00, 0x00, 0x10}));
  m.step(20 * kNsPerMs);
  move(0, 0, -1);
  EXPECT_EQ(drain(), (Bytes{0x08, 0x00, 0x00, 0x1f}));
  EXPECT_EQ(mouse({0xff}), (Bytes{0xfa, 0xaa, 0x00}));
}

TEST_F(I8042Test, AnInhibitedMouseWaits) {
  (void)mouse({0xf4});
  command(0xa7);
  move(1, 0);
  EXPECT_EQ(drain(), Bytes{});
  command(0xa8);
  EXPECT_EQ(drain(), (Bytes{0x08, 0x01, 0x00}));
}

TEST_F(I8042Test, KeyboardGoesBeforeMouse) {
  (void)mouse({0xf4});
  command(0xad);
  command(0xa7);
  move(1, 0);
  key(QKeyCode::A, true);
  set_command_byte(0x03);
  EXPECT_FALSE(from_mouse());
  EXPECT_EQ(drain(), (Bytes{0x1c, 0x08, 0x01, 0x00}));
}

}  // namespace
}  // namespace machina::test
