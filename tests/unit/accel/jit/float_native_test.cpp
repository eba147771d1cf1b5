#include "tests/unit/accel/jit/float_native.h"

#include <Zydis/Zydis.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include "accel/jit/host_float.h"

namespace machina::jit {

namespace {

sigjmp_buf recover;
volatile sig_atomic_t running = 0;
void on_signal(int number) {
  if (running) siglongjmp(recover, number);
  signal(number, SIG_DFL);
  ::raise(number);
}

/// Calls code with all registers of `state` loaded, and stores them afterwards. R15 is not the code's to use.
extern "C" void machina_test_run_native(NativeState* state, const void* code);
asm(R"(
.text
.globl machina_test_run_native
machina_test_run_native:
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rdi, %r15
  push %rsi
  fxrstor64 512(%r15)
)"
#define YMM(n) "  vmovups " #n "*32(%r15), %ymm" #n "\n"
    YMM(0) YMM(1) YMM(2) YMM(3) YMM(4) YMM(5) YMM(6) YMM(7) YMM(8) YMM(9) YMM(10) YMM(11) YMM(12) YMM(13) YMM(14)
        YMM(15)
#undef YMM
            R"(
  ldmxcsr 1024+136(%r15)
  pushq 1024+128(%r15)
  popfq
  mov 1024(%r15), %rax
  mov 1024+8(%r15), %rcx
  mov 1024+16(%r15), %rdx
  mov 1024+24(%r15), %rbx
  mov 1024+40(%r15), %rbp
  mov 1024+48(%r15), %rsi
  mov 1024+56(%r15), %rdi
  mov 1024+64(%r15), %r8
  mov 1024+72(%r15), %r9
  mov 1024+80(%r15), %r10
  mov 1024+88(%r15), %r11
  mov 1024+96(%r15), %r12
  mov 1024+104(%r15), %r13
  mov 1024+112(%r15), %r14
  call *(%rsp)
  mov %rax, 1024(%r15)
  mov %rcx, 1024+8(%r15)
  mov %rdx, 1024+16(%r15)
  mov %rbx, 1024+24(%r15)
  mov %rbp, 1024+40(%r15)
  mov %rsi, 1024+48(%r15)
  mov %rdi, 1024+56(%r15)
  mov %r8, 1024+64(%r15)
  mov %r9, 1024+72(%r15)
  mov %r10, 1024+80(%r15)
  mov %r11, 1024+88(%r15)
  mov %r12, 1024+96(%r15)
  mov %r13, 1024+104(%r15)
  mov %r14, 1024+112(%r15)
  pushfq
  popq 1024+128(%r15)
  stmxcsr 1024+136(%r15)
)"
#define YMM(n) "  vmovups %ymm" #n ", " #n "*32(%r15)\n"
    YMM(0) YMM(1) YMM(2) YMM(3) YMM(4) YMM(5) YMM(6) YMM(7) YMM(8) YMM(9) YMM(10) YMM(11) YMM(12) YMM(13) YMM(14)
        YMM(15)
#undef YMM
            R"(
  fxsave64 512(%r15)
  fninit
  vzeroupper
  pushq $0x1f80
  ldmxcsr (%rsp)
  pop %rax
  pop %rsi
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbp
  pop %rbx
  ret
)");
static_assert(offsetof(NativeState, x87) == 512 && offsetof(NativeState, gpr) == 1024 &&
              offsetof(NativeState, flags) == 1024 + 128 && offsetof(NativeState, mxcsr) == 1024 + 136);

constexpr std::size_t kMiddle = 256;
constexpr std::uint8_t kRet = 0xc3;

std::string hex(std::span<const std::uint8_t> bytes) {
  std::string text;
  for (std::size_t i = bytes.size(); i-- > 0;) text += fmt::format("{:02x}", bytes[i]);
  return text;
}

std::string bytes_of(std::span<const std::uint8_t> code) {
  std::string text;
  for (const std::uint8_t b : code) text += fmt::format("{:02x}", b);
  return text;
}

