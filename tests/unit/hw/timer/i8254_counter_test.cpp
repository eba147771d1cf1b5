// Against a second model that is written from the "Mode Definitions" of the 82C54 datasheet (231244-006) and does one
// CLK pulse at a time.

#include "hw/timer/i8254_counter.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace machina {
namespace {

/// One pulse after the other, in the datasheet's words; binary counts or decimal ones as plain numbers.
struct PulseModel {
  unsigned mode;
  unsigned modulus;
  unsigned cr = 0;  // 0: the modulus
  unsigned ce = 0;
  bool out, gate = true;
  bool load = false, loaded = false, armed = false, written = false, odd = false;

  PulseModel(unsigned m, bool bcd) : mode(m), modulus(bcd ? 10000 : 65536), out(m != 0) {}

  void write(unsigned count) {
    cr = count;
    if (mode == 0) out = false, armed = false, load = true;
    if (mode == 4) load = true;
    if ((mode == 2 || mode == 3) && !written) load = true;
    written = true;
  }
  void set_gate(bool level) {
    if (level && !gate && written && mode != 0 && mode != 4) load = true;
    if (!level && (mode == 2 || mode == 3)) out = true;
    gate = level;
  }
  unsigned full() const { return cr ? cr : modulus; }
  void load_square() { odd = full() % 2, ce = full() - full() % 2; }

