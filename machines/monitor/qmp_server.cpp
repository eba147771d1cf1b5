#include "machines/monitor/qmp_server.h"

#include <fmt/format.h>

#include <chrono>

#include "core/error.h"
#include "core/log.h"
#include "machines/monitor/json_value.h"
#include "qom/find.h"

namespace machina {
namespace {

using qom::Value;
using qom::ValueMap;

/// How long an answer to `quit` may take to get to the client.
constexpr int kDrainMs = 1000;

const char* event_name(Machine::Event event) {
  switch (event) {
    case Machine::Event::Reset:
      return "RESET";
    case Machine::Event::Shutdown:
      return "SHUTDOWN";
    case Machine::Event::PowerDown:
      return "POWERDOWN";
    case Machine::Event::Stop:
      return "STOP";
    case Machine::Event::Resume:
      return "RESUME";
    case Machine::Event::Suspend:
      return "SUSPEND";
    case Machine::Event::Wakeup:
      return "WAKEUP";
    case Machine::Event::Other:
      break;
  }
  return "?";
}

/// Of the host, also where the machine's own time is stepped: it is for the client.
Value timestamp() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  const std::int64_t us = std::chrono::duration_cast<std::chrono::microseconds>(since).count();
  return ValueMap{{"seconds", us / 1'000'000}, {"microseconds", us % 1'000'000}};
}

Value error_answer(const QmpError& e) {
  return ValueMap{{"class", qmp_error_class_name(e.error_class)}, {"desc", e.description}};
}

}  // namespace

void QmpServer::class_init(qom::ObjectClass& c) {
  c.description = "QMP server: lets a program control the machine";
  c.link("chardev", &QmpServer::chardev_).doc("character backend that the client speaks to").must_be_set();
  c.property("pretty", &QmpServer::pretty_, false).doc("answers are indented, for people to read");
  c.computed<std::uint64_t>("dropped-events", &QmpServer::dropped_events)
      .doc("events that were left out because the client did not read");
}

QmpServer::~QmpServer() = default;

void QmpServer::realize() {
  machine_ = qom::first_of<Machine>(qom::Object::root());
  if (!machine_) throw Error("a QMP server needs a machine").object(path());
  output_.attach(chardev_.get());
  System& system = machine_->system();
  for (Limited& l : limited_) {
    // Where a test moves the time, it moves this, too.
    l.timer = std::make_unique<Timer>(system.clock.manual() ? system.clock : system.realtime, "qmp.event", [this, &l] {
      if (!l.waiting) return;
      send_event(*std::exchange(l.waiting, std::nullopt));
      l.timer->arm(l.timer->clock().now_ns() + kEventPeriodNs);
    });
  }
  observer_ = machine_->add_observer([this](const Machine::EventData& data) { machine_event(data); });
  try {
    chardev_->attach(this);
  } catch (...) {
    machine_->remove_observer(observer_);
    for (Limited& l : limited_) l.timer.reset();
    output_.attach(nullptr);
    throw;
  }
}

void QmpServer::unrealize() {
  tasks_.finish();
  machine_->remove_observer(observer_);
  for (Limited& l : limited_) l.timer.reset();
  output_.drain(kDrainMs);
  chardev_->attach(nullptr);
  output_.attach(nullptr);
  input_.clear();
  stream_.reset();
  machine_ = nullptr;
}

// --- the connection -------------------------------------------------------------------------------------------------

std::size_t QmpServer::can_receive() {
  if (output_.size() > kOutputHigh) return 0;
  return kInputLimit - std::min(kInputLimit, input_.size());
}

void QmpServer::receive(std::span<const std::byte> bytes) {
  input_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  carry_out();
}

void QmpServer::event(Event event) {
  if (event == Event::Break) return;
  ++connection_;
  negotiated_ = false;
  input_.clear();
  stream_.reset();
  output_.clear();
  for (Limited& l : limited_) l.waiting.reset();
  set_cpu_index(0);
  if (event == Event::Closed) {
    tasks_.finish();
    return;
  }
  send(ValueMap{{"QMP", ValueMap{{"version", qmp_version()}, {"capabilities", qom::ValueList{}}}}});
}

void QmpServer::writable() {
  output_.flush();
  carry_out();
  if (chardev_ && can_receive() > 0) chardev_->accept_input();
}

