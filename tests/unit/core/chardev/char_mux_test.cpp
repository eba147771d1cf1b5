#include "core/chardev/char_mux.h"

#include <gtest/gtest.h>

#include "core/event_loop.h"
#include "core/machine_lock.h"
#include "qom/error.h"
#include "tests/support/test_chardev.h"

namespace machina::test {
namespace {

class Frontend final : public CharFrontend {
 public:
  std::size_t can_receive() override { return room; }
  void receive(std::span<const std::byte> bytes) override {
    for (const std::byte b : bytes) text.push_back(static_cast<char>(b));
    room -= bytes.size();
  }
  void event(Event event) override { events += event == Event::Opened ? 'O' : event == Event::Closed ? 'C' : 'B'; }
  void focused(bool here) override { events += here ? '+' : '-'; }
  void writable() override { events += 'w'; }
  std::size_t room = 1 << 20;
  std::string text, events;
};

class CharMuxTest : public testing::Test {
 protected:
  CharMuxTest() {
    root_ = qom::create<qom::Container>();
    base_ = &root_->add_new_child<TestChardev>("base");
    base_->set_event_loop(loop_);
    mux_ = &root_->add_new_child<CharMux>("mux");
    mux_->set_link("chardev", base_);
    serial_port_ = &add_port("serial", false);
    monitor_port_ = &add_port("monitor", true);
    qom::realize_tree(*root_);
    serial_port_->attach(&serial_);
    monitor_port_->attach(&monitor_);
  }
  ~CharMuxTest() override {
    serial_port_->attach(nullptr);
    monitor_port_->attach(nullptr);
    qom::unrealize_tree(*root_);
  }
  CharMuxPort& add_port(const char* name, bool silent) {
    auto& port = root_->add_new_child<CharMuxPort>(name);
    port.set_event_loop(loop_);
    port.set("on-focus", silent);
    port.set_link("mux", mux_);
    return port;
  }

  MachineLock lock_;
  EventLoop loop_{lock_};
  qom::Ref<qom::Object> root_;
  TestChardev* base_ = nullptr;
  CharMux* mux_ = nullptr;
  CharMuxPort *serial_port_ = nullptr, *monitor_port_ = nullptr;
  Frontend serial_, monitor_;
};

TEST_F(CharMuxTest, TheFirstFrontEndHasTheFocus) {
  EXPECT_EQ(mux_->focus(), serial_port_);
  base_->send("ls");
  EXPECT_EQ(serial_.text, "ls");
  EXPECT_EQ(monitor_.text, "");
  EXPECT_EQ(serial_.events, "O");
  EXPECT_EQ(monitor_.events, "") << "a monitor says nothing before it is looked at";
}

TEST_F(CharMuxTest, CtrlAThenCGoesRound) {
  base_->send(
      "a\x01"
      "cb\x01"
      "cc");
  EXPECT_EQ(serial_.text, "ac");
  EXPECT_EQ(monitor_.text, "b");
  EXPECT_EQ(serial_.events, "O-+");
  EXPECT_EQ(monitor_.events, "O-") << "opened when it is looked at first";
  base_->send(
      "\x01"
      "c");
  EXPECT_EQ(monitor_.events, "O-+");
}

TEST_F(CharMuxTest, AllWriteToOneEnd) {
  const auto write = [](CharMuxPort& port, std::string_view text) {
    return port.write(std::as_bytes(std::span(text)));
  };
  EXPECT_EQ(write(*serial_port_, "guest "), 6U);
  EXPECT_EQ(write(*monitor_port_, "(qemu) "), 7U);
  EXPECT_EQ(base_->written, "guest (qemu) ");
  base_->allow(3);
  EXPECT_EQ(write(*serial_port_, "12345"), 3U) << "back-pressure is passed on";
  base_->allow(100);
  EXPECT_NE(serial_.events.find('w'), std::string::npos);
  EXPECT_NE(monitor_.events.find('w'), std::string::npos);
}

TEST_F(CharMuxTest, KeysOfItsOwn) {
  bool quit = false;
  mux_->on_quit([&] { quit = true; });
  base_->send("\x01\x01");
  EXPECT_EQ(serial_.text, "\x01");
  base_->send(
      "x\x01"
      "b");
  EXPECT_EQ(serial_.events, "OB");
  base_->send(
      "\x01"
      "h");
  EXPECT_NE(base_->written.find("switch between console and monitor"), std::string::npos);
  EXPECT_FALSE(quit);
  base_->send("\x01");  // the command may come in two pieces
  base_->send("x");
  EXPECT_TRUE(quit);
  base_->send("\x01zy");
  EXPECT_EQ(serial_.text, "\x01xy") << "an unknown command is nothing";
}

TEST_F(CharMuxTest, WhatAFrontEndDoesNotTakeWaits) {
  serial_.room = 2;
  base_->send("abcdef");
  EXPECT_EQ(serial_.text, "ab");
  base_->send(
      "\x01"
      "c");
  base_->send("monitor");
  EXPECT_EQ(monitor_.text, "monitor") << "the guest's silence does not keep the user from the monitor";
  serial_.room = 100;
  serial_port_->accept_input();
  EXPECT_EQ(serial_.text, "abcdef");
}

TEST_F(CharMuxTest, WhatWaitsIsBounded) {
  serial_.room = 0;
  base_->send(std::string(1 << 20, 'x'));
  EXPECT_GE(base_->queued(), (std::size_t{1} << 20) - CharMux::kTypeAhead - 4096);
}

TEST_F(CharMuxTest, AFrontEndThatGoesGivesTheFocusAway) {
  serial_port_->attach(nullptr);
  EXPECT_EQ(mux_->focus(), monitor_port_);
  base_->send("x");
  EXPECT_EQ(monitor_.text, "x");
  serial_port_->attach(&serial_);
  base_->send(
      "\x01"
      "cy");
  EXPECT_EQ(serial_.text, "y");
}

TEST_F(CharMuxTest, ThePeersComingAndGoingIsToldToAll) {
  base_->send(
      "\x01"
      "c\x01"
      "c");
  serial_.events.clear(), monitor_.events.clear();
  base_->send_end();
  EXPECT_EQ(serial_.events, "C");
  EXPECT_EQ(monitor_.events, "C");
  EXPECT_FALSE(serial_port_->can_reopen());
}

TEST_F(CharMuxTest, IsTheOnlyFrontEndOfItsBackend) {
  Frontend other;
  EXPECT_THROW(base_->attach(&other), Error);
  EXPECT_THROW(serial_port_->attach(&other), Error);
}

}  // namespace
}  // namespace machina::test
