// DMA controllers: the 8237A datasheet (231466-005) with the PC/AT's wiring of two of them and their page registers.

#include "hw/dma/i8237.h"

#include <gmock/gmock.h>

#include <numeric>
#include <random>

#include "tests/support/test_machine.h"

namespace machina::test {
namespace {

using testing::ElementsAre;

// Ports of the first controller; those of the second are at C0h, two apart.
constexpr std::uint16_t kStatus = 0x08, kCommand = 0x08, kRequest = 0x09, kMask = 0x0a, kMode = 0x0b, kFlipFlop = 0x0c,
                        kMasterClear = 0x0d, kTemporary = 0x0d, kClearMask = 0x0e, kAllMask = 0x0f;
// Modes, without the channel.
constexpr std::uint8_t kVerify = 0x00, kToMemory = 0x04, kFromMemory = 0x08, kAuto = 0x10, kDown = 0x20, kDemand = 0x00,
                       kSingle = 0x40, kBlock = 0x80, kCascade = 0xc0;

class Client final : public IsaDmaDevice {
 public:
  std::size_t dma_to_memory(std::span<std::uint8_t> data, bool terminal) override {
    const std::size_t n = std::min({data.size(), source.size(), at_most});
    std::copy_n(source.begin(), n, data.begin());
    source.erase(source.begin(), source.begin() + static_cast<std::ptrdiff_t>(n));
    went(n, data.size(), terminal);
    return n;
  }
  std::size_t dma_from_memory(std::span<const std::uint8_t> data, bool terminal) override {
    const std::size_t n = std::min({data.size(), room, at_most});
    sink.insert(sink.end(), data.begin(), data.begin() + static_cast<std::ptrdiff_t>(n));
    room -= n;
    went(n, data.size(), terminal);
    return n;
  }
  std::size_t dma_verify(std::size_t length, bool terminal) override {
    const std::size_t n = std::min({length, room, at_most});
    room -= n;
    verified += n;
    went(n, length, terminal);
    return n;
  }
  void went(std::size_t n, std::size_t offered, bool terminal) {
    order.push_back(name);
    if (terminal && n == offered) ++terminals;
    const bool end = terminal && n == offered;
    if (channel && (n < offered || end)) channel->request(false);
  }

  std::vector<std::uint8_t> source, sink;
  std::size_t room = 0;          // bytes that it takes
  std::size_t at_most = 0x1000;  // bytes at a time
  std::size_t verified = 0;
  unsigned terminals = 0;
  IsaDmaChannel* channel = nullptr;
  int name = 0;
  static inline std::vector<int> order;  // who was served
};

class I8237Test : public testing::Test {
 protected:
  I8237Test() {
    bus = dynamic_cast<IsaBus*>(&m.add_isa_bus());
    dma = &m.add<I8237>("dma");
    m.start();
    Client::order.clear();
  }
  ~I8237Test() override {
    for (unsigned n = 0; n < 8; ++n)
      if (clients[n].channel) clients[n].channel->attach(nullptr);
  }

  Client& attach(unsigned n) {
    clients[n].channel = &bus->dma_channel(n);
    clients[n].name = static_cast<int>(n);
    clients[n].channel->attach(&clients[n]);
    return clients[n];
  }
  void request(unsigned n, bool level = true) { clients[n].channel->request(level); }
  void open_cascade() { m.outb(0xd6, kCascade), m.outb(0xd4, 0); }

