// The monitor on a whole board: registers in its memory map, events of its devices.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "machines/monitor/human_command.h"
#include "tests/support/board_machine.h"

namespace machina::test {
namespace {

using qom::Value;
using qom::ValueMap;

class Session final : public MonitorSession {
 public:
  explicit Session(Machine& machine) : machine_(machine) {}
  Machine& machine() override { return machine_; }
  void later(std::int64_t, std::function<void()> work) override { work(); }

 private:
  Machine& machine_;
};

class MonitorBoardTest : public testing::Test {
 protected:
  std::string hmp(const std::string& line) {
    const MachineLock::Guard guard(m_.system().lock);
    return run_human_command(session_, line);
  }
  /// Text mode: B8000h, odd and even bytes in two planes. IBM VGA, "Graphics Controller", index 06h.
  void show_text_memory() {
    const auto indexed = [&](std::uint16_t port, unsigned index, unsigned value) {
      m_.out(port, index), m_.out(port + 1, value);
    };
    m_.out(0x3c2, 0x67);
    indexed(0x3c4, 2, 3), indexed(0x3c4, 4, 2);
    indexed(0x3ce, 5, 0x10), indexed(0x3ce, 6, 0x0e), indexed(0x3ce, 8, 0xff);
  }

  BoardMachine m_{{"-M", "pc", "-nodefaults", "-device", "VGA", "-m", "8"}};
  Session session_{m_.machine()};
};

TEST_F(MonitorBoardTest, LooksIntoRegistersAsACpuDoes) {
  show_text_memory();
  for (unsigned i = 0; i < 4; ++i) m_.write(0xb8000 + 2 * i, 0x0741 + i, 2);
  EXPECT_EQ(hmp("xp /4xh 0xb8000"), "00000000000b8000: 0x0741 0x0742 0x0743 0x0744\n");
  EXPECT_EQ(hmp("x /2xb 0xb8002"), "00000000000b8002: 0x42 0x07\n") << "paging is off";
  EXPECT_EQ(hmp("xp /1xw 0xfee00030"), "00000000fee00030: 0x01060014\n") << "version of the local APIC";
  EXPECT_EQ(hmp("xp /1xw 0xfec00010").substr(0, 17), "00000000fec00010:");
  EXPECT_EQ(hmp("xp /1xw 0xd0000000"), "00000000d0000000: Cannot access memory\n");
  EXPECT_EQ(hmp("xp /1i 0xfee00030"), "0xfee00030: unable to read memory\n") << "code stands in memory";
}

TEST_F(MonitorBoardTest, SavesRegistersAndMemoryInOnePiece) {
  show_text_memory();
  m_.write(0xb8000, 0x0741, 2);
  m_.write(0x7ffffe, 0x2211, 2);
  const std::string file = testing::TempDir() + "machina-board-memory";
  const auto saved = [&](const std::string& line) {
    EXPECT_EQ(hmp(line + " \"" + file + "\""), "");
    std::ostringstream text;
    text << std::ifstream(file, std::ios::binary).rdbuf();
    return text.str();
  };
  EXPECT_EQ(saved("pmemsave 0xb8000 2"), "\x41\x07");
  EXPECT_EQ(saved("memsave 0xb8000 2"), "\x41\x07");
  EXPECT_EQ(saved("pmemsave 0x7ffffe 4"), std::string("\x11\x22\0\0", 4)) << "zeros behind the end of RAM";
  EXPECT_EQ(saved("pmemsave 0xfedffffe 0x34").substr(0x32), std::string("\x14\0", 2)) << "into the APIC's page";
  std::filesystem::remove(file);
}

/// MC146818A, "Time, Calendar and Alarm": under SET the bytes are the guest's.
TEST_F(MonitorBoardTest, TheGuestsClockIsToldOf) {
  std::vector<std::int64_t> offsets;
  m_.machine().add_observer([&](const Machine::EventData& e) {
    if (e.name != "RTC_CHANGE") return;
    ASSERT_EQ(e.data.size(), 2U);
    EXPECT_EQ(e.data[0].first, "offset");
    offsets.push_back(std::get<std::int64_t>(e.data[0].second.get()));
    EXPECT_EQ(e.data[1].first, "qom-path");
    EXPECT_TRUE(e.data[1].second.to_string().starts_with("/machine/")) << e.data[1].second.to_string();
  });
  const auto cmos = [&](unsigned index) { return m_.out(0x70, index), static_cast<unsigned>(m_.in(0x71)); };
  const auto set_cmos = [&](unsigned index, unsigned value) { m_.out(0x70, index), m_.out(0x71, value); };
  const unsigned day = cmos(7), month = cmos(8);
  set_cmos(0x0b, cmos(0x0b) | 0x80);
  const unsigned hour = cmos(4);
  EXPECT_TRUE(offsets.empty());
  set_cmos(4, hour == 0x23 ? 0x22 : hour + (hour % 16 == 9 ? 7 : 1));
  EXPECT_TRUE(offsets.empty()) << "not before SET goes";
  set_cmos(0x0b, cmos(0x0b) & 0x7f);
  ASSERT_EQ(offsets.size(), 1U);
  EXPECT_EQ(offsets[0], hour == 0x23 ? -3600 : 3600);
  EXPECT_EQ(cmos(7), day);
  EXPECT_EQ(cmos(8), month);
  m_.step(5'000'000'000);
  set_cmos(0x0b, cmos(0x0b) | 0x80), set_cmos(0x0b, cmos(0x0b) & 0x7f);
  ASSERT_EQ(offsets.size(), 2U);
  EXPECT_EQ(offsets[1], offsets[0]) << "time that has passed is no change";
}

}  // namespace
}  // namespace machina::test
