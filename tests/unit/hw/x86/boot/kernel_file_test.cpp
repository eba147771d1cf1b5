#include "hw/x86/boot/kernel_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/units.h"
#include "tests/support/bzimage_builder.h"
#include "tests/support/elf_builder.h"

namespace machina::boot {
namespace {

using testing::HasSubstr;
using Bytes = std::vector<std::uint8_t>;
namespace fs = std::filesystem;

constexpr Target kTarget{64 * MiB, false};

class KernelFile : public testing::Test {
 protected:
  KernelFile() { fs::create_directories(folder_); }
  ~KernelFile() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const Bytes& bytes) {
    const fs::path path = folder_ / name;
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    return path.string();
  }
  static KernelRequest request(const std::string& kernel) {
    KernelRequest r;
    r.kernel = kernel;
    r.kernel_at = {"-kernel K", 0, 0, 0, {}};
    r.initrd_at = {"-initrd I", 0, 0, 0, {}};
    r.cmdline_at = {"-append A", 0, 0, 0, {}};
    return r;
  }
  static Error error_of(const KernelRequest& r) {
    try {
      plan_kernel(r, kTarget);
    } catch (const Error& e) {
      return e;
    }
    return Error("accepted");
  }
  static Bytes multiboot() {
    Bytes code(0x100, 0x90);
    store_le<std::uint32_t>(code, 0, 0x1badb002);
    store_le<std::uint32_t>(code, 4, 0);
    store_le<std::uint32_t>(code, 8, 0U - 0x1badb002);
    return test::make_elf(false, 0x400010, {test::ElfSegment{1, code, 0x400000, 0x400000, 0x100}});
  }
  static Bytes pvh() {
    return test::make_elf(true, 0,
                          {test::ElfSegment{1, Bytes(16), MiB, 0, 16},
                           test::ElfSegment{4, test::make_note("Xen", 18, {0, 0, 0x10, 0}), 0, 0, 0}});
  }

  fs::path folder_ = fs::temp_directory_path() / ("kernel-file-" + std::to_string(::getpid()));
};

TEST_F(KernelFile, IsToldByItsContent) {
  EXPECT_EQ(plan_kernel(request(write("a", test::make_bzimage())), kTarget).kind, "Linux 6.1.0-test, 64-bit entry");
  EXPECT_EQ(plan_kernel(request(write("b", multiboot())), kTarget).kind, "Multiboot");
  EXPECT_EQ(plan_kernel(request(write("c", pvh())), kTarget).kind, "PVH");
}

TEST_F(KernelFile, OfNoKindIsRefusedAtItsOption) {
  Error e = error_of(request(write("text", Bytes(4000, 'x'))));
  EXPECT_EQ(e.origin().place, "-kernel K");
  EXPECT_THAT(e.cause(), HasSubstr("neither a Linux bzImage"));
  e = error_of(request(write("elf", test::make_elf(true, 0, {test::ElfSegment{1, {1}, MiB, 0, 1}}))));
  EXPECT_THAT(e.cause(), HasSubstr("XEN_ELFNOTE_PHYS32_ENTRY"));
  e = error_of(request((folder_ / "nosuch").string()));
  EXPECT_EQ(e.origin().place, "-kernel K");
  EXPECT_EQ(e.cause(), "No such file or directory");
}

TEST_F(KernelFile, ModulesHaveArgumentsAndCommasWrittenTwice) {
  KernelRequest r = request(write("k", multiboot()));
  const std::string one = write("one", {1}), two = write("t,wo", {2, 2});
  std::string escaped = two;
  escaped.replace(escaped.find(','), 1, ",,");
  r.initrd = one + " a=1 b," + escaped;
  const BootPlan plan = plan_kernel(r, kTarget);
  const Blob& setup = *plan.blob(Part::Setup);
  EXPECT_EQ(load_le<std::uint32_t>(setup.bytes(), 20), 2U);
  const std::string strings(setup.bytes().begin(), setup.bytes().end());
  EXPECT_THAT(strings, HasSubstr(one + " a=1 b"));
  EXPECT_THAT(strings, HasSubstr(two));

  r.initrd = one + ",";
  EXPECT_THAT(error_of(r).message(), HasSubstr("module 2"));
  EXPECT_EQ(error_of(r).origin().place, "-initrd I");
  r.initrd = (folder_ / "nosuch").string() + " x";
  EXPECT_EQ(error_of(r).origin().place, "-initrd I");
}

TEST_F(KernelFile, InitrdOfLinuxIsOneFileWhateverItsName) {
  KernelRequest r = request(write("k", test::make_bzimage()));
  r.initrd = write("a,b c", {1, 2, 3});
  EXPECT_EQ(plan_kernel(r, kTarget).blob(Part::Initrd)->bytes().size(), 3U);
  *r.initrd += "x";
  EXPECT_EQ(error_of(r).origin().place, "-initrd I");
}

TEST_F(KernelFile, FaultsPointAtTheOptionThatIsToBlame) {
  const std::string large = write("large", Bytes(64 * MiB, 1));
  for (const Bytes& file : {test::make_bzimage(), multiboot(), pvh()}) {
    KernelRequest r = request(write("k", file));
    r.cmdline = std::string(70'000, 'x');
    EXPECT_EQ(error_of(r).origin().place, "-append A");
    r.cmdline.clear();
    r.initrd = large;
    EXPECT_EQ(error_of(r).origin().place, "-initrd I");
    EXPECT_THAT(error_of(r).message(), HasSubstr("no room for the "));
    r.initrd = "";
    EXPECT_THAT(error_of(r).message(), HasSubstr("no file name"));
    EXPECT_EQ(error_of(r).origin().place, "-initrd I");
  }
  KernelRequest r = request(write("k", test::make_bzimage()));
  r.cmdline = "vga=large";
  try {
    plan_kernel(r, {64 * MiB, true});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.origin().place, "-append A");
  }
}

TEST_F(KernelFile, OnlyLinuxHasAChoiceOfEntries) {
  for (const Bytes& file : {multiboot(), pvh()}) {
    KernelRequest r = request(write("k", file));
    r.entry = KernelEntry::Bits32;
    EXPECT_THAT(error_of(r).message(), HasSubstr("no choice of entries"));
  }
}

}  // namespace
}  // namespace machina::boot
