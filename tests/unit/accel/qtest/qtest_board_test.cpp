// A whole board, composed as for a user and driven through the qtest protocol in this process.

#include <gtest/gtest.h>

#include <filesystem>

#include "machines/cli/launch.h"
#include "tests/support/qtest_client.h"
#include "tests/support/test_paths.h"

namespace machina::test {
namespace {

class QtestBoardTest : public testing::Test {
 protected:
  QtestBoardTest()
      : launch_(CommandLine::parse({"-M", "pc", "-m", "16M", "-smp", "2", "-accel", "qtest", "-display", "none", "-L",
                                    (source_dir() / "configs").string()})),
        client_(launch_.machine().root(), launch_.machine().system()) {}

  Launch launch_;
  QtestClient client_;
};

TEST_F(QtestBoardTest, TheTimerReachesTheInterruptController) {
  // 8259 pair as firmware sets it up, all but IRQ 0 masked.
  client_.outb(0x20, 0x11), client_.outb(0x21, 0x08), client_.outb(0x21, 0x04), client_.outb(0x21, 0x01);
  client_.outb(0x21, 0xfe);
  EXPECT_EQ(client_.command("irq_intercept_out pic"), "OK");
  client_.outb(0x43, 0x30);  // counter 0, mode 0: OUT rises at terminal count
  client_.outb(0x40, 100), client_.outb(0x40, 0);
  client_.step(80'000);
  EXPECT_TRUE(client_.irqs.empty());
  client_.step(10'000);
  EXPECT_EQ(client_.irqs, std::vector<std::string>{"raise 0"}) << "INTR, 101 clocks of 838 ns later";
}

TEST_F(QtestBoardTest, PciIsThere) {
  client_.outl(0xcf8, 0x80000000);
  EXPECT_EQ(client_.inl(0xcfc), 0x12378086U) << "the 440FX";
}

TEST_F(QtestBoardTest, CpusKeepTheStateOfReset) {
  const auto& cpus = launch_.machine().cpus().cpus();
  ASSERT_EQ(cpus.size(), 2U);
  EXPECT_EQ(cpus[0]->state().rip, 0xfff0U) << "SDM vol. 3, table 9-1";
  EXPECT_EQ(cpus[0]->thread_id(), 0);
}

}  // namespace
}  // namespace machina::test
