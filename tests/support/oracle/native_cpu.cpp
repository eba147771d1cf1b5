#include "tests/support/oracle/native_cpu.h"

#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "accel/jit/flags.h"

namespace machina::jit {

namespace {

// The kernel's signal frame does all loading and saving: a first UD2 enters the handler, which puts the user state into
// the frame and returns to it; the fault that ends the run enters it again, and it goes back to after the UD2.

enum class Phase { Idle, Entering, Running };
volatile Phase phase = Phase::Idle;
UserState current;
bool compatibility_mode = false;
gregset_t host_registers;
alignas(64) std::array<std::uint8_t, 4096> host_float;

constexpr std::size_t kSignalStack = 256 << 10;
constexpr std::array<int, 5> kSignals = {SIGSEGV, SIGILL, SIGFPE, SIGBUS, SIGTRAP};
std::array<struct sigaction, kSignals.size()> before;

constexpr std::size_t kHeader = 512, kYmm = 576;      // of the XSAVE area in a frame: SDM vol. 1, 13.4
constexpr std::size_t kSoftware = 464;                // struct _fpx_sw_bytes of the kernel's asm/sigcontext.h
constexpr std::uint32_t kExtendedMagic = 0x46505853;  // FP_XSTATE_MAGIC1
constexpr std::uint64_t kUser32Cs = 0x23, kUserDs = 0x2b;
constexpr int kVectorPageFault = 14;

/// By Gpr.
constexpr std::array<int, 16> kGreg = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                       REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

std::size_t float_size(const std::uint8_t* area) {
  std::uint32_t magic = 0, size = 0;
  std::memcpy(&magic, area + kSoftware, 4);
  std::memcpy(&size, area + kSoftware + 16, 4);
  return magic == kExtendedMagic && size <= host_float.size() ? size : 512;
}

void load_float(std::uint8_t* area, const UserState& s) {
  const std::size_t size = float_size(area);
  std::memcpy(host_float.data(), area, size);
  auto* image = reinterpret_cast<FxImage*>(area);
  image->control = s.fx.control;
  image->status = s.fx.status;
  image->valid = s.fx.valid;
  image->opcode = 0;
  image->ip = image->dp = 0;
  image->mxcsr = s.fx.mxcsr;
  image->st = s.fx.st;
  image->xmm = s.fx.xmm;
  if (size < kYmm + 256) return;
  std::uint64_t components = 0;
  std::memcpy(&components, area + kHeader, 8);
  components |= 7;
  std::memcpy(area + kHeader, &components, 8);
  std::memcpy(area + kYmm, s.ymm_high.data(), 256);
}

void save_float(std::uint8_t* area, UserState& s) {
  const auto* image = reinterpret_cast<const FxImage*>(area);
  s.fx.control = image->control;
  s.fx.status = image->status;
  s.fx.valid = image->valid;
  s.fx.mxcsr = image->mxcsr;
  s.fx.st = image->st;
  s.fx.xmm = image->xmm;
  const std::size_t size = float_size(area);
  if (size >= kYmm + 256) {
    // A component that is not in XSTATE_BV has its initial value, and its bytes here mean nothing.
    std::uint64_t components = 0;
    std::memcpy(&components, area + kHeader, 8);
    if (!(components & 1)) {
      const FxImage initial;
      s.fx.control = initial.control;
      s.fx.status = s.fx.valid = 0;
      s.fx.st = {};
    }
    if (!(components & 2)) s.fx.xmm = {};
    if (components & 4) {
      std::memcpy(s.ymm_high.data(), area + kYmm, 256);
    } else {
      s.ymm_high = {};
    }
  }
  std::memcpy(area, host_float.data(), size);
}

void on_signal(int number, siginfo_t*, void* context) {
  auto& uc = *static_cast<ucontext_t*>(context);
  greg_t* g = uc.uc_mcontext.gregs;
  auto* area = reinterpret_cast<std::uint8_t*>(uc.uc_mcontext.fpregs);
  if (phase == Phase::Idle) {  // somebody else's: die of it
    signal(number, SIG_DFL);
    return;
  }
  UserState& s = current;
  if (phase == Phase::Entering) {
    std::memcpy(host_registers, g, sizeof host_registers);
    load_float(area, s);
    for (unsigned i = 0; i < 16; ++i) g[kGreg[i]] = static_cast<greg_t>(s.gpr[i]);
    g[REG_RIP] = static_cast<greg_t>(s.rip);
    g[REG_EFL] = static_cast<greg_t>(
        (static_cast<std::uint64_t>(g[REG_EFL]) & ~std::uint64_t{kArithmetic | kDf | kRf}) | s.eflags);
    if (compatibility_mode)
      g[REG_CSGSFS] =
          static_cast<greg_t>((static_cast<std::uint64_t>(g[REG_CSGSFS]) & 0xffffffff0000) | kUser32Cs | kUserDs << 48);
    phase = Phase::Running;
    return;
  }
  for (unsigned i = 0; i < 16; ++i) s.gpr[i] = static_cast<std::uint64_t>(g[kGreg[i]]);
  s.rip = static_cast<std::uint64_t>(g[REG_RIP]);
  s.eflags = static_cast<std::uint32_t>(g[REG_EFL]) & (kArithmetic | kDf);
  s.vector = static_cast<unsigned>(g[REG_TRAPNO]);
  s.error = static_cast<std::uint32_t>(g[REG_ERR]);
  s.address = s.vector == kVectorPageFault ? static_cast<std::uint64_t>(g[REG_CR2]) : 0;
  save_float(area, s);
  std::memcpy(g, host_registers, sizeof host_registers);
  g[REG_RIP] += 2;  // beyond the UD2
  phase = Phase::Idle;
}

}  // namespace

NativeCpu::NativeCpu() {
  constexpr std::size_t kAll = UserLayout::kDataSize + UserLayout::kReadOnlySize + UserLayout::kCodeSize;
  const auto at = [](std::uint64_t address) { return reinterpret_cast<void*>(address); };
  memory_ = memfd_create("user-code", MFD_CLOEXEC);
  if (memory_ < 0 || ftruncate(memory_, kAll) != 0) throw std::runtime_error("no memory for the native oracle");
  alias_ = static_cast<std::uint8_t*>(mmap(nullptr, kAll, PROT_READ | PROT_WRITE, MAP_SHARED, memory_, 0));
  if (mmap(at(UserLayout::kWindow), UserLayout::kWindowSize, PROT_NONE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0) != at(UserLayout::kWindow))
    throw std::runtime_error("the native oracle's addresses are taken in this process");
  // Populated: a write that is not allowed says in its error code whether the page is there.
  const auto map = [&](std::uint64_t address, std::size_t size, int rights, std::size_t offset) {
    if (mmap(at(address), size, rights, MAP_SHARED | MAP_FIXED | MAP_POPULATE, memory_, static_cast<off_t>(offset)) ==
        MAP_FAILED)
      throw std::runtime_error("the native oracle cannot map its memory");
  };
  std::memset(alias_, 0, kAll);
  map(UserLayout::kData, UserLayout::kDataSize, PROT_READ | PROT_WRITE, 0);
  map(UserLayout::kData + UserLayout::kDataSize, UserLayout::kReadOnlySize, PROT_READ, UserLayout::kDataSize);
  map(UserLayout::kCode, UserLayout::kCodeSize, PROT_READ | PROT_EXEC,
      UserLayout::kDataSize + UserLayout::kReadOnlySize);

  signal_stack_ = mmap(nullptr, kSignalStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  const stack_t stack{.ss_sp = signal_stack_, .ss_flags = 0, .ss_size = kSignalStack};
  sigaltstack(&stack, nullptr);
  struct sigaction action {};
  action.sa_sigaction = &on_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &action, &before[i]);
  has_compatibility_mode_ = try_compatibility_mode();
}

NativeCpu::~NativeCpu() {
  for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &before[i], nullptr);
  const stack_t none{.ss_sp = nullptr, .ss_flags = SS_DISABLE, .ss_size = 0};
  sigaltstack(&none, nullptr);
  munmap(signal_stack_, kSignalStack);
  munmap(alias_, UserLayout::kDataSize + UserLayout::kReadOnlySize + UserLayout::kCodeSize);
  munmap(reinterpret_cast<void*>(UserLayout::kWindow), UserLayout::kWindowSize);
  close(memory_);
}

std::uint8_t* NativeCpu::data() { return alias_; }
std::uint8_t* NativeCpu::code() { return alias_ + UserLayout::kDataSize + UserLayout::kReadOnlySize; }

bool NativeCpu::try_compatibility_mode() {
  constexpr std::array<std::uint8_t, 3> kCode = {0x40, 0x0f, 0x0b};  // INC EAX, which 64-bit code has as a prefix; UD2
  std::memcpy(code(), kCode.data(), kCode.size());
  UserState state;
  state.rip = UserLayout::kCode;
  state.gpr[4] = UserLayout::kData;
  run(state, true);
  return state.vector == 6 && state.gpr[0] == 1;
}

void NativeCpu::run(UserState& state, bool compatibility) {
  if (compatibility)  // null in 64-bit processes, which would fault
    asm volatile("mov %0, %%ds\n\tmov %0, %%es" ::"r"(static_cast<std::uint32_t>(kUserDs)));
  compatibility_mode = compatibility;
  current = state;
  phase = Phase::Entering;
  asm volatile("ud2" ::: "memory", "cc");
  state = current;
}

}  // namespace machina::jit