std::string disassemble(std::span<const std::uint8_t> code) {
  std::string text;
  for (std::size_t at = 0; at < code.size();) {
    ZydisDisassembledInstruction instruction;
    if (!ZYAN_SUCCESS(
            ZydisDisassembleIntel(ZYDIS_MACHINE_MODE_LONG_64, at, code.data() + at, code.size() - at, &instruction)))
      return text + "?";
    text += fmt::format("{}{}", text.empty() ? "" : "; ", instruction.text);
    at += instruction.info.length;
  }
  return text;
}

}  // namespace

FloatNative::FloatNative() {
  machine_.long_64();
  for (const int s : {SIGILL, SIGSEGV, SIGFPE, SIGBUS}) {
    struct sigaction action {};
    action.sa_handler = &on_signal;
    action.sa_flags = SA_NODEFER;
    sigaction(s, &action, nullptr);
  }
}

bool FloatNative::run_native(std::span<const std::uint8_t> code, NativeState& state) {
  // One page that is written over and over: a test's own, so never mind that it is executable all the time.
  static auto* const place = static_cast<std::uint8_t*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  std::copy(code.begin(), code.end(), place);
  place[code.size()] = kRet;
  state.gpr[kRbx] = reinterpret_cast<std::uint64_t>(state.memory.data() + kMiddle);
  state.x87.mxcsr = 0x1f80;
  running = 1;
  bool ok = true;
  if (const int number = sigsetjmp(recover, 1); number == 0) {
    machina_test_run_native(&state, place);
  } else {
    asm volatile("fninit\n\tvzeroupper");
    const std::uint32_t mxcsr = 0x1f80;
    asm volatile("ldmxcsr %0" : : "m"(mxcsr));
    ok = false;
  }
  running = 0;
  state.gpr[kRbx] = kMemory + kMiddle;
  return ok;
}

bool FloatNative::run_guest(std::span<const std::uint8_t> code, NativeState& state) {
  Cpu& cpu = machine_.cpu();
  if (++runs_ % 1024 == 0) {
    machine_.blocks().clear();
    cpu.flush_tlb();
  }
  for (unsigned i = 0; i < 16; ++i)
    if (i != kRsp) cpu.gpr[i] = state.gpr[i];
  cpu.gpr[kRbx] = kMemory + kMiddle;
  cpu.set_eflags(static_cast<std::uint32_t>(state.flags));
  cpu.update_mode();
  cpu.vector.ymm = state.ymm;
  cpu.vector.mxcsr = state.mxcsr;
  cpu.x87.image = state.x87;
  update_error_summary(cpu);
  std::copy(state.memory.begin(), state.memory.end(), machine_.ram() + kMemory);
  std::vector<std::uint8_t> bytes(code.begin(), code.end());
  bytes.insert(bytes.end(), {0x0f, 0x0b});  // UD2
  machine_.run(bytes);
  const bool ok = cpu.rip == BareMachine::kCode + code.size();
  for (unsigned i = 0; i < 16; ++i)
    if (i != kRsp) state.gpr[i] = cpu.gpr[i];
  state.flags = cpu.eflags();
  state.ymm = cpu.vector.ymm;
  state.mxcsr = cpu.vector.mxcsr;
  state.x87 = cpu.x87.image;
  std::copy_n(machine_.ram() + kMemory, state.memory.size(), state.memory.begin());
  return ok;
}

