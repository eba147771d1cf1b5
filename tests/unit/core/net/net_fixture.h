#pragma once
/// Backends with an event loop and a clock of their own, and a card that keeps what it receives.

#include <gtest/gtest.h>

#include "core/event_loop.h"
#include "core/machine_lock.h"
#include "core/units.h"
#include "tests/support/test_net.h"

namespace machina::test {

class TestCard final : public NetClient {
 public:
  bool can_receive() override { return ready; }
  void receive(FrameView frame) override { got.emplace_back(frame.begin(), frame.end()); }
  void link_changed(bool up) override { links.push_back(up); }

  bool ready = true;
  std::vector<Frame> got;
  std::vector<bool> links;
};

class NetTest : public testing::Test {
 protected:
  NetTest() {
    loop.drive(clock);
    clock.start();
  }
  ~NetTest() override {
    const MachineLock::Guard guard(lock);
    for (NetBackend* b : made) {
      b->attach(nullptr);
      qom::unrealize_tree(*b);
    }
  }

  /// A backend of the type, with properties, not realized yet.
  NetBackend& make(const std::string& type, std::initializer_list<std::pair<const char*, std::string>> properties) {
    const MachineLock::Guard guard(lock);
    auto& b = root->add_new_child<NetBackend>("net" + std::to_string(serial++), type);
    b.set_host(loop, clock);
    for (const auto& [name, value] : properties) b.set_text(name, value);
    made.push_back(&b);
    return b;
  }
  NetBackend& start(const std::string& type, std::initializer_list<std::pair<const char*, std::string>> properties,
                    TestCard& on) {
    NetBackend& b = make(type, properties);
    const MachineLock::Guard guard(lock);
    qom::realize_tree(b);
    b.attach(&on);
    return b;
  }
  void send(NetBackend& b, const Frame& frame) {
    const MachineLock::Guard guard(lock);
    b.send(frame);
  }
  /// Runs the loop until `done`, or fails after five seconds.
  bool until(const std::function<bool()>& done) { return loop.run_until(done, 5 * kNsPerSecond); }
  std::string refusal(NetBackend& b) {
    const MachineLock::Guard guard(lock);
    try {
      qom::realize_tree(b);
    } catch (Error& e) {
      return e.what();
    }
    return "";
  }

  MachineLock lock;
  EventLoop loop{lock};
  Clock clock{ClockKind::Virtual};
  qom::Ref<qom::Container> root = qom::create<qom::Container>();
  std::vector<NetBackend*> made;
  unsigned serial = 0;
  TestCard card;
};

}  // namespace machina::test
