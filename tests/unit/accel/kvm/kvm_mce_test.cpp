#include "accel/kvm/kvm_mce.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/log.h"
#include "tests/support/fake_kvm.h"

namespace machina::kvm {
namespace {

using test::FakeKvm;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint32_t kMceMca = 1U << 7 | 1U << 14;

class KvmMce : public testing::Test {
 protected:
  void SetUp() override {
    log::reset();
    log::set_sink([this](log::Level, bool, std::string_view line) { lines.emplace_back(line); });
  }
  void TearDown() override {
    log::set_sink({});
    log::reset();
  }
  static CpuidTable cpuid(std::uint32_t edx, bool intel) {
    CpuidTable table;
    table.set({0, 0, false, 1, intel ? 0x756e6547U : 0x68747541U, 0, 0});
    table.set({1, 0, false, 0, 0, 0, edx});
    return table;
  }

  FakeKvm fake;
  Fd fd{fake, fake.open_device()};
  std::vector<std::string> lines;
};

TEST_F(KvmMce, TenBanksWithWhatThisKvmHas) {
  CpuidTable intel = cpuid(kMceMca | 1, true), amd = cpuid(kMceMca | 1, false);
  EXPECT_FALSE(set_up_machine_check(fd, fd, 32, intel));
  EXPECT_FALSE(set_up_machine_check(fd, fd, 32, amd));
  EXPECT_FALSE(set_up_machine_check(fd, fd, 6, amd)) << "fewer";
  fake.errors[KVM_X86_GET_MCE_CAP_SUPPORTED] = EINVAL;
  EXPECT_FALSE(set_up_machine_check(fd, fd, 32, intel));
  EXPECT_THAT(fake.mcg_caps, ElementsAre(0x100010a, 0x10a, 0x106, 10));
  EXPECT_EQ(intel.find(1).edx, kMceMca | 1);
  EXPECT_THAT(lines, IsEmpty());
}

TEST_F(KvmMce, NoneForACpuWithoutThem) {
  for (const std::uint32_t edx : {0U, 1U << 7, 1U << 14}) {
    CpuidTable table = cpuid(edx, true);
    EXPECT_FALSE(set_up_machine_check(fd, fd, 32, table));
    EXPECT_EQ(table.find(1).edx, edx);
  }
  EXPECT_THAT(fake.mcg_caps, IsEmpty());
}

TEST_F(KvmMce, RefusalCostsTheFeaturesAndOneLine) {
  fake.errors[KVM_X86_SETUP_MCE] = EINVAL;
  for (int cpu = 0; cpu < 2; ++cpu) {
    CpuidTable table = cpuid(kMceMca | 1, true);
    EXPECT_TRUE(set_up_machine_check(fd, fd, 32, table));
    EXPECT_EQ(table.find(1).edx, 1U);
  }
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_THAT(lines[0], HasSubstr("KVM_X86_SETUP_MCE: Invalid argument"));
  EXPECT_THAT(lines[0], HasSubstr("'mce' and 'mca'"));
}

}  // namespace
}  // namespace machina::kvm