std::string FloatNative::compare(std::span<const std::uint8_t> code, const NativeState& start,
                                 std::uint32_t undefined) {
  NativeState native = start, guest = start;
  const bool native_ok = run_native(code, native), guest_ok = run_guest(code, guest);
  std::string text;
  if (native_ok != guest_ok) text += fmt::format("  native {}, guest {}\n", native_ok, guest_ok);
  if (native_ok && guest_ok) {
    for (unsigned i = 0; i < 16; ++i) {
      if (native.ymm[i] != guest.ymm[i])
        text += fmt::format("  ymm{}: start {}\n    native {}\n    guest  {}\n", i, hex(start.ymm[i]),
                            hex(native.ymm[i]), hex(guest.ymm[i]));
      if (i != kRsp && i != kR15 && native.gpr[i] != guest.gpr[i])
        text += fmt::format("  gpr{}: native {:x} guest {:x}\n", i, native.gpr[i], guest.gpr[i]);
    }
    if (native.mxcsr != guest.mxcsr)
      text += fmt::format("  mxcsr: start {:x} native {:x} guest {:x}\n", start.mxcsr, native.mxcsr, guest.mxcsr);
    const std::uint32_t mask = kArithmetic & ~undefined;
    if ((native.flags ^ guest.flags) & mask)
      text += fmt::format("  flags: native {:x} guest {:x}\n", native.flags & mask, guest.flags & mask);
    const FxImage &a = native.x87, &b = guest.x87;
    if (a.control != b.control || a.status != b.status || a.valid != b.valid)
      text += fmt::format("  x87: native {:x} {:x} {:x} guest {:x} {:x} {:x}\n", a.control, a.status, a.valid,
                          b.control, b.status, b.valid);
    for (unsigned i = 0; i < 8; ++i)
      if (!std::equal(a.st[i].begin(), a.st[i].begin() + 10, b.st[i].begin()))
        text += fmt::format("  st{}: native {} guest {}\n", i, hex(std::span(a.st[i]).first(10)),
                            hex(std::span(b.st[i]).first(10)));
    if (native.memory != guest.memory) {
      for (std::size_t i = 0; i < native.memory.size(); ++i)
        if (native.memory[i] != guest.memory[i])
          text += fmt::format("  [{:+}]: native {:02x} guest {:02x}\n", static_cast<int>(i) - 256, native.memory[i],
                              guest.memory[i]);
    }
  }
  if (text.empty()) return text;
  return fmt::format("{}: {}\n{}", bytes_of(code), disassemble(code), text);
}

std::uint64_t FloatNumbers::next() {
  state_ ^= state_ << 13;
  state_ ^= state_ >> 7;
  state_ ^= state_ << 17;
  return state_ * 0x2545f4914f6cdd1d;
}

std::uint32_t FloatNumbers::single() {
  static constexpr std::uint32_t kSpecial[] = {0,          0x80000000, 0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001,
                                               0x00000001, 0x807fffff, 0x00800000, 0x7f7fffff, 0xffffffff, 0x3f800000};
  const std::uint64_t r = next();
  if (r % 4 == 0) return kSpecial[(r >> 8) % std::size(kSpecial)];
  if (r % 4 == 1) return static_cast<std::uint32_t>(r >> 32);
  return static_cast<std::uint32_t>((r >> 32 & 0x807fffff) | (127 - 10 + (r >> 8) % 20) << 23);
}

std::uint64_t FloatNumbers::dbl() {
  static constexpr std::uint64_t kSpecial[] = {0,
                                               std::uint64_t{1} << 63,
                                               0x7ff0000000000000,
                                               0xfff0000000000000,
                                               0x7ff8000000000000,
                                               0x7ff0000000000001,
                                               1,
                                               0x800fffffffffffff,
                                               0x0010000000000000,
                                               0x7fefffffffffffff,
                                               ~std::uint64_t{0},
                                               0x3ff0000000000000,
                                               0x36a0000000000000};
  const std::uint64_t r = next();
  if (r % 4 == 0) return kSpecial[(r >> 8) % std::size(kSpecial)];
  if (r % 4 == 1) return next();
  return (next() & 0x800fffffffffffff) | (1023 - 20 + (r >> 8) % 40) << 52;
}

