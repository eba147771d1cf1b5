/// x87 control instructions: SDM vol. 1, 8.3.8. Those whose mnemonics begin with FN do not wait, that is, raise no #MF.

#include "accel/jit/control_registers.h"
#include "accel/jit/emitters.h"
#include "accel/jit/float_gate.h"
#include "accel/jit/thunk_operand.h"
#include "accel/jit/x87_environment.h"

namespace machina::jit {

namespace {

void wait(Cpu& cpu, const Op* op) {
  if (x87_pending(cpu)) [[unlikely]]
    raise_x87(cpu, op);
}

std::uint16_t status_word(const Cpu& cpu) {
  if (!cpu.x87.window) return cpu.x87.image.status;
  std::uint16_t value;
  asm volatile("fnstsw %0" : "=a"(value));
  return value;
}

const Block* fnstsw_ax(Cpu& cpu, const Op* op) {
  set_register<std::uint16_t>(cpu, 8 * kRax, status_word(cpu));
  return next(cpu, op);
}
template <Addressing A>
const Block* fnstsw_m(Cpu& cpu, const Op* op) {
  store<std::uint16_t>(cpu, op, linear_of<A, std::uint16_t>(cpu, op, true), status_word(cpu));
  return next(cpu, op);
}
template <Addressing A>
const Block* fnstcw(Cpu& cpu, const Op* op) {
  store<std::uint16_t>(cpu, op, linear_of<A, std::uint16_t>(cpu, op, true), cpu.x87.image.control);
  return next(cpu, op);
}

/// Programs that cut numbers to integers do this twice for each: an open window stays so.
template <Addressing A>
const Block* fldcw(Cpu& cpu, const Op* op) {
  wait(cpu, op);
  FxImage& image = cpu.x87.image;
  const std::uint16_t control =
      x87_control_word(load<std::uint16_t>(cpu, op, linear_of<A, std::uint16_t>(cpu, op, false)));
  if (cpu.x87.window && (control & kX87Exceptions) == kX87Exceptions) {
    image.control = control;
    asm volatile("fldcw %0" : : "m"(image.control));
    return next(cpu, op);
  }
  leave_guest_float(cpu);
  image.control = control;
  update_error_summary(cpu);
  return next(cpu, op);
}

const Block* fnclex(Cpu& cpu, const Op* op) {
  constexpr std::uint16_t kStackFault = 0x40;
  if (cpu.x87.window) {
    asm volatile("fnclex");
  } else {
    cpu.x87.image.status &= static_cast<std::uint16_t>(~(kX87Exceptions | kStackFault | kX87ErrorSummary | kX87Busy));
  }
  return next(cpu, op);
}

const Block* fninit(Cpu& cpu, const Op* op) {
  leave_guest_float(cpu);
  initialize_x87(cpu);
  return next(cpu, op);
}

/// WAIT alone looks at CR0.MP: SDM vol. 3, 2.5.
const Block* fwait(Cpu& cpu, const Op* op) {
  if ((cpu.cr0 & (kCr0Mp | kCr0Ts)) == (kCr0Mp | kCr0Ts)) {
    cpu.fault_op = op;
    raise(Vector::DeviceNotAvailable);
  }
  wait(cpu, op);
  return next(cpu, op);
}

/// FNENI, FNDISI, FNSETPM: for the coprocessors before the 80387. SDM vol. 3, 23.18.
const Block* ignored(Cpu& cpu, const Op* op) { return next(cpu, op); }

// --- environment: Op::extra says which format ---
constexpr std::uint8_t kWideFormat = 1;

X87EnvironmentFormat format_of(const Cpu& cpu, const Op* op) {
  return {.wide = (op->extra & kWideFormat) != 0, .protected_mode = cpu.protected_mode()};
}

std::uint64_t environment_linear(Cpu& cpu, const Op* op, unsigned size, bool write) {
  return cpu.mode & kModeLong ? linear_flat(cpu, op) : linear_checked(cpu, op, size, write);
}

constexpr unsigned kStSize = 10, kRegisters = 8;
constexpr unsigned kLargest = 28 + kStSize * kRegisters;

const Block* fnstenv(Cpu& cpu, const Op* op) {
  const X87EnvironmentFormat format = format_of(cpu, op);
  const std::uint64_t linear = environment_linear(cpu, op, format.size(), true);
  leave_guest_float(cpu);
  std::array<std::uint8_t, kLargest> bytes{};
  put_x87_environment(cpu, format, bytes.data());
  write_bytes(cpu, op, linear, bytes.data(), format.size());
  cpu.x87.image.control |= kX87Exceptions;
  update_error_summary(cpu);
  return next(cpu, op);
}

const Block* fldenv(Cpu& cpu, const Op* op) {
  wait(cpu, op);
  const X87EnvironmentFormat format = format_of(cpu, op);
  std::array<std::uint8_t, kLargest> bytes;
  read_bytes(cpu, op, environment_linear(cpu, op, format.size(), false), bytes.data(), format.size());
  leave_guest_float(cpu);
  take_x87_environment(cpu, format, bytes.data());
  return next(cpu, op);
}

const Block* fnsave(Cpu& cpu, const Op* op) {
  const X87EnvironmentFormat format = format_of(cpu, op);
  const unsigned size = format.size() + kStSize * kRegisters;
  const std::uint64_t linear = environment_linear(cpu, op, size, true);
  leave_guest_float(cpu);
  std::array<std::uint8_t, kLargest> bytes{};
  put_x87_environment(cpu, format, bytes.data());
  for (unsigned i = 0; i < kRegisters; ++i)
    std::memcpy(bytes.data() + format.size() + kStSize * i, cpu.x87.image.st[i].data(), kStSize);
  write_bytes(cpu, op, linear, bytes.data(), size);
  initialize_x87(cpu);
  return next(cpu, op);
}

const Block* frstor(Cpu& cpu, const Op* op) {
  wait(cpu, op);
  const X87EnvironmentFormat format = format_of(cpu, op);
  const unsigned size = format.size() + kStSize * kRegisters;
  std::array<std::uint8_t, kLargest> bytes;
  read_bytes(cpu, op, environment_linear(cpu, op, size, false), bytes.data(), size);
  leave_guest_float(cpu);
  take_x87_environment(cpu, format, bytes.data());
  for (unsigned i = 0; i < kRegisters; ++i)
    std::memcpy(cpu.x87.image.st[i].data(), bytes.data() + format.size() + kStSize * i, kStSize);
  return next(cpu, op);
}

template <Handler Do>
void emit_environment(Decoding& d) {
  if (!may_use(d, FloatUnit::X87)) return;
  d.use_memory(0);
  d.op.extra = d.instruction.operand_width == 16 ? 0 : kWideFormat;
  d.op.handler = Do;
}

template <Handler Do>
void emit_plain(Decoding& d) {
  if (!may_use(d, FloatUnit::X87)) return;
  d.op.handler = Do;
}

template <Handler Flat, Handler Checked>
void emit_word(Decoding& d) {
  if (!may_use(d, FloatUnit::X87)) return;
  d.use_memory(0);
  d.op.handler = d.checked ? Checked : Flat;
}

void emit_fnstsw(Decoding& d) {
  if (d.instruction.raw.modrm.mod == 3) return emit_plain<&fnstsw_ax>(d);
  emit_word<&fnstsw_m<Addressing::Flat>, &fnstsw_m<Addressing::Checked>>(d);
}

}  // namespace

void add_x87_control_emitters(EmitterTable& table) {
  table[ZYDIS_MNEMONIC_FNSTSW] = &emit_fnstsw;
  table[ZYDIS_MNEMONIC_FNSTCW] = &emit_word<&fnstcw<Addressing::Flat>, &fnstcw<Addressing::Checked>>;
  table[ZYDIS_MNEMONIC_FLDCW] = &emit_word<&fldcw<Addressing::Flat>, &fldcw<Addressing::Checked>>;
  table[ZYDIS_MNEMONIC_FNCLEX] = &emit_plain<&fnclex>;
  table[ZYDIS_MNEMONIC_FNINIT] = &emit_plain<&fninit>;
  table[ZYDIS_MNEMONIC_FWAIT] = [](Decoding& d) { d.op.handler = &fwait; };
  for (const ZydisMnemonic m :
       {ZYDIS_MNEMONIC_FENI8087_NOP, ZYDIS_MNEMONIC_FDISI8087_NOP, ZYDIS_MNEMONIC_FSETPM287_NOP})
    table[m] = &emit_plain<&ignored>;
  table[ZYDIS_MNEMONIC_FNSTENV] = &emit_environment<&fnstenv>;
  table[ZYDIS_MNEMONIC_FLDENV] = &emit_environment<&fldenv>;
  table[ZYDIS_MNEMONIC_FNSAVE] = &emit_environment<&fnsave>;
  table[ZYDIS_MNEMONIC_FRSTOR] = &emit_environment<&frstor>;
}

}  // namespace machina::jit
