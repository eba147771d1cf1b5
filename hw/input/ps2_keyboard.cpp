#include "hw/input/ps2_keyboard.h"

#include "core/units.h"

namespace machina {
namespace {

constexpr std::uint8_t kAck = 0xfa, kResend = 0xfe, kSelfTestPassed = 0xaa;

enum Command : std::uint8_t {
  kSetLeds = 0xed,
  kEcho = 0xee,
  kScanCodeSet = 0xf0,
  kReadId = 0xf2,
  kSetTypematic = 0xf3,
  kEnable = 0xf4,
  kDefaultDisable = 0xf5,
  kSetDefault = 0xf6,
  kAllTypematic = 0xf7,
  kAllMakeBreak = 0xf8,
  kAllMake = 0xf9,
  kAllTypematicMakeBreak = 0xfa,
  kKeyTypematic = 0xfb,
  kKeyMakeBreak = 0xfc,
  kKeyMake = 0xfd,
  kResendLast = 0xfe,
  kReset = 0xff,
};

/// Bits 6-5: delay before the first repetition. Bits 4-0: period, (8 + A) * 2^B * 4.17 ms.
std::int64_t typematic_delay_ns(std::uint8_t rate) { return ((rate >> 5 & 3) + 1) * 250 * kNsPerMs; }
std::int64_t typematic_period_ns(std::uint8_t rate) {
  return (8 + (rate & 7)) * (std::int64_t{1} << (rate >> 3 & 3)) * 4'170 * kNsPerUs;
}

}  // namespace

std::uint8_t Ps2Keyboard::take_byte() {
  std::deque<std::uint8_t>& from = state_.answers.empty() ? state_.typed : state_.answers;
  if (from.empty()) return state_.last;
  state_.last = from.front();
  from.pop_front();
  if (&from == &state_.typed) state_.overrun = false;
  return state_.last;
}

void Ps2Keyboard::clear_buffer() {
  state_.typed.clear();
  state_.overrun = false;
  state_.repeating.reset();
  state_.repeat_at = kNever;
}

void Ps2Keyboard::set_defaults() {
  const State fresh;
  state_.typematic = fresh.typematic;
  state_.set = fresh.set;
  state_.set3_types = fresh.set3_types;
  state_.command = 0;
  clear_buffer();
}

void Ps2Keyboard::write(std::uint8_t value) {
  if (value != kResendLast) state_.answers.clear();
  if (state_.command && parameter(value)) return;
  command(value);
}

bool Ps2Keyboard::parameter(std::uint8_t value) {
  // A command instead of a parameter is taken as such.
  const bool is_command = value >= kSetLeds;
  const std::uint8_t waiting = state_.command;
  if (is_command) {
    state_.command = 0;
    return false;
  }
  switch (waiting) {
    case kSetLeds:
      state_.leds = value & 7;
      state_.command = 0;
      answer(kAck);
      break;
    case kSetTypematic:
      state_.typematic = value & 0x7f;
      state_.command = 0;
      answer(kAck);
      break;
    case kScanCodeSet:
      if (value > 3) {
        answer(kResend);
        break;
      }
      state_.command = 0;
      answer(kAck);
      if (value == 0) {
        answer(state_.set);
      } else {
        state_.set = value;
        clear_buffer();
      }
      break;
    case kKeyTypematic:
    case kKeyMakeBreak:
    case kKeyMake:
      // A list of set 3 codes, which the next command ends.
      state_.set3_types[value] = waiting == kKeyTypematic   ? ps2::Set3Type::Typematic
                                 : waiting == kKeyMakeBreak ? ps2::Set3Type::MakeBreak
                                                            : ps2::Set3Type::MakeOnly;
      answer(kAck);
      break;
    default:
      break;
  }
  return true;
}

void Ps2Keyboard::command(std::uint8_t value) {
  switch (value) {
    case kSetLeds:
    case kScanCodeSet:
    case kSetTypematic:
      state_.command = value;
      answer(kAck);
      break;
    case kEcho:
      answer(kEcho);
      break;
    case kReadId:
      answer(kAck);
      answer(0xab);
      answer(0x83);
      break;
    case kEnable:
      clear_buffer();
      state_.scanning = true;
      answer(kAck);
      break;
    case kDefaultDisable:
      set_defaults();
      state_.scanning = false;
      answer(kAck);
      break;
    case kSetDefault:
      set_defaults();
      answer(kAck);
      break;
    case kAllTypematic:
      state_.set3_types.fill(ps2::Set3Type::Typematic);
      answer(kAck);
      break;
    case kAllMakeBreak:
      state_.set3_types.fill(ps2::Set3Type::MakeBreak);
      answer(kAck);
      break;
    case kAllMake:
      state_.set3_types.fill(ps2::Set3Type::MakeOnly);
      answer(kAck);
      break;
    case kAllTypematicMakeBreak:
      state_.set3_types.fill(ps2::Set3Type::TypematicMakeBreak);
      answer(kAck);
      break;
    case kKeyTypematic:
    case kKeyMakeBreak:
    case kKeyMake:
      clear_buffer();
      state_.command = value;
      answer(kAck);
      break;
    case kResendLast:  // and what follows it
      if (state_.answers.size() < kBufferSize) state_.answers.push_front(state_.last);
      break;
    case kReset: {
      const auto held = state_.down;  // fingers do not move because of it
      state_ = {};
      state_.down = held;
      answer(kAck);
      answer(kSelfTestPassed);
      break;
    }
    default:
      answer(kResend);
      break;
  }
}

void Ps2Keyboard::type(const std::vector<std::uint8_t>& bytes) {
  if (bytes.empty() || state_.overrun) return;
  if (state_.typed.size() + bytes.size() > kBufferSize) {
    // What does not fit is lost as a whole, and the overrun code says so, once, behind the last code.
    state_.typed.push_back(state_.set == 1 ? 0xff : 0x00);
    state_.overrun = true;
    return;
  }
  state_.typed.insert(state_.typed.end(), bytes.begin(), bytes.end());
}

ps2::Set3Type Ps2Keyboard::set3_type(std::uint8_t code, ps2::Set3Type by_default) const {
  return state_.set3_types[code].value_or(by_default);
}

void Ps2Keyboard::send_key(QKeyCode key, bool down) {
  if (state_.set == 3) {
    const ps2::KeyCodes codes = ps2::codes_of(key);
    if (codes.set3) type(ps2::scan_bytes_set3(codes.set3, down, set3_type(codes.set3, codes.type)));
    return;
  }
  const auto held = [this](QKeyCode k) { return state_.down.test(static_cast<std::size_t>(k)); };
  const ps2::Modifiers modifiers{held(QKeyCode::Shift) || held(QKeyCode::ShiftR),
                                 held(QKeyCode::Ctrl) || held(QKeyCode::CtrlR),
                                 held(QKeyCode::Alt) || held(QKeyCode::AltR)};
  type(ps2::scan_bytes(key, down, state_.set, modifiers));
}

void Ps2Keyboard::key(QKeyCode key, bool down, std::int64_t now) {
  const auto index = static_cast<std::size_t>(key);
  if (state_.down.test(index) == down) return;
  state_.down.set(index, down);
  if (!state_.scanning) return;
  if (!down && state_.repeating == key) {
    state_.repeating.reset();
    state_.repeat_at = kNever;
  }
  send_key(key, down);
  if (!down || key == QKeyCode::Pause) return;
  // The last key pressed repeats, and no other one after it is released.
  const ps2::KeyCodes codes = ps2::codes_of(key);
  const ps2::Set3Type type = set3_type(codes.set3, codes.type);
  const bool repeats = state_.set != 3 || type == ps2::Set3Type::Typematic || type == ps2::Set3Type::TypematicMakeBreak;
  state_.repeating = repeats ? std::optional(key) : std::nullopt;
  state_.repeat_at = repeats ? now + typematic_delay_ns(state_.typematic) : kNever;
}

void Ps2Keyboard::tick(std::int64_t now) {
  if (now < state_.repeat_at || !state_.repeating) return;
  send_key(*state_.repeating, true);
  state_.repeat_at = now + typematic_period_ns(state_.typematic);
}

}  // namespace machina
