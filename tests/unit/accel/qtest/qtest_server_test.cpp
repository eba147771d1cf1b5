// The qtest protocol, from docs/qtest.md.

#include "accel/qtest/qtest_server.h"

#include <fmt/format.h>

#include <random>

#include "core/base64.h"
#include "core/units.h"
#include "hw/intc/i8259.h"
#include "hw/rtc/mc146818rtc.h"
#include "hw/timer/i8254.h"
#include "tests/support/qtest_client.h"

namespace machina::test {
namespace {

constexpr std::uint64_t kRam = std::uint64_t{8} << 20;

class QtestServerTest : public testing::Test {
 protected:
  QtestServerTest() {
    machine_.add_isa_bus();
    machine_.add<I8259>("pic");
    machine_.add<I8254>("pit", {{"irq", "pic.0"}});
    machine_.add<Mc146818Rtc>("rtc", {{"base", "2026-09-21T14:13:20"}});
    machine_.start();
    client_ = std::make_unique<QtestClient>(machine_.object(), machine_.system());
  }

  std::string command(std::string_view line) { return client_->command(line); }
  /// Rate generator on counter 0, reload value 1193: a little under a millisecond.
  void start_pit() {
    EXPECT_EQ(command("outb 0x43 0x34"), "OK");
    EXPECT_EQ(command("outb 0x40 0xa9"), "OK");
    EXPECT_EQ(command("outb 0x40 0x04"), "OK");
  }

