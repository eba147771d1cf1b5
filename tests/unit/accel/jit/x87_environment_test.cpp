/// FNSTENV, FLDENV, FNSAVE and FRSTOR in the four layouts of SDM vol. 1, figures 8-9 to 8-12: 32 and 16 bits, protected
/// and real mode. Written from there; the host's processor is no oracle for addresses.

#include <gtest/gtest.h>

#include "tests/unit/accel/jit/descriptor_tables.h"

namespace machina::jit {
namespace {

constexpr std::uint64_t kImage = 0x30000, kOperand = 0x23460;
constexpr unsigned kRegisters = 80;

enum class Mode { Real, Virtual8086, Protected16, Protected32, Long };

struct Layout {
  const char* name;
  Mode mode;
  bool wide;
  bool native;  ///< without the operand-size prefix
};
constexpr Layout kLayouts[] = {
    {"real mode, 16 bits", Mode::Real, false, true},
    {"real mode, 32 bits", Mode::Real, true, false},
    {"virtual 8086, 16 bits", Mode::Virtual8086, false, true},
    {"virtual 8086, 32 bits", Mode::Virtual8086, true, false},
    {"16-bit code, 16 bits", Mode::Protected16, false, true},
    {"16-bit code, 32 bits", Mode::Protected16, true, false},
    {"32-bit code, 16 bits", Mode::Protected32, false, false},
    {"32-bit code, 32 bits", Mode::Protected32, true, true},
    {"64-bit code, 16 bits", Mode::Long, false, false},
    {"64-bit code, 32 bits", Mode::Long, true, true},
};

/// A CPU in a mode. Data segments other than DS are flat or those of real mode with bases that reach the images.
class JitX87Environment : public testing::TestWithParam<Layout> {
 protected:
  JitX87Environment() {
    Cpu& cpu = m.cpu();
    switch (GetParam().mode) {
      case Mode::Real:
      case Mode::Virtual8086:
        for (const auto& [segment, at] : {std::pair{kCs, BareMachine::kCode},
                                          {kDs, std::uint64_t{0x23450}},
                                          {kEs, kImage},
                                          {kSs, std::uint64_t{0x70000}}})
          cpu.set_segment(segment, {.selector = static_cast<std::uint16_t>(at >> 4),
                                    .rights = static_cast<std::uint16_t>(segment == kCs ? 0xfb : 0xf3),
                                    .limit = 0xffff,
                                    .base = at});
        if (GetParam().mode == Mode::Virtual8086) {
          cpu.cr0 |= kCr0Pe;
          cpu.cpl = 3;
        }
        break;
      case Mode::Protected16:
        m.protected_32();
        cpu.set_segment(kCs, {.selector = 0x18, .rights = 0x009b, .limit = 0xffff, .base = BareMachine::kCode});
        cpu.set_segment(kDs, {.selector = 0x20, .rights = 0x0093, .limit = 0xffff, .base = 0x23450});
        cpu.set_segment(kEs, {.selector = 0x28, .rights = 0x0093, .limit = 0xffff, .base = kImage});
        break;
      case Mode::Protected32:
        m.protected_32();
        break;
      case Mode::Long:
        m.long_64();
        break;
    }
    cpu.cr0 |= kCr0Ne;
  }

  bool linear_addresses() const { return GetParam().mode == Mode::Real || GetParam().mode == Mode::Virtual8086; }
  /// Segments with bases: RIP is 0 where code begins.
  bool segmented() const { return linear_addresses() || GetParam().mode == Mode::Protected16; }
  bool wide() const { return GetParam().wide; }
  unsigned environment() const { return wide() ? 28 : 14; }

  void run(std::vector<std::uint8_t> code) {
    Cpu& cpu = m.cpu();
    code.push_back(0x0f);  // UD2: a triple fault, in every mode
    code.push_back(0x0b);
    m.put_code(BareMachine::kCode, code);
    cpu.set_eflags(GetParam().mode == Mode::Virtual8086 ? kVm | 0x3002 : 2);
    cpu.idt = {0, 0};
    cpu.exit = VcpuExit::Interrupted;
    cpu.rip = segmented() ? 0 : BareMachine::kCode;
    cpu.update_mode();
    run_blocks(cpu);
    EXPECT_EQ(cpu.exit, VcpuExit::Shutdown);
    EXPECT_EQ(cpu.rip, (segmented() ? 0 : BareMachine::kCode) + code.size() - 2) << "a fault before the end";
  }
  /// An instruction D9 or DD with memory at an address near kImage, with the operand size that is tested.
  std::vector<std::uint8_t> access(std::uint8_t opcode, unsigned reg, std::uint64_t at) const {
    std::vector<std::uint8_t> b;
    if (!GetParam().native) b.push_back(0x66);
    add_memory(b, opcode, reg, at, true);
    return b;
  }
  /// FLD m32 of kOperand; its FOP and offset within the code.
  std::vector<std::uint8_t> load() const {
    std::vector<std::uint8_t> b;
    add_memory(b, 0xd9, 0, kOperand, false);
    return b;
  }
  unsigned load_fop() const { return 0x100 | (segmented() ? 6U : GetParam().mode == Mode::Long ? 4U : 5U); }

