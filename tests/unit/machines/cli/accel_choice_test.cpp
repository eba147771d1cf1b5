#include "machines/cli/accel_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "qom/type.h"

namespace machina {
namespace test {

/// What the probes of the accelerators below find, and how often they were asked. Each has the name of its type without
/// the suffix: "test-good", "test-slow", "test-broken", "test-idle".
struct ProbeLog {
  unsigned good = 0, slow = 0, broken = 0, idle = 0;
} probes;

class FakeAccelerator : public Accelerator {
 public:
  static constexpr const char* kType = "test-fake-accelerator";
  static void class_init(qom::ObjectClass& c) { c.description = "Of tests"; }
  void init_machine(System&, unsigned) override {}
  std::unique_ptr<Vcpu> create_vcpu(X86Cpu&) override { return {}; }
};

class GoodAccel final : public FakeAccelerator {
 public:
  static constexpr const char* kType = "test-good-accel";
  static void class_init(qom::ObjectClass& c) {
    c.description = "Measured, and quick";
    c.property("cache", &GoodAccel::cache, std::uint32_t{1}).doc("for tests");
  }
  Probe probe() override { return ++probes.good, Probe{true, 1200, "it ran at 1200"}; }
  std::uint32_t cache = 0;
};

class SlowAccel final : public FakeAccelerator {
 public:
  static constexpr const char* kType = "test-slow-accel";
  static void class_init(qom::ObjectClass& c) { c.description = "Measured, and slow"; }
  Probe probe() override { return ++probes.slow, Probe{true, 1.2, "it ran at 1.2", true}; }
};

class BrokenAccel final : public FakeAccelerator {
 public:
  static constexpr const char* kType = "test-broken-accel";
  static void class_init(qom::ObjectClass& c) { c.description = "Not usable"; }
  Probe probe() override { return ++probes.broken, Probe{false, 0, "no such device"}; }
};

class IdleAccel final : public FakeAccelerator {
 public:
  static constexpr const char* kType = "test-idle-accel";
  static void class_init(qom::ObjectClass& c) { c.description = "Runs nothing"; }
  Probe probe() override { return ++probes.idle, Probe{true, 0, "runs nothing"}; }
  bool has_vcpus() const override { return false; }
};

MACHINA_ABSTRACT_TYPE(FakeAccelerator, Accelerator);
MACHINA_TYPE(GoodAccel, FakeAccelerator);
MACHINA_TYPE(SlowAccel, FakeAccelerator);
MACHINA_TYPE(BrokenAccel, FakeAccelerator);
MACHINA_TYPE(IdleAccel, FakeAccelerator);

}  // namespace test

namespace {

using testing::HasSubstr;

class AccelChoice : public testing::Test {
 protected:
  AccelChoice() { test::probes = {}; }

