#include "core/irq.h"

#include <algorithm>

namespace machina {

// --- IrqIn ----------------------------------------------------------------------------------------------------------

IrqIn::~IrqIn() {
  for (IrqOut* wire : wires_) {
    const auto at = std::find(wire->sinks_.begin(), wire->sinks_.end(), this) - wire->sinks_.begin();
    wire->sinks_.erase(wire->sinks_.begin() + at);
    wire->driven_.erase(wire->driven_.begin() + at);
  }
}

void IrqIn::wire_changed(bool level) {
  const bool before = raised_ > 0;
  raised_ += level ? 1U : ~0U;
  const bool after = raised_ > 0;
  if (before == after) return;
  if (observer_) {
    observer_(index_, after);
    return;
  }
  told_ = after;
  if (handler_) handler_(index_, after);
}

void IrqIn::intercept(Handler observer) {
  observer_ = std::move(observer);
  if (!observer_) pass_on();
}

void IrqIn::pass_on() {
  if (told_ == level()) return;
  told_ = level();
  if (handler_) handler_(index_, told_);
}

void IrqIn::resample() {
  const auto listeners = resample_;  // a copy: listeners come and go meanwhile
  for (const auto& [owner, listener] : listeners) {
    const void* const whose = owner;
    const bool there =
        std::any_of(resample_.begin(), resample_.end(), [whose](const auto& entry) { return entry.first == whose; });
    if (there) listener();
  }
}

void IrqIn::on_resample(const void* owner, std::function<void()> listener) {
  resample_.emplace_back(owner, std::move(listener));
}

void IrqIn::remove_resample(const void* owner) {
  std::erase_if(resample_, [owner](const auto& entry) { return entry.first == owner; });
}

// --- IrqOut ---------------------------------------------------------------------------------------------------------

void IrqOut::connect(IrqIn& sink) {
  if (std::find(sinks_.begin(), sinks_.end(), &sink) != sinks_.end()) return;
  sinks_.push_back(&sink);
  driven_.push_back(0);
  sink.wires_.push_back(this);
  if (!observer_) drive();
}

void IrqOut::disconnect() {
  while (!sinks_.empty()) {
    IrqIn* const sink = sinks_.back();
    const bool was_high = driven_.back() != 0;
    sinks_.pop_back();
    driven_.pop_back();
    std::erase(sink->wires_, this);
    if (was_high) sink->wire_changed(false);
  }
}

void IrqOut::set(bool level) {
  if (level == level_) return;
  level_ = level;
  if (observer_) {
    observer_(level);
  } else {
    drive();
  }
}

void IrqOut::intercept(std::function<void(bool level)> observer) {
  observer_ = std::move(observer);
  if (!observer_) drive();
}

// Compares wire by wire with the level of now, since a handler may set this output again or cut a wire.
void IrqOut::drive() {
  for (std::size_t i = 0; i < sinks_.size(); ++i) {
    if ((driven_[i] != 0) == level_) continue;
    driven_[i] = level_ ? 1 : 0;
    sinks_[i]->wire_changed(level_);
  }
}

}  // namespace machina
