#include "machines/cli/kernel_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hw/nvram/fw_cfg.h"
#include "hw/x86/boot/boot_rom.h"
#include "hw/x86/boot/direct_boot.h"
#include "machines/cli/launch.h"
#include "tests/support/test_paths.h"

namespace machina {
namespace {

using testing::HasSubstr;

std::string test_kernel() { return (test::binary_dir() / "guests/linux.bzimage").string(); }

std::unique_ptr<Launch> start(std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"-qtest", "null"});
  return std::make_unique<Launch>(CommandLine::parse(arguments));
}

std::string error_of(std::vector<std::string> arguments) {
  try {
    start(std::move(arguments));
  } catch (const Error& e) {
    return e.what();
  }
  return "accepted";
}

template <class T>
T* find(Machine& machine) {
  T* found = nullptr;
  qom::for_each<T>(machine, [&](T& t) { found = &t; });
  return found;
}

X86State state_of(Machine& machine, std::size_t cpu) { return machine.cpus().cpus().at(cpu)->state(); }

TEST(KernelOptions, WithoutFirmwareTheMachineIsAtTheEntryAfterEachReset) {
  const auto launch = start({"-M", "microvm", "-smp", "2", "-kernel", test_kernel(), "-append", "quiet"});
  Machine& m = launch->machine();
  const MachineLock::Guard guard(m.system().lock);
  ASSERT_NE(find<DirectBoot>(m), nullptr);
  const boot::BootPlan& plan = find<DirectBoot>(m)->plan();
  const auto kernel = plan.blob(boot::Part::Kernel)->bytes();
  AddressSpace& memory = m.system().memory;
  for (int i = 0; i < 2; ++i) {
    std::vector<std::uint8_t> there(kernel.size());
    ASSERT_EQ(memory.read(0x100000, there), MemTxResult::Ok);
    EXPECT_TRUE(std::equal(there.begin(), there.end(), kernel.begin())) << i;
    EXPECT_EQ(memory.load(0x20000, 8) & 0xffffffffffff, 0x0074656975'71ULL) << "quiet";
    EXPECT_GE(memory.load(0x10000 + 0x1e8, 1), 4U) << "the memory map";
    X86State bsp = state_of(m, 0);
    EXPECT_EQ(bsp.rip, 0x100200U);
    EXPECT_EQ(bsp.efer, 0x500U);
    EXPECT_NE(bsp.apic_base & 0x800, 0U) << "what the entry says nothing of is as after reset";
    const X86State ap = state_of(m, 1);
    EXPECT_NE(ap.mp_state, MpState::Runnable);
    EXPECT_EQ(ap.cr0 & 1, 0U);
    // What the guest does to it is gone with the next reset.
    memory.store(0x100000, 8, 0);
    memory.store(0x20000, 8, 0);
    memory.store(0x10000 + 0x1e8, 1, 0);
    bsp.rip = 0x1234;
    m.cpus().cpus().at(0)->set_state(bsp);
    m.reset(ShutdownCause::GuestReset);
  }
}

TEST(KernelOptions, WithFirmwareTheRomIsBootedFirst) {
  const auto launch = start({"-M", "pc", "-boot", "order=c,strict=on", "-kernel", test_kernel()});
  Machine& m = launch->machine();
  const MachineLock::Guard guard(m.system().lock);
  EXPECT_EQ(find<DirectBoot>(m), nullptr);
  const auto* fw_cfg = find<FwCfg>(m);
  ASSERT_NE(fw_cfg->file(boot::kBootRomFile), nullptr);
  const auto* order = fw_cfg->file("bootorder");
  ASSERT_NE(order, nullptr);
  EXPECT_EQ(std::string(order->begin(), order->end() - 1), std::string(boot::kBootRomPath) + "\nHALT");
  EXPECT_EQ(state_of(m, 0).rip, 0xfff0U);
}

TEST(KernelOptions, FirmwareNoneMakesABoardOneWithoutFirmware) {
  for (const std::vector<std::string>& none :
       {std::vector<std::string>{"-M", "pc,firmware=none"}, {"-M", "pc", "-bios", "none"}}) {
    std::vector<std::string> arguments = none;
    arguments.insert(arguments.end(), {"-kernel", test_kernel()});
    const auto launch = start(arguments);
    const MachineLock::Guard guard(launch->machine().system().lock);
    EXPECT_NE(find<DirectBoot>(launch->machine()), nullptr);
    EXPECT_EQ(state_of(launch->machine(), 0).rip, 0x100200U);
  }
}

TEST(KernelOptions, EntryIsThatOfTheMachinesProperty) {
  const auto launch = start({"-M", "microvm,kernel-entry=32", "-kernel", test_kernel()});
  const MachineLock::Guard guard(launch->machine().system().lock);
  EXPECT_EQ(state_of(launch->machine(), 0).rip, 0x100000U);
  EXPECT_EQ(state_of(launch->machine(), 0).efer, 0U);
}

TEST(KernelOptions, ThatCannotBeMetAreRefused) {
  EXPECT_THAT(error_of({"-M", "microvm", "-initrd", "x"}), HasSubstr("-initrd is for a kernel"));
  EXPECT_THAT(error_of({"-M", "microvm", "-append", "x"}), HasSubstr("-append is for a kernel"));
  EXPECT_THAT(error_of({"-M", "microvm,kernel-entry=16", "-kernel", test_kernel()}), HasSubstr("without firmware"));
  EXPECT_THAT(error_of({"-M", "teaching", "-bios", test::guest_image("hello"), "-kernel", test_kernel()}),
              HasSubstr("no fw_cfg"));
  EXPECT_THAT(error_of({"-M", "microvm", "-m", "2M", "-kernel", test_kernel(), "-initrd", test_kernel()}),
              HasSubstr("no room for the initrd"));
  EXPECT_THAT(error_of({"-M", "microvm", "-kernel", test_kernel(), "-initrd", ""}), HasSubstr("no file name"));
}

}  // namespace
}  // namespace machina
