#include "machines/gdb/gdb_server.h"

#include <algorithm>

#include "core/error.h"
#include "machines/monitor/human_command.h"
#include "machines/monitor/qmp_command.h"
#include "qom/find.h"

namespace machina {
namespace {

constexpr int kDrainMs = 1000;
/// Two packets of the longest kind.
constexpr std::size_t kInputLimit = 4 * GdbPacketReader::kMost;

}  // namespace

GdbServer::GdbServer() = default;
GdbServer::~GdbServer() = default;

void GdbServer::class_init(qom::ObjectClass& c) {
  c.description = "gdb stub: lets gdb debug the guest";
  c.link("chardev", &GdbServer::chardev_).doc("character backend that gdb connects to").must_be_set();
}

void GdbServer::realize() {
  machine_ = qom::first_of<Machine>(qom::Object::root());
  if (!machine_) throw Error("a gdb stub needs a machine").object(path());
  session_ = std::make_unique<GdbSession>(*machine_, *this);
  output_.attach(chardev_.get());
  observer_ = machine_->add_observer([this](const Machine::EventData& data) { session_->machine_event(data); });
  try {
    chardev_->attach(this);
  } catch (...) {
    machine_->remove_observer(observer_);
    output_.attach(nullptr);
    session_.reset();
    throw;
  }
}

void GdbServer::unrealize() {
  tasks_.finish();
  if (machine_->run_state() == RunState::Shutdown) {
    session_->end();
  } else {
    session_->leave();
  }
  machine_->remove_observer(observer_);
  output_.drain(kDrainMs);
  chardev_->attach(nullptr);
  output_.attach(nullptr);
  session_.reset();
  input_.clear();
  packets_.clear();
  machine_ = nullptr;
}

// --- the connection -------------------------------------------------------------------------------------------------

std::size_t GdbServer::can_receive() {
  if (output_.size() > kOutputHigh) return 0;
  return kInputLimit - std::min(kInputLimit, input_.size());
}

void GdbServer::receive(std::span<const std::byte> bytes) {
  input_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  carry_out();
}

void GdbServer::event(Event event) {
  if (event == Event::Break) {
    session_->interrupt();
    return;
  }
  ++connection_;
  input_.clear();
  reader_.reset();
  output_.clear();
  packets_.clear();
  first_sent_ = false;
  acknowledge_ = true;
  ending_acknowledging_ = false;
  if (event == Event::Opened) {
    session_->leave();  // where nobody has told that the last one has gone
    session_->attach();
  } else {
    tasks_.finish();
    session_->leave();
  }
}

void GdbServer::writable() {
  output_.flush();
  carry_out();
  if (chardev_ && can_receive() > 0) chardev_->accept_input();
}

void GdbServer::carry_out() {
  if (busy_) return;  // what is said to the backend may come back as its answer
  busy_ = true;
  while (!input_.empty() && output_.size() <= kOutputHigh) {
    const std::string bytes = std::exchange(input_, {});
    std::string_view rest = bytes;
    const unsigned connection = connection_;
    while (const auto item = reader_.next(rest)) {
      take(*item);
      if (connection_ != connection || output_.size() > kOutputHigh) break;
    }
    // What another client sends is not put behind the remains of this one's.
    if (connection_ == connection && !rest.empty()) input_.insert(0, rest);
  }
  busy_ = false;
}

void GdbServer::take(const GdbPacketReader::Item& item) {
  using Kind = GdbPacketReader::Item::Kind;
  switch (item.kind) {
    case Kind::Ack:
      acknowledged();
      return;
    case Kind::Nack:
      if (first_sent_) output_.push(packets_.front());
      return;
    case Kind::Interrupt:
      session_->interrupt();
      return;
    case Kind::Damaged:
      if (acknowledge_) output_.push("-");
      return;
    case Kind::TooLong:
    case Kind::Packet:
      break;
  }
  if (acknowledge_) output_.push("+");
  // A client that goes on has got what was sent, and so has one that never says so.
  while (!packets_.empty()) acknowledged();
  if (item.kind == Kind::TooLong) {
    send("E22");
  } else {
    session_->packet(item.data);
  }
}

void GdbServer::send(std::string_view data) {
  std::string packet = gdb_packet(data);
  if (!acknowledge_) {
    output_.push(packet);
    return;
  }
  packets_.push_back(std::move(packet));
  pass_on();
  if (std::exchange(ending_acknowledging_, false)) {
    while (!packets_.empty()) acknowledged();
    acknowledge_ = false;
  }
}

void GdbServer::pass_on() {
  if (first_sent_ || packets_.empty()) return;
  first_sent_ = true;
  output_.push(std::string(packets_.front()));
}

void GdbServer::acknowledged() {
  if (!first_sent_) return;
  first_sent_ = false;
  packets_.pop_front();
  pass_on();
}

void GdbServer::end_acknowledging() { ending_acknowledging_ = true; }

std::string GdbServer::monitor_command(std::string_view line) { return run_human_command(*this, line); }

std::string GdbServer::why_not_run() {
  return kWithoutDump.holds(*this) ? std::string() : std::string(kWithoutDump.refusal);
}

MACHINA_TYPE(GdbServer, qom::Object);

}  // namespace machina
