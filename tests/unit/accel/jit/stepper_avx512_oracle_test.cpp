// Random encodings of AVX-512 and AVX against the host's processor: the same registers, mask registers, flags, memory
// and faults, or an instruction that the Stepper declines. Nothing that a guest encodes may be one that the host
// refuses when the Stepper hands it over: that would end the process. MACHINA_ORACLE_INSTRUCTIONS=600000
// MACHINA_ORACLE_SEED=7 for more of it.

#include <Zydis/Zydis.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <csetjmp>
#include <csignal>
#include <cstring>
#include <random>

#include "accel/jit/emit_avx512.h"
#include "accel/jit/host_avx512.h"
#include "accel/jit/jit_cpuid.h"
#include "accel/jit/jit_state.h"
#include "accel/jit/stepper.h"
#include "tests/support/oracle/oracle.h"
#include "tests/unit/accel/jit/descriptor_tables.h"

namespace machina::jit {
namespace {

constexpr std::uint64_t kData = 0x20000;
constexpr unsigned kMemory = 256, kMxcsrAt = 24;
constexpr std::uint64_t kVectors = kStateSse | kStateAvx | kStateAvx512;
constexpr std::uint64_t kArithmeticFlags = 0x8d5;

struct alignas(64) Area {
  std::array<std::uint8_t, 4096> bytes{};
};

/// What the trampoline below loads, and stores; it knows these offsets.
struct Frame {
  std::uint8_t* area;        // 0
  const std::uint8_t* code;  // 8
  std::uint64_t gpr[16];     // 16: by number; those of RSP are not used
  std::uint64_t flags;       // 144
  std::uint64_t host_stack;  // 152
};

Frame* frame_in_use;

extern "C" void avx512_oracle_run(Frame*);
extern "C" const char avx512_oracle_back[];

// It ends in avx512_oracle_back, where the code under test jumps to, through a pointer that is behind it.
asm(R"(
        .text
        .globl avx512_oracle_run
avx512_oracle_run:
        push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15
        mov %rsp, 152(%rdi)
        push %rdi
        mov (%rdi), %rcx
        mov $0xe6, %eax
        xor %edx, %edx
        xrstor64 (%rcx)
        pushq 144(%rdi)
        popfq
        mov 16(%rdi), %rax
        mov 24(%rdi), %rcx
        mov 32(%rdi), %rdx
        mov 40(%rdi), %rbx
        mov 56(%rdi), %rbp
        mov 64(%rdi), %rsi
        mov 80(%rdi), %r8
        mov 88(%rdi), %r9
        mov 96(%rdi), %r10
        mov 104(%rdi), %r11
        mov 112(%rdi), %r12
        mov 120(%rdi), %r13
        mov 128(%rdi), %r14
        mov 136(%rdi), %r15
        pushq 8(%rdi)
        mov 72(%rdi), %rdi
        ret
        .globl avx512_oracle_back
avx512_oracle_back:
        xchg %rdi, (%rsp)
        mov %rax, 16(%rdi)
        mov %rcx, 24(%rdi)
        mov %rdx, 32(%rdi)
        mov %rbx, 40(%rdi)
        mov %rbp, 56(%rdi)
        mov %rsi, 64(%rdi)
        mov %r8, 80(%rdi)
        mov %r9, 88(%rdi)
        mov %r10, 96(%rdi)
        mov %r11, 104(%rdi)
        mov %r12, 112(%rdi)
        mov %r13, 120(%rdi)
        mov %r14, 128(%rdi)
        mov %r15, 136(%rdi)
        pop 72(%rdi)
        pushfq
        pop 144(%rdi)
        mov (%rdi), %rcx
        mov $0xe6, %eax
        xor %edx, %edx
        xsave64 (%rcx)
        vzeroupper
        pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx
        ret
)");

sigjmp_buf out;
volatile std::sig_atomic_t signal_number;
void leave(int number) {
  signal_number = number;
  siglongjmp(out, 1);
}

/// Signals that an instruction may raise, caught while it lives.
class Caught {
 public:
  Caught() {
    struct sigaction action {};
    action.sa_handler = &leave;
    action.sa_flags = SA_NODEFER;
    for (unsigned i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &action, &before_[i]);
  }
  ~Caught() {
    for (unsigned i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &before_[i], nullptr);
  }
  Caught(const Caught&) = delete;
  Caught& operator=(const Caught&) = delete;

