// From the Intel 82093AA datasheet (290566-001); EOI register from the ICH10's (319973-003, 13.5.4).

#include "hw/intc/ioapic.h"

#include <memory>
#include <vector>

#include "tests/support/test_machine.h"

namespace machina::test {
namespace {

constexpr std::uint64_t kBase = 0xfec00000;

class IoapicTest : public testing::Test {
 protected:
  struct Message {
    std::uint64_t address;
    std::uint32_t data;
    friend bool operator==(const Message&, const Message&) = default;
  };

  void start(TestMachine::Properties properties = {}) {
    const MachineLock::Guard guard(machine_.system().lock);
    ioapic_ = &machine_.add<Ioapic>("ioapic", properties);
    for (unsigned n = 0; n < 24; ++n) wires_[n].connect(*ioapic_->input("in", n));
    machine_.system().memory_root.add(0xfee00000, sink_);
    machine_.start();
  }
  std::uint32_t get(unsigned reg) {
    machine_.write(kBase, 4, reg);
    return static_cast<std::uint32_t>(machine_.read(kBase + 0x10, 4));
  }
  void put(unsigned reg, std::uint32_t value) {
    machine_.write(kBase, 4, reg);
    machine_.write(kBase + 0x10, 4, value);
  }
  void program(unsigned pin, std::uint32_t low, std::uint32_t destination = 0) {
    put(0x11 + 2 * pin, destination << 24);
    put(0x10 + 2 * pin, low);
  }
  std::uint32_t low(unsigned pin) { return get(0x10 + 2 * pin); }
  std::size_t sent() const { return messages_.size(); }

