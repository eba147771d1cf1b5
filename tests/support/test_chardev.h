#pragma once
/// A character backend for device tests: keeps what the device writes, takes only as much as the test allows, and
/// delivers what the test sends as far as the device has room.

#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "core/chardev/char_backend.h"
#include "tests/support/test_machine.h"

namespace machina::test {

class TestChardev final : public CharBackend {
 public:
  static constexpr const char* kType = "chardev-test";
  static void class_init(qom::ObjectClass& c) {
    c.description = "Backend of a device test";
    c.user_creatable = true;
  }

  /// Makes one as /machine/<id>.
  static TestChardev& add(TestMachine& machine, const char* id) {
    const MachineLock::Guard guard(machine.system().lock);
    auto& made = machine.object().add_new_child<TestChardev>(id);
    made.set_event_loop(machine.system().loop);
    return made;
  }

  std::size_t write(std::span<const std::byte> bytes) override;
  void accept_input() override;
  bool connected() const override { return connected_; }
  bool can_reopen() const override { return !ended_; }
  std::string description() const override { return "test"; }

  /// Sends to the device; what it does not take stays queued until it asks.
  void send(std::string_view text);
  std::size_t queued() const { return input_.size(); }
  /// The end of an input that nobody opens again.
  void send_end() {
    ended_ = true;
    frontend()->event(CharFrontend::Event::Closed);
  }
  void send_break() { frontend()->event(CharFrontend::Event::Break); }
  /// From now on takes at most `bytes`; room that appears is reported to the device.
  void allow(std::size_t bytes);
  void set_connected(bool on) { connected_ = on; }

  int take_fd() override {
    if (fds.empty()) return -1;
    const int fd = fds.front();
    fds.erase(fds.begin());
    return fd;
  }

  std::string written;
  std::vector<int> fds;  ///< descriptors that came with what was sent

 private:
  std::size_t room_ = std::numeric_limits<std::size_t>::max();
  bool connected_ = true;
  bool ended_ = false;
  std::string input_;
};

}  // namespace machina::test
