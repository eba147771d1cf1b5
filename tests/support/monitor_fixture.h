#pragma once
/// A machine with a monitor's client, in one process: for tests of the monitor. Every answer is held against the type
/// that its command declares, every event against its declaration.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "accel/qtest/qtest_accelerator.h"
#include "core/chardev/char_ringbuf.h"
#include "core/display/display.h"
#include "core/display/input_sink.h"
#include "core/log.h"
#include "hw/acpi/power_button.h"
#include "machines/monitor/json_value.h"
#include "machines/monitor/qmp_command.h"
#include "machines/monitor/qmp_server.h"
#include "qom/user_creatable.h"
#include "tests/support/test_chardev.h"

namespace machina::test {

using qom::Value;
using qom::ValueList;
using qom::ValueMap;

/// What monitors reach in a machine: a power button, a keyboard, a screen.
class FrontPanel final : public qom::Object, public PowerButton, public InputSink, public DisplaySource {
 public:
  static constexpr const char* kType = "test-front-panel";
  static void class_init(qom::ObjectClass& c) {
    c.property("speed", &FrontPanel::speed, 7U).may_change();
    c.property("serial", &FrontPanel::serial, "s1");
  }
  void press_power_button() override { ++presses; }
  void key(QKeyCode key, bool down) override { keys += fmt::format("{}{} ", down ? '+' : '-', key_name(key)); }
  void mouse_move(int dx, int dy, int wheel) override { moves += fmt::format("{},{},{} ", dx, dy, wheel); }
  void mouse_button(MouseButton button, bool down) override {
    moves += fmt::format("{}{} ", "LRMSE"[static_cast<unsigned>(button)], down ? 1 : 0);
  }
  bool text_mode() const override { return false; }
  TextScreen text_screen() override { return {}; }
  PixelScreen pixel_screen() override { return {2, 1, {0x123456, 0xff8000}}; }

  std::uint32_t speed = 0;
  std::string serial;
  int presses = 0;
  std::string keys, moves;
};

/// What object-add may make.
class PlainObject final : public qom::Object, public qom::UserCreatable {
 public:
  static constexpr const char* kType = "test-plain-object";
  static void class_init(qom::ObjectClass& c) {
    c.user_creatable = true;
    c.property("size", &PlainObject::size, 1U);
    c.computed<std::string>("fragile", &PlainObject::fragile);
  }
  std::string fragile() const { throw std::length_error("too long to be told"); }

  std::uint32_t size = 0;
};

/// One server with its client.
struct Client {
  Client(qom::Object& root, System& system, const char* name) : lock(system.lock) {
    const MachineLock::Guard guard(lock);
    chardev = &root.child("chardevs")->add_new_child<TestChardev>(std::string(name) + "-chardev");
    chardev->set_event_loop(system.loop);
    server = &root.add_new_child<QmpServer>(name);
    server->set_link("chardev", chardev);
    qom::realize_tree(*chardev);
    qom::realize_tree(*server);
  }

  void send(std::string_view text) {
    const MachineLock::Guard guard(lock);
    chardev->send(text);
  }
  /// Messages that came since the last call.
  std::vector<Value> receive() {
    const std::string output = std::exchange(chardev->written, {});
    std::vector<Value> messages;
    for (std::size_t at = 0; at < output.size();) {
      const std::size_t end = output.find("\r\n", at);
      if (end == std::string::npos) {
        ADD_FAILURE() << "a message without an end";
        break;
      }
      messages.push_back(parse_json(output.substr(at, end - at)));
      at = end + 2;
    }
    return messages;
  }
  /// The one answer to a message; events on the way go to `events`.
  Value ask(std::string_view text) {
    send(text);
    Value answer;
    unsigned answers = 0;
    for (Value& m : receive()) {
      if (const Value* name = member(m, "event")) {
        check_event(m);
        events.push_back(name->to_string());
        event_messages.push_back(std::move(m));
      } else {
        answer = std::move(m);
        ++answers;
      }
    }
    EXPECT_EQ(answers, 1U) << text;
    return answer;
  }
  void receive_events() {
    for (Value& m : receive()) {
      if (const Value* name = member(m, "event")) {
        check_event(m);
        events.push_back(name->to_string()), event_messages.push_back(m);
      }
    }
  }

