/// The firmware ROM of a PC: where it appears, and which files are refused.

#include "hw/nvram/pc_firmware.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/units.h"
#include "tests/support/test_machine.h"

namespace machina::test {
namespace {

class PcFirmwareTest : public testing::Test {
 protected:
  PcFirmwareTest() {
    std::string name = testing::TempDir() + "firmware.XXXXXX";
    dir_ = ::mkdtemp(name.data());
  }
  ~PcFirmwareTest() override { std::filesystem::remove_all(dir_); }

  /// An image whose 32-bit words are their own offsets.
  std::string image(std::uint64_t size, const std::string& name = "bios.bin") {
    const std::string path = dir_ + "/" + name;
    std::ofstream out(path, std::ios::binary);
    for (std::uint64_t at = 0; at < size; at += 4) {
      const char word[4] = {static_cast<char>(at), static_cast<char>(at >> 8), static_cast<char>(at >> 16),
                            static_cast<char>(at >> 24)};
      out.write(word, 4);
    }
    return path;
  }
  static std::string failure(const std::string& file, const std::string& dirs = {}) {
    TestMachine m;
    m.add("pc-firmware", "bios", {{"file", file}});
    if (!dirs.empty()) m.object().child("bios")->set("dirs", qom::ValueList{dirs});
    try {
      m.start();
    } catch (const Error& e) {
      return e.what();
    }
    return {};
  }

  std::string dir_;
};

TEST_F(PcFirmwareTest, IsReadOnlyUnlessItIsToBeWritable) {
  for (const bool writable : {false, true}) {
    TestMachine m(8 * MiB);
    m.add("pc-firmware", "bios", {{"file", image(256 * KiB)}, {"writable", writable ? "on" : "off"}});
    m.start();
    m.write(0xf0000, 4, 0x600dcafe);
    EXPECT_EQ(m.read(0xf0000, 4), writable ? 0x600dcafe : 192 * KiB);
    EXPECT_EQ(m.read(4 * GiB - 64 * KiB, 4), m.read(0xf0000, 4)) << "the same memory";
    m.reset();
    EXPECT_EQ(m.read(0xf0000, 4), 192 * KiB) << "a reset brings the image back";
  }
}

TEST_F(PcFirmwareTest, EndsAt4GiBAndItsTailAt1MiB) {
  TestMachine m(8 * MiB);
  m.add("pc-firmware", "bios", {{"file", image(256 * KiB)}});
  m.start();
  EXPECT_EQ(m.read(4 * GiB - 256 * KiB, 4), 0U);
  EXPECT_EQ(m.read(4 * GiB - 4, 4), 256 * KiB - 4);
  EXPECT_EQ(m.read(4 * GiB - 256 * KiB - 4, 4), 0xffffffffU);
  EXPECT_EQ(m.read(0xe0000, 4), 128 * KiB);
  EXPECT_EQ(m.read(0xffffc, 4), 256 * KiB - 4);
  EXPECT_EQ(m.read(0xdfffc, 4), 0U);  // RAM below it
}

TEST_F(PcFirmwareTest, ASmallImageShowsWhole) {
  TestMachine m(8 * MiB);
  m.add("pc-firmware", "bios", {{"file", image(64 * KiB)}});
  m.start();
  EXPECT_EQ(m.read(0xf0000, 4), 0U);
  EXPECT_EQ(m.read(0xf0004, 4), 4U);
  m.write(0xe0000, 4, 0x12345678);
  EXPECT_EQ(m.read(0xe0000, 4), 0x12345678U);
}

TEST_F(PcFirmwareTest, TheGuestCannotWriteIt) {
  TestMachine m(8 * MiB);
  m.add("pc-firmware", "bios", {{"file", image(128 * KiB)}});
  m.start();
  m.write(0xe0010, 4, 0xdeadbeef);
  m.write(4 * GiB - 16, 4, 0xdeadbeef);
  EXPECT_EQ(m.read(0xe0010, 4), 0x10U);
  EXPECT_EQ(m.read(0xffff0, 4), 128 * KiB - 16);
}

TEST_F(PcFirmwareTest, ABareNameIsLookedForInDirs) {
  image(64 * KiB, "there.bin");
  EXPECT_EQ(failure("there.bin", dir_), "");
  const std::string message = failure("not-there.bin", dir_);
  EXPECT_NE(message.find("no such firmware file: 'not-there.bin'"), std::string::npos) << message;
  EXPECT_NE(message.find(dir_), std::string::npos) << message;
  EXPECT_NE(message.find("/machine/bios"), std::string::npos) << message;
}

TEST_F(PcFirmwareTest, RefusesWhatIsNoImage) {
  EXPECT_NE(failure(image(64 * KiB + 4)).find("multiple of 64 KiB"), std::string::npos);
  EXPECT_NE(failure(image(0)).find("is empty"), std::string::npos);
  EXPECT_NE(failure(image(16 * MiB + 64 * KiB)).find("too large"), std::string::npos);
  EXPECT_NE(failure(dir_).find("not a regular file"), std::string::npos);
  EXPECT_NE(failure(dir_ + "/nothing").find("no such firmware file"), std::string::npos);
  EXPECT_EQ(failure(image(16 * MiB)), "");
}

TEST_F(PcFirmwareTest, AFailureLeavesNothingMapped) {
  TestMachine m(8 * MiB);
  const std::size_t before = m.system().memory_root.children().size();
  m.add("pc-firmware", "bios", {{"file", image(4)}});
  EXPECT_THROW(m.start(), Error);
  EXPECT_EQ(m.system().memory_root.children().size(), before);
}

}  // namespace
}  // namespace machina::test