  std::vector<Message> messages_;
  IoRegion sink_{"sink", 0x100000, Widths::only(4), [](Offset, Width) -> IoResult { return IoStatus::NoResponse; },
                 [this](Offset o, Width, std::uint64_t v) -> IoResult {
                   messages_.push_back({0xfee00000 + o, static_cast<std::uint32_t>(v)});
                   return io_ok();
                 }};
  TestMachine machine_;
  Ioapic* ioapic_ = nullptr;
  std::array<IrqOut, 24> wires_;
};

TEST_F(IoapicTest, RegistersAfterReset) {
  start({{"version", "0x11"}});
  EXPECT_EQ(get(0), 0U);
  EXPECT_EQ(get(1), 0x00170011U);
  EXPECT_EQ(get(2), 0U);
  for (unsigned pin = 0; pin < 24; ++pin) {
    EXPECT_EQ(low(pin), 0x10000U) << pin;
    EXPECT_EQ(get(0x11 + 2 * pin), 0U);
  }
}

TEST_F(IoapicTest, VersionIsAProperty) {
  start();
  EXPECT_EQ(get(1), 0x00170020U);
  EXPECT_THROW(machine_.add<Ioapic>("other", {{"version", "0x12"}}), Error);
}

TEST_F(IoapicTest, IdIsFourBitsAndLoadsTheArbitrationId) {
  start();
  put(0, 0xffffffff);
  EXPECT_EQ(get(0), 0x0f000000U);
  EXPECT_EQ(get(2), 0x0f000000U);
  put(2, 0);
  EXPECT_EQ(get(2), 0x0f000000U) << "read-only";
  put(1, 0);
  EXPECT_EQ(get(1), 0x00170020U);
}

TEST_F(IoapicTest, SelectReadsBackAndUnknownRegistersReadZero) {
  start();
  machine_.write(kBase, 4, 0x3f);
  EXPECT_EQ(machine_.read(kBase, 4), 0x3fU);
  machine_.write(kBase, 1, 0x01);
  EXPECT_EQ(machine_.read(kBase + 0x10, 4), 0x00170020U) << "a byte selects too";
  for (const unsigned reg : {0x03U, 0x0fU, 0x40U, 0xffU}) {
    put(reg, 0xffffffff);
    EXPECT_EQ(get(reg), 0U);
  }
}

TEST_F(IoapicTest, RedirectionEntriesKeepTheirBits) {
  start();
  for (unsigned pin = 0; pin < 24; ++pin) {
    put(0x10 + 2 * pin, 0xffffffff);
    put(0x11 + 2 * pin, 0xffffffff);
    EXPECT_EQ(low(pin), 0x1afffU) << "delivery status and remote IRR are read-only, the rest above 16 reserved";
    EXPECT_EQ(get(0x11 + 2 * pin), 0xff000000U);
  }
}

TEST_F(IoapicTest, EdgeSendsOnceAsProgrammed) {
  start();
  program(4, 0x34, 0x05);
  wires_[4].raise();
  ASSERT_EQ(sent(), 1U);
  EXPECT_EQ(messages_[0], (Message{0xfee05000, 0x4034}));
  EXPECT_EQ(low(4), 0x34U) << "no remote IRR";
  ioapic_->eoi(0x34);
  EXPECT_EQ(sent(), 1U);
  wires_[4].lower();
  wires_[4].raise();
  EXPECT_EQ(sent(), 2U);
}

TEST_F(IoapicTest, MessageCarriesModes) {
  start();
  program(1, 0x0900 | 0x41, 0x0f);  // lowest priority, logical
  wires_[1].pulse();
  program(2, 0x0400);  // NMI
  wires_[2].pulse();
  program(3, 0x0700, 0xff);  // ExtINT
  wires_[3].pulse();
  ASSERT_EQ(sent(), 3U);
  EXPECT_EQ(messages_[0], (Message{0xfee0f00c, 0x4141}));
  EXPECT_EQ(messages_[1], (Message{0xfee00000, 0x4400}));
  EXPECT_EQ(messages_[2], (Message{0xfeeff000, 0x4700}));
  const ApicMessage back = ApicMessage::from_msi(messages_[0].address, messages_[0].data);
  EXPECT_EQ(back.delivery, ApicDelivery::LowestPriority);
  EXPECT_TRUE(back.logical);
  EXPECT_EQ(back.destination, 0x0fU);
  EXPECT_EQ(back.vector, 0x41);
}

TEST_F(IoapicTest, EdgeOnAMaskedPinIsLost) {
  start();
  program(4, 0x10034);
  wires_[4].raise();
  program(4, 0x34);
  EXPECT_EQ(sent(), 0U);
  wires_[4].lower();
  wires_[4].raise();
  EXPECT_EQ(sent(), 1U);
}

TEST_F(IoapicTest, LevelLastsUntilEoi) {
  start();
  program(10, 0x8045);
  wires_[10].raise();
  ASSERT_EQ(sent(), 1U);
  EXPECT_EQ(messages_[0], (Message{0xfee00000, 0xc045}));
  EXPECT_EQ(low(10), 0xc045U) << "remote IRR";
  wires_[10].lower();
  wires_[10].raise();
  EXPECT_EQ(sent(), 1U) << "in service";
  ioapic_->eoi(0x44);
  EXPECT_EQ(low(10), 0xc045U) << "another vector's EOI";
  ioapic_->eoi(0x45);
  EXPECT_EQ(sent(), 2U) << "the line is still high";
  wires_[10].lower();
  ioapic_->eoi(0x45);
  EXPECT_EQ(sent(), 2U);
  EXPECT_EQ(low(10), 0x8045U);
}

TEST_F(IoapicTest, LevelOnAMaskedPinWaits) {
  start();
  program(10, 0x18045);
  wires_[10].raise();
  EXPECT_EQ(sent(), 0U);
  program(10, 0x8045);
  EXPECT_EQ(sent(), 1U);
  // Masked while in service: the EOI clears remote IRR but sends nothing until it is unmasked.
  put(0x10 + 20, 0x18045);
  ioapic_->eoi(0x45);
  EXPECT_EQ(sent(), 1U);
  EXPECT_EQ(low(10), 0x18045U);
  put(0x10 + 20, 0x8045);
  EXPECT_EQ(sent(), 2U);
}

TEST_F(IoapicTest, LevelThatWentAwayBeforeUnmaskingIsNotSent) {
  start();
  program(10, 0x18045);
  wires_[10].raise();
  wires_[10].lower();
  program(10, 0x8045);
  EXPECT_EQ(sent(), 0U);
}

TEST_F(IoapicTest, TwoPinsMayShareAVector) {
  start();
  program(10, 0x8045), program(11, 0x8045);
  wires_[10].raise(), wires_[11].raise();
  EXPECT_EQ(sent(), 2U);
  wires_[10].lower();
  ioapic_->eoi(0x45);
  EXPECT_EQ(sent(), 3U);
  EXPECT_EQ(low(10), 0x8045U);
  EXPECT_EQ(low(11), 0xc045U);
}

TEST_F(IoapicTest, MakingAPinEdgeTriggeredClearsRemoteIrr) {
  start();
  program(10, 0x8045);
  wires_[10].raise();
  EXPECT_EQ(low(10), 0xc045U);
  put(0x10 + 20, 0x10045);
  EXPECT_EQ(low(10), 0x10045U);
  put(0x10 + 20, 0x18045);
  EXPECT_EQ(low(10), 0x18045U);
  put(0x10 + 20, 0x8045);
  EXPECT_EQ(sent(), 2U) << "the line never fell";
}

TEST_F(IoapicTest, EoiRegisterOfVersion20) {
  start();
  program(10, 0x8045);
  wires_[10].raise();
  wires_[10].lower();
  machine_.write(kBase + 0x40, 4, 0x45);
  EXPECT_EQ(low(10), 0x8045U);
}

TEST_F(IoapicTest, NoEoiRegisterInVersion11) {
  start({{"version", "0x11"}});
  program(10, 0x8045);
  wires_[10].raise();
  machine_.write(kBase + 0x40, 4, 0x45);
  EXPECT_EQ(low(10), 0xc045U);
}

TEST_F(IoapicTest, EoiResamplesTheSource) {
  start();
  unsigned asked = 0;
  ioapic_->input("in", 10)->on_resample(this, [&] {
    ++asked;
    wires_[10].lower();
  });
  program(10, 0x8045);
  wires_[10].raise();
  ioapic_->eoi(0x45);
  EXPECT_EQ(asked, 1U);
  EXPECT_EQ(sent(), 1U) << "the source let go before the line was looked at";
  ioapic_->input("in", 10)->remove_resample(this);
}

TEST_F(IoapicTest, InterruptStormIsSlowedDown) {
  start();
  program(10, 0x8045);
  wires_[10].raise();
  std::size_t eois = 0;
  while (sent() > eois) {
    ++eois;
    ASSERT_LT(eois, 20'000U);
    ioapic_->eoi(0x45);
  }
  EXPECT_EQ(eois, Ioapic::kStormLimit);
  machine_.step(Ioapic::kStormDelayNs - 1);
  EXPECT_EQ(sent(), eois);
  machine_.step(1);
  EXPECT_EQ(sent(), eois + 1) << "and goes on";
  ioapic_->eoi(0x45);
  EXPECT_EQ(sent(), eois + 2);
}

TEST_F(IoapicTest, AddressIsAProperty) {
  start({{"address", "0xfec10000"}});
  EXPECT_EQ(machine_.read(kBase, 4), 0xffffffffU);
  machine_.write(0xfec10000, 4, 1);
  EXPECT_EQ(machine_.read(0xfec10010, 4), 0x00170020U);
}

TEST_F(IoapicTest, ListenersHearOfRoutesThatChange) {
  struct Listener final : IoapicListener {
    void route_changed(unsigned pin, const IoapicRoute& r) override { heard.emplace_back(pin, r); }
    std::vector<std::pair<unsigned, IoapicRoute>> heard;
  } listener;
  start();
  ioapic_->add_listener(listener);
  ASSERT_EQ(listener.heard.size(), 24U);
  EXPECT_TRUE(listener.heard[3].second.masked);
  listener.heard.clear();
  program(3, 0x8045, 2);
  ASSERT_EQ(listener.heard.size(), 2U) << "destination, then the rest";
  EXPECT_EQ(listener.heard[1].first, 3U);
  EXPECT_EQ(listener.heard[1].second, (IoapicRoute{0xfee02000, 0xc045, true, false}));
  program(3, 0x8045, 2);
  wires_[3].raise();
  EXPECT_EQ(listener.heard.size(), 2U) << "neither the same again nor remote IRR is a change";
  machine_.reset();
  ASSERT_EQ(listener.heard.size(), 3U);
  EXPECT_TRUE(listener.heard[2].second.masked);
  ioapic_->remove_listener(listener);
}

TEST_F(IoapicTest, ResetMasksAndStateComesBack) {
  start();
  put(0, 0x03000000);
  program(10, 0x8045);
  wires_[10].raise();
  const IoapicState saved = ioapic_->get_state();
  machine_.reset();
  EXPECT_EQ(get(0), 0U);
  EXPECT_EQ(low(10), 0x10000U);
  ioapic_->set_state(saved);
  EXPECT_EQ(low(10), 0xc045U);
  EXPECT_EQ(sent(), 1U) << "it is in service: nothing is sent again";
  ioapic_->eoi(0x45);
  EXPECT_EQ(sent(), 2U);
}

TEST_F(IoapicTest, RisesOfInputsAreCounted) {
  start();
  wires_[5].raise();
  wires_[5].raise();
  EXPECT_EQ(ioapic_->rises(5), 1U);
  wires_[5].lower();
  wires_[5].raise();
  EXPECT_EQ(ioapic_->rises(5), 2U) << "masked or not";
  EXPECT_EQ(ioapic_->rises(6), 0U);
}

TEST_F(IoapicTest, LevelNmiIsSentOncePerRise) {
  start();
  program(5, 0x8400);
  wires_[5].raise();
  EXPECT_EQ(sent(), 1U);
  EXPECT_EQ(low(5), 0x8400U) << "nobody would end it";
  put(0x11 + 10, 0x01000000);
  EXPECT_EQ(sent(), 1U);
  wires_[5].lower();
  wires_[5].raise();
  EXPECT_EQ(sent(), 2U);
}

}  // namespace
}  // namespace machina::test
