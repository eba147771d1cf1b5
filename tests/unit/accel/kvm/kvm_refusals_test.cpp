// What goes wrong between a user, a kernel and /dev/kvm: each is one clear error or warning, and nothing is left
// behind.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "accel/kvm/kvm_accelerator.h"
#include "accel/kvm/kvm_capabilities.h"
#include "accel/kvm/kvm_cpuid.h"
#include "accel/kvm/kvm_tsc.h"
#include "core/error.h"
#include "core/log.h"
#include "hw/x86/cpu_features.h"
#include "hw/x86/x86_cpu.h"
#include "tests/support/fake_kvm.h"
#include "tests/support/test_machine.h"

namespace machina::kvm {
namespace {

using test::FakeKvm;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class KvmRefusals : public testing::Test {
 protected:
  KvmRefusals() : accelerator(qom::create<KvmAccelerator>()) { accelerator->set_calls(fake); }
  std::string init_error(unsigned cpus = 1) {
    test::TestMachine machine;
    const MachineLock::Guard guard(machine.system().lock);
    std::string text = "no error";
    try {
      accelerator->init_machine(machine.system(), cpus);
    } catch (const Error& e) {
      text = e.what();
    }
    accelerator = {};  // before the machine that it listens to
    return text;
  }

  FakeKvm fake;
  qom::Ref<KvmAccelerator> accelerator;
};

TEST_F(KvmRefusals, NoKvm) {
  fake.open_error = ENOENT;
  EXPECT_THAT(init_error(), HasSubstr("cannot open /dev/kvm: No such file or directory\n  this host has no KVM"));
}

TEST_F(KvmRefusals, NoPermission) {
  fake.open_error = EACCES;
  EXPECT_THAT(init_error(), HasSubstr("group 'kvm'"));
}

TEST_F(KvmRefusals, OldApi) {
  fake.api_version = 11;
  EXPECT_THAT(init_error(), HasSubstr("API version 11, expected 12"));
  EXPECT_THAT(fake.open_fds, IsEmpty());
}

TEST_F(KvmRefusals, MissingCapabilitiesAreAllNamedWithWhatTheyPermit) {
  fake.capabilities = {{KVM_CAP_IMMEDIATE_EXIT, 0}, {KVM_CAP_USER_MEMORY, 0}};
  const std::string error = init_error();
  EXPECT_THAT(error, HasSubstr("KVM_CAP_IMMEDIATE_EXIT (stopping a CPU without a race)"));
  EXPECT_THAT(error, HasSubstr("KVM_CAP_USER_MEMORY"));
  EXPECT_THAT(error, HasSubstr("Linux 4.12"));
  EXPECT_THAT(fake.open_fds, IsEmpty());
}

TEST_F(KvmRefusals, TooManyCpus) {
  fake.capabilities = {{KVM_CAP_MAX_VCPUS, 4}};
  EXPECT_THAT(init_error(5), HasSubstr("at most 4 CPUs"));
}

TEST_F(KvmRefusals, NoVm) {
  fake.errors[KVM_CREATE_VM] = EBUSY;
  EXPECT_THAT(init_error(), HasSubstr("KVM_CREATE_VM failed: Device or resource busy"));
  EXPECT_THAT(fake.open_fds, IsEmpty());
}

TEST_F(KvmRefusals, ProbeSaysWhyNotInOneLine) {
  fake.open_error = EACCES;
  const Accelerator::Probe probe = accelerator->probe();
  EXPECT_FALSE(probe.usable);
  EXPECT_EQ(probe.reason, "cannot open /dev/kvm: Permission denied");
}

TEST_F(KvmRefusals, ProbeWithoutAMeasurementIsStillUsable) {
  const Accelerator::Probe probe = accelerator->probe();  // the fake's KVM_RUN is interrupted
  EXPECT_TRUE(probe.usable);
  EXPECT_EQ(probe.figure, 0);
  EXPECT_TRUE(probe.slow) << "another one is to be preferred";
  EXPECT_EQ(fake.open_fds.size(), 1U) << "only /dev/kvm stays open";
}

TEST_F(KvmRefusals, ProbeNamesAMissingCapability) {
  fake.capabilities = {{KVM_CAP_IMMEDIATE_EXIT, 0}};
  EXPECT_THAT(accelerator->probe().reason, HasSubstr("KVM_CAP_IMMEDIATE_EXIT"));
}

TEST_F(KvmRefusals, HelpListsEveryCapability) {
  fake.capabilities = {{KVM_CAP_TSC_CONTROL, 0}, {KVM_CAP_XSAVE2, 4096}};
  const std::string help = accelerator->details();
  for (const Capability& c : capability_table()) EXPECT_THAT(help, HasSubstr(c.name));
  EXPECT_THAT(help, testing::ContainsRegex("KVM_CAP_TSC_CONTROL +no +optional"));
  EXPECT_THAT(help, testing::ContainsRegex("KVM_CAP_XSAVE2 +0x1000 +optional"));
  EXPECT_THAT(help, testing::ContainsRegex("KVM_CAP_IMMEDIATE_EXIT +yes +required"));
}

TEST_F(KvmRefusals, HelpSaysWhyItKnowsNothing) {
  fake.open_error = EACCES;
  EXPECT_EQ(accelerator->details(),
            "What this host's KVM can do is not known: cannot open /dev/kvm: Permission denied\n");
}

TEST_F(KvmRefusals, CpuidListGrowsUntilItFits) {
  const Fd fd(fake, fake.open_device());
  for (std::uint32_t i = 0; i < 300; ++i) {
    kvm_cpuid_entry2 e{};
    e.function = i;
    e.eax = i * 3;
    fake.supported.push_back(e);
  }
  const CpuidTable table = read_supported_cpuid(fd);
  EXPECT_EQ(fake.count(KVM_GET_SUPPORTED_CPUID), 3U);  // 128, 256, 512
  EXPECT_EQ(table.leaves().size(), 300U);
  EXPECT_EQ(table.find(299).eax, 897U);
  fake.errors[KVM_GET_SUPPORTED_CPUID] = E2BIG;
  EXPECT_THROW(read_supported_cpuid(fd), Error) << "and does not grow for ever";
}

TEST_F(KvmRefusals, CpuidGoesToKvmAsItIs) {
  const Fd fd(fake, fake.open_device());
  CpuidTable table;
  table.set({1, 0, false, 1, 2, 3, 4});
  table.set({0xb, 1, true, 5, 6, 7, 8});
  set_cpuid(fd, table);
  ASSERT_EQ(fake.cpuid.size(), 2U);
  EXPECT_EQ(fake.cpuid[0].flags, 0U);
  EXPECT_EQ(fake.cpuid[1].index, 1U);
  EXPECT_EQ(fake.cpuid[1].flags, static_cast<std::uint32_t>(KVM_CPUID_FLAG_SIGNIFCANT_INDEX));
  EXPECT_EQ(fake.cpuid[1].edx, 8U);
}

TEST_F(KvmRefusals, WithoutALocalApicInTheKernelItsFeaturesGo) {
  CpuidTable table;
  table.set({1, 0, false, 0, 0, 1U << 21 | 1U << 24 | 1, 0});
  EXPECT_EQ(usable_cpuid(table, {.kernel_lapic = false, .x2apic = false, .tsc_deadline = false}).find(1).ecx, 1U);
  EXPECT_EQ(usable_cpuid(table, {.kernel_lapic = false, .x2apic = false}).find(1).ecx, 1U << 24 | 1U);
  EXPECT_EQ(usable_cpuid(table, {.kernel_lapic = false, .tsc_deadline = false}).find(1).ecx, 1U << 21 | 1U);
  EXPECT_EQ(usable_cpuid(table, {.kernel_lapic = true, .tsc_deadline = false}).find(1).ecx, 1U << 21 | 1U);
}

TEST_F(KvmRefusals, TscDeadlineInUserSpaceNeedsItsMsrHere) {
  const auto deadline = [](const std::string& mode, const std::map<unsigned, int>& capabilities, int filter_error) {
    FakeKvm kvm;
    kvm.capabilities = capabilities;
    kvm.supported.push_back({});
    kvm.supported.back().function = 1;
    if (filter_error) kvm.errors[KVM_X86_SET_MSR_FILTER] = filter_error;
    test::TestMachine machine;
    const MachineLock::Guard guard(machine.system().lock);
    auto a = qom::create<KvmAccelerator>();
    a->set_calls(kvm);
    a->set_text("kernel-irqchip", mode);
    a->init_machine(machine.system(), 1);
    const bool shown = (a->supported_cpuid().find(1).ecx >> 24 & 1) != 0;
    EXPECT_EQ(a->has_deadline_msr(), mode == "off" && shown);
    EXPECT_TRUE(mode == "off" || kvm.count(KVM_X86_SET_MSR_FILTER) == 0);
    return shown;
  };
  EXPECT_TRUE(deadline("off", {}, 0));
  EXPECT_FALSE(deadline("off", {{KVM_CAP_X86_MSR_FILTER, 0}}, 0));
  EXPECT_FALSE(deadline("off", {{KVM_CAP_X86_USER_SPACE_MSR, 0}}, 0));
  EXPECT_FALSE(deadline("off", {{KVM_CAP_GET_TSC_KHZ, 0}}, 0));
  EXPECT_FALSE(deadline("off", {}, EINVAL));
  EXPECT_TRUE(deadline("split", {{KVM_CAP_X86_MSR_FILTER, 0}}, 0)) << "there it is KVM's";
  EXPECT_FALSE(deadline("split", {{KVM_CAP_TSC_DEADLINE_TIMER, 0}}, 0));
}

TEST_F(KvmRefusals, WithoutMachineCheckBanksItsFeaturesGo) {
  CpuidTable table;
  table.set({1, 0, false, 0, 0, 0, 1U << 7 | 1U << 14 | 1});
  EXPECT_EQ(usable_cpuid(table, {}).find(1).edx, 1U << 7 | 1U << 14 | 1U);
  EXPECT_EQ(usable_cpuid(table, {.machine_check = false}).find(1).edx, 1U);
}

TEST_F(KvmRefusals, SmapThatTheSoftwareCpuSeesToIsThere) {
  CpuidTable table;
  table.set({7, 0, true, 0, 1, 0, 0});
  EXPECT_EQ(usable_cpuid(table, {}).find(7, 0).ebx, 1U);
  EXPECT_EQ(usable_cpuid(table, {.smap = true}).find(7, 0).ebx, 1U << 20 | 1U);
  table.set({7, 0, true, 0, 1U << 20, 0, 0});
  EXPECT_FALSE(hides_smap(table));
}

TEST_F(KvmRefusals, TscFrequencyThatCannotBeSetIsToldOnce) {
  std::vector<std::string> lines;
  log::reset();
  log::set_sink([&](log::Level, bool, std::string_view line) { lines.emplace_back(line); });
  const Fd fd(fake, fake.open_device());
  EXPECT_EQ(set_tsc_khz(fd, false, 0), 2000000U);
  EXPECT_EQ(set_tsc_khz(fd, false, 2000400), 2000400U) << "200 ppm off: the same";
  EXPECT_THAT(lines, IsEmpty());
  EXPECT_EQ(set_tsc_khz(fd, false, 2500000), 2000000U);
  EXPECT_EQ(set_tsc_khz(fd, false, 2500000), 2000000U);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_THAT(lines[0], HasSubstr("at 2500000 kHz here (it lacks KVM_CAP_TSC_CONTROL); it runs at the host's 2000000"));
  EXPECT_EQ(set_tsc_khz(fd, true, 2500000), 2500000U);
  EXPECT_EQ(fake.count(KVM_SET_TSC_KHZ), 1U);
  fake.errors[KVM_SET_TSC_KHZ] = EINVAL;
  log::reset();
  log::set_sink([&](log::Level, bool, std::string_view line) { lines.emplace_back(line); });
  EXPECT_EQ(set_tsc_khz(fd, true, 1000000), 2000000U);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_THAT(lines[1], HasSubstr("(KVM_SET_TSC_KHZ: Invalid argument)"));
  log::set_sink({});
  log::reset();
}

// --- memory ---

// The board's memory map changes while its devices are realized; KVM is told of the last one, and before it makes
// interrupt controllers, after which each slot would wait for the kernel.
TEST_F(KvmRefusals, MemoryIsMappedOnceAndBeforeInterruptControllers) {
  test::TestMachine machine(1 << 20);
  System& system = machine.system();
  const MachineLock::Guard guard(system.lock);
  accelerator->init_machine(system, 1);
  const auto rom = RamBlock::create("rom", 0x10000);
  RamRegion low("rom-low", rom, true), high("rom-high", rom, true);
  system.memory_root.add(0xf0000, low, 1);
  system.memory_root.add(0xffff0000, high);
  low.set_enabled(false);
  low.set_enabled(true);
  EXPECT_THAT(fake.regions, IsEmpty());
  auto cpu = qom::create<X86Cpu>();
  cpu->set("model", "kvm64");
  cpu->set_accelerator(*accelerator);
  machine.object().add_child("cpu", cpu);
  qom::realize_tree(*cpu);
  EXPECT_EQ(fake.regions.size(), 3U);
  const auto first = [this](unsigned long request) {
    return std::find(fake.requests.begin(), fake.requests.end(), request) - fake.requests.begin();
  };
  EXPECT_LT(first(KVM_SET_USER_MEMORY_REGION), first(KVM_CREATE_IRQCHIP));
  EXPECT_LT(first(KVM_CREATE_IRQCHIP), first(KVM_CREATE_VCPU));
  accelerator->machine_ready();
  EXPECT_EQ(fake.regions.size(), 3U);
  low.set_enabled(false);
  EXPECT_EQ(fake.regions.size(), 6U) << "from now on each change goes to KVM: RAM and ROM go, RAM in one piece comes";
  machine.object().remove_child(*cpu);
  cpu = {};
  accelerator = {};
}

TEST_F(KvmRefusals, MemoryThatKvmRefusesStopsTheStart) {
  test::TestMachine machine(1 << 20);
  const MachineLock::Guard guard(machine.system().lock);
  fake.errors[KVM_SET_USER_MEMORY_REGION] = ENOMEM;
  log::reset();
  log::set_sink([](log::Level, bool, std::string_view) {});
  accelerator->init_machine(machine.system(), 1);
  try {
    accelerator->machine_ready();
    ADD_FAILURE() << "no error";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("KVM refuses guest memory 0x0 to 0xfffff: Cannot allocate memory"));
  }
  accelerator = {};
  log::set_sink({});
  log::reset();
}

}  // namespace
}  // namespace machina::kvm