void QmpServer::carry_out() {
  if (busy_) return;  // what is said to the backend may come back as its answer
  busy_ = true;
  while (!input_.empty() && output_.size() <= kOutputHigh) {
    const std::string bytes = std::exchange(input_, {});
    std::string_view rest = bytes;
    const unsigned connection = connection_;
    while (auto item = stream_.next(rest)) {
      answer(*item);
      if (connection_ != connection || output_.size() > kOutputHigh) break;
    }
    // What another client sends is not put behind the remains of this one's.
    if (connection_ == connection && !rest.empty()) input_.insert(0, rest);
  }
  busy_ = false;
}

void QmpServer::send(const Value& message) {
  // Lines end as on a terminal, which is what QEMU does and what its clients may split at.
  output_.push((pretty_ ? to_pretty_json(message) : to_json(message)) + "\r\n");
}

// --- requests -------------------------------------------------------------------------------------------------------

void QmpServer::answer(const JsonStream::Item& item) {
  ValueMap message;
  Value id;
  bool has_id = false;
  const unsigned connection = connection_;
  try {
    if (!item.error.empty()) throw QmpError{QmpErrorClass::GenericError, item.error};
    const Value request = parse_json(item.text);
    if (const Value* given = member(request, "id")) id = *given, has_id = true;
    message.emplace_back("return", execute(request));
  } catch (const QmpError& e) {
    message = {{"error", error_answer(e)}};
  } catch (const Error& e) {
    message = {{"error", error_answer({QmpErrorClass::GenericError, one_line(e)})}};
  } catch (const std::exception& e) {  // no memory for the answer, say: that is no reason to lose the guest
    message = {{"error", error_answer({QmpErrorClass::GenericError, e.what()})}};
  }
  if (connection_ != connection) return;  // nobody is there to hear it
  if (has_id) message.emplace_back("id", std::move(id));
  send(message);
}

Value QmpServer::execute(const Value& request) {
  const auto* members = request.get_if<ValueMap>();
  if (!members) throw QmpError{QmpErrorClass::GenericError, "QMP input must be a JSON object"};
  for (const auto& [name, value] : *members) {
    if (name != "execute" && name != "arguments" && name != "id")
      throw QmpError{QmpErrorClass::GenericError, fmt::format("QMP input member '{}' is unexpected", name)};
  }
  const Value* execute = member(request, "execute");
  if (!execute) throw QmpError{QmpErrorClass::GenericError, "QMP input lacks member 'execute'"};
  const auto* name = execute->get_if<std::string>();
  if (!name) throw QmpError{QmpErrorClass::GenericError, "QMP input member 'execute' must be a string"};
  static const Value kNone = ValueMap{};
  const Value* arguments = member(request, "arguments");
  if (!arguments) arguments = &kNone;
  if (!arguments->get_if<ValueMap>())
    throw QmpError{QmpErrorClass::GenericError, "QMP input member 'arguments' must be an object"};

  const QmpCommand* command = monitor_table().find(*name);
  if (!negotiated_ && (!command || command->when != &kWhileNegotiating))
    throw QmpError{QmpErrorClass::CommandNotFound, "Expecting capabilities negotiation with 'qmp_capabilities'"};
  if (!command) throw QmpError{QmpErrorClass::CommandNotFound, fmt::format("The command {} has not been found", *name)};
  return run_command(*command, *this, *arguments);
}

// --- events --------------------------------------------------------------------------------------------------------

void QmpServer::machine_event(const Machine::EventData& data) {
  if (!negotiated_) return;
  const bool other = data.event == Machine::Event::Other;
  ValueMap message{{"timestamp", timestamp()}, {"event", other ? std::string(data.name) : event_name(data.event)}};
  if (!data.data.empty()) message.emplace_back("data", data.data);
  if (data.event == Machine::Event::Reset || data.event == Machine::Event::Shutdown) {
    message.emplace_back("data",
                         ValueMap{{"guest", caused_by_guest(data.cause)}, {"reason", shutdown_cause_name(data.cause)}});
  }
  for (Limited& l : limited_) {
    if (!other || l.name != data.name) continue;
    if (l.timer->armed()) {
      l.waiting = std::move(message);
      return;
    }
    l.timer->arm(l.timer->clock().now_ns() + kEventPeriodNs);
  }
  send_event(message);
}

void QmpServer::send_event(const Value& message) {
  if (output_.size() > kOutputLimit) {
    ++dropped_events_;
    log::warn_once("qmp-events:" + path(), path() + ": the client does not read, events are dropped");
    return;
  }
  send(message);
}

MACHINA_TYPE(QmpServer, qom::Object);

}  // namespace machina