  /// "TYPE: the note", or what is wrong.
  static std::string choose(const std::vector<std::string>& arguments,
                            const std::vector<std::string>& preferred = default_accelerators()) {
    try {
      const AcceleratorChoice c = choose_accelerator(CommandLine::parse(arguments), preferred);
      return c.accelerator->type_name() + std::string(": ") + c.note;
    } catch (const Error& e) {
      return e.what();
    }
  }
};

TEST_F(AccelChoice, WithoutAnOptionTheFirstGoodOneIsTakenAndItsMeasurementTold) {
  EXPECT_EQ(choose({}, {"test-good", "test-slow"}),
            "test-good-accel: accelerator: test-good, since it ran at 1200; force another with -accel test-slow");
  EXPECT_EQ(test::probes.slow, 0u) << "the second is not even asked";
}

TEST_F(AccelChoice, WithoutAnOptionASlowOneIsPassedOver) {
  EXPECT_EQ(choose({}, {"test-slow", "test-good"}),
            "test-good-accel: accelerator: test-good, since it ran at 1.2; force another with -accel test-slow");
  EXPECT_EQ(test::probes.slow, 1u);
}

TEST_F(AccelChoice, WithoutAnOptionOneThatCannotBeUsedIsPassedOver) {
  EXPECT_EQ(choose({}, {"test-broken", "test-slow", "test-good"}),
            "test-good-accel: accelerator: test-good, since test-broken cannot be used (no such device), and it ran at "
            "1.2; force another with -accel test-broken or -accel test-slow");
}

TEST_F(AccelChoice, WithoutAGoodOneTheFirstUsableIsTaken) {
  EXPECT_EQ(choose({}, {"test-broken", "test-slow"}),
            "test-slow-accel: accelerator: test-slow, although test-broken cannot be used (no such device), and it ran "
            "at 1.2; force another with -accel test-broken");
}

TEST_F(AccelChoice, OneThatThisProgramLacksIsTold) {
  EXPECT_EQ(choose({}, {"test-slow", "nosuch"}),
            "test-slow-accel: accelerator: test-slow, although it ran at 1.2; there is no 'nosuch' in this program");
  EXPECT_EQ(choose({}, {"test-good", "nosuch"}), "test-good-accel: accelerator: test-good, since it ran at 1200");
  EXPECT_EQ(choose({}, {"nosuch", "neither"}), "there is no accelerator 'nosuch' and no 'neither' in this program");
}

// Its start-up knows better what to do about it than a list of reasons.
TEST_F(AccelChoice, TheOnlyOneThatThereIsSaysItselfWhyItCannotBeUsed) {
  EXPECT_EQ(choose({}, {"test-broken", "nosuch"}), "test-broken-accel: ");
}

TEST_F(AccelChoice, OneThatIsNamedIsTakenUnmeasured) {
  EXPECT_EQ(choose({"-accel", "test-slow"}), "test-slow-accel: ");
  EXPECT_EQ(choose({"-accel", "test-broken"}), "test-broken-accel: ");
  EXPECT_EQ(choose({"-M", "pc,accel=test-broken"}), "test-broken-accel: ");
  EXPECT_EQ(test::probes.slow + test::probes.broken, 0u);
}

TEST_F(AccelChoice, OfAListTheFirstGoodOneIsTaken) {
  const std::string expected =
      "test-good-accel: accelerator: test-good, since it ran at 1.2; force another with -accel test-slow";
  EXPECT_EQ(choose({"-accel", "test-slow:test-good"}), expected);
  EXPECT_EQ(choose({"-accel", "test-slow", "-accel", "test-good"}), expected);
  EXPECT_EQ(choose({"-M", "pc,accel=test-slow:test-good"}), expected);
  EXPECT_EQ(choose({"-machine", "accel=test-slow:test-good"}), expected);
}

TEST_F(AccelChoice, WhatRunsNothingDoesNotStandInForWhatIsSlow) {
  EXPECT_THAT(choose({"-accel", "test-slow:test-idle"}), HasSubstr("test-slow-accel: "));
  EXPECT_EQ(test::probes.idle, 0u);
  EXPECT_THAT(choose({"-accel", "test-broken:test-idle"}), HasSubstr("test-idle-accel: "));
  EXPECT_THAT(choose({"-accel", "test-idle:test-slow"}), HasSubstr("test-idle-accel: ")) << "it was named first";
}

TEST_F(AccelChoice, WithoutAUsableOneEveryReasonIsGiven) {
  EXPECT_EQ(choose({}, {"test-broken", "test-broken"}),
            "no accelerator can be used here: test-broken cannot be used (no such device), and test-broken cannot be "
            "used (no such device)");
}

TEST_F(AccelChoice, WrongListsAreRefusedBeforeAnythingIsAsked) {
  EXPECT_THAT(choose({"-accel", "test-good:nosuch"}), HasSubstr("no such accelerator: 'nosuch'"));
  EXPECT_THAT(choose({"-accel", "test-good:"}), HasSubstr("a name is missing in the list 'test-good:'"));
  EXPECT_THAT(choose({"-accel", ":test-good"}), HasSubstr("a name is missing in the list ':test-good'"));
  EXPECT_THAT(choose({"-accel", "test-good::test-slow"}), HasSubstr("a name is missing"));
  EXPECT_THAT(choose({"-M", "pc,accel=:"}), HasSubstr("a name is missing in the list ':'"));
  EXPECT_THAT(choose({"-accel", ""}), HasSubstr("-accel needs a name"));
  EXPECT_THAT(choose({"-accel", "test-good:test-good"}), HasSubstr("accelerator 'test-good' is named twice"));
  EXPECT_THAT(choose({"-accel", "test-good", "-M", "accel=test-slow"}), HasSubstr("named twice, with -accel as well"));
  EXPECT_EQ(test::probes.good + test::probes.slow, 0u);
}

TEST_F(AccelChoice, PropertiesBelongToTheOptionThatTheyStandIn) {
  const AcceleratorChoice c =
      choose_accelerator(CommandLine::parse({"-accel", "test-slow", "-accel", "test-good,cache=7"}));
  EXPECT_EQ(dynamic_cast<test::GoodAccel&>(*c.accelerator).cache, 7u);
  EXPECT_THAT(choose({"-accel", "test-slow:test-good,cache=7"}), HasSubstr("has no property 'cache'"));
  EXPECT_THAT(choose({"-accel", "test-slow", "-accel", "test-good,cash=7"}), HasSubstr("did you mean 'cache'?"));
}

TEST_F(AccelChoice, QtestAloneMeansItsAccelerator) {
  EXPECT_EQ(choose({"-qtest", "null"}), "qtest-accel: ");
  EXPECT_EQ(choose({"-qtest", "null", "-accel", "test-slow"}), "test-slow-accel: ");
}

TEST_F(AccelChoice, QemusNameOfTheSoftwareCpuIsTaken) {
  EXPECT_EQ(default_accelerators(), (std::vector<std::string>{"kvm", "jit"}));
  const std::vector<std::string> known = accelerator_names();
  if (std::find(known.begin(), known.end(), "jit") == known.end()) GTEST_SKIP() << "no accelerator 'jit' in here";
  EXPECT_EQ(choose({"-accel", "tcg"}), "jit-accel: ");
  EXPECT_THAT(choose({"-accel", "jit:tcg"}), HasSubstr("accelerator 'jit' is named twice"));
}

}  // namespace
}  // namespace machina
