#include "core/irq.h"

#include <algorithm>

namespace machina {

IrqIn::~IrqIn() {
  for (IrqOut* wire : wires_) std::erase(wire->sinks_, this);
}

void IrqIn::wire_changed(bool level) {
  const bool before = raised_ > 0;
  raised_ += level ? 1U : ~0U;
  const bool after = raised_ > 0;
  if (before == after) return;
  const Handler& target = observer_ ? observer_ : handler_;
  if (target) target(index_, after);
}

void IrqIn::resample() {
  const auto listeners = resample_;  // a copy: a listener may drop itself
  for (const auto& [owner, listener] : listeners) listener();
}

void IrqIn::on_resample(const void* owner, std::function<void()> listener) {
  resample_.emplace_back(owner, std::move(listener));
}

void IrqIn::remove_resample(const void* owner) {
  std::erase_if(resample_, [owner](const auto& entry) { return entry.first == owner; });
}

void IrqOut::connect(IrqIn& sink) {
  if (std::find(sinks_.begin(), sinks_.end(), &sink) != sinks_.end()) return;
  sinks_.push_back(&sink);
  sink.wires_.push_back(this);
  if (level_) sink.wire_changed(true);
}

void IrqOut::disconnect() {
  for (IrqIn* sink : sinks_) {
    if (level_) sink->wire_changed(false);
    std::erase(sink->wires_, this);
  }
  sinks_.clear();
}

void IrqOut::set(bool level) {
  if (level == level_) return;
  level_ = level;
  if (observer_) {
    observer_(level);
    return;
  }
  for (std::size_t i = 0; i < sinks_.size(); ++i) sinks_[i]->wire_changed(level);
}

}  // namespace machina