  static std::uint16_t port(unsigned channel, unsigned reg) {
    return static_cast<std::uint16_t>(channel < 4 ? reg : 0xc0 + 2 * reg);
  }
  void put16(unsigned channel, unsigned reg, unsigned value) {
    m.outb(port(channel, kFlipFlop), 0);
    m.outb(port(channel, reg), static_cast<std::uint8_t>(value));
    m.outb(port(channel, reg), static_cast<std::uint8_t>(value >> 8));
  }
  unsigned get16(unsigned channel, unsigned reg) {
    m.outb(port(channel, kFlipFlop), 0);
    const unsigned low = m.inb(port(channel, reg));
    return low | static_cast<unsigned>(m.inb(port(channel, reg))) << 8;
  }
  unsigned address(unsigned channel) { return get16(channel, channel % 4 * 2); }
  unsigned count(unsigned channel) { return get16(channel, channel % 4 * 2 + 1); }
  void set_page(unsigned channel, std::uint8_t page) {
    static constexpr std::uint16_t kPorts[] = {0x87, 0x83, 0x81, 0x82, 0x8f, 0x8b, 0x89, 0x8a};
    m.outb(kPorts[channel], page);
  }
  /// `at` is a byte address, `transfers` at least 1; the channel is opened.
  void program(unsigned channel, std::uint8_t mode, std::uint32_t at, unsigned transfers) {
    m.outb(port(channel, kMask), static_cast<std::uint8_t>(4 | channel % 4));
    m.outb(port(channel, kMode), static_cast<std::uint8_t>(mode | channel % 4));
    put16(channel, channel % 4 * 2, channel < 4 ? at & 0xffff : at >> 1 & 0xffff);
    put16(channel, channel % 4 * 2 + 1, transfers - 1);
    set_page(channel, static_cast<std::uint8_t>(at >> 16));
    m.outb(port(channel, kMask), static_cast<std::uint8_t>(channel % 4));
  }
  std::vector<std::uint8_t> memory(std::uint64_t at, std::size_t n) {
    std::vector<std::uint8_t> bytes(n);
    (void)m.system().memory.read(at, bytes);
    return bytes;
  }
  void fill(std::uint64_t at, const std::vector<std::uint8_t>& bytes) { (void)m.system().memory.write(at, bytes); }
  static std::vector<std::uint8_t> ramp(std::size_t n, std::uint8_t first = 1) {
    std::vector<std::uint8_t> bytes(n);
    std::iota(bytes.begin(), bytes.end(), first);
    return bytes;
  }