 private:
  static constexpr int kSignals[] = {SIGILL, SIGSEGV, SIGBUS, SIGFPE};
  struct sigaction before_[std::size(kSignals)]{};
};

/// What is the same on both sides.
struct Case {
  std::vector<std::uint8_t> code;
  std::array<std::uint64_t, 16> gpr{};
  std::uint64_t flags = 2;
  Area area;
  std::array<std::uint8_t, kMemory> memory{};
  unsigned misaligned = 0;  ///< RDI is beyond the middle of the memory by that
};
struct Result {
  int fault = -1;  ///< vector
  std::array<std::uint64_t, 16> gpr{};
  std::uint64_t flags = 0;
  Area area;
  std::array<std::uint8_t, kMemory> memory{};
};

/// What the area says is in its initial configuration becomes zeros, as the host's XSAVE writes it.
void write_out(Area& area) {
  std::uint64_t in_use;
  std::memcpy(&in_use, area.bytes.data() + kLegacyRegion, sizeof in_use);
  for (const std::uint64_t component : {kStateAvx, kStateMasks, kStateZmmHigh, kStateZmm16}) {
    const auto [offset, size] = host_layout().place(component);
    if (!(in_use & component)) std::memset(area.bytes.data() + offset, 0, size);
  }
}

class Native {
 public:
  Native() {
    page_ = static_cast<std::uint8_t*>(
        mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  }
  ~Native() { munmap(page_, 4096); }
  Native(const Native&) = delete;
  Native& operator=(const Native&) = delete;

  Result run(const Case& c) {
    std::uint8_t* to = std::copy(c.code.begin(), c.code.end(), page_);
    constexpr std::uint8_t kJump[] = {0xff, 0x25, 0, 0, 0, 0};  // jmp *0(%rip)
    to = std::copy(std::begin(kJump), std::end(kJump), to);
    const char* back = avx512_oracle_back;
    std::memcpy(to, &back, sizeof back);
    alignas(64) static std::array<std::uint8_t, kMemory> memory;
    static Frame frame;
    static Area area;
    memory = c.memory;
    area = c.area;
    frame = {area.bytes.data(), page_, {}, c.flags, 0};
    std::copy(c.gpr.begin(), c.gpr.end(), frame.gpr);
    frame.gpr[kRdi] = reinterpret_cast<std::uint64_t>(memory.data() + kMemory / 2 + c.misaligned);
    frame_in_use = &frame;
    Result r;
    if (sigsetjmp(out, 1) == 0) {
      avx512_oracle_run(frame_in_use);
    } else {
      asm volatile("vzeroupper");
      r.fault = signal_number == SIGILL ? 6 : 13;
      return r;
    }
    std::copy(std::begin(frame.gpr), std::end(frame.gpr), r.gpr.begin());
    r.gpr[kRdi] = c.gpr[kRdi];
    r.flags = frame.flags;
    r.area = area;
    r.memory = memory;
    return r;
  }

 private:
  std::uint8_t* page_;
};

class Guest {
 public:
  Guest() : cpuid_(supported_cpuid()), stepper_(machine_, blocks_, cpuid_) {
    machine_.long_64();
    tables_.emplace(machine_);
    tables_->stop_at_every_vector();
    store_state(machine_.cpu(), fresh_);
    fresh_.xcr0 = 0xe7;
    fresh_.cr4 |= 0x40600;
  }

