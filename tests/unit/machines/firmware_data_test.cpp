#include "machines/firmware_data.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "hw/nvram/fw_cfg.h"
#include "hw/rtc/mc146818rtc.h"
#include "machines/cli/launch.h"

namespace machina {
namespace {

TEST(Uuid, IsSixteenBytesInTextOrder) {
  const auto bytes = parse_uuid("00112233-4455-6677-8899-aAbBcCdDeEfF");
  for (unsigned i = 0; i < 16; ++i) EXPECT_EQ(bytes[i], i * 0x11);
}

TEST(Uuid, HasOneFormOnly) {
  for (const char* wrong : {"", "1234", "0011223344556677-8899-aabbccddeeff", "00112233-4455-6677-8899-aabbccddeef",
                            "00112233-4455-6677-8899-aabbccddeefg", "00112233-4455-6677-8899-aabbccddeeff0"})
    EXPECT_THROW(parse_uuid(wrong), Error) << wrong;
}

TEST(BootPaths, OfAMachineWithoutDisksAreOnlyTheEnd) {
  const auto root = qom::create<qom::Container>();
  auto& machine = root->add_new_child<Machine>("machine");
  EXPECT_TRUE(boot_paths(machine, {}).empty());
  BootOptions strict;
  strict.order = "c";
  strict.strict = true;
  EXPECT_EQ(boot_paths(machine, strict), std::vector<std::string>{"HALT"});
}

/// A PC under qtest, with a small disk as first and a large one as last.
class FirmwareDataOfAPc : public testing::Test {
 protected:
  FirmwareDataOfAPc() {
    make("small", 4 << 20);
    make("large", std::uintmax_t{1} << 30);
  }
  ~FirmwareDataOfAPc() override {
    launch_.reset();
    for (const char* name : {"small", "large"}) std::filesystem::remove(path(name));
  }
  static std::string path(const std::string& name) {
    return (std::filesystem::temp_directory_path() / ("firmware-data-" + name + std::to_string(::getpid()))).string();
  }
  static void make(const char* name, std::uintmax_t size) {
    std::ofstream(path(name)).put(0);
    std::filesystem::resize_file(path(name), size);  // sparse
  }
  void start(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"-qtest", "null", "-hda", path("small"), "-hdd", path("large")});
    launch_ = std::make_unique<Launch>(CommandLine::parse(arguments));
  }
  template <class T>
  T& device() {
    T* found = nullptr;
    qom::for_each<T>(launch_->machine(), [&](T& t) { found = &t; });
    return *found;
  }
  std::vector<std::uint8_t> item(FwCfgKey key, std::size_t size) {
    AddressSpace& io = launch_->machine().system().io;
    io.store(0x510, 2, static_cast<std::uint16_t>(key));
    std::vector<std::uint8_t> bytes(size);
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(io.load(0x511, 1));
    return bytes;
  }
  std::string boot_order() {
    const auto* file = device<FwCfg>().file("bootorder");
    return file ? std::string(file->begin(), file->end() - 1) : "(none)";
  }
  std::unique_ptr<Launch> launch_;
};

TEST_F(FirmwareDataOfAPc, BootOrderHasTheDisksWhenDisksAreAskedFor) {
  start({"-boot", "dc,strict=on"});
  EXPECT_EQ(boot_order(),
            "/pci@i0cf8/ide@1,1/drive@1/disk@0\n"  // the CD drive that the board has
            "/pci@i0cf8/ide@1,1/drive@0/disk@0\n/pci@i0cf8/ide@1,1/drive@1/disk@1\nHALT");
  // Index 3Dh: first and second device, 2 is disk and 3 is CD-ROM.
  EXPECT_EQ(device<Mc146818Rtc>().cmos(0x3d), 0x23);
}

