#include "core/display/remote_input.h"

#include <algorithm>
#include <utility>

#include "core/display/keysyms.h"

namespace machina {

RemoteInput::RemoteInput(Clock& realtime, std::function<InputSink*()> sink, std::function<bool()> listens)
    : realtime_(realtime),
      sink_(std::move(sink)),
      listens_(std::move(listens)),
      timer_(realtime, "remote-input.key", [this] { next_key(); }) {}

RemoteInput::~RemoteInput() {
  // What waits is not typed any more, but nothing stays pressed.
  queue_.clear();
  InputSink* const sink = sink_();
  if (!sink) return;
  for (const auto& [user, keys] : held_)
    for (const QKeyCode key : keys) sink->key(key, false);
}

bool RemoteInput::held(QKeyCode key) const {
  return std::any_of(held_.begin(), held_.end(), [key](const auto& h) {
    return std::find(h.second.begin(), h.second.end(), key) != h.second.end();
  });
}

/// A modifier other than Shift is held: what is typed is a command, not a character.
bool RemoteInput::commanding() const {
  for (const QKeyCode key :
       {QKeyCode::Ctrl, QKeyCode::CtrlR, QKeyCode::Alt, QKeyCode::AltR, QKeyCode::MetaL, QKeyCode::MetaR})
    if (held(key)) return true;
  return false;
}

void RemoteInput::key(User user, std::uint32_t keysym, bool down) {
  const auto found = key_of_keysym(keysym);
  if (!found) return;
  const QKeyCode key = found->key;
  std::vector<QKeyCode>& mine = held_[user];
  const auto at = std::find(mine.begin(), mine.end(), key);
  if (!down) {
    if (at == mine.end()) return;
    mine.erase(at);
    if (!held(key)) type(key, false);
    return;
  }
  if (at != mine.end()) return;  // the keyboard repeats by itself
  // Nor will it be let go, so that what waits is bounded by this and the keys that are held.
  if (queue_.size() >= kTypeAhead || !listens()) return;
  if (held(key)) {  // somebody else has it down
    mine.push_back(key);
    return;
  }
  if (key == QKeyCode::CapsLock) caps_lock_ = !caps_lock_;

  // The character counts: Shift is changed for it where the client's keyboard has it elsewhere, or where a program
  // sends characters without their modifiers.
  const bool is_shifted = shifted() != (found->letter && caps_lock_);
  const bool wrong = !commanding() && ((found->shift == KeysymKey::Shift::Down && !is_shifted) ||
                                       (found->shift == KeysymKey::Shift::Up && is_shifted));
  std::vector<QKeyCode> undone;
  if (wrong && !shifted()) undone = {QKeyCode::Shift};
  if (wrong && shifted())
    for (const QKeyCode shift : {QKeyCode::Shift, QKeyCode::ShiftR})
      if (held(shift)) undone.push_back(shift);
  const bool press = !shifted();
  for (const QKeyCode shift : undone) type(shift, press);
  mine.push_back(key);
  type(key, true);
  for (const QKeyCode shift : undone) type(shift, !press);
}

void RemoteInput::type(QKeyCode key, bool down) {
  queue_.push_back({key, down});
  if (!timer_.armed()) next_key();
}

void RemoteInput::next_key() {
  const std::int64_t now = realtime_.now_ns();
  if (queue_.empty()) return;
  if (now < next_at_) return timer_.arm(next_at_);
  if (!listens()) return timer_.arm(now + kLookNs);
  const KeyChange change = queue_.front();
  queue_.pop_front();
  if (InputSink* const sink = sink_()) sink->key(change.key, change.down);
  next_at_ = now + kKeyNs;
  if (!queue_.empty()) timer_.arm(next_at_);
}

namespace {

constexpr std::pair<unsigned, MouseButton> kButtons[] = {
    {1U << 0, MouseButton::Left}, {1U << 1, MouseButton::Middle}, {1U << 2, MouseButton::Right}};

}  // namespace

void RemoteInput::pointer(User user, unsigned buttons, int x, int y) {
  Pointer& p = pointers_[user];
  InputSink* const sink = sink_();
  const unsigned before = std::exchange(p.buttons, buttons);
  const int dx = p.known ? x - p.x : 0, dy = p.known ? y - p.y : 0;
  p.known = true;
  p.x = x;
  p.y = y;
  if (!sink) return;
  if (!listens()) {
    p.buttons = buttons &= before;
    for (const auto& [bit, button] : kButtons)
      if ((before ^ buttons) & bit) sink->mouse_button(button, false);
    return;
  }
  if (dx != 0 || dy != 0) sink->mouse_move(dx, dy, 0);
  for (const auto& [bit, button] : kButtons)
    if ((before ^ buttons) & bit) sink->mouse_button(button, (buttons & bit) != 0);
  // A notch of the wheel is a button that is pressed and let go.
  const unsigned pressed = buttons & ~before;
  if (pressed & 1U << 3) sink->mouse_move(0, 0, -1);
  if (pressed & 1U << 4) sink->mouse_move(0, 0, 1);
}

void RemoteInput::release_all(User user) {
  const auto found = held_.find(user);
  if (found == held_.end()) return;
  const std::vector<QKeyCode> keys = std::exchange(found->second, {});
  for (auto key = keys.rbegin(); key != keys.rend(); ++key)
    if (!held(*key)) type(*key, false);
}

void RemoteInput::gone(User user) {
  release_all(user);
  held_.erase(user);
  const auto p = pointers_.find(user);
  if (p == pointers_.end()) return;
  pointer(user, 0, p->second.x, p->second.y);
  pointers_.erase(user);
}

}  // namespace machina
