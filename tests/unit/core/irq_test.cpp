#include "core/irq.h"

#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

namespace machina {
namespace {

using Edges = std::vector<bool>;

struct Sink {
  explicit Sink(unsigned index = 0)
      : in("sink", index, [this](unsigned which, bool level) { indices.push_back(which), edges.push_back(level); }) {}
  Edges edges;
  std::vector<unsigned> indices;
  IrqIn in;
};

TEST(Irq, CarriesChangesOnly) {
  Sink sink(7);
  IrqOut out;
  out.connect(sink.in);
  out.raise();
  out.raise();
  EXPECT_TRUE(sink.in.level());
  out.lower();
  out.lower();
  out.pulse();
  EXPECT_EQ(sink.edges, (Edges{true, false, true, false}));
  EXPECT_EQ(sink.indices.front(), 7U);
  EXPECT_EQ(sink.in.label(), "sink");
}

TEST(Irq, NotConnectedDrivesNothing) {
  IrqOut out;
  EXPECT_FALSE(out.connected());
  out.raise();
  EXPECT_TRUE(out.level());
}

TEST(Irq, ConnectingAHighOutputRaises) {
  Sink sink;
  IrqOut out;
  out.raise();
  out.connect(sink.in);
  EXPECT_EQ(sink.edges, (Edges{true}));
  out.connect(sink.in);  // twice is once
  out.lower();
  EXPECT_EQ(sink.edges, (Edges{true, false}));
}

TEST(Irq, WiresOnOneInputAreOred) {
  Sink sink;
  IrqOut a, b;
  a.connect(sink.in);
  b.connect(sink.in);
  a.raise();
  b.raise();
  a.lower();
  EXPECT_TRUE(sink.in.level());
  EXPECT_EQ(sink.edges, (Edges{true}));
  b.lower();
  EXPECT_EQ(sink.edges, (Edges{true, false}));
}

TEST(Irq, OneOutputReachesSeveralInputs) {
  Sink pic, ioapic;
  IrqOut out;
  out.connect(pic.in);
  out.connect(ioapic.in);
  EXPECT_EQ(out.sinks().size(), 2U);
  out.pulse();
  EXPECT_EQ(pic.edges, (Edges{true, false}));
  EXPECT_EQ(ioapic.edges, (Edges{true, false}));
}

TEST(Irq, DestroyingAnOutputLowersItsWires) {
  Sink sink;
  {
    IrqOut out;
    out.connect(sink.in);
    out.raise();
  }
  EXPECT_EQ(sink.edges, (Edges{true, false}));
  IrqOut other;  // the count is right: one more wire raises and lowers
  other.connect(sink.in);
  other.pulse();
  EXPECT_EQ(sink.edges, (Edges{true, false, true, false}));
}

TEST(Irq, DisconnectedOutputKeepsItsLevel) {
  Sink sink;
  IrqOut out;
  out.connect(sink.in);
  out.raise();
  out.disconnect();
  EXPECT_TRUE(out.level());
  EXPECT_FALSE(sink.in.level());
  out.connect(sink.in);
  EXPECT_TRUE(sink.in.level());
}

TEST(Irq, DestroyingAnInputCutsItsWires) {
  Sink stays;
  IrqOut out;
  auto goes = std::make_unique<Sink>();
  out.connect(goes->in);
  out.connect(stays.in);
  out.raise();
  goes.reset();
  EXPECT_EQ(out.sinks().size(), 1U);
  out.lower();
  EXPECT_EQ(stays.edges, (Edges{true, false}));
}

TEST(Irq, InterceptedInputHidesChangesFromTheHandler) {
  Sink sink(3);
  IrqOut out;
  out.connect(sink.in);
  std::vector<std::pair<unsigned, bool>> seen;
  sink.in.intercept([&](unsigned index, bool level) { seen.emplace_back(index, level); });
  out.pulse();
  out.raise();
  EXPECT_EQ(seen, (std::vector<std::pair<unsigned, bool>>{{3, true}, {3, false}, {3, true}}));
  EXPECT_TRUE(sink.edges.empty());
  EXPECT_TRUE(sink.in.level());
  sink.in.intercept(nullptr);
  EXPECT_EQ(sink.edges, (Edges{true})) << "the handler learns what it missed";
  sink.in.intercept([](unsigned, bool) {});
  out.pulse();  // is high: lowers only
  out.raise();
  sink.in.intercept(nullptr);
  EXPECT_EQ(sink.edges, (Edges{true})) << "and nothing when it missed nothing";
}

TEST(Irq, InterceptedOutputKeepsTheLevelOfItsSinks) {
  Sink sink;
  IrqOut out;
  out.connect(sink.in);
  out.raise();
  Edges seen;
  out.intercept([&](bool level) { seen.push_back(level); });
  out.lower();
  EXPECT_EQ(seen, (Edges{false}));
  EXPECT_TRUE(sink.in.level());
  out.intercept(nullptr);
  EXPECT_FALSE(sink.in.level());
  out.pulse();
  EXPECT_EQ(sink.edges, (Edges{true, false, true, false}));
}

TEST(Irq, OutputDestroyedWhileInterceptedLowersWhatItDrove) {
  Sink driven, not_driven;
  {
    IrqOut out;
    out.connect(driven.in);
    out.raise();
    out.intercept([](bool) {});
    out.connect(not_driven.in);
  }
  EXPECT_EQ(driven.edges, (Edges{true, false}));
  EXPECT_TRUE(not_driven.edges.empty());
}

TEST(Irq, HandlerThatSetsTheOutputAgainCausesNoWrongEdges) {
  IrqOut out;
  IrqIn acknowledges("ack", 0, [&](unsigned, bool level) {
    if (level) out.lower();
  });
  Sink second;
  out.connect(acknowledges);
  out.connect(second.in);
  out.raise();
  EXPECT_FALSE(out.level());
  EXPECT_FALSE(second.in.level());
  EXPECT_TRUE(second.edges.empty()) << "it was low before and is low after";
}

TEST(Irq, HandlersMayDriveFurtherOutputs) {
  Sink cpu;
  IrqOut intr;
  intr.connect(cpu.in);
  IrqIn pic("pic", 0, [&](unsigned, bool level) { intr.set(level); });
  IrqOut device;
  device.connect(pic);
  device.pulse();
  EXPECT_EQ(cpu.edges, (Edges{true, false}));
}

TEST(Irq, ObserversOfInputsMayPassChangesOn) {
  Sink sink;
  IrqOut out;
  out.connect(sink.in);
  Edges seen;
  sink.in.intercept([&](unsigned, bool level) { seen.push_back(level), sink.in.pass_on(); });
  out.pulse();
  EXPECT_EQ(seen, (Edges{true, false}));
  EXPECT_EQ(sink.edges, (Edges{true, false}));
  sink.in.intercept({});
  EXPECT_EQ(sink.edges, (Edges{true, false})) << "nothing was missed";
}

TEST(Irq, ObserversOfOutputsMayPassChangesOn) {
  Sink sink;
  IrqOut out;
  out.connect(sink.in);
  Edges seen;
  out.intercept([&](bool level) { seen.push_back(level), out.pass_on(); });
  out.pulse();
  EXPECT_EQ(seen, (Edges{true, false}));
  EXPECT_EQ(sink.edges, (Edges{true, false}));
}

TEST(Irq, ResampleTellsItsListeners) {
  Sink sink;
  int a = 0, b = 0;
  const int owner_a = 0, owner_b = 0;
  sink.in.on_resample(&owner_a, [&] { ++a; });
  sink.in.on_resample(&owner_b, [&] { ++b; });
  sink.in.resample();
  EXPECT_EQ(std::pair(a, b), std::pair(1, 1));
  sink.in.remove_resample(&owner_a);
  sink.in.resample();
  EXPECT_EQ(std::pair(a, b), std::pair(1, 2));
}

TEST(Irq, ResampleListenersMayRemoveEachOther) {
  Sink sink;
  int a = 0, b = 0;
  const int owner_a = 0, owner_b = 0;
  sink.in.on_resample(&owner_a, [&] { ++a, sink.in.remove_resample(&owner_a), sink.in.remove_resample(&owner_b); });
  sink.in.on_resample(&owner_b, [&] { ++b; });
  sink.in.resample();
  EXPECT_EQ(std::pair(a, b), std::pair(1, 0)) << "a listener that is gone is not called";
}

// An irqfd with resample keeps its line up until the guest ends the interrupt, then asks the device again.
TEST(Irq, LevelSourceAssertsAgainAfterResample) {
  Sink sink;
  IrqOut line;
  line.connect(sink.in);
  bool device_wants = true;
  sink.in.on_resample(&line, [&] { line.lower(), line.set(device_wants); });
  line.raise();
  sink.in.resample();
  device_wants = false;
  sink.in.resample();
  EXPECT_EQ(sink.edges, (Edges{true, false, true, false}));
}

}  // namespace
}  // namespace machina
