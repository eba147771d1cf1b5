// Core files of guests, read back as the System V gABI and Linux's elf_prstatus lay them out.

#include "machines/monitor/guest_dump.h"

#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/procfs.h>
#include <unistd.h>

#include <cstring>

#include "core/units.h"
#include "tests/support/test_machine.h"

namespace machina::test {
namespace {

class GuestDumpTest : public testing::Test {
 protected:
  std::string dump(const GuestDump::Options& options, std::vector<X86State> cpus) {
    const std::string path = testing::TempDir() + "machina-dump";
    GuestDump d(m.system(), std::move(cpus), options, OwnedFd(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600)));
    while (d.step()) {
    }
    EXPECT_EQ(d.written(), d.total());
    std::string bytes;
    const OwnedFd file(::open(path.c_str(), O_RDONLY));
    char buffer[65536];
    for (ssize_t n; (n = ::read(file.get(), buffer, sizeof buffer)) > 0;)
      bytes.append(buffer, static_cast<std::size_t>(n));
    ::unlink(path.c_str());
    return bytes;
  }
  template <class T>
  static T at(const std::string& bytes, std::uint64_t offset) {
    T value{};
    EXPECT_LE(offset + sizeof value, bytes.size());
    if (offset + sizeof value <= bytes.size()) std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
  }
  static std::vector<Elf64_Phdr> headers(const std::string& bytes) {
    const auto file = at<Elf64_Ehdr>(bytes, 0);
    std::vector<Elf64_Phdr> all;
    for (unsigned i = 0; i < file.e_phnum; ++i)
      all.push_back(at<Elf64_Phdr>(bytes, file.e_phoff + i * sizeof(Elf64_Phdr)));
    return all;
  }
  static X86State cpu(std::uint64_t rip) {
    X86State s;
    s.rip = rip;
    s.gpr[kRsp] = 0x7fe0;
    s.gpr[kR15] = 15;
    s.segment[kCs].selector = 0x10;
    s.cr0 = 0x11;
    return s;
  }

  TestMachine m{4 << 20};
};

TEST_F(GuestDumpTest, HasMemoryAndCpus) {
  m.system().memory.store(0x1234, 8, 0x1122334455667788);
  const std::string core = dump({}, {cpu(0xfff0), cpu(0x100)});
  const auto file = at<Elf64_Ehdr>(core, 0);
  EXPECT_EQ(std::memcmp(file.e_ident, ELFMAG, SELFMAG), 0);
  EXPECT_EQ(file.e_type, ET_CORE);
  EXPECT_EQ(file.e_machine, EM_X86_64);
  const auto segments = headers(core);
  ASSERT_EQ(segments.size(), 2U);
  EXPECT_EQ(segments[0].p_type, static_cast<unsigned>(PT_NOTE));
  EXPECT_EQ(segments[1].p_type, static_cast<unsigned>(PT_LOAD));
  EXPECT_EQ(segments[1].p_paddr, 0U);
  EXPECT_EQ(segments[1].p_filesz, 4U << 20);
  EXPECT_EQ(segments[1].p_offset + segments[1].p_filesz, core.size());
  EXPECT_EQ(at<std::uint64_t>(core, segments[1].p_offset + 0x1234), 0x1122334455667788U);

  std::uint64_t note = segments[0].p_offset;
  for (unsigned i = 0; i < 2; ++i) {
    const auto head = at<Elf64_Nhdr>(core, note);
    EXPECT_EQ(head.n_type, static_cast<unsigned>(NT_PRSTATUS));
    EXPECT_STREQ(core.data() + note + sizeof head, "CORE");
    EXPECT_EQ(head.n_descsz, sizeof(elf_prstatus));
    const auto status = at<elf_prstatus>(core, note + sizeof head + 8);
    EXPECT_EQ(status.pr_pid, static_cast<int>(i) + 1);
    EXPECT_EQ(status.pr_reg[16], i ? 0x100U : 0xfff0U) << "rip";
    EXPECT_EQ(status.pr_reg[19], 0x7fe0U) << "rsp";
    EXPECT_EQ(status.pr_reg[0], 15U) << "r15";
    EXPECT_EQ(status.pr_reg[17], 0x10U) << "cs";
    note += sizeof head + 8 + ((sizeof(elf_prstatus) + 3) & ~std::size_t{3});
  }
  const auto head = at<Elf64_Nhdr>(core, note);
  EXPECT_STREQ(core.data() + note + sizeof head, "QEMU");
  EXPECT_EQ(at<std::uint32_t>(core, note + sizeof head + 8), 1U) << "version";
  EXPECT_EQ(at<std::uint32_t>(core, note + sizeof head + 12), head.n_descsz);
}

TEST_F(GuestDumpTest, PartOfMemory) {
  const std::string core = dump({.begin = 0x1000, .length = 0x2000}, {cpu(0)});
  const auto segments = headers(core);
  ASSERT_EQ(segments.size(), 2U);
  EXPECT_EQ(segments[1].p_paddr, 0x1000U);
  EXPECT_EQ(segments[1].p_filesz, 0x2000U);
  EXPECT_THROW(dump({.begin = 64 * MiB, .length = 1}, {}), Error) << "nothing is there";
}

TEST_F(GuestDumpTest, ByLinearAddress) {
  // 32-bit paging: two pages of 4 KiB next to each other, one elsewhere, one beyond RAM. SDM vol. 3, 4.3.
  AddressSpace& memory = m.system().memory;
  memory.store(0x10000 + 4 * 0x300, 4, 0x11000 | 3);  // c0000000h and up
  memory.store(0x11000, 4, 0x5000 | 3);
  memory.store(0x11004, 4, 0x6000 | 3);
  memory.store(0x11010, 4, 0x9000 | 1);
  memory.store(0x11014, 4, 0xfee00000 | 3);
  X86State s = cpu(0xc0000000);
  s.cr0 = 0x80000001;
  s.cr3 = 0x10000;
  memory.store(0x6010, 4, 0xcafe);
  const std::string core = dump({.paging = true}, {s, s});
  const auto segments = headers(core);
  ASSERT_EQ(segments.size(), 3U) << "what CPUs share is there once";
  EXPECT_EQ(segments[1].p_vaddr, 0xc0000000U);
  EXPECT_EQ(segments[1].p_paddr, 0x5000U);
  EXPECT_EQ(segments[1].p_filesz, 0x2000U);
  EXPECT_EQ(segments[2].p_vaddr, 0xc0004000U);
  EXPECT_EQ(segments[2].p_paddr, 0x9000U);
  EXPECT_EQ(at<std::uint32_t>(core, segments[1].p_offset + 0x1010), 0xcafeU);
}

}  // namespace
}  // namespace machina::test