  TestMachine m{1U << 20};
  IsaBus* bus = nullptr;
  I8237* dma = nullptr;
  std::array<Client, 8> clients;
};

// --- registers ---

TEST_F(I8237Test, AddressAndCountAreReachedInHalvesThroughOneFlipFlop) {
  put16(1, 2, 0x1234);
  put16(1, 3, 0xabcd);
  EXPECT_EQ(address(1), 0x1234U);
  EXPECT_EQ(count(1), 0xabcdU);
  // One flip-flop for all channels, reads and writes alike.
  m.outb(kFlipFlop, 0x77);
  m.outb(0x02, 0x99);            // low half of channel 1's address
  EXPECT_EQ(m.inb(0x03), 0xab);  // high half of its count
  EXPECT_EQ(m.inb(0x02), 0x99);
  EXPECT_EQ(m.inb(0x02), 0x12) << "half a write leaves the other half";
}

TEST_F(I8237Test, TheTwoControllersHaveFlipFlopsOfTheirOwn) {
  put16(6, 4, 0x5678);
  m.outb(kFlipFlop, 0), m.outb(0xd8, 0);
  EXPECT_EQ(m.inb(0xc8), 0x78);
  m.outb(0x00, 0x11);
  EXPECT_EQ(m.inb(0xc8), 0x56);
  EXPECT_EQ(m.inb(0xc9), 0x78) << "address line 0 is not wired to the second controller";
}

TEST_F(I8237Test, PageRegistersHoldEightBitsEach) {
  for (std::uint16_t p = 0x80; p < 0x90; ++p) m.outb(p, static_cast<std::uint8_t>(p * 3));
  for (std::uint16_t p = 0x80; p < 0x90; ++p) EXPECT_EQ(m.inb(p), static_cast<std::uint8_t>(p * 3)) << p;
}

TEST_F(I8237Test, ResetMasksAllAndMasterClearDoesTheSame) {
  EXPECT_EQ(m.inb(kAllMask), 0x0f);
  EXPECT_EQ(m.inb(0xde), 0x0f);
  m.outb(kClearMask, 0);
  EXPECT_EQ(m.inb(kAllMask), 0x00);
  put16(0, 0, 0x4321);
  m.outb(kFlipFlop, 0), m.inb(0x00);
  m.outb(kRequest, 0x06);
  EXPECT_EQ(m.inb(kStatus), 0x40);
  m.outb(kMasterClear, 0);
  EXPECT_EQ(m.inb(kAllMask), 0x0f);
  EXPECT_EQ(m.inb(kStatus), 0x00);
  EXPECT_EQ(m.inb(0x00), 0x21) << "addresses stay, the flip-flop is at the low half";
}

TEST_F(I8237Test, MaskBitsOneByOneAndAllAtOnce) {
  m.outb(kAllMask, 0x05);
  EXPECT_EQ(m.inb(kAllMask), 0x05);
  m.outb(kMask, 0x01 | 0x04);
  EXPECT_EQ(m.inb(kAllMask), 0x07);
  m.outb(kMask, 0x02);
  EXPECT_EQ(m.inb(kAllMask), 0x03);
}

TEST_F(I8237Test, WriteOnlyRegistersAnswerNothing) {
  for (const std::uint16_t p : {kRequest, kMask, kMode, kFlipFlop, kClearMask}) EXPECT_EQ(m.inb(p), 0xff) << p;
}

// --- transfers ---

TEST_F(I8237Test, DeviceToMemoryUpToTerminalCount) {
  open_cascade();
  Client& c = attach(2);
  c.source = ramp(20);
  program(2, kSingle | kToMemory, 0x23456, 16);
  request(2);
  EXPECT_EQ(memory(0x23456, 17), [] {
    auto v = ramp(16);
    v.push_back(0);
    return v;
  }());
  EXPECT_EQ(c.terminals, 1U);
  EXPECT_EQ(c.source.size(), 4U);
  EXPECT_EQ(address(2), 0x3466U);
  EXPECT_EQ(count(2), 0xffffU);
  EXPECT_EQ(m.inb(kAllMask), 0x0f) << "terminal count masks the channel";
  EXPECT_EQ(m.inb(kStatus), 0x04);
  EXPECT_EQ(m.inb(kStatus), 0x00) << "reading has cleared it";
}

TEST_F(I8237Test, MemoryToDevice) {
  open_cascade();
  fill(0x1fff0, ramp(16));
  Client& c = attach(3);
  c.room = 100;
  program(3, kDemand | kFromMemory, 0x1fff0, 16);
  request(3);
  EXPECT_EQ(c.sink, ramp(16));
  EXPECT_EQ(c.terminals, 1U);
}

TEST_F(I8237Test, APageIsNeverLeft) {
  open_cascade();
  Client& c = attach(1);
  c.source = ramp(8);
  program(1, kSingle | kToMemory, 0x3fffc, 8);
  request(1);
  EXPECT_THAT(memory(0x3fffc, 4), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(memory(0x30000, 4), ElementsAre(5, 6, 7, 8));
  EXPECT_EQ(memory(0x40000, 4), std::vector<std::uint8_t>(4));
  EXPECT_EQ(m.inb(0x83), 0x03);
}

TEST_F(I8237Test, DownwardsAndAroundThePage) {
  open_cascade();
  Client& c = attach(1);
  c.source = ramp(8);
  program(1, kSingle | kToMemory | kDown, 0x30003, 8);
  request(1);
  EXPECT_THAT(memory(0x30000, 4), ElementsAre(4, 3, 2, 1));
  EXPECT_THAT(memory(0x3fffc, 4), ElementsAre(8, 7, 6, 5));
  EXPECT_EQ(address(1), 0xfffbU);
  c.room = 4;
  program(1, kSingle | kFromMemory | kDown, 0x30003, 4);
  request(1);
  EXPECT_THAT(c.sink, ElementsAre(1, 2, 3, 4));
}

TEST_F(I8237Test, WordsOfTheSecondController) {
  Client& c = attach(5);
  c.source = ramp(8);
  // Bit 16 of the byte address comes from the counter: bit 0 of the page register is not used.
  program(5, kSingle | kToMemory, 0x5fffc, 4);
  request(5);
  EXPECT_THAT(memory(0x5fffc, 4), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(memory(0x40000, 4), ElementsAre(5, 6, 7, 8)) << "around a page of 128 KiB";
  EXPECT_EQ(address(5), 0x0002U) << "in words";
  c.source = ramp(6);
  program(5, kSingle | kToMemory | kDown, 0x48004, 3);
  request(5);
  EXPECT_THAT(memory(0x48000, 6), ElementsAre(5, 6, 3, 4, 1, 2)) << "words go down, their bytes stay";
}

TEST_F(I8237Test, VerifyCountsAndTouchesNoMemory) {
  open_cascade();
  Client& c = attach(2);
  c.room = 100;
  program(2, kSingle | kVerify, 0x10000, 12);
  fill(0x10000, ramp(12));
  request(2);
  EXPECT_EQ(c.verified, 12U);
  EXPECT_EQ(c.terminals, 1U);
  EXPECT_EQ(memory(0x10000, 12), ramp(12));
  EXPECT_TRUE(c.sink.empty());
  EXPECT_EQ(count(2), 0xffffU);
}

TEST_F(I8237Test, AutoinitializeStartsAgainUnmasked) {
  open_cascade();
  Client& c = attach(1);
  program(1, kSingle | kToMemory | kAuto, 0x20000, 4);
  c.source = ramp(4);
  request(1);
  EXPECT_EQ(address(1), 0U);
  EXPECT_EQ(count(1), 3U);
  EXPECT_EQ(m.inb(kAllMask), 0x0d);
  EXPECT_EQ(m.inb(kStatus), 0x02);
  c.source = ramp(4, 11);
  request(1);
  EXPECT_THAT(memory(0x20000, 5), ElementsAre(11, 12, 13, 14, 0));
  EXPECT_EQ(c.terminals, 2U);
}

TEST_F(I8237Test, ADeviceThatRunsDryGoesOnLater) {
  open_cascade();
  Client& c = attach(2);
  program(2, kDemand | kToMemory, 0x20000, 10);
  c.source = ramp(4);
  request(2);
  EXPECT_EQ(count(2), 5U);
  EXPECT_EQ(address(2), 4U);
  EXPECT_EQ(c.terminals, 0U);
  c.source = ramp(10, 5);
  request(2);
  EXPECT_EQ(memory(0x20000, 11), [] {
    auto v = ramp(10);
    v.push_back(0);
    return v;
  }());
  EXPECT_EQ(c.terminals, 1U);
  EXPECT_EQ(c.source.size(), 4U);
}

TEST_F(I8237Test, TheWholePageInOneProgramming) {
  open_cascade();
  Client& c = attach(2);
  c.source.resize(0x10000);
  for (std::size_t i = 0; i < c.source.size(); ++i) c.source[i] = static_cast<std::uint8_t>(i * 31 + (i >> 8));
  const auto sent = c.source;
  program(2, kDemand | kToMemory, 0x28000, 0x10000);
  request(2);
  auto expected = sent;
  std::rotate(expected.begin(), expected.begin() + 0x8000, expected.end());
  EXPECT_EQ(memory(0x20000, 0x10000), expected);
  EXPECT_EQ(c.terminals, 1U);
}

TEST_F(I8237Test, AMaskedRequestWaitsAndIsShown) {
  open_cascade();
  Client& c = attach(2);
  c.source = ramp(4);
  program(2, kSingle | kToMemory, 0x20000, 4);
  m.outb(kMask, 0x06);
  request(2);
  EXPECT_EQ(m.inb(kStatus), 0x40);
  EXPECT_EQ(c.source.size(), 4U);
  m.outb(kMask, 0x02);
  EXPECT_TRUE(c.source.empty());
  EXPECT_EQ(m.inb(kStatus), 0x04);
}

TEST_F(I8237Test, ADisabledControllerServesNobody) {
  open_cascade();
  Client& c = attach(2);
  c.source = ramp(4);
  program(2, kSingle | kToMemory, 0x20000, 4);
  m.outb(kCommand, 0x04);
  request(2);
  EXPECT_EQ(c.source.size(), 4U);
  m.outb(kCommand, 0x00);
  EXPECT_TRUE(c.source.empty());
}

TEST_F(I8237Test, TheFirstControllerNeedsTheCascade) {
  Client& c = attach(2);
  c.source = ramp(4);
  program(2, kSingle | kToMemory, 0x20000, 4);
  request(2);
  EXPECT_EQ(c.source.size(), 4U);
  m.outb(0xd4, 0);
  EXPECT_EQ(c.source.size(), 4U) << "channel 4 is not in cascade mode";
  m.outb(0xd4, 4);
  m.outb(0xd6, kCascade);
  EXPECT_EQ(c.source.size(), 4U) << "channel 4 is masked";
  m.outb(0xd4, 0);
  EXPECT_TRUE(c.source.empty());
}

TEST_F(I8237Test, FirmwareThatIsNotThereHasOpenedTheCascade) {
  dma->set_up_as_firmware();
  Client& c = attach(0);
  c.source = ramp(4);
  program(0, kSingle | kToMemory, 0x20000, 4);
  request(0);
  EXPECT_TRUE(c.source.empty());
}

TEST_F(I8237Test, FixedPriorityStartsWithChannelZero) {
  open_cascade();
  for (const unsigned n : {3U, 1U, 2U}) {
    attach(n).source = ramp(2);
    program(n, kSingle | kToMemory, 0x20000, 2);
  }
  m.outb(kCommand, 0x04);
  for (const unsigned n : {3U, 1U, 2U}) request(n);
  m.outb(kCommand, 0x00);
  EXPECT_THAT(Client::order, ElementsAre(1, 2, 3));
}

TEST_F(I8237Test, RotatingPriorityPutsTheLastOneServedLast) {
  open_cascade();
  m.outb(kCommand, 0x10);
  attach(1).source = ramp(1);
  program(1, kSingle | kToMemory, 0x20000, 1);
  request(1);
  Client::order.clear();
  for (const unsigned n : {0U, 1U, 2U}) {
    attach(n).source = ramp(2);
    program(n, kSingle | kToMemory, 0x20000, 2);
  }
  m.outb(kCommand, 0x14);
  for (const unsigned n : {0U, 1U, 2U}) request(n);
  m.outb(kCommand, 0x10);
  EXPECT_THAT(Client::order, ElementsAre(2, 0, 1));
}

TEST_F(I8237Test, TheFirstControllersRequestsComeBeforeTheSeconds) {
  open_cascade();
  for (const unsigned n : {3U, 5U}) {
    attach(n).source = ramp(2);
    program(n, kSingle | kToMemory, 0x20000, n < 4 ? 2 : 1);
  }
  m.outb(kCommand, 0x04), m.outb(0xd0, 0x04);
  request(5), request(3);
  m.outb(kCommand, 0x00);
  EXPECT_TRUE(Client::order.empty()) << "the second controller passes requests on";
  m.outb(0xd0, 0x00);
  EXPECT_THAT(Client::order, ElementsAre(3, 5));
}

// --- software requests ---

TEST_F(I8237Test, ASoftwareRequestRunsABlockThatNobodyAnswers) {
  open_cascade();
  fill(0x20000, ramp(8));
  program(1, kBlock | kToMemory, 0x20000, 4);
  m.outb(kMask, 0x05);  // cannot be masked
  m.outb(kRequest, 0x05);
  EXPECT_THAT(memory(0x20000, 5), ElementsAre(0xff, 0xff, 0xff, 0xff, 5));
  EXPECT_EQ(m.inb(kStatus), 0x02) << "the request ends with terminal count";
}

TEST_F(I8237Test, ASoftwareRequestOfAnotherModeWaits) {
  open_cascade();
  program(1, kSingle | kToMemory, 0x20000, 4);
  m.outb(kRequest, 0x05);
  EXPECT_EQ(count(1), 3U);
  EXPECT_EQ(m.inb(kStatus), 0x20);
  m.outb(kRequest, 0x01);
  EXPECT_EQ(m.inb(kStatus), 0x00);
}

TEST_F(I8237Test, ABlockGoesOnWithoutTheRequestThatBeganIt) {
  open_cascade();
  Client& c = attach(2);
  program(2, kBlock | kToMemory, 0x20000, 6);
  c.source = ramp(6);
  m.outb(kRequest, 0x06);
  EXPECT_EQ(c.terminals, 1U);
  EXPECT_EQ(memory(0x20000, 6), ramp(6));
}

TEST_F(I8237Test, MemoryToMemory) {
  open_cascade();
  fill(0x21000, ramp(6));
  program(0, kBlock | kFromMemory, 0x21000, 6);
  program(1, kBlock | kToMemory, 0x32000, 6);
  m.outb(kCommand, 0x01);
  m.outb(kRequest, 0x04);
  EXPECT_EQ(memory(0x32000, 6), ramp(6));
  EXPECT_EQ(m.inb(kTemporary), 6);
  EXPECT_EQ(m.inb(kStatus), 0x02);
  EXPECT_EQ(count(1), 0xffffU);
  EXPECT_EQ(address(0), 0x1006U);
}

TEST_F(I8237Test, MemoryToMemoryFromOneAddressFills) {
  open_cascade();
  fill(0x21000, {0x5a});
  program(0, kBlock | kFromMemory, 0x21000, 4);
  program(1, kBlock | kToMemory | kDown, 0x32003, 4);
  m.outb(kCommand, 0x03);
  m.outb(kRequest, 0x04);
  EXPECT_THAT(memory(0x32000, 5), ElementsAre(0x5a, 0x5a, 0x5a, 0x5a, 0));
  EXPECT_EQ(address(0), 0x1000U);
}

// --- who may be where ---

TEST_F(I8237Test, AChannelHasOneDevice) {
  attach(2);
  Client other;
  EXPECT_THROW(bus->dma_channel(2).attach(&other), Error);
  EXPECT_THROW(bus->dma_channel(4), Error);
  EXPECT_THROW(bus->dma_channel(8), Error);
}

TEST_F(I8237Test, ADeviceThatLeavesTakesItsRequestAlong) {
  attach(2);
  request(2);
  EXPECT_EQ(m.inb(kStatus), 0x40);
  clients[2].channel->attach(nullptr);
  clients[2].channel = nullptr;
  EXPECT_EQ(m.inb(kStatus), 0x00);
}

TEST(I8237Bus, ChannelsNeedAController) {
  TestMachine m;
  auto& bus = dynamic_cast<IsaBus&>(m.add_isa_bus());
  EXPECT_THROW(bus.dma_channel(2), Error);
  m.add<I8237>("dma");
  m.add<I8237>("second");
  EXPECT_THROW(m.start(), Error);
}

// --- any program ---

TEST_F(I8237Test, SurvivesAnyProgram) {
  std::mt19937 random(8237);
  for (const unsigned n : {0U, 1U, 2U, 3U, 5U, 6U, 7U}) attach(n).at_most = 64;
  for (int i = 0; i < 30000; ++i) {
    const auto value = static_cast<unsigned>(random());
    switch (value % 8) {
      case 0: {
        const unsigned n = value >> 8 & 7;
        if (n == 4) break;
        clients[n].source.resize(value >> 16 & 0xfe);
        clients[n].room = value >> 16 & 0xfe;
        clients[n].sink.clear();
        request(n, value >> 4 & 1);
        break;
      }
      case 1:
        m.outb(static_cast<std::uint16_t>(0x80 + (value >> 8 & 15)), static_cast<std::uint8_t>(value >> 16));
        break;
      case 2:
        (void)m.inb(static_cast<std::uint16_t>((value & 16 ? 0xc0 : 0) + (value >> 8 & 15)));
        break;
      case 3:  // short blocks, so that software requests stay cheap
        put16(value >> 8 & 7, (value >> 8 & 3) * 2 + 1, value >> 16 & 0x3ff);
        break;
      default:
        m.outb(port(value >> 4 & 4, value >> 8 & 15), static_cast<std::uint8_t>(value >> 16));
    }
  }
  m.reset();
  for (Client& c : clients)
    if (c.channel) c.channel->request(false);
  open_cascade();
  clients[2].source = ramp(4);
  program(2, kSingle | kToMemory, 0x20000, 4);
  request(2);
  EXPECT_THAT(memory(0x20000, 4), ElementsAre(1, 2, 3, 4));
}

}  // namespace
}  // namespace machina::test