  void clk() {
    const bool strobe_ends = mode >= 4 && !out;
    if (strobe_ends) out = true;
    if (load) {
      load = false, loaded = true, armed = true;
      ce = full() % modulus;
      if (mode == 1) out = false;
      if (mode == 2) out = true;
      if (mode == 3) out = true, load_square();
      return;
    }
    if (!loaded || (!gate && mode != 1 && mode != 5)) return;
    if (mode == 2) {
      if (ce == 1) {
        ce = full() % modulus;
        out = true;
      } else {
        ce = (ce + modulus - 1) % modulus;
        if (ce == 1) out = false;
      }
      return;
    }
    if (mode == 3) {
      // An odd count stands at 0 for one pulse while OUT is high.
      const unsigned end = odd && out ? 0 : 2;
      if (ce == end) {
        out = !out;
        load_square();
      } else {
        ce -= 2;
      }
      return;
    }
    ce = (ce + modulus - 1) % modulus;
    if (ce == 0 && armed) {
      armed = false;
      out = mode < 2;
    }
  }
};

unsigned to_bcd(unsigned n) { return n / 1000 % 10 << 12 | n / 100 % 10 << 8 | n / 10 % 10 << 4 | n % 10; }

void program(I8254Counter& c, unsigned mode, bool bcd) {
  c.write_control(static_cast<std::uint8_t>(0x30 | mode << 1 | (bcd ? 1 : 0)));
}
void write_count(I8254Counter& c, unsigned count) {
  const unsigned raw = c.bcd() ? to_bcd(count) : count;
  c.write(static_cast<std::uint8_t>(raw));
  c.write(static_cast<std::uint8_t>(raw >> 8));
}
unsigned read_count(I8254Counter& c) {
  const unsigned low = c.read();
  return low | static_cast<unsigned>(c.read()) << 8;
}

class I8254Modes : public testing::TestWithParam<std::tuple<unsigned, bool>> {
 protected:
  unsigned mode() const { return std::get<0>(GetParam()); }
  bool bcd() const { return std::get<1>(GetParam()); }
};

TEST_P(I8254Modes, EveryPulseOfSmallCounts) {
  for (const unsigned count : {2U, 3U, 4U, 5U, 6U, 7U, 8U, 9U, 10U, 13U, 20U}) {
    SCOPED_TRACE(count);
    PulseModel model(mode(), bcd());
    I8254Counter chip;
    program(chip, mode(), bcd());
    EXPECT_EQ(chip.out, mode() != 0);
    model.write(count);
    write_count(chip, count);
    if (mode() == 1 || mode() == 5) {
      for (const bool level : {false, true}) model.set_gate(level), chip.set_gate(level);
    }
    const I8254Counter start = chip;
    for (unsigned pulse = 1; pulse <= 5 * count + 7; ++pulse) {
      const bool before = chip.out;
      const std::uint64_t edge = chip.clocks_to_edge();
      model.clk();
      chip.advance(pulse);
      ASSERT_EQ(chip.out, model.out) << "OUT after pulse " << pulse;
      ASSERT_EQ(read_count(chip), bcd() ? to_bcd(model.ce % 10000) : model.ce % 65536) << "CE after pulse " << pulse;
      ASSERT_EQ(chip.out != before, edge == 1) << "edge foretold before pulse " << pulse;
      I8254Counter jump = start;  // all pulses at once are the same as one by one
      jump.advance(pulse);
      jump.read_msb = chip.read_msb;
      ASSERT_EQ(jump, chip) << "jump to pulse " << pulse;
    }
  }
}

TEST_P(I8254Modes, NextEdgeIsWhereOutChanges) {
  for (const unsigned count : {2U, 3U, 7U, 10U, 100U, 9999U, 0U}) {
    I8254Counter chip;
    program(chip, mode(), bcd());
    write_count(chip, count);
    chip.set_gate(false), chip.set_gate(true);
    for (int edge = 0; edge < 6; ++edge) {
      const std::uint64_t clocks = chip.clocks_to_edge();
      if (clocks == 0) {
        I8254Counter later = chip;
        later.advance(chip.clk + 1'000'000);
        EXPECT_EQ(later.out, chip.out) << count;
        break;
      }
      I8254Counter before = chip;
      before.advance(chip.clk + clocks - 1);
      EXPECT_EQ(before.out, chip.out) << count;
      before.advance(chip.clk + clocks);
      EXPECT_NE(before.out, chip.out) << count;
      chip = before;
    }
  }
}

TEST_P(I8254Modes, RandomWritesAndGates) {
  std::mt19937 random(mode() * 2 + bcd());
  for (int run = 0; run < 200; ++run) {
    PulseModel model(mode(), bcd());
    I8254Counter chip;
    program(chip, mode(), bcd());
    std::uint64_t pulse = 0;
    std::string story;
    for (int step = 0; step < 60; ++step) {
      const unsigned what = static_cast<unsigned>(random() % 8);
      if (what == 0) {
        const unsigned count = 2 + static_cast<unsigned>(random() % 11);
        story += " write " + std::to_string(count);
        model.write(count), write_count(chip, count);
      } else if (what == 1) {
        const bool level = random() % 2;
        story += level ? " gate+" : " gate-";
        model.set_gate(level), chip.set_gate(level);
      } else {
        const std::uint64_t jump = 1 + random() % 9;
        story += " +" + std::to_string(jump);
        const std::uint64_t edge = chip.clocks_to_edge();
        bool changed_early = false;
        for (std::uint64_t i = 1; i <= jump; ++i) {
          const bool out = model.out;
          model.clk();
          if (edge == 0 || i < edge) changed_early = changed_early || model.out != out;
          if (i == edge) {
            ASSERT_NE(model.out, out) << story;
          }
        }
        ASSERT_FALSE(changed_early) << story;
        chip.advance(pulse += jump);
      }
      ASSERT_EQ(chip.out, model.out) << story;
      ASSERT_EQ(read_count(chip), bcd() ? to_bcd(model.ce % 10000) : model.ce % 65536) << story;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(AllModes, I8254Modes, testing::Combine(testing::Range(0U, 6U), testing::Bool()));

TEST(I8254Counter, CountZeroIsTheLargest) {
  for (const bool bcd : {false, true}) {
    I8254Counter c;
    program(c, 0, bcd);
    write_count(c, 0);
    EXPECT_EQ(c.clocks_to_edge(), (bcd ? 10000U : 65536U) + 1);
  }
}

TEST(I8254Counter, ForbiddenCountOneGivesNoEdges) {
  for (const unsigned mode : {2U, 3U}) {
    I8254Counter c;
    program(c, mode, false);
    write_count(c, 1);
    c.advance(1);
    EXPECT_EQ(c.clocks_to_edge(), 0U);
    const bool out = c.out;
    c.advance(1'000'000'000);
    EXPECT_EQ(c.out, out);
    write_count(c, 4);
    EXPECT_GT(c.clocks_to_edge(), 0U) << "and a legal count brings it back";
  }
}

TEST(I8254Counter, ModesSixAndSevenAreTwoAndThree) {
  for (const unsigned mode : {2U, 3U}) {
    I8254Counter a, b;
    program(a, mode, false), program(b, mode + 4, false);
    write_count(a, 9), write_count(b, 9);
    for (unsigned pulse = 1; pulse < 40; ++pulse) {
      a.advance(pulse), b.advance(pulse);
      ASSERT_EQ(a.out, b.out);
      ASSERT_EQ(a.ce, b.ce);
    }
    b.latch_status();
    EXPECT_EQ(b.read() & 0x0e, (mode + 4) << 1) << "the status shows the mode as programmed";
  }
}

}  // namespace
}  // namespace machina
