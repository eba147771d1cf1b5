#include "hw/input/i8042.h"

#include <algorithm>
#include <utility>

#include "core/trace/trace_event.h"

namespace machina {
namespace {

const TraceEvent<unsigned> pckbd_kbd_read_data{"pckbd_kbd_read_data", "value={:#04x}"};
const TraceEvent<unsigned> pckbd_kbd_read_status{"pckbd_kbd_read_status", "value={:#04x}"};
const TraceEvent<unsigned> pckbd_kbd_write_data{"pckbd_kbd_write_data", "value={:#04x}"};
const TraceEvent<unsigned> pckbd_kbd_write_command{"pckbd_kbd_write_command", "value={:#04x}"};
const TraceEvent<unsigned> pckbd_outport_write{"pckbd_outport_write", "value={:#04x}"};
const TraceEvent<std::string_view, unsigned> pckbd_answer{"pckbd_answer", "source={} value={:#04x}"};
const TraceEvent<bool, bool> pckbd_update_irq{"pckbd_update_irq", "keyboard={:d} mouse={:d}"};

// Status register, port 64h.
constexpr std::uint8_t kOutputFull = 1U << 0;
constexpr std::uint8_t kSystemFlag = 1U << 2;  // also in the command byte
constexpr std::uint8_t kLastWasCommand = 1U << 3;
constexpr std::uint8_t kNotLocked = 1U << 4;
constexpr std::uint8_t kMouseOutputFull = 1U << 5;

// Command byte.
constexpr std::uint8_t kKeyboardInterrupt = 1U << 0;
constexpr std::uint8_t kMouseInterrupt = 1U << 1;
constexpr std::uint8_t kKeyboardDisabled = 1U << 4;
constexpr std::uint8_t kMouseDisabled = 1U << 5;
constexpr std::uint8_t kTranslate = 1U << 6;

// Output port.
constexpr std::uint8_t kNotReset = 1U << 0;
constexpr std::uint8_t kA20 = 1U << 1;
constexpr std::uint8_t kPinKeyboardIrq = 1U << 4;
constexpr std::uint8_t kPinMouseIrq = 1U << 5;

enum Command : std::uint8_t {
  kReadRam = 0x20,   // to 3f
  kWriteRam = 0x60,  // to 7f
  kTestPassword = 0xa4,
  kLoadPassword = 0xa5,
  kDisableMouse = 0xa7,
  kEnableMouse = 0xa8,
  kTestMouse = 0xa9,
  kSelfTest = 0xaa,
  kTestKeyboard = 0xab,
  kDisableKeyboard = 0xad,
  kEnableKeyboard = 0xae,
  kReadInputPort = 0xc0,
  kReadOutputPort = 0xd0,
  kWriteOutputPort = 0xd1,
  kWriteKeyboardBuffer = 0xd2,
  kWriteMouseBuffer = 0xd3,
  kWriteMouse = 0xd4,
  kReadTestInputs = 0xe0,
  kPulse = 0xf0,  // to ff
};

}  // namespace

void I8042::class_init(DeviceClass& c) {
  c.description = "PS/2 keyboard and mouse controller";
  c.category = Category::Input;
  c.output("kbd-irq", &I8042::keyboard_irq_, "1").doc("interrupt of the keyboard");
  c.output("mouse-irq", &I8042::mouse_irq_, "12").doc("interrupt of the mouse");
  c.output("a20", &I8042::a20_).doc("address line 20 enabled");
  c.output("wake", &I8042::wake_).doc("pulses when a key or a button is pressed while the machine sleeps");
}

void I8042::realize() {
  map_ports(0x60, data_port_);
  map_ports(0x64, command_port_);
  timer_ = std::make_unique<Timer>(clock(), "i8042", [this] { update(); });
}

void I8042::unrealize() { timer_.reset(); }

void I8042::reset_enter() {
  state_ = {};
  keyboard_.reset();
  mouse_.reset();
}

/// On standby power: the press itself is lost with the reset that follows.
void I8042::wake_up() {
  if (system().control.run_state() == RunState::Suspended) wake_.pulse();
}

void I8042::key(QKeyCode key, bool down) {
  if (down) wake_up();
  keyboard_.key(key, down, clock().now_ns());
  update();
}

void I8042::mouse_move(int dx, int dy, int wheel) {
  mouse_.move(dx, dy, wheel, clock().now_ns());
  update();
}

void I8042::mouse_button(MouseButton button, bool down) {
  if (down) wake_up();
  mouse_.button(button, down, clock().now_ns());
  update();
}

/// Bits 4 and 5 of the output port, which are the interrupt pins.
std::uint8_t I8042::pins() const {
  if (!state_.output_full) return 0;
  const std::uint8_t mode = state_.ram[0];
  if (state_.source == Source::Mouse) return (mode & kMouseInterrupt) ? kPinMouseIrq : 0;
  return (mode & kKeyboardInterrupt) && !(mode & kKeyboardDisabled) ? kPinKeyboardIrq : 0;
}

/// Takes the next byte of a device into the output buffer when that is empty and the wire has had its time.
void I8042::fetch(std::int64_t now) {
  while (!state_.output_full && now >= state_.device_free_at) {
    if (!(command_byte() & kKeyboardDisabled) && keyboard_.has_byte()) {
      std::uint8_t byte = keyboard_.take_byte();
      if (command_byte() & kTranslate) {
        if (byte == 0xf0) {
          state_.release_prefix = true;
          continue;
        }
        byte = ps2::translate(byte);
        if (std::exchange(state_.release_prefix, false)) byte |= 0x80;
      }
      answer(byte, Source::Keyboard);
    } else if (!(command_byte() & kMouseDisabled) && mouse_.has_byte()) {
      answer(mouse_.take_byte(now), Source::Mouse);
    } else {
      return;
    }
  }
}

void I8042::answer(std::uint8_t value, Source source) {
  pckbd_answer(
      [source] { return source == Source::Keyboard ? "keyboard"
                        : source == Source::Mouse  ? "mouse"
                                                   : "8042"; }, value);
  state_.output = value;
  state_.source = source;
  state_.output_full = true;
}

void I8042::update() {
  const std::int64_t now = clock().now_ns();
  keyboard_.tick(now);
  mouse_.tick(now);
  fetch(now);
  const std::uint8_t irq = pins();
  if (const bool level = (irq & kPinKeyboardIrq) != 0, mouse = (irq & kPinMouseIrq) != 0;
      level != keyboard_irq_.level() || mouse != mouse_irq_.level())
    pckbd_update_irq(level, mouse);
  keyboard_irq_.set((irq & kPinKeyboardIrq) != 0);
  mouse_irq_.set((irq & kPinMouseIrq) != 0);
  a20_.set((state_.output_port & kA20) != 0);

  std::int64_t next = std::min(keyboard_.deadline(), mouse_.deadline());
  if (!state_.output_full && now < state_.device_free_at) next = std::min(next, state_.device_free_at);
  if (next == Clock::kNever) {
    timer_->cancel();
  } else if (timer_->deadline() != next) {
    timer_->arm(next);
  }
}

IoResult I8042::read_data(Offset, Width) {
  if (state_.output_full) {
    state_.output_full = false;
    if (state_.source != Source::Controller) state_.device_free_at = clock().now_ns() + kByteTimeNs;
  }
  const std::uint8_t value = state_.output;
  pckbd_kbd_read_data(value);
  update();
  return value;
}

IoResult I8042::read_status(Offset, Width) {
  unsigned status = kNotLocked | (command_byte() & kSystemFlag);
  if (state_.last_was_command) status |= kLastWasCommand;
  if (state_.output_full) {
    status |= kOutputFull;
    if (state_.source == Source::Mouse) status |= kMouseOutputFull;
  }
  pckbd_kbd_read_status(status);
  return status;
}

void I8042::write_output_port(std::uint8_t value) {
  pckbd_outport_write(value);
  state_.output_port = value;
  if (!(value & kNotReset)) system().control.request_reset(ShutdownCause::GuestReset);
}

IoResult I8042::write_command(Offset, Width, std::uint64_t value) {
  const auto command = static_cast<std::uint8_t>(value);
  pckbd_kbd_write_command(command);
  state_.last_was_command = true;
  state_.pending = 0;
  if (command >= kPulse) {
    // Bits 3-0 that are 0 pulse their line of the output port low for 6 us; bit 0 resets. A20 does not mind.
    if (!(command & kNotReset)) system().control.request_reset(ShutdownCause::GuestReset);
  } else if (command >= kReadRam && command <= kReadRam + 0x1f) {
    answer(state_.ram[command & 0x1f]);
  } else if (command >= kWriteRam && command <= kWriteRam + 0x1f) {
    state_.pending = command;
  } else {
    switch (command) {
      case kTestPassword:
        answer(0xf1);  // none installed
        break;
      case kDisableMouse:
        command_byte() |= kMouseDisabled;
        break;
      case kEnableMouse:
        command_byte() &= static_cast<std::uint8_t>(~kMouseDisabled);
        break;
      case kTestMouse:
      case kTestKeyboard:
        answer(0x00);  // no error
        break;
      case kSelfTest:
        command_byte() |= kSystemFlag;
        answer(0x55);
        break;
      case kDisableKeyboard:
        command_byte() |= kKeyboardDisabled;
        break;
      case kEnableKeyboard:
        command_byte() &= static_cast<std::uint8_t>(~kKeyboardDisabled);
        break;
      case kReadInputPort:
        answer(0x80);  // bit 7: keyboard not locked
        break;
      case kReadOutputPort:
        answer(static_cast<std::uint8_t>((state_.output_port & ~(kPinKeyboardIrq | kPinMouseIrq)) | pins()));
        break;
      case kReadTestInputs:
        // The clock lines, which the controller holds low while a device is inhibited.
        answer(static_cast<std::uint8_t>(((command_byte() & kKeyboardDisabled) ? 0 : 1) |
                                         ((command_byte() & kMouseDisabled) ? 0 : 2)));
        break;
      case kLoadPassword:
      case kWriteOutputPort:
      case kWriteKeyboardBuffer:
      case kWriteMouseBuffer:
      case kWriteMouse:
        state_.pending = command;
        break;
      default:
        break;  // the controller's firmware ignores what it does not know
    }
  }
  update();
  return io_ok();
}

void I8042::parameter(std::uint8_t command, std::uint8_t value) {
  switch (command) {
    case kLoadPassword:
      if (value != 0) state_.pending = kLoadPassword;  // up to its zero; there is no lock to use it
      break;
    case kWriteOutputPort:
      write_output_port(value);
      break;
    case kWriteKeyboardBuffer:
      answer(value, Source::Keyboard);
      break;
    case kWriteMouseBuffer:
      answer(value, Source::Mouse);
      break;
    case kWriteMouse:
      command_byte() &= static_cast<std::uint8_t>(~kMouseDisabled);
      mouse_.write(value, clock().now_ns());
      break;
    default:
      state_.ram[command & 0x1f] = value;
      break;
  }
}

IoResult I8042::write_data(Offset, Width, std::uint64_t value) {
  const auto byte = static_cast<std::uint8_t>(value);
  pckbd_kbd_write_data(byte);
  state_.last_was_command = false;
  if (const std::uint8_t command = std::exchange(state_.pending, std::uint8_t{0})) {
    parameter(command, byte);
  } else {
    command_byte() &= static_cast<std::uint8_t>(~kKeyboardDisabled);
    keyboard_.write(byte);
  }
  update();
  return io_ok();
}

aml::Terms I8042::acpi_objects(AcpiBoard&) {
  // One chip, two devices: the keyboard's has the ports, as operating systems expect.
  aml::Resources keyboard, mouse;
  keyboard.io(0x60, 1).io(0x64, 1);
  if (const auto line = isa_line(keyboard_irq_)) keyboard.irq(*line);
  aml::Terms keyboard_has{aml::name("_HID", aml::eisa_id("PNP0303")),  // 101-key keyboard
                          aml::name("_CRS", keyboard.code())};
  aml::Terms mouse_has{aml::name("_HID", aml::eisa_id("PNP0F13"))};  // PS/2 mouse
  if (!wake_.sinks().empty()) {
    // 7.3.13: the event that wakes the machine, and the deepest sleep from which it does.
    constexpr unsigned kDeepest = 3;
    const unsigned event = wake_.sinks().front()->index();
    for (aml::Terms* device : {&keyboard_has, &mouse_has})
      device->push_back(aml::name("_PRW", aml::package({aml::integer(event), aml::integer(kDeepest)})));
  }
  aml::Terms objects{aml::device("KBD", keyboard_has)};
  if (const auto line = isa_line(mouse_irq_)) {
    mouse_has.push_back(aml::name("_CRS", mouse.irq(*line).code()));
    objects.push_back(aml::device("MOU", mouse_has));
  }
  return objects;
}

MACHINA_TYPE(I8042, IsaDevice, InputSink, AcpiContributor);

}  // namespace machina
