/// Firmware configuration device, from QEMU's "QEMU Firmware Configuration (fw_cfg) Device" interface description.

#include "hw/nvram/fw_cfg.h"

#include "core/units.h"
#include "hw/nvram/firmware_config.h"
#include "tests/support/test_machine.h"

namespace machina::test {
namespace {

constexpr std::uint32_t kError = 1, kRead = 2, kSkip = 4, kSelect = 8, kWrite = 16;

std::vector<std::uint8_t> bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

class FwCfgTest : public testing::Test {
 protected:
  FwCfgTest() : m(1 * MiB) {
    m.add_isa_bus();
    cfg = &m.add<FwCfg>("fw_cfg");
    m.start();
  }

  std::string read_io(std::uint16_t key, std::size_t n) {
    m.outw(0x510, key);
    std::string text;
    while (n--) text.push_back(static_cast<char>(m.inb(0x511)));
    return text;
  }
  static std::uint32_t be32(std::string_view s, std::size_t at) {
    std::uint32_t v = 0;
    for (std::size_t i = 0; i < 4; ++i) v = v << 8 | static_cast<std::uint8_t>(s[at + i]);
    return v;
  }
  struct Entry {
    std::string name;
    std::uint32_t size;
    std::uint16_t key;
  };
  std::vector<Entry> directory() {
    std::vector<Entry> entries;
    const std::uint32_t count = be32(read_io(0x19, 4), 0);
    for (std::uint32_t i = 0; i < count; ++i) {
      std::string raw;
      for (int b = 0; b < 64; ++b) raw.push_back(static_cast<char>(m.inb(0x511)));
      entries.push_back({raw.c_str() + 8, be32(raw, 0), static_cast<std::uint16_t>(be32(raw, 4) >> 16)});
    }
    return entries;
  }
  std::uint16_t key_of(const std::string& name) {
    for (const Entry& e : directory())
      if (e.name == name) return e.key;
    return 0;
  }
  /// Runs a descriptor at `at` and returns its control word afterwards.
  std::uint32_t dma(std::uint32_t control, std::uint32_t length, std::uint64_t address, std::uint32_t at = 0x1000) {
    m.write(at, 4, __builtin_bswap32(control));
    m.write(at + 4, 4, __builtin_bswap32(length));
    m.write(at + 8, 8, __builtin_bswap64(address));
    m.outl(0x518, __builtin_bswap32(at));
    return __builtin_bswap32(static_cast<std::uint32_t>(m.read(at, 4)));
  }
  std::string memory(std::uint64_t at, std::size_t n) {
    std::string text;
    for (std::size_t i = 0; i < n; ++i) text.push_back(static_cast<char>(m.read(at + i, 1)));
    return text;
  }