  TestMachine machine_{kRam};
  std::unique_ptr<QtestClient> client_;
};

TEST_F(QtestServerTest, PortsInAllWidths) {
  EXPECT_EQ(command("outb 0x70 0x0d"), "OK");
  EXPECT_EQ(command("inb 0x71"), "OK 0x0080") << "four digits, whatever the width";
  EXPECT_EQ(command("inb 0x5555"), "OK 0x00ff") << "nothing there";
  EXPECT_EQ(command("inw 0x5555"), "OK 0xffff");
  EXPECT_EQ(command("inl 0x5555"), "OK 0xffffffff");
  EXPECT_EQ(command("outw 0x5555 0x1234"), "OK");
  EXPECT_EQ(command("outl 0x5555 0x12345678"), "OK");
  EXPECT_EQ(command("outb 112 013"), "OK") << "decimal and octal";
  EXPECT_EQ(command("inb 113"), "OK 0x0002") << "register B: 24 hours";
}

TEST_F(QtestServerTest, MemoryInAllWidths) {
  EXPECT_EQ(command("writeq 0x1000 0x1122334455667788"), "OK");
  EXPECT_EQ(command("readq 0x1000"), "OK 0x1122334455667788");
  EXPECT_EQ(command("readl 0x1000"), "OK 0x0000000055667788");
  EXPECT_EQ(command("readw 0x1006"), "OK 0x0000000000001122");
  EXPECT_EQ(command("readb 0x1001"), "OK 0x0000000000000077");
  EXPECT_EQ(command("writeb 0x1000 0x1ab"), "OK") << "cut to the width";
  EXPECT_EQ(command("writew 0x1002 0xbeef"), "OK");
  EXPECT_EQ(command("writel 0x1004 0xfeedface"), "OK");
  EXPECT_EQ(command("readq 0x1000"), "OK 0xfeedfacebeef77ab");
  EXPECT_EQ(command("readl 0x100000000"), "OK 0x00000000ffffffff") << "nothing there";
  EXPECT_EQ(command("endianness"), "OK little");
}

TEST_F(QtestServerTest, BlocksOfMemory) {
  EXPECT_EQ(command("write 0x2000 4 0x01020aFF"), "OK");
  EXPECT_EQ(command("read 0x2000 4"), "OK 0x01020aff");
  EXPECT_EQ(command("readl 0x2000"), "OK 0x00000000ff0a0201");
  EXPECT_EQ(command("write 0x2000 4 0x77"), "OK");
  EXPECT_EQ(command("read 0x2000 4"), "OK 0x77000000") << "data that is missing is zero";
  EXPECT_EQ(command("write 0x2000 1 0x8899"), "OK");
  EXPECT_EQ(command("read 0x2000 2"), "OK 0x8800") << "data beyond the size is ignored";
  EXPECT_EQ(command("memset 0x3000 0x20000 0xa5"), "OK");
  EXPECT_EQ(command("read 0x2fff 2"), "OK 0x00a5");
  EXPECT_EQ(command("read 0x22fff 2"), "OK 0xa500");
  EXPECT_EQ(command("b64write 0x4000 6 Zm9vYmFy"), "OK");
  EXPECT_EQ(command("b64read 0x4000 6"), "OK Zm9vYmFy");
  EXPECT_EQ(command("read 0x4000 6"), "OK 0x666f6f626172");
}

TEST_F(QtestServerTest, LargestTransfersComeBackWhole) {
  std::string data;
  std::mt19937 random(7);  // NOLINT: the same bytes in each run
  while (data.size() < 2 * QtestCommands::kMaxTransfer) data += fmt::format("{:08x}", random());
  const std::string size = std::to_string(QtestCommands::kMaxTransfer);
  EXPECT_EQ(command("write 0 " + size + " 0x" + data), "OK");
  EXPECT_EQ(command("read 0 " + size) == "OK 0x" + data, true);
}

TEST_F(QtestServerTest, TimeMovesOnlyWhenStepped) {
  EXPECT_EQ(command("clock_step"), "OK 0") << "no timer";
  EXPECT_EQ(command("clock_step 1000"), "OK 1000");
  EXPECT_EQ(command("clock_set 5000"), "OK 5000");
  EXPECT_EQ(command("clock_set 100"), "OK 5000") << "never back";
  start_pit();
  const std::int64_t first = client_->step_to_next_timer();
  EXPECT_GT(first, 5000);
  EXPECT_LE(first, 5000 + 2 * kNsPerSecond / 1000);
  EXPECT_GT(client_->step_to_next_timer(), first);
}

TEST_F(QtestServerTest, HostTimeKeepsStep) {
  const auto second = [&] {
    command("outb 0x70 0");
    return command("inb 0x71");
  };
  EXPECT_EQ(second(), "OK 0x0020");
  client_->step(3 * kNsPerSecond);
  EXPECT_EQ(second(), "OK 0x0023");
}

TEST_F(QtestServerTest, InputsAreInterceptedAndStillDelivered) {
  EXPECT_EQ(command("irq_intercept_in pic"), "OK");
  EXPECT_EQ(command("irq_intercept_in /machine/pic"), "OK") << "the same device";
  EXPECT_EQ(command("irq_intercept_in rtc"), "FAIL IRQ intercept already enabled");
  EXPECT_EQ(command("irq_intercept_out pic"), "FAIL IRQ intercept already enabled");
  start_pit();  // mode 2: OUT is high but for one tick
  client_->irqs.clear();
  client_->step(10 * kNsPerSecond / 1000);
  ASSERT_GE(client_->irqs.size(), 18U) << "ten periods, two edges each";
  EXPECT_EQ(client_->irqs[0], "lower 0");
  EXPECT_EQ(client_->irqs[1], "raise 0");
  // The PIC has seen them too: IRR.
  command("outb 0x20 0x11"), command("outb 0x21 8"), command("outb 0x21 4"), command("outb 0x21 1");
  client_->step(2 * kNsPerSecond / 1000);
  command("outb 0x20 0x0a");
  EXPECT_EQ(command("inb 0x20"), "OK 0x0001");
}

TEST_F(QtestServerTest, OutputsAreInterceptedByName) {
  EXPECT_EQ(command("irq_intercept_out rtc nonsense"), "FAIL the device has no outputs of that name");
  EXPECT_EQ(command("irq_intercept_out rtc irq"), "OK");
  // Register B: update-ended interrupt.
  command("outb 0x70 0x0b"), command("outb 0x71 0x12");
  client_->step(2 * kNsPerSecond);
  ASSERT_EQ(client_->irqs, std::vector<std::string>{"raise 0"}) << "once, until register C is read";
  EXPECT_TRUE(machine_.line(8));
  command("outb 0x70 0x0c"), command("inb 0x71");
  EXPECT_EQ(client_->irqs, (std::vector<std::string>{"raise 0", "lower 0"}));
}

TEST_F(QtestServerTest, InputsAreDriven) {
  command("outb 0x20 0x11"), command("outb 0x21 8"), command("outb 0x21 4"), command("outb 0x21 1");
  command("outb 0x20 0x0a");
  EXPECT_EQ(command("irq_intercept_in pic"), "OK");
  EXPECT_EQ(command("set_irq_in pic unnamed-gpio-in 5 1"), "OK");
  EXPECT_EQ(command("set_irq_in pic ir 5 1"), "OK") << "it is high already";
  EXPECT_EQ(client_->irqs, std::vector<std::string>{"raise 5"});
  EXPECT_EQ(command("inb 0x20"), "OK 0x0020") << "IRR";
  EXPECT_EQ(command("set_irq_in pic ir 5 0"), "OK");
  EXPECT_EQ(client_->irqs, (std::vector<std::string>{"raise 5", "lower 5"}));
  EXPECT_EQ(command("set_irq_in pic ir 16 1"), "FAIL the device has no such input");
  EXPECT_EQ(command("set_irq_in pic gpio 1 1"), "FAIL the device has no such input");
  EXPECT_EQ(command("set_irq_in nowhere ir 1 1"), "FAIL Unknown device");
}

TEST_F(QtestServerTest, ANewClientStartsClean) {
  EXPECT_EQ(command("irq_intercept_in pic"), "OK");
  EXPECT_EQ(command("set_irq_in pic ir 3 1"), "OK");
  client_->chardev().send("writeb 0x1000 ");  // and gone, in the middle of a line
  client_->chardev().frontend()->event(CharFrontend::Event::Closed);
  client_->chardev().frontend()->event(CharFrontend::Event::Opened);
  EXPECT_EQ(command("inb 0x71"), "OK 0x0020") << "no remains of the old line";
  auto& pic = dynamic_cast<Device&>(*machine_.object().child("pic"));
  EXPECT_FALSE(pic.input("ir", 3)->level());
  EXPECT_EQ(command("irq_intercept_out rtc"), "OK") << "the interception is free again";
}

TEST_F(QtestServerTest, RefusalsSayWhy) {
  const std::pair<const char*, const char*> kCases[] = {
      {"nonsense", "FAIL Unknown command 'nonsense'"},
      {"rtas get-time 0 0 0 0", "FAIL Unknown command 'rtas'"},
      {"OUTB 1 2", "FAIL Unknown command 'OUTB'"},
      {"module_load block- gluster", "FAIL there are no modules; plugins are loaded by -plugin, at the start"},
      {"outb 1", "ERR outb: arguments are missing"},
      {"inb 1 2", "ERR inb: too many arguments"},
      {"outb 0x10000 1", "ERR outb: port is more than 0xffff"},
      {"outb -1 1", "ERR outb: port is not a number: '-1'"},
      {"outb 0x70 1z", "ERR outb: value is not a number: '1z'"},
      {"inb 0x", "ERR inb: port is not a number: '0x'"},
      {"inb 08", "ERR inb: port is not a number: '08'"},
      {"readl 0x1ffffffffffffffff", "ERR readl: address is not a number: '0x1ffffffffffffffff'"},
      {"readl 0xfffffffffffffffe", "ERR readl: the range goes beyond the address space"},
      {"writeq 0xfffffffffffffff9 1", "ERR writeq: the range goes beyond the address space"},
      {"read 0 0", "ERR read: size is 0"},
      {"read 0 4194305", "ERR read: size is more than 4194304"},
      {"read 0xffffffffffffffff 2", "ERR read: the range goes beyond the address space"},
      {"read 0 0xffffffffffffffff", "ERR read: size is more than 4194304"},
      {"memset 0 0x4000001 0", "ERR memset: size is more than 67108864"},
      {"write 0 1 0x", "ERR write: data is not 0x and two digits for each byte"},
      {"write 0 1 ffff", "ERR write: data is not 0x and two digits for each byte"},
      {"write 0 1 0xgg", "ERR write: data is not hexadecimal"},
      {"b64write 0 3 Zm9", "ERR b64write: data is not base64"},
      {"b64write 0 4 Zm9v", "ERR b64write: size is 4, but data has 3 bytes"},
      {"clock_step -1", "ERR clock_step: time goes forward only"},
      {"clock_step 0xffffffffffffffff", "ERR clock_step: time is too large: '0xffffffffffffffff'"},
      {"irq_intercept_in nowhere", "FAIL Unknown device"},
      {"irq_intercept_in /machine", "FAIL Unknown device"},
      {"irq_intercept_in rtc", "FAIL the device has no inputs"},
      {"irq_intercept_in pic gpio", "FAIL the device has no inputs of that name"},
  };
  for (const auto& [line, answer] : kCases) EXPECT_EQ(command(line), answer) << line;
}

TEST_F(QtestServerTest, TimeCannotBeSteppedWhereItRuns) {
  // As under any accelerator that runs code.
  struct Control final : RunControl {
    RunState run_state() const override { return RunState::Running; }
    void request_reset(ShutdownCause) override {}
    void request_shutdown(ShutdownCause, int) override {}
    void request_stop(RunState) override {}
    void request_suspend() override {}
    void request_wakeup(std::string_view) override {}
  } control;
  System system(control);
  QtestCommands commands(system, machine_.object(), [](const std::string&) {});
  EXPECT_TRUE(commands.run("clock_step 1").starts_with("FAIL the accelerator has its own time"));
  EXPECT_TRUE(commands.run("clock_set 1").starts_with("FAIL the accelerator has its own time"));
}

// --- the stream
// -------------------------------------------------------------------------------------------------------

TEST_F(QtestServerTest, LinesComeInAnyPieces) {
  for (const char c : std::string_view("\n\r\n  outb   0x70\t0x0d \r\ninb 0x71\ninb 0x5555"))
    client_->chardev().send({&c, 1});
  EXPECT_EQ(client_->take_output(), "OK\nOK 0x0080\n") << "empty lines are nothing; the last is not complete";
  client_->chardev().send("\nendianness\nendianness\n");
  EXPECT_EQ(client_->take_output(), "OK 0x00ff\nOK little\nOK little\n");
}

TEST_F(QtestServerTest, ALineThatIsTooLongIsLeftOut) {
  const std::string piece(1 << 20, 'x');
  for (std::size_t sent = 0; sent <= 2 * QtestServer::kMaxLine; sent += piece.size()) client_->chardev().send(piece);
  EXPECT_EQ(client_->take_output(), "ERR the line is too long\n");
  client_->chardev().send("\nendianness\n");
  EXPECT_EQ(client_->take_output(), "OK little\n");
}

TEST_F(QtestServerTest, AClientThatDoesNotReadIsNotServed) {
  TestChardev& chardev = client_->chardev();
  chardev.allow(0);
  for (int i = 0; i < 5'000; ++i) chardev.send("read 0 0x400                                            \n");
  EXPECT_GT(chardev.queued(), std::size_t{200} << 10) << "its commands wait at its own end";
  chardev.allow(std::numeric_limits<std::size_t>::max());
  EXPECT_EQ(chardev.queued(), 0U);
  const std::string answer = "OK 0x" + std::string(0x800, '0') + "\n";
  const std::string all = client_->take_output();
  EXPECT_EQ(all.size(), answer.size() * 5'000);
  EXPECT_EQ(all.substr(all.size() - answer.size()), answer);
}

TEST_F(QtestServerTest, TheLastClientEndsTheMachineOnceItIsAnswered) {
  TestChardev& chardev = client_->chardev();
  chardev.send("endianness\nendianness");
  chardev.allow(0);
  chardev.send("\n");
  chardev.send_end();
  EXPECT_TRUE(machine_.object().shutdowns.empty()) << "an answer still waits";
  chardev.allow(std::numeric_limits<std::size_t>::max());
  EXPECT_EQ(client_->take_output(), "OK little\nOK little\n");
  ASSERT_FALSE(machine_.object().shutdowns.empty());
  EXPECT_EQ(machine_.object().shutdowns.front(), std::pair(ShutdownCause::HostUi, 0));
}

TEST_F(QtestServerTest, AClientThatLeavesMayBeFollowedByAnother) {
  client_->chardev().frontend()->event(CharFrontend::Event::Closed);
  EXPECT_TRUE(machine_.object().shutdowns.empty());
}

TEST_F(QtestServerTest, InterruptsNobodyReadsDoNotFillTheMemory) {
  command("irq_intercept_in pic");
  EXPECT_EQ(command("outb 0x43 0x14"), "OK");  // mode 2, low byte only: 2 ticks a period
  EXPECT_EQ(command("outb 0x40 2"), "OK");
  client_->chardev().allow(0);
  client_->chardev().send("clock_step 2000000000\n");
  client_->chardev().allow(std::numeric_limits<std::size_t>::max());
  const std::string output = client_->take_output();
  EXPECT_GT(output.size(), QtestServer::kOutputLimit);
  EXPECT_LT(output.size(), QtestServer::kOutputLimit + 4096);
  EXPECT_TRUE(output.substr(output.size() - 40).find("OK ") != std::string::npos) << "the answer is never dropped";
}

// Lines made of the protocol's own words in any order, and of any bytes: each gets one answer, none does harm.
TEST_F(QtestServerTest, SurvivesAnything) {
  std::mt19937 random(20260921);  // NOLINT: the same in each run
  const auto below = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
  const std::vector<std::string_view> commands = QtestCommands::names();
  const std::string_view words[] = {"0",
                                    "1",
                                    "-1",
                                    "0x70",
                                    "0x71",
                                    "0xffff",
                                    "0x10000",
                                    "4096",
                                    "0xffffffffffffffff",
                                    "0x8000000000000000",
                                    "0x",
                                    "0xff",
                                    "Zm9v",
                                    "====",
                                    "pic",
                                    "pit",
                                    "rtc",
                                    "ir",
                                    "unnamed-gpio-in",
                                    "/machine",
                                    "",
                                    "..",
                                    "%s%n",
                                    "99999999999999999999"};
  for (int round = 0; round < 20'000; ++round) {
    std::string line(commands[below(commands.size())]);
    for (std::size_t n = below(6); n > 0; --n) line += " " + std::string(words[below(std::size(words))]);
    if (below(4) == 0) line[below(line.size())] = static_cast<char>(below(256));
    std::erase(line, '\n');
    // Stepping through the age of the universe with a timer that runs is what it was asked for, and takes as long.
    if (line.starts_with("clock_")) continue;
    const std::string answer = command(line);
    EXPECT_TRUE(answer.empty() || answer.starts_with("OK") || answer.starts_with("FAIL ") || answer.starts_with("ERR "))
        << line << " -> " << answer.substr(0, 100);
  }
  EXPECT_EQ(command("endianness"), "OK little");
}

}  // namespace
}  // namespace machina::test