  /// Nothing: declined.
  std::optional<Result> run(const Case& c) {
    X86State state = fresh_;
    std::copy(c.gpr.begin(), c.gpr.end(), state.gpr.begin());
    state.gpr[kRsp] = BareMachine::kStack;
    state.gpr[kRdi] = kData + kMemory / 2 + c.misaligned;
    state.rflags = c.flags;
    state.xsave.assign(c.area.bytes.begin(), c.area.bytes.begin() + host_layout().size);
    machine_.put_code(state.rip, c.code);
    std::memcpy(machine_.ram() + kData, c.memory.data(), kMemory);
    const std::uint64_t end = state.rip + c.code.size();
    stepper_.load(state);
    if (stepper_.step() == Stepper::Outcome::Declined) return std::nullopt;
    stepper_.store(state);
    Result r;
    if (state.rip != end) {
      r.fault = static_cast<int>((state.rip - DescriptorTables::handler(0)) / 16);
      return r;
    }
    std::copy(state.gpr.begin(), state.gpr.end(), r.gpr.begin());
    r.gpr[kRdi] = c.gpr[kRdi];
    r.gpr[kRsp] = 0;
    r.flags = state.rflags;
    std::copy(state.xsave.begin(), state.xsave.end(), r.area.bytes.begin());
    write_out(r.area);
    std::memcpy(r.memory.data(), machine_.ram() + kData, kMemory);
    return r;
  }

 private:
  BareMachine machine_;
  std::optional<DescriptorTables> tables_;
  BlockCache blocks_;
  CpuidTable cpuid_;
  Stepper stepper_;
  X86State fresh_;
};

class JitStepperAvx512Oracle : public testing::Test {
 protected:
  void SetUp() override {
    if (!host_has_avx512()) GTEST_SKIP() << "this processor has no AVX-512";
  }
  std::uint64_t random() { return random_(); }
  std::uint8_t byte() { return static_cast<std::uint8_t>(random_()); }

  /// An instruction with [RDI] or a register as its last operand but for immediates.
  std::vector<std::uint8_t> encoding() {
    std::vector<std::uint8_t> code;
    switch (random() % 4) {
      case 0:
        code = {0xc4, static_cast<std::uint8_t>(0x60 | random() % 2 << 7 | (1 + random() % 3)),
                static_cast<std::uint8_t>(0x78 ^ random() % 256)};
        break;
      default:
        // One opmask in use in half of them; X and B mean nothing with [RDI].
        code = {0x62, static_cast<std::uint8_t>((byte() & 0x90) | 0x60 | (1 + random() % 6)),
                static_cast<std::uint8_t>(byte() | 4), byte()};
        if (random() % 2) code[3] &= 0x78;
        break;
    }
    code.push_back(byte());
    code.push_back(static_cast<std::uint8_t>((byte() & 0x38) | (random() % 2 ? 0xc0 | random() % 8 : 0x07)));
    if (code.back() >= 0xc0 && code[0] == 0x62) code[1] = static_cast<std::uint8_t>(code[1] & ~(random() & 0x60));
    code.push_back(byte());  // an immediate, if there is one
    return code;
  }

  Case make() {
    Case c;
    for (std::uint64_t& r : c.gpr) r = random();
    c.gpr[kRsp] = 0;
    c.flags = (random() & kArithmeticFlags) | 2;
    for (std::uint8_t& b : c.memory) b = byte();
    const XsaveLayout& l = host_layout();
    for (unsigned i = 160; i < l.end(kVectors); ++i)
      if (i < 416 || i >= kExtendedRegion) c.area.bytes[i] = byte();
    // Numbers that arithmetic does something with, besides noise.
    for (unsigned i = 160; i < 416; i += 4)
      if (random() % 2) c.area.bytes[i + 3] = 0x3f, c.area.bytes[i + 2] = 0x80;
    const std::uint32_t mxcsr = 0x1f80;
    std::memcpy(c.area.bytes.data() + kMxcsrAt, &mxcsr, sizeof mxcsr);
    std::memcpy(c.area.bytes.data() + kLegacyRegion, &kVectors, sizeof kVectors);
    if (random() % 8 == 0) c.misaligned = 4;
    return c;
  }