void FloatNumbers::fill_vector(std::span<std::uint8_t> bytes) {
  const unsigned kind = below(3);
  for (std::size_t i = 0; i + 8 <= bytes.size(); i += 8) {
    const std::uint64_t value = kind == 0   ? dbl()
                                : kind == 1 ? (single() | static_cast<std::uint64_t>(single()) << 32)
                                            : next();
    std::memcpy(bytes.data() + i, &value, 8);
  }
}

void FloatNumbers::fill_x87(std::array<std::uint8_t, 16>& st) {
  std::uint64_t significand = next();
  std::uint64_t exponent = 0x3fff - 40 + below(80);
  switch (below(8)) {
    case 0:
      significand = 0;
      exponent = 0;
      break;
    case 1:
      significand = std::uint64_t{1} << 63 | (below(2) ? 0 : next() >> 1);
      exponent = 0x7fff;
      break;
    case 2:
      exponent = 0;
      significand >>= 1 + below(40);
      break;
    case 3:  // any, also what no unit since the 80387 supports
      exponent = next() & 0x7fff;
      break;
    case 4: {
      significand = static_cast<std::uint64_t>(below(1000)) << 50;
      exponent = 0x3fff + 13;
      while (significand && !(significand >> 63)) significand <<= 1, --exponent;
      if (!significand) exponent = 0;
      break;
    }
    default:
      significand |= std::uint64_t{1} << 63;
  }
  exponent |= (next() & 1) << 15;
  std::memcpy(st.data(), &significand, 8);
  std::memcpy(st.data() + 8, &exponent, 2);
  std::memset(st.data() + 10, 0, 6);
}

NativeState FloatNumbers::state() {
  NativeState s;
  for (auto& ymm : s.ymm) fill_vector(ymm);
  for (auto& st : s.x87.st) fill_x87(st);
  for (auto& g : s.gpr) g = below(3) == 0 ? below(64) : next();
  fill_vector(s.memory);
  s.x87.valid = static_cast<std::uint8_t>(below(4) == 0 ? next() : 0xff >> below(9));
  s.x87.status = static_cast<std::uint16_t>(next() & 0x7f7f & ~0xbfU) | static_cast<std::uint16_t>(next() & 0x3f);
  s.x87.control = static_cast<std::uint16_t>(0x7f | (below(4) ? 0x300 : below(4) << 8) | below(4) << 10);
  if (s.x87.status & 0x3f) s.x87.status &= 0x7f7f;
  s.mxcsr = 0x1f80 | (below(2) ? 0 : below(4) << 13) | (below(4) ? 0 : (next() & 0x8040)) |
            static_cast<std::uint32_t>(below(2) ? 0 : next() & 0x3f);
  s.flags = 2 | (next() & kArithmetic);
  return s;
}

// What the comparisons stand on: that code runs here with what it was given, and that nothing of the state is
// forgotten.
TEST(JitFloatNative, RunsCodeHere) {
  FloatNative native;
  NativeState s;
  s.ymm[3][0] = 5;
  s.ymm[12][0] = 7;
  s.gpr[kRdx] = 9;
  s.x87.valid = 0x80;  // ST(0) is R7
  s.x87.status = 0x3800;
  s.x87.st[0][7] = 0x80;  // 1.0
  s.x87.st[0][8] = 0xff;
  s.x87.st[0][9] = 0x3f;
  // paddb xmm3, xmm12; inc rdx; fchs
  ASSERT_TRUE(
      native.run_native(std::vector<std::uint8_t>{0x66, 0x41, 0x0f, 0xfc, 0xdc, 0x48, 0xff, 0xc2, 0xd9, 0xe0}, s));
  EXPECT_EQ(s.ymm[3][0], 12);
  EXPECT_EQ(s.gpr[kRdx], 10U);
  EXPECT_EQ(s.x87.st[0][9], 0xbf);
  EXPECT_EQ(s.x87.status, 0x3800);
  // ud2
  EXPECT_FALSE(native.run_native(std::vector<std::uint8_t>{0x0f, 0x0b}, s));
}

}  // namespace machina::jit
