#include "hw/input/ps2_mouse.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "core/units.h"

namespace machina {
namespace {

constexpr std::uint8_t kAck = 0xfa, kNak = 0xfe, kSelfTestPassed = 0xaa;

enum Command : std::uint8_t {
  kScaling1To1 = 0xe6,
  kScaling2To1 = 0xe7,
  kSetResolution = 0xe8,
  kStatusRequest = 0xe9,
  kSetStreamMode = 0xea,
  kReadData = 0xeb,
  kResetWrapMode = 0xec,
  kSetWrapMode = 0xee,
  kSetRemoteMode = 0xf0,
  kReadId = 0xf2,
  kSetSampleRate = 0xf3,
  kEnableReporting = 0xf4,
  kDisableReporting = 0xf5,
  kSetDefaults = 0xf6,
  kResendLast = 0xfe,
  kReset = 0xff,
};

constexpr std::uint8_t kWheelId = 3, kExplorerId = 4;

constexpr std::uint8_t bit(MouseButton b) { return static_cast<std::uint8_t>(1U << static_cast<unsigned>(b)); }

/// 2:1 scaling of one axis, as the reference tabulates it.
int scale_2_1(int v) {
  static constexpr int kSmall[] = {0, 1, 1, 3, 6, 9};
  const int n = std::abs(v);
  const int scaled = n < 6 ? kSmall[n] : 2 * n;
  return v < 0 ? -scaled : scaled;
}

}  // namespace

std::uint8_t Ps2Mouse::take_byte(std::int64_t now) {
  std::deque<std::uint8_t>& from = state_.answers.empty() ? state_.packets : state_.answers;
  if (from.empty()) return state_.last;
  state_.last = from.front();
  from.pop_front();
  update(now);  // there may be room for what was held back
  return state_.last;
}

void Ps2Mouse::clear_counters() {
  state_.dx = state_.dy = state_.dz = 0;
  state_.changed = false;
  state_.packets.clear();
}

void Ps2Mouse::set_defaults() {
  const State fresh;
  state_.sample_rate = fresh.sample_rate;
  state_.resolution = fresh.resolution;
  state_.scaling_2_1 = false;
  state_.reporting = false;
  state_.remote = false;
  clear_counters();
}

void Ps2Mouse::write(std::uint8_t value, std::int64_t now) {
  if (value != kResendLast || state_.wrap) state_.answers.clear();
  if (state_.wrap && value != kReset && value != kResetWrapMode) {
    answer(value);
  } else if (!state_.command || !parameter(value)) {
    command(value);
  }
  update(now);
}

bool Ps2Mouse::parameter(std::uint8_t value) {
  const std::uint8_t waiting = std::exchange(state_.command, 0);
  if (value >= kScaling1To1) return false;  // a command instead
  if (waiting == kSetResolution) {
    if (value > 3) {
      answer(kNak);
    } else {
      state_.resolution = value;
      answer(kAck);
    }
    return true;
  }
  static constexpr std::uint8_t kRates[] = {10, 20, 40, 60, 80, 100, 200};
  if (std::find(std::begin(kRates), std::end(kRates), value) == std::end(kRates)) {
    answer(kNak);
  } else {
    set_sample_rate(value);
    answer(kAck);
  }
  return true;
}

void Ps2Mouse::set_sample_rate(std::uint8_t rate) {
  state_.sample_rate = rate;
  state_.rates[0] = state_.rates[1];
  state_.rates[1] = state_.rates[2];
  state_.rates[2] = rate;
  if (state_.rates[0] != 200 || state_.rates[2] != 80) return;
  if (state_.rates[1] == 100 && state_.id == 0) state_.id = kWheelId;
  if (state_.rates[1] == 200 && state_.id == kWheelId) state_.id = kExplorerId;
}

void Ps2Mouse::command(std::uint8_t value) {
  switch (value) {
    case kScaling1To1:
    case kScaling2To1:
      state_.scaling_2_1 = value == kScaling2To1;
      answer(kAck);
      break;
    case kSetResolution:
    case kSetSampleRate:
      state_.command = value;
      answer(kAck);
      break;
    case kStatusRequest: {
      unsigned status = 0;
      if (state_.remote) status |= 1U << 6;
      if (state_.reporting) status |= 1U << 5;
      if (state_.scaling_2_1) status |= 1U << 4;
      if (state_.buttons & bit(MouseButton::Left)) status |= 1U << 2;
      if (state_.buttons & bit(MouseButton::Middle)) status |= 1U << 1;
      if (state_.buttons & bit(MouseButton::Right)) status |= 1U << 0;
      answer(kAck);
      answer(static_cast<std::uint8_t>(status));
      answer(state_.resolution);
      answer(state_.sample_rate);
      break;
    }
    case kSetStreamMode:
    case kSetRemoteMode:
      state_.remote = value == kSetRemoteMode;
      clear_counters();
      answer(kAck);
      break;
    case kReadData:
      answer(kAck);
      append_packet(state_.answers, false);
      state_.changed = false;
      break;
    case kResetWrapMode:
    case kSetWrapMode:
      state_.wrap = value == kSetWrapMode;
      clear_counters();
      answer(kAck);
      break;
    case kReadId:
      answer(kAck);
      answer(state_.id);
      break;
    case kEnableReporting:
    case kDisableReporting:
      state_.reporting = value == kEnableReporting;
      clear_counters();
      answer(kAck);
      break;
    case kSetDefaults:
      set_defaults();
      answer(kAck);
      break;
    case kResendLast:  // and what follows it
      if (state_.answers.size() < kBufferSize) state_.answers.push_front(state_.last);
      break;
    case kReset: {
      const std::uint8_t held = state_.buttons;
      state_ = {};
      state_.buttons = held;
      answer(kAck);
      answer(kSelfTestPassed);
      answer(state_.id);
      break;
    }
    default:
      answer(kNak);
      break;
  }
}

void Ps2Mouse::append_packet(std::deque<std::uint8_t>& to, bool scaled) {
  const auto take = [](int& counter, int low, int high) {
    const int part = std::clamp(counter, low, high);
    counter -= part;
    return part;
  };
  // Nine bits each; half of it when 2:1 scaling doubles what is sent.
  const bool twice = scaled && state_.scaling_2_1;
  const int limit = twice ? 127 : 255;
  int dx = take(state_.dx, -limit, limit);
  int dy = take(state_.dy, -limit, limit);
  if (twice) {
    dx = scale_2_1(dx);
    dy = scale_2_1(dy);
  }
  unsigned first = 1U << 3;
  if (state_.buttons & bit(MouseButton::Left)) first |= 1U << 0;
  if (state_.buttons & bit(MouseButton::Right)) first |= 1U << 1;
  if (state_.buttons & bit(MouseButton::Middle)) first |= 1U << 2;
  if (dx < 0) first |= 1U << 4;
  if (dy < 0) first |= 1U << 5;
  to.push_back(static_cast<std::uint8_t>(first));
  to.push_back(static_cast<std::uint8_t>(dx));
  to.push_back(static_cast<std::uint8_t>(dy));
  if (state_.id == kWheelId) {
    to.push_back(static_cast<std::uint8_t>(take(state_.dz, -128, 127)));
  } else if (state_.id == kExplorerId) {
    unsigned fourth = static_cast<unsigned>(take(state_.dz, -8, 7)) & 0x0f;
    if (state_.buttons & bit(MouseButton::Side)) fourth |= 1U << 4;
    if (state_.buttons & bit(MouseButton::Extra)) fourth |= 1U << 5;
    to.push_back(static_cast<std::uint8_t>(fourth));
  } else {
    state_.dz = 0;
  }
}

void Ps2Mouse::move(int dx, int dy, int wheel, std::int64_t now) {
  // What nobody fetches does not add up for ever.
  constexpr int kMost = 1 << 15;
  state_.dx = std::clamp(state_.dx + std::clamp(dx, -kMost, kMost), -kMost, kMost);
  state_.dy = std::clamp(state_.dy - std::clamp(dy, -kMost, kMost), -kMost, kMost);
  state_.dz = std::clamp(state_.dz + std::clamp(wheel, -kMost, kMost), -kMost, kMost);
  update(now);
}

void Ps2Mouse::button(MouseButton b, bool down, std::int64_t now) {
  const std::uint8_t before = state_.buttons;
  state_.buttons = static_cast<std::uint8_t>(down ? before | bit(b) : before & ~bit(b));
  const bool reported = state_.id == kExplorerId || b < MouseButton::Side;
  if (state_.buttons != before && reported) state_.changed = true;
  update(now);
}

void Ps2Mouse::tick(std::int64_t now) { update(now); }

void Ps2Mouse::update(std::int64_t now) {
  if (state_.id == 0) state_.dz = 0;
  const bool news = state_.changed || state_.dx || state_.dy || state_.dz;
  const bool streaming = state_.reporting && !state_.remote && !state_.wrap;
  if (!streaming) {
    // While it is told to be silent in stream mode it does not count either.
    if (!state_.remote) clear_counters();
    state_.sample_at = kNever;
    return;
  }
  state_.sample_at = kNever;
  if (!news || state_.packets.size() + 4 > kBufferSize) return;
  if (now < state_.free_at) {
    state_.sample_at = state_.free_at;
    return;
  }
  append_packet(state_.packets, true);
  state_.changed = false;
  state_.free_at = now + kNsPerSecond / state_.sample_rate;
  // A long way takes several packets.
  if (state_.dx || state_.dy || state_.dz) state_.sample_at = state_.free_at;
}

}  // namespace machina