  TestMachine m;
  FwCfg* cfg = nullptr;
};

TEST_F(FwCfgTest, SignatureAndFeatures) {
  EXPECT_EQ(read_io(0x00, 4), "QEMU");
  EXPECT_EQ(read_io(0x01, 4), std::string("\x03\x00\x00\x00", 4));
  // The DMA register identifies itself, in big-endian order.
  EXPECT_EQ(m.inl(0x514), __builtin_bswap32(0x51454d55));
  EXPECT_EQ(m.inl(0x518), __builtin_bswap32(0x20434647));
  EXPECT_EQ(m.inb(0x515), 'E');
}

TEST_F(FwCfgTest, ReadingBeyondTheEndAndAbsentItemsGivesZeros) {
  EXPECT_EQ(read_io(0x00, 6), std::string("QEMU\0\0", 6));
  EXPECT_EQ(read_io(0x7abc, 2), std::string("\0\0", 2));
  EXPECT_EQ(read_io(0xffff, 2), std::string("\0\0", 2));
}

TEST_F(FwCfgTest, SelectingStartsOverAndBit14Selects) {
  EXPECT_EQ(read_io(0x00, 2), "QE");
  EXPECT_EQ(read_io(0x00, 2), "QE");
  EXPECT_EQ(read_io(0x4000, 4), "QEMU");
}

TEST_F(FwCfgTest, WritesToTheDataPortAndWordReadsDoNothing) {
  m.outw(0x510, 0);
  m.outb(0x511, 'x');
  m.outb(0x510, 1);  // the selector is 16 bits wide
  EXPECT_EQ(m.inb(0x511), 'Q');
  EXPECT_EQ(m.inw(0x510), 0xffff);
  EXPECT_EQ(m.inb(0x511), 'E');
}

TEST_F(FwCfgTest, IntegersAreLittleEndianAndStringsEndInZero) {
  cfg->add_i16(FwCfgKey::NbCpus, 0x0102);
  cfg->add_i32(FwCfgKey::Irq0Override, 0x01020304);
  cfg->add_i64(FwCfgKey::RamSize, 0x0102030405060708);
  cfg->add_string(FwCfgKey::KernelCmdline, "ro");
  EXPECT_EQ(read_io(0x05, 3), std::string("\x02\x01\x00", 3));
  EXPECT_EQ(read_io(0x8002, 4), std::string("\x04\x03\x02\x01", 4));
  EXPECT_EQ(read_io(0x03, 8), std::string("\x08\x07\x06\x05\x04\x03\x02\x01", 8));
  EXPECT_EQ(read_io(0x09, 3), std::string("ro\0", 3));
}

TEST_F(FwCfgTest, FilesAreInTheDirectorySortedByName) {
  cfg->add_file("etc/zebra", bytes_of("zz"));
  cfg->add_file("bootorder", bytes_of("order"));
  cfg->add_file("etc/e820", bytes_of("e820"));
  const auto entries = directory();
  ASSERT_EQ(entries.size(), 3U);
  EXPECT_EQ(entries[0].name, "bootorder");
  EXPECT_EQ(entries[0].size, 5U);
  EXPECT_EQ(entries[1].name, "etc/e820");
  EXPECT_EQ(entries[2].name, "etc/zebra");
  EXPECT_EQ(entries[0].key, 0x20);
  EXPECT_EQ(entries[2].key, 0x22);
  EXPECT_EQ(read_io(entries[1].key, 4), "e820");
  cfg->remove_file("bootorder");
  EXPECT_EQ(key_of("etc/e820"), 0x20);
  EXPECT_EQ(read_io(0x22, 1), std::string("\0", 1));
}

TEST_F(FwCfgTest, FileSlotsAndNamesAreLimited) {
  for (int i = 0; i < 0x20; ++i) cfg->add_file("f" + std::to_string(i), bytes_of("x"));
  EXPECT_THROW(cfg->add_file("one-more", bytes_of("x")), Error);
  EXPECT_NO_THROW(cfg->add_file("f0", bytes_of("replaced")));
  EXPECT_EQ(read_io(key_of("f0"), 8), "replaced");
  cfg->remove_file("f0");
  EXPECT_THROW(cfg->add_file(std::string(56, 'n'), {}), Error);
  EXPECT_THROW(cfg->add_file("", {}), Error);
  const std::string longest(55, 'n');
  EXPECT_NO_THROW(cfg->add_file(longest, bytes_of("long")));
  EXPECT_EQ(read_io(key_of(longest), 4), "long");
}

TEST_F(FwCfgTest, OnSelectMayMakeTheContent) {
  int selected = 0;
  cfg->add_file("fresh", {}, [&](std::vector<std::uint8_t>& bytes) { bytes = bytes_of(std::to_string(++selected)); });
  const std::uint16_t key = key_of("fresh");
  EXPECT_EQ(read_io(key, 1), "1");
  EXPECT_EQ(read_io(key, 1), "2");
}

TEST_F(FwCfgTest, DmaSelectsAndReads) {
  cfg->add_file("file", bytes_of("0123456789"));
  const std::uint32_t key = key_of("file");
  EXPECT_EQ(dma(key << 16 | kSelect | kRead, 4, 0x2000), 0U);
  EXPECT_EQ(memory(0x2000, 5), std::string("0123\0", 5));
  EXPECT_EQ(dma(kRead, 3, 0x3000), 0U);  // goes on
  EXPECT_EQ(memory(0x3000, 3), "456");
  EXPECT_EQ(dma(kSkip, 2, 0), 0U);
  EXPECT_EQ(m.inb(0x511), '9');  // both ways share the offset
  m.write(0x4000, 4, 0xffffffff);
  EXPECT_EQ(dma(key << 16 | kSelect | kSkip, 9, 0), 0U);
  EXPECT_EQ(dma(kRead, 4, 0x4000), 0U);
  EXPECT_EQ(memory(0x4000, 4), std::string("9\0\0\0", 4));  // zeros after the end
  EXPECT_EQ(dma(0, 0, 0), 0U);
}

TEST_F(FwCfgTest, ReadIsServedBeforeWriteAndSkip) {
  const auto control = kSelect | kRead | kWrite | kSkip;
  EXPECT_EQ(dma(control, 4, 0x2000), 0U);
  EXPECT_EQ(memory(0x2000, 4), "QEMU");
}

TEST_F(FwCfgTest, TheUpperHalfOfTheAddressIsUsedOnce) {
  m.outl(0x514, __builtin_bswap32(1));  // 4 GiB + 1000h: no memory there, nobody to tell
  m.outl(0x518, __builtin_bswap32(0x1000));
  EXPECT_EQ(dma(kSelect | kRead, 4, 0x2000), 0U);
  EXPECT_EQ(memory(0x2000, 4), "QEMU");
}

TEST_F(FwCfgTest, WritableFilesTakeWritesInTheirBounds) {
  std::vector<std::pair<std::size_t, std::size_t>> written;
  cfg->add_writable_file("vars", std::vector<std::uint8_t>(8, '.'),
                         [&](auto, std::size_t offset, std::size_t n) { written.emplace_back(offset, n); });
  cfg->add_file("fixed", bytes_of("fixed"));
  const std::uint32_t key = key_of("vars"), fixed = key_of("fixed");
  for (int i = 0; i < 8; ++i) m.write(0x2000 + static_cast<unsigned>(i), 1, static_cast<unsigned>('a' + i));
  EXPECT_EQ(dma(key << 16 | kSelect | kWrite, 3, 0x2000), 0U);
  EXPECT_EQ(dma(kWrite, 5, 0x2000), 0U);
  EXPECT_EQ(*cfg->file("vars"), bytes_of("abcabcde"));
  EXPECT_EQ(dma(kWrite, 1, 0x2000), kError);                          // at its end
  EXPECT_EQ(dma(key << 16 | kSelect | kWrite, 9, 0x2000), kError);    // longer than it is
  EXPECT_EQ(dma(fixed << 16 | kSelect | kWrite, 1, 0x2000), kError);  // read-only
  EXPECT_EQ(dma(0x7000U << 16 | kSelect | kWrite, 1, 0x2000), kError);
  EXPECT_EQ(*cfg->file("vars"), bytes_of("abcabcde"));
  EXPECT_EQ(*cfg->file("fixed"), bytes_of("fixed"));
  const std::vector<std::pair<std::size_t, std::size_t>> expected{{0, 3}, {3, 5}};
  EXPECT_EQ(written, expected);
  EXPECT_EQ(read_io(static_cast<std::uint16_t>(key), 8), "abcabcde");
}

TEST_F(FwCfgTest, HostileDescriptorsGetAnErrorAndHarmNobody) {
  cfg->add_writable_file("vars", std::vector<std::uint8_t>(8, '.'));
  const std::uint32_t key = key_of("vars");
  EXPECT_EQ(dma(kSelect | kRead, 4, 0x7fffffff0000), kError);    // no memory
  EXPECT_EQ(dma(kSelect | kRead, 0xffffffff, 0xffff0), kError);  // runs out of it
  EXPECT_EQ(dma(kSelect | kRead, 0xffffffff, ~std::uint64_t{0}), kError);
  EXPECT_EQ(dma(kSelect | kRead, 0xffffffff, 0xffffffffffffff00), kError);  // around the end
  EXPECT_EQ(dma(key << 16 | kSelect | kWrite, 8, 0x7fffffff0000), kError);
  EXPECT_EQ(dma(key << 16 | kSelect | kSkip, 0xffffffff, 0), 0U);
  EXPECT_EQ(dma(kSkip, 0xffffffff, 0), 0U);
  EXPECT_EQ(dma(kWrite, 0xffffffff, 0), kError);
  EXPECT_EQ(dma(kWrite, 0, 0), kError);  // beyond the end, even of nothing
  EXPECT_EQ(*cfg->file("vars"), std::vector<std::uint8_t>(8, '.'));
  // A descriptor that is half outside of memory, and one that overwrites itself.
  m.outl(0x518, __builtin_bswap32(0xffff8));
  EXPECT_EQ(dma(kSelect | kRead, 16, 0x1000), 0U);
  EXPECT_EQ(memory(0x1004, 4), std::string(4, '\0'));
}

TEST_F(FwCfgTest, OddDmaRegisterAccessesStartNothing) {
  m.write(0x1000, 8, 0);
  m.write(0x1000, 4, __builtin_bswap32(kSelect | kRead));
  m.outw(0x51a, static_cast<std::uint16_t>(__builtin_bswap32(0x1000) >> 16));
  m.outb(0x518, 0);
  EXPECT_EQ(__builtin_bswap32(static_cast<std::uint32_t>(m.read(0x1000, 4))), kSelect | kRead);
}

TEST_F(FwCfgTest, ResetSelectsTheSignature) {
  cfg->add_i16(FwCfgKey::NbCpus, 7);
  (void)read_io(0x05, 1);
  m.outl(0x514, __builtin_bswap32(0x55));
  m.reset();
  EXPECT_EQ(m.inb(0x511), 'Q');
  EXPECT_EQ(dma(kSelect | kRead, 4, 0x2000), 0U);
}

TEST(FwCfgWithoutDma, SaysSoAndHasNoRegister) {
  TestMachine m;
  m.add_isa_bus();
  m.add("fw_cfg", "fw_cfg", {{"dma_enabled", "off"}});
  m.start();
  m.outw(0x510, 1);
  EXPECT_EQ(m.inb(0x511), 1);
  EXPECT_EQ(m.inl(0x514), 0xffffffffU);
}

// What SeaBIOS reads (its sources: fw/paravirt.c, boot.c, sercon.c).
TEST_F(FwCfgTest, FirmwareConfigIsWhatSeaBiosReads) {
  FirmwareConfig config;
  config.ram_below_4g = 3584 * MiB;
  config.ram_above_4g = 512 * MiB;
  config.cpus = 4;
  config.apic_id_limit = 8;
  config.nographic = true;
  config.serial_console = 0x3f8;
  config.boot_order = {"/pci@i0cf8/ide@1,1/drive@0/disk@0", "HALT"};
  config.boot_menu = true;
  config.boot_menu_wait_ms = 5000;
  config.uuid = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  configure_firmware(*cfg, config);

  const auto& e820 = *cfg->file("etc/e820");
  ASSERT_EQ(e820.size(), 40U);
  const auto field = [&](std::size_t at, std::size_t n) {
    std::uint64_t v = 0;
    for (std::size_t i = n; i-- > 0;) v = v << 8 | e820[at + i];
    return v;
  };
  EXPECT_EQ(field(0, 8), 0U);
  EXPECT_EQ(field(8, 8), 3584 * MiB);
  EXPECT_EQ(field(16, 4), 1U);
  EXPECT_EQ(field(20, 8), 4 * GiB);
  EXPECT_EQ(field(28, 8), 512 * MiB);
  EXPECT_EQ(field(36, 4), 1U);

  EXPECT_EQ(read_io(0x05, 2), std::string("\x04\0", 2));
  EXPECT_EQ(read_io(0x0f, 2), std::string("\x08\0", 2));
  EXPECT_EQ(read_io(0x04, 2), std::string("\x01\0", 2));
  EXPECT_EQ(read_io(0x0e, 2), std::string("\x01\0", 2));
  EXPECT_EQ(read_io(0x0d, 8), std::string(8, '\0'));
  EXPECT_EQ(read_io(0x8002, 1), std::string("\x01", 1));
  EXPECT_EQ(read_io(0x02, 4), std::string("\0\1\2\3", 4));
  EXPECT_EQ(*cfg->file("etc/sercon-port"), (std::vector<std::uint8_t>{0xf8, 0x03}));
  EXPECT_EQ(*cfg->file("etc/boot-menu-wait"), (std::vector<std::uint8_t>{0x88, 0x13}));
  EXPECT_EQ(*cfg->file("bootorder"), bytes_of(std::string("/pci@i0cf8/ide@1,1/drive@0/disk@0\nHALT\0", 39)));
}

}  // namespace
}  // namespace machina::test
