#pragma once
/// The other end of a qtest server in the same process: a test speaks the wire protocol to any machine, a whole board
/// too, without a socket.

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "accel/qtest/qtest_server.h"
#include "tests/support/test_chardev.h"

namespace machina::test {

class QtestClient {
 public:
  /// Puts a server and its character backend below `parent` (an object of the machine's tree) and connects to it.
  explicit QtestClient(qom::Object& parent, System& system);
  ~QtestClient();
  QtestClient(const QtestClient&) = delete;
  QtestClient& operator=(const QtestClient&) = delete;

  /// Sends a line and returns the answer, without its end. "IRQ …" lines on the way are added to `irqs`.
  std::string command(std::string_view line);
  /// The number behind OK; a test failure for any other answer.
  std::uint64_t value(std::string_view line);

  void outb(unsigned port, unsigned v) { expect_ok("outb", port, v); }
  void outw(unsigned port, unsigned v) { expect_ok("outw", port, v); }
  void outl(unsigned port, unsigned v) { expect_ok("outl", port, v); }
  std::uint8_t inb(unsigned port) { return static_cast<std::uint8_t>(value("inb " + std::to_string(port))); }
  std::uint16_t inw(unsigned port) { return static_cast<std::uint16_t>(value("inw " + std::to_string(port))); }
  std::uint32_t inl(unsigned port) { return static_cast<std::uint32_t>(value("inl " + std::to_string(port))); }
  std::int64_t step(std::int64_t ns) { return static_cast<std::int64_t>(value("clock_step " + std::to_string(ns))); }
  std::int64_t step_to_next_timer() { return static_cast<std::int64_t>(value("clock_step")); }

  std::vector<std::string> irqs;  ///< "raise 4", "lower 4"
  /// For tests of the stream itself.
  TestChardev& chardev() { return *chardev_; }
  /// Everything that the server has sent since the last call, IRQ lines included.
  std::string take_output();

 private:
  void expect_ok(std::string_view name, unsigned port, unsigned v);

  qom::Object& parent_;
  System& system_;
  TestChardev* chardev_;
  QtestServer* server_;
};

}  // namespace machina::test