TEST_F(FirmwareDataOfAPc, OnceIsOverWithTheFirstReset) {
  start({"-boot", "order=c,once=d"});
  EXPECT_EQ(boot_order(), "/pci@i0cf8/ide@1,1/drive@1/disk@0");
  EXPECT_EQ(device<Mc146818Rtc>().cmos(0x3d), 0x03);
  const MachineLock::Guard guard(launch_->machine().system().lock);
  for (unsigned n = 0; n < 2; ++n) {
    launch_->machine().reset(ShutdownCause::GuestReset);
    EXPECT_EQ(boot_order(), "/pci@i0cf8/ide@1,1/drive@0/disk@0\n/pci@i0cf8/ide@1,1/drive@1/disk@1");
    EXPECT_EQ(device<Mc146818Rtc>().cmos(0x3d), 0x02);
  }
}

TEST_F(FirmwareDataOfAPc, OnceAloneGoesBackToTheFirmwaresOwnOrder) {
  start({"-boot", "once=d"});
  EXPECT_EQ(device<Mc146818Rtc>().cmos(0x3d), 0x03);
  const MachineLock::Guard guard(launch_->machine().system().lock);
  launch_->machine().reset(ShutdownCause::GuestReset);
  EXPECT_EQ(boot_order(), "(none)");
  EXPECT_EQ(device<Mc146818Rtc>().cmos(0x3d), 0x32);
}

TEST_F(FirmwareDataOfAPc, BootOrderIsTheFirmwaresOwnWhenNothingIsAskedFor) {
  start({});
  EXPECT_EQ(boot_order(), "(none)");
  EXPECT_EQ(device<Mc146818Rtc>().cmos(0x3d), 0x32);
}

TEST_F(FirmwareDataOfAPc, SleepStatesAreThoseOfTheChip) {
  const auto states = [this] { return *device<FwCfg>().file("etc/system-states"); };
  start({});
  EXPECT_EQ(states(), (std::vector<std::uint8_t>{0x80, 0, 0, 0x81, 0x82, 0x80}));
  launch_.reset();
  start({"-global", "PIIX4_PM.disable_s3=on", "-global", "PIIX4_PM.disable_s4=on", "-global", "PIIX4_PM.s4_val=5"});
  EXPECT_EQ(states(), (std::vector<std::uint8_t>{0x80, 0, 0, 0x01, 0x05, 0x80}));
}

TEST_F(FirmwareDataOfAPc, CpusAreCountedByTheirApicIds) {
  const auto limit = [this] { return item(FwCfgKey::MaxCpus, 2); };
  start({"-smp", "15,sockets=5,cores=3"});  // three cores have two bits: the last ID is 4 * 4 + 2
  EXPECT_EQ(limit(), (std::vector<std::uint8_t>{19, 0}));
  launch_.reset();
  start({"-smp", "2,maxcpus=4"});
  EXPECT_EQ(limit(), (std::vector<std::uint8_t>{4, 0}));
}

TEST_F(FirmwareDataOfAPc, TheTimersInterruptIsMovedWhereItIs) {
  const auto moved = [this] { return item(FwCfgKey::Irq0Override, 4); };
  start({});
  EXPECT_EQ(moved(), (std::vector<std::uint8_t>{1, 0, 0, 0}));
  launch_.reset();
  start({"-M", "pc,timer-pin=0"});
  EXPECT_EQ(moved(), (std::vector<std::uint8_t>{0, 0, 0, 0}));
  launch_.reset();
  start({"-M", "isapc"});
  EXPECT_EQ(moved(), (std::vector<std::uint8_t>{0, 0, 0, 0})) << "no I/O APIC";
}

TEST_F(FirmwareDataOfAPc, CmosHasTheGeometryOfDisks) {
  start({});
  const auto& rtc = device<Mc146818Rtc>();
  EXPECT_EQ(rtc.cmos(0x12), 0xf0) << "a first disk, and no second on the primary channel";
  EXPECT_EQ(rtc.cmos(0x19), 47) << "of a type that the bytes from 1Bh describe";
  EXPECT_EQ(rtc.cmos(0x1b) | rtc.cmos(0x1c) << 8, 8) << "cylinders: 4 MiB in 16 * 63 sectors of 512";
  EXPECT_EQ(rtc.cmos(0x1d), 16);
  EXPECT_EQ(rtc.cmos(0x23), 63);
  // Two bits a disk: none for the small one, LBA (1) for the one with more than 1024 cylinders.
  EXPECT_EQ(rtc.cmos(0x39), 1 << 6);
}

}  // namespace
}  // namespace machina
