#include "core/net/net_backend.h"

#include "core/event_loop.h"
#include "core/trace/trace_event.h"
#include "qom/error.h"

namespace machina {
namespace {

const TraceEvent<std::string_view, std::uint64_t> net_send{"net_send", "netdev={} bytes={}"};
const TraceEvent<std::string_view, std::uint64_t, std::string_view> net_deliver{"net_deliver",
                                                                                "netdev={} bytes={} what={}"};
const TraceEvent<std::string_view, bool> net_link{"net_link", "netdev={} up={:d}"};

}  // namespace

MACHINA_ABSTRACT_TYPE(NetBackend, qom::Object);

void NetBackend::class_init(qom::ObjectClass& c) {
  c.description = "the host's end of a network card's cable";
  c.computed<bool>("link", &NetBackend::link_up, &NetBackend::set_link)
      .may_change()
      .doc("off while the cable is pulled out");
}

NetBackend::~NetBackend() = default;

void NetBackend::realize() {
  if (!loop_ || !clock_) throw Error("network backend has no event loop");
  flush_timer_ = std::make_unique<Timer>(*clock_, "netdev.flush", [this] { flush(); });
}

void NetBackend::unrealize() {
  flush_timer_.reset();
  queue_.clear();
  queued_bytes_ = 0;
}

void NetBackend::attach(NetClient* client) {
  if (client == client_) return;
  if (client && client_)
    throw Error("network backend is in use already").object(path()).hint("give each network card a -netdev of its own");
  client_ = client;
  queue_.clear();
  queued_bytes_ = 0;
  if (realized()) input_possible();  // what the host held back for the last card
}

void NetBackend::set_link(bool up) {
  if (link_ == up) return;
  net_link(name(), up);
  link_ = up;
  if (!up) statistics_.lost += queue_.size(), queue_.clear(), queued_bytes_ = 0;
  if (client_) client_->link_changed(up);
  if (realized()) input_possible();
}

void NetBackend::send(FrameView frame) {
  if (!link_ || !realized() || frame.size() < kMinFrame || frame.size() > kMaxFrame) {
    ++statistics_.lost;
    return;
  }
  ++statistics_.sent;
  net_send(name(), frame.size());
  for (NetMonitor* m : monitors_) m->seen(frame);
  sending_ = true;
  transmit(frame);
  sending_ = false;
}

// A clock that a test moves stands between two steps, and the machine runs all the same.
bool NetBackend::client_takes() const {
  return !sending_ && !delivering_ && (clock_->running() || clock_->manual()) && client_->can_receive();
}

void NetBackend::deliver(FrameView frame) {
  if (!link_ || !client_ || frame.size() < kMinFrame || frame.size() > kMaxFrame) {
    ++statistics_.lost;
    net_deliver(name(), frame.size(), "lost");
    return;
  }
  for (NetMonitor* m : monitors_) m->seen(frame);
  if (queue_.empty() && client_takes()) {
    ++statistics_.delivered;
    net_deliver(name(), frame.size(), "delivered");
    delivering_ = true;
    client_->receive(frame);
    delivering_ = false;
    return;
  }
  if (queue_.size() >= kQueueFrames || queued_bytes_ + frame.size() > kQueueBytes) {
    net_deliver(name(), frame.size(), "no room");
    ++statistics_.lost;
    return;
  }
  net_deliver(name(), frame.size(), "queued");
  queue_.emplace_back(frame.begin(), frame.end());
  queued_bytes_ += frame.size();
  // Also when the machine stands: the timer's clock does, too, and it runs when that goes on.
  flush_soon();
}

void NetBackend::resume_input() {
  if (!queue_.empty()) flush_soon();
}

void NetBackend::flush_soon() {
  if (flush_timer_ && !flush_timer_->armed()) flush_timer_->arm(clock_->now_ns());
}

void NetBackend::flush() {
  while (!queue_.empty() && client_ && client_takes()) {
    const std::vector<std::uint8_t> frame = std::move(queue_.front());
    queue_.pop_front();
    queued_bytes_ -= frame.size();
    ++statistics_.delivered;
    delivering_ = true;
    client_->receive(frame);
    delivering_ = false;
  }
  if (queue_.empty()) input_possible();
}

}  // namespace machina
