/// irqfds and ioeventfds with a guest at the other end.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <string>

#include "hw/pci/msi.h"
#include "tests/support/guest_machine.h"
#include "tests/support/interrupt_board.h"

namespace machina::test {
namespace {

class EventFd {
 public:
  ~EventFd() { ::close(fd_); }
  int get() const { return fd_; }
  void signal() const { (void)eventfd_write(fd_, 1); }
  unsigned take() const {
    eventfd_t n = 0;
    return eventfd_read(fd_, &n) == 0 ? static_cast<unsigned>(n) : 0;
  }

 private:
  int fd_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
};

class KvmEventFd : public testing::TestWithParam<const char*> {};

TEST_P(KvmEventFd, RaiseInterruptsAndReplaceWrites) {
  SKIP_WITHOUT_KVM();
  const bool on = std::string(GetParam()) == "on", off = std::string(GetParam()) == "off";
  const IsolatedResult r = run_isolated(20, [&] {
    GuestOptions options{.guest = "irq_eventfd", .accel = {{"kernel-irqchip", GetParam()}}};
    options.devices = [](Machine& m) { return add_interrupt_board(m); };
    GuestMachine m(options);
    auto& device = dynamic_cast<InterruptPort&>(*qom::resolve_path(m.machine().root(), "lines"));
    auto& gsi = dynamic_cast<Device&>(*qom::resolve_path(m.machine().root(), "gsi"));
    EventFd line, resample, message, write;
    std::string written;
    IoRegion region("doorbell", 2, Widths{1, 2}, {}, [&](Offset, Width, std::uint64_t v) {
      written += fmt::format("{}", v);
      return io_ok();
    });
    std::unique_ptr<InterruptEvent> line_event, message_event;
    {
      const MachineLock::Guard guard(m.system().lock);
      region.add_eventfd({.offset = 0, .width = 2, .match = true, .value = 5, .fd = write.get()});
      m.system().io_root.add(0x600, region);
      Accelerator& accelerator = m.machine().accelerator();
      line_event = accelerator.connect_event(*gsi.input("gsi", 11), line.get(), resample.get());
      message_event = accelerator.connect_event(MsiMessage{0xfee00000, 0x62}, message.get());
      m.machine().start();
    }
    m.run_until([&] { return !m.output().empty(); }, 5);
    MachineLock& lock = m.system().lock;
    const auto under_lock = [&lock](unsigned& of_the_guest) {
      const MachineLock::Guard guard(lock);
      return of_the_guest;
    };
    std::string result = fmt::format("{} {} {} {}", line_event ? 1 : 0, message_event ? 1 : 0, written, write.take());
    for (unsigned i = 1; line_event && i <= 3; ++i) {
      line.signal();
      m.run_until([&] { return device.ticks >= i; }, 5);
      m.run_until([] { return false; }, 0.01);
      result += fmt::format(" {}/{}", under_lock(device.ticks), resample.take());
    }
    for (unsigned i = 1; message_event && i <= 3; ++i) {
      message.signal();
      m.run_until([&] { return device.sequence >= i; }, 5);
      result += fmt::format(" {}", under_lock(device.sequence));
    }
    const MachineLock::Guard guard(m.system().lock);
    m.machine().stop();
    line_event.reset();
    message_event.reset();
    return result;
  });
  ASSERT_EQ(r.failure(), "");
  // Connected or not; what reached the handler, and what the descriptor; ticks and resamples; messages.
  EXPECT_EQ(r.result, on ? "1 1 6 2 1/1 2/1 3/1 1 2 3" : off ? "0 0 6 2" : "0 1 6 2 1 2 3");
}

INSTANTIATE_TEST_SUITE_P(Irqchip, KvmEventFd, testing::Values("on", "split", "off"),
                         [](const auto& param) { return std::string(param.param); });

}  // namespace
}  // namespace machina::test
