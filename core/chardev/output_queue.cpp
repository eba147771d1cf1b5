#include "core/chardev/output_queue.h"

#include <chrono>
#include <span>
#include <utility>

#include "core/chardev/char_backend.h"

namespace machina {

void OutputQueue::attach(CharBackend* backend) {
  backend_ = backend;
  clear();
}

void OutputQueue::clear() {
  pending_.clear();
  sent_ = 0;
  ++cleared_;
}

void OutputQueue::push(std::string_view text) {
  pending_ += text;
  flush();
}

void OutputQueue::drain(int timeout_ms) {
  using std::chrono::milliseconds;
  const auto limit = std::chrono::steady_clock::now() + milliseconds(timeout_ms);
  for (std::size_t before = 0; backend_; before = size()) {
    flush();
    // The backend has room for some of what waits as often as it has passed on what it holds.
    if (size() == before && before > 0) return;
    const auto left = std::chrono::ceil<milliseconds>(limit - std::chrono::steady_clock::now()).count();
    if (left < 0) return;
    backend_->drain(static_cast<int>(left));
    if (size() == 0) return;
  }
}

void OutputQueue::flush() {
  if (flushing_) return;
  flushing_ = true;
  while (backend_ && size() > 0) {
    // From inside write() the backend may report room, or that its peer has gone; the front end may then clear the
    // queue or push to it. So what is being written stands aside meanwhile.
    std::string writing = std::move(pending_);
    pending_.clear();
    const std::size_t from = std::exchange(sent_, 0);
    const unsigned before = cleared_;
    const std::size_t taken = backend_->write(std::as_bytes(std::span(writing).subspan(from)));
    if (cleared_ != before) continue;
    writing += pending_;
    pending_ = std::move(writing);
    sent_ = from + taken;
    if (taken == 0) break;
  }
  flushing_ = false;
  if (size() == 0) {
    pending_.clear();
    sent_ = 0;
  } else if (sent_ > pending_.size() / 2) {
    pending_.erase(0, sent_);
    sent_ = 0;
  }
}

}  // namespace machina