  std::uint32_t field(std::uint64_t image, unsigned index) {
    return wide() ? m.get<std::uint32_t>(image + 4 * index) : m.get<std::uint16_t>(image + 2 * index);
  }
  void put_field(std::uint64_t image, unsigned index, std::uint32_t value) {
    if (wide()) {
      m.put<std::uint32_t>(image + 4 * index, value);
    } else {
      m.put<std::uint16_t>(image + 2 * index, static_cast<std::uint16_t>(value));
    }
  }

  BareMachine m;

 private:
  void add_memory(std::vector<std::uint8_t>& b, std::uint8_t opcode, unsigned reg, std::uint64_t at, bool extra) const {
    const auto modrm = static_cast<std::uint8_t>(reg << 3);
    if (segmented()) {
      if (extra) b.push_back(0x26);  // ES
      const std::uint64_t offset = at - (extra ? kImage : 0x23450);
      b.insert(b.end(), {opcode, static_cast<std::uint8_t>(modrm | 6), static_cast<std::uint8_t>(offset),
                         static_cast<std::uint8_t>(offset >> 8)});
      return;
    }
    b.push_back(opcode);
    if (GetParam().mode == Mode::Long) {
      b.insert(b.end(), {static_cast<std::uint8_t>(modrm | 4), 0x25});
    } else {
      b.push_back(static_cast<std::uint8_t>(modrm | 5));
    }
    for (unsigned i = 0; i < 4; ++i) b.push_back(static_cast<std::uint8_t>(at >> 8 * i));
  }
};

std::vector<std::uint8_t> operator+(std::vector<std::uint8_t> a, const std::vector<std::uint8_t>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

const std::vector<std::uint8_t> kFninit = {0xdb, 0xe3}, kFld1 = {0xd9, 0xe8}, kFldz = {0xd9, 0xee};

TEST_P(JitX87Environment, StoresWhatTheFiguresSay) {
  m.put<float>(kOperand, 1.5F);
  for (unsigned i = 0; i < 32; ++i) m.put<std::uint8_t>(kImage + i, 0x5a);
  // Two registers in use: R7 is 1.5, R6 is zero. The pointers are those of the last instruction, which has no operand.
  const auto before = kFninit + load();
  run(before + kFldz + access(0xd9, 6, kImage));
  const std::uint32_t offset = static_cast<std::uint32_t>((segmented() ? 0 : BareMachine::kCode) + before.size());
  EXPECT_EQ(field(kImage, 0) & 0xffff, 0x37fU) << "control word";
  EXPECT_EQ(field(kImage, 1) & 0xffff, 0x3000U) << "status word: TOP is 6";
  EXPECT_EQ(field(kImage, 2) & 0xffff, 0x1fffU) << "tags: R7 valid, R6 zero, the others empty";
  constexpr std::uint32_t kFopOfFldz = 0x1ee;
  const Cpu& cpu = m.cpu();
  if (linear_addresses()) {
    const std::uint32_t code = static_cast<std::uint32_t>(BareMachine::kCode) + offset, data = kOperand;
    EXPECT_EQ(field(kImage, 3) & 0xffff, code & 0xffff);
    EXPECT_EQ(field(kImage, 4), (code >> 16) << 12 | kFopOfFldz);
    EXPECT_EQ(field(kImage, 5) & 0xffff, data & 0xffff);
    EXPECT_EQ(field(kImage, 6), (data >> 16) << 12);
  } else {
    const std::uint32_t data = static_cast<std::uint32_t>(segmented() ? kOperand - 0x23450 : kOperand);
    EXPECT_EQ(field(kImage, 3), wide() ? offset : offset & 0xffff);
    EXPECT_EQ(field(kImage, 4), cpu.segment[kCs].selector | (wide() ? kFopOfFldz << 16 : 0U));
    EXPECT_EQ(field(kImage, 5), wide() ? data : data & 0xffff);
    EXPECT_EQ(field(kImage, 6) & 0xffff, cpu.segment[kDs].selector);
  }
  EXPECT_EQ(m.get<std::uint8_t>(kImage + environment()), 0x5a) << "nothing behind it";
}

TEST_P(JitX87Environment, StoresTheOpcodeOfAnInstructionWithMemory) {
  m.put<float>(kOperand, 1.5F);
  run(kFninit + load() + access(0xd9, 6, kImage));
  if (linear_addresses()) {
    EXPECT_EQ(field(kImage, 4) & 0x7ff, load_fop());
  } else if (wide()) {
    EXPECT_EQ(field(kImage, 4) >> 16, load_fop());
  }
}

TEST_P(JitX87Environment, MasksExceptionsAfterItHasStoredThem) {
  m.put<std::uint16_t>(kImage + 0x100, 0x340);
  // FLDCW; FNSTENV; FNSTCW
  auto code = kFninit;
  auto fldcw = access(0xd9, 5, kImage + 0x100), fnstcw = access(0xd9, 7, kImage + 0x102);
  run(code + fldcw + access(0xd9, 6, kImage) + fnstcw);
  EXPECT_EQ(field(kImage, 0) & 0xffff, 0x340U);
  EXPECT_EQ(m.get<std::uint16_t>(kImage + 0x102), 0x37fU);
}

TEST_P(JitX87Environment, LoadsWhatItIsGiven) {
  // TOP becomes 5, R0 and R2 count as full, all others as empty.
  put_field(kImage, 0, 0xffff027f);
  put_field(kImage, 1, 0xffff2800 | 0x4100);  // C3 and C0
  put_field(kImage, 2, 0xffff0000 | (0xffffU & ~(3U << 0) & ~(3U << 4)));
  const bool linear = linear_addresses();
  put_field(kImage, 3, wide() && linear ? 0xffff5678 : 0x12345678);
  put_field(kImage, 4, linear ? (wide() ? 0x1234U : 0x9U) << 12 | 0x6ab : wide() ? 0x6ab0018 : 0x18);
  put_field(kImage, 5, wide() && linear ? 0xffffdef0 : 0x9abcdef0);
  put_field(kImage, 6, linear ? (wide() ? 0x9abcU : 0xaU) << 12 : 0x23);
  // FLD1; FADD ST0, ST0 -> 2 in R7; FLD1 in R6; FINCSTP twice: TOP = 0
  const std::vector<std::uint8_t> fill = {0xd9, 0xe8, 0xd8, 0xc0, 0xd9, 0xe8, 0xd9, 0xf7, 0xd9, 0xf7};
  run(kFninit + fill + access(0xd9, 4, kImage) + access(0xd9, 6, kImage + 0x200));
  const std::uint64_t copy = kImage + 0x200;
  EXPECT_EQ(field(copy, 0) & 0xffff, 0x27fU);
  EXPECT_EQ(field(copy, 1) & 0xffff, 0x6900U);
  // What is full is told by what is in it: R0 and R2 have zeros since power-on.
  EXPECT_EQ(field(copy, 2) & 0xffff, 0xffddU);
  EXPECT_EQ(field(copy, 3) & 0xffff, 0x5678U);
  EXPECT_EQ(field(copy, 5) & 0xffff, 0xdef0U);
  if (!linear && wide()) {
    EXPECT_EQ(field(copy, 3), 0x12345678U);
    EXPECT_EQ(field(copy, 4), 0x6ab0018U);
    EXPECT_EQ(field(copy, 5), 0x9abcdef0U);
    EXPECT_EQ(field(copy, 6) & 0xffff, 0x23U);
  } else {
    EXPECT_EQ(field(copy, 4), field(kImage, 4));
    EXPECT_EQ(field(copy, 6) & (linear ? 0xffffffff : 0xffff), field(kImage, 6));
  }
}

TEST_P(JitX87Environment, SavesAndRestoresEverything) {
  for (unsigned i = 0; i < 0x100; ++i) m.put<std::uint8_t>(kImage + i, 0x5a);
  m.put<float>(kOperand, -3.0F);
  // ST0 is 0, ST1 is -3, ST2 is 1: R5, R6, R7. FNSAVE; FNSTENV; FRSTOR; FNSTENV; FSTP m80 three times
  std::vector<std::uint8_t> code = kFninit + kFld1 + load() + kFldz + access(0xdd, 6, kImage) +
                                   access(0xd9, 6, kImage + 0x200) + access(0xdd, 4, kImage) +
                                   access(0xd9, 6, kImage + 0x240);
  for (unsigned i = 0; i < 3; ++i) code = code + access(0xdb, 7, kImage + 0x300 + 16 * i);
  run(code);
  EXPECT_EQ(field(kImage, 1) & 0xffff, 0x2800U);
  EXPECT_EQ(field(kImage, 2) & 0xffff, 0x07ffU) << "R7 and R6 valid, R5 zero";
  const std::uint64_t st = kImage + environment();
  EXPECT_EQ(m.get<std::uint64_t>(st), 0U);
  EXPECT_EQ(m.get<std::uint16_t>(st + 8), 0U);
  EXPECT_EQ(m.get<std::uint64_t>(st + 10), 0xc000000000000000);
  EXPECT_EQ(m.get<std::uint16_t>(st + 18), 0xc000U);
  EXPECT_EQ(m.get<std::uint64_t>(st + 20), 0x8000000000000000);
  EXPECT_EQ(m.get<std::uint16_t>(st + 28), 0x3fffU);
  EXPECT_EQ(m.get<std::uint8_t>(st + kRegisters), 0x5a) << "nothing behind it";
  // As after FNINIT. SDM vol. 2, FSAVE.
  EXPECT_EQ(field(kImage + 0x200, 0) & 0xffff, 0x37fU);
  EXPECT_EQ(field(kImage + 0x200, 1) & 0xffff, 0U);
  EXPECT_EQ(field(kImage + 0x200, 2) & 0xffff, 0xffffU);
  EXPECT_EQ(field(kImage + 0x200, 3) & 0xffff, 0U);
  EXPECT_EQ(field(kImage + 0x200, 5) & 0xffff, 0U);
  // And back.
  for (unsigned i = 0; i < 7; ++i) EXPECT_EQ(field(kImage + 0x240, i), field(kImage, i)) << i;
  EXPECT_EQ(m.get<std::uint64_t>(kImage + 0x300), 0U);
  EXPECT_EQ(m.get<std::uint16_t>(kImage + 0x318), 0xc000U);
  EXPECT_EQ(m.get<std::uint64_t>(kImage + 0x320), 0x8000000000000000);
}

TEST_P(JitX87Environment, AnExceptionThatIsLoadedIsPending) {
  for (unsigned i = 0; i < 7; ++i) put_field(kImage, i, 0);
  put_field(kImage, 0, 0x37b);  // ZM is clear
  put_field(kImage, 1, 4);      // ZE
  put_field(kImage, 2, 0xffff);
  // FLDENV; FNSTSW: ES and B follow from it
  const auto before = kFninit + access(0xd9, 4, kImage);
  run(before + access(0xdd, 7, kImage + 0x100));
  EXPECT_EQ(m.get<std::uint16_t>(kImage + 0x100), 0x8084U);
  // FLDENV waits, FNSTENV does not.
  run(kFninit + access(0xd9, 4, kImage) + access(0xd9, 6, kImage + 0x200));
  EXPECT_EQ(field(kImage + 0x200, 1) & 0xffff, 0x8084U);
  m.cpu().x87.image.control = 0x37b;
  m.cpu().x87.image.status = 0x8084;
  const auto waits = access(0xd9, 4, kImage);
  m.put_code(BareMachine::kCode, waits);
  m.cpu().set_eflags(GetParam().mode == Mode::Virtual8086 ? kVm | 0x3002 : 2);
  m.cpu().rip = segmented() ? 0 : BareMachine::kCode;
  m.cpu().update_mode();
  m.cpu().exit = VcpuExit::Interrupted;
  run_blocks(m.cpu());
  EXPECT_EQ(m.cpu().exit, VcpuExit::Shutdown);
  EXPECT_EQ(m.cpu().rip, segmented() ? 0 : BareMachine::kCode) << "#MF is FLDENV's own";
}

INSTANTIATE_TEST_SUITE_P(Layouts, JitX87Environment, testing::ValuesIn(kLayouts), [](const auto& tested) {
  std::string name;
  for (const char c : std::string(tested.param.name))
    if (std::isalnum(static_cast<unsigned char>(c))) name += c;
  return name;
});

TEST(JitX87EnvironmentFault, ChangesNothingWhereItDoesNotFit) {
  // FNSAVE of 108 bytes across the end of a segment, and just within it.
  BareMachine m;
  m.protected_32();
  DescriptorTables tables(m);
  tables.stop_at_every_vector();
  m.cpu().set_segment(kEs, {.selector = 0x10, .rights = 0x4093, .limit = 0x3006a, .base = 0});
  m.cpu().update_mode();
  m.put<std::uint32_t>(kImage, 0x5a5a5a5a);
  m.run({0xdb, 0xe3, 0xd9, 0xe8, 0x26, 0xdd, 0x35, 0, 0, 3, 0, 0xf4});
  EXPECT_EQ(tables.stopped_at(), 13);
  EXPECT_EQ(m.get<std::uint32_t>(kImage), 0x5a5a5a5aU);
  EXPECT_EQ(m.cpu().x87.image.valid, 0x80) << "not initialized";
  m.protected_32();
  m.cpu().set_segment(kEs, {.selector = 0x10, .rights = 0x4093, .limit = 0x3006b, .base = 0});
  m.cpu().update_mode();
  m.run({0xdb, 0xe3, 0xd9, 0xe8, 0x26, 0xdd, 0x35, 0, 0, 3, 0, 0xf4});
  EXPECT_EQ(tables.stopped_at(), -1);
  EXPECT_EQ(m.cpu().x87.image.valid, 0);
}

}  // namespace
}  // namespace machina::jit