  OracleOptions options_ = from_environment({.instructions = 20000});
  std::mt19937_64 random_{options_.seed};
};

struct Decoded {
  ZydisDecodedInstruction instruction;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

bool decode(const std::vector<std::uint8_t>& code, Decoded& d) {
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code.data(), code.size(), &d.instruction, d.operands));
}

std::string text_of(const std::vector<std::uint8_t>& code) {
  Decoded d;
  std::string text;
  for (const std::uint8_t b : code) text += fmt::format("{:02x} ", b);
  if (!decode(code, d)) return text;
  ZydisFormatter formatter;
  char buffer[128];
  ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
  ZydisFormatterFormatInstruction(&formatter, &d.instruction, d.operands, d.instruction.operand_count_visible, buffer,
                                  sizeof buffer, 0, nullptr);
  return text + buffer;
}

/// RSP is this process's, and RDI is another number on each side.
bool uses_own_registers(const Decoded& d) {
  for (unsigned i = 0; i < d.instruction.operand_count; ++i) {
    const ZydisDecodedOperand& o = d.operands[i];
    if (o.type != ZYDIS_OPERAND_TYPE_REGISTER) continue;
    const ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, o.reg.value);
    if (whole == ZYDIS_REGISTER_RSP || whole == ZYDIS_REGISTER_RDI) return true;
  }
  return false;
}

/// VMASKMOVDQU goes where RDI says, and the two that move MXCSR might switch an exception on.
bool is_left_out(const Decoded& d) {
  switch (d.instruction.mnemonic) {
    case ZYDIS_MNEMONIC_VMASKMOVDQU:
    case ZYDIS_MNEMONIC_VLDMXCSR:
    case ZYDIS_MNEMONIC_VSTMXCSR:
      return true;
    default:
      return d.instruction.meta.category == ZYDIS_CATEGORY_GATHER ||
             d.instruction.meta.category == ZYDIS_CATEGORY_SCATTER || uses_own_registers(d);
  }
}

bool uses_vectors(const Decoded& d) {
  return is_avx512_or_widened(d.instruction, {d.operands, d.instruction.operand_count});
}

/// The parts of the area that hold registers, and MXCSR.
bool same_registers(const Area& a, const Area& b) {
  const auto same = [&](unsigned at, unsigned size) {
    return std::memcmp(a.bytes.data() + at, b.bytes.data() + at, size) == 0;
  };
  const XsaveLayout& l = host_layout();
  return same(kMxcsrAt, 4) && same(160, 256) && same(l.avx, 256) && same(l.masks, 64) && same(l.zmm_high, 512) &&
         same(l.zmm16, 1024);
}

/// False: the Stepper let the host raise a signal.
bool run_caught(Guest& guest, const Case& c, std::optional<Result>& result) {
  if (sigsetjmp(out, 1) != 0) return false;
  result = guest.run(c);
  return true;
}

TEST_F(JitStepperAvx512Oracle, DoesWhatTheHostDoes) {
  Native native;
  Guest guest;
  const Caught caught;
  unsigned equal = 0, faults = 0, declined = 0, different = 0;
  while (equal + faults + declined < options_.instructions && different < 20) {
    std::vector<std::uint8_t> code = encoding();
    Decoded d;
    if (!decode(code, d) || !uses_vectors(d) || is_left_out(d)) continue;
    code.resize(d.instruction.length);
    Case c = make();
    c.code = std::move(code);
    const Result expected = native.run(c);
    std::optional<Result> got;
    if (!run_caught(guest, c, got)) {
      ADD_FAILURE() << "signal " << signal_number << " in the Stepper: " << text_of(c.code);
      return;
    }
    if (!got) {
      ++declined;
      continue;
    }
    if (got->fault != expected.fault) {
      ++different;
      ADD_FAILURE() << text_of(c.code) << ": fault " << got->fault << ", the host has " << expected.fault;
    } else if (got->fault >= 0) {
      ++faults;
    } else if (got->gpr != expected.gpr || (got->flags & kArithmeticFlags) != (expected.flags & kArithmeticFlags) ||
               got->memory != expected.memory || !same_registers(got->area, expected.area)) {
      ++different;
      ADD_FAILURE() << text_of(c.code) << ": registers, flags or memory are not the host's";
    } else {
      ++equal;
    }
  }
  RecordProperty("equal", std::to_string(equal));
  RecordProperty("faults", std::to_string(faults));
  RecordProperty("declined", std::to_string(declined));
  EXPECT_GT(equal, options_.instructions / 2);
}

}  // namespace
}  // namespace machina::jit