  static void check_event(const Value& message) {
    const std::string name = member(message, "event")->to_string();
    for (const MonitorEvent& e : monitor_table().events()) {
      if (e.name != name) continue;
      const Value* data = member(message, "data");
      EXPECT_NO_THROW(check_members(*e.data_type, data ? *data : Value(ValueMap{}))) << to_json(message);
      return;
    }
    ADD_FAILURE() << "an event that is not declared: " << name;
  }

  MachineLock& lock;
  TestChardev* chardev;
  QmpServer* server;
  std::vector<std::string> events;
  std::vector<Value> event_messages;
};

class MonitorTest : public testing::Test {
 protected:
  MonitorTest() {
    log::reset();
    log::set_sink([this](log::Level, bool, std::string_view line) { logged_.emplace_back(line); });
    root_ = qom::create<qom::Container>();
    machine_ = &root_->add_new_child<Machine>("machine");
    const MachineLock::Guard guard(system().lock);
    machine_->set_accelerator(qom::create<QtestAccelerator>(), 2);
    CpuConfig cpus;
    cpus.count = cpus.max = 2;
    cpus.topology = {1, 2, 1};
    machine_->add_cpus(cpus);
    panel_ = &machine_->add_new_child<FrontPanel>("panel");
    auto& chardevs = root_->add_new_child<qom::Container>("chardevs");
    ring_ = &chardevs.add_new_child<CharRingbuf>("ring");
    ring_->set_event_loop(system().loop);
    ring_->set_text("size", "16");
    qom::realize_tree(*ring_);
    machine_->power_on({});
    client_ = std::make_unique<Client>(*root_, system(), "qmp0");
  }
  ~MonitorTest() override {
    const MachineLock::Guard guard(system().lock);
    if (client_) qom::unrealize_tree(*client_->server);
    machine_->power_off();
    log::set_sink({});
    log::reset();
  }

  System& system() { return machine_->system(); }
  void negotiate() {
    client_->receive();
    EXPECT_EQ(to_json(client_->ask(R"({"execute": "qmp_capabilities"})")), R"({"return": {}})");
  }
  /// Of a command, its "return"; a test failure when it is an error.
  Value run(std::string_view command, std::string_view arguments = "{}") {
    const Value answer = client_->ask(fmt::format(R"({{"execute": "{}", "arguments": {}}})", command, arguments));
    const Value* result = member(answer, "return");
    EXPECT_TRUE(result) << command << " " << arguments << " -> " << to_json(answer);
    if (!result) return {};
    const QmpCommand* declared = monitor_table().find(command);
    EXPECT_TRUE(declared) << command;
    EXPECT_NO_THROW(check_value(*declared->return_type, *result, "return")) << command << " -> " << to_json(*result);
    return *result;
  }
  /// "Class: description".
  std::string refusal(std::string_view message) {
    const Value answer = client_->ask(message);
    const Value* error = member(answer, "error");
    if (!error) return "no error: " + to_json(answer);
    return member(*error, "class")->to_string() + ": " + member(*error, "desc")->to_string();
  }
  std::string refusal_of(std::string_view command, std::string_view arguments) {
    return refusal(fmt::format(R"({{"execute": "{}", "arguments": {}}})", command, arguments));
  }
  /// Requests that wait for the main thread.
  void settle() {
    system().loop.poll();
    client_->receive_events();
  }
  static std::set<std::string> names(const Value& list) {
    std::set<std::string> found;
    for (const Value& item : std::get<ValueList>(list.get())) found.insert(member(item, "name")->to_string());
    return found;
  }

  std::vector<std::string> logged_;
  qom::Ref<qom::Object> root_;
  Machine* machine_ = nullptr;
  FrontPanel* panel_ = nullptr;
  CharRingbuf* ring_ = nullptr;
  std::unique_ptr<Client> client_;
};

}  // namespace machina::test
