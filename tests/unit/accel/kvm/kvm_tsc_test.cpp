#include "accel/kvm/kvm_tsc.h"

#include <gtest/gtest.h>

#include <array>

#include "accel/kvm/kvm_state.h"
#include "tests/support/fake_kvm.h"

namespace machina::kvm {
namespace {

using test::FakeKvm;

class KvmTsc : public testing::Test {
 protected:
  KvmTsc() { fake.has_tsc_offset = true; }
  std::uint64_t read(const Fd& vcpu) { return get_msrs(vcpu, std::array{kMsrTsc}).front().value; }
  std::uint64_t offset(const Fd& vcpu) { return fake.tsc_offsets[vcpu.get()]; }

  FakeKvm fake;
  Fd a{fake, fake.open_device()}, b{fake, fake.open_device()};
};

TEST_F(KvmTsc, AllCpusGetOneOffset) {
  fake.tsc_offsets = {{a.get(), 5}, {b.get(), 123456}};
  TscOffsets offsets;
  EXPECT_TRUE(offsets.set(a, 0));
  EXPECT_LT(read(a), 10'000U) << "0 as of a moment ago";
  EXPECT_TRUE(offsets.set(b, 0));
  EXPECT_EQ(offset(a), offset(b));
  EXPECT_TRUE(offsets.set(a, 7'000'000)) << "another value";
  EXPECT_NEAR(static_cast<double>(read(a)), 7e6, 1e4);
  EXPECT_NE(offset(a), offset(b));
  EXPECT_TRUE(offsets.set(b, 7'000'000));
  EXPECT_EQ(offset(a), offset(b));
}

TEST_F(KvmTsc, AResetIsANewMoment) {
  TscOffsets offsets;
  offsets.set(a, 0);
  offsets.set(b, 0);
  const std::uint64_t first = offset(a);
  offsets.set(a, 0);  // without having run: reset twice
  EXPECT_NE(offset(a), first);
  EXPECT_LT(read(a), 10'000U);
  offsets.set(b, 0);
  EXPECT_EQ(offset(a), offset(b));
  const std::uint64_t second = offset(a);
  fake.host_tsc += 1'000'000;
  offsets.guest_runs();
  offsets.set(b, 0);  // in whatever order
  offsets.set(a, 0);
  EXPECT_EQ(offset(a), offset(b));
  EXPECT_NE(offset(a), second);
  EXPECT_LT(read(a), 10'000U);
}

TEST_F(KvmTsc, OneThatComesLaterJoinsTheOthers) {
  TscOffsets offsets;
  offsets.set(a, 0);
  offsets.guest_runs();
  fake.host_tsc += 1'000'000;
  offsets.set(b, 0);
  EXPECT_NE(offset(a), offset(b));
  offsets.join(b, a);
  EXPECT_EQ(offset(a), offset(b));
  fake.msrs[kMsrTscAdjust] = 5'000;
  offsets.join(b, a);
  EXPECT_EQ(offset(a) - 5'000, offset(b)) << "what the guest has added to the one is not of the other";
  offsets.set(a, 0);
  offsets.set(b, 0);
  EXPECT_EQ(offset(a), offset(b)) << "a reset without a stop";
  EXPECT_LT(read(a), 10'000U);
}

TEST_F(KvmTsc, WithoutTheAttributeOneThatJoinsIsGivenTheValue) {
  fake.has_tsc_offset = false;
  fake.msrs[kMsrTsc] = 123'456;
  TscOffsets offsets;
  offsets.join(b, a);
  EXPECT_EQ(read(b), 123'456U);
  EXPECT_EQ(fake.count(KVM_SET_MSRS), 1U);
}

TEST_F(KvmTsc, AStandstillIsStoredAsOneMoment) {
  TscOffsets offsets;
  offsets.set(a, 0);
  offsets.set(b, 0);
  fake.tsc_offsets[b.get()] += 700;  // by the guest
  const std::uint64_t first = offsets.as_stored(a, read(a));
  EXPECT_EQ(offsets.as_stored(b, read(b)), first + 700);
  EXPECT_EQ(offsets.as_stored(a, read(a)), first);
  offsets.set(a, 0);
  offsets.set(b, 0);
  EXPECT_LT(offsets.as_stored(a, read(a)), 10'000U) << "it was set since";
  offsets.guest_runs();
  const std::uint64_t running = offsets.as_stored(a, read(a));
  EXPECT_GT(offsets.as_stored(a, read(a)), running) << "it runs";
  offsets.guest_stands();
  const std::uint64_t second = offsets.as_stored(a, read(a));
  EXPECT_GT(second, running);
  EXPECT_EQ(offsets.as_stored(b, read(b)), second);
  fake.has_tsc_offset = false;
  EXPECT_EQ(offsets.as_stored(b, 42), 42U) << "such a KVM does not tell";
}

TEST_F(KvmTsc, WhereTheGuestReadsTheHostsNoOffsetIsSet) {
  fake.tsc_offsets = {{a.get(), 5}, {b.get(), 123456}};
  TscOffsets offsets;
  offsets.leave_to_host();
  EXPECT_TRUE(offsets.set(a, 0));
  EXPECT_TRUE(offsets.set(b, 7'000'000));
  EXPECT_EQ(offset(a), 0U);
  EXPECT_EQ(offset(b), 0U);
  EXPECT_GE(read(a), 1'000'000'000U);
}

TEST_F(KvmTsc, WithoutTheAttributeItIsTheMsr) {
  fake.has_tsc_offset = false;
  TscOffsets offsets;
  EXPECT_FALSE(offsets.set(a, 0));
  fake.has_tsc_offset = true;
  fake.errors[KVM_SET_DEVICE_ATTR] = EINVAL;
  EXPECT_FALSE(offsets.set(a, 0)) << "there, and refused";
}

/// A state goes in and out of two CPUs of one machine.
TEST_F(KvmTsc, StateIsLoadedWithOneOffsetAndWrittenBackWithNone) {
  MsrSet msrs(a);
  msrs.learn(a);
  const StateSupport support =
      StateSupport::find_out([this](unsigned n) { return a.call(KVM_CHECK_EXTENSION, std::uintptr_t{n}); });
  StateTransfer first(a, support, msrs), second(b, support, msrs);
  first.load(X86State::at_reset(0, true));
  second.load(X86State::at_reset(0, false));
  EXPECT_EQ(offset(a), offset(b));
  EXPECT_NE(offset(a), 0U);
  EXPECT_LT(read(a), 1'000'000U);

  // An INIT: read, changed and written back. The TSC goes on.
  const std::uint64_t before = offset(b);
  X86State s;
  second.store(s);
  fake.host_tsc += 50'000;
  s.rip = 0x1234;
  second.load(s);
  EXPECT_EQ(offset(b), before);

  // Without the attribute the MSR is written.
  fake.has_tsc_offset = false;
  fake.msrs[kMsrTsc] = 99;
  first.load(X86State::at_reset(0, true));
  EXPECT_EQ(fake.msrs[kMsrTsc], 0U);
}

}  // namespace
}  // namespace machina::kvm
