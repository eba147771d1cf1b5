#include "accel/jit/thunk_code.h"

#include <bit>
#include <cstring>

#include "accel/jit/cpu_layout.h"
#include "qom/error.h"

namespace machina::jit {

namespace {

ZydisEncoderOperand reg(ZydisRegister value) {
  ZydisEncoderOperand o{};
  o.type = ZYDIS_OPERAND_TYPE_REGISTER;
  o.reg.value = value;
  return o;
}
ZydisEncoderOperand mem(ZydisRegister base, std::size_t offset, unsigned size) {
  ZydisEncoderOperand o{};
  o.type = ZYDIS_OPERAND_TYPE_MEMORY;
  o.mem.base = base;
  o.mem.displacement = static_cast<ZyanI64>(offset);
  o.mem.size = static_cast<ZyanU16>(size);
  return o;
}
ZydisEncoderOperand imm(std::uint64_t value) {
  ZydisEncoderOperand o{};
  o.type = ZYDIS_OPERAND_TYPE_IMMEDIATE;
  o.imm.u = value;
  return o;
}
ZydisRegister numbered(ZydisRegister first, unsigned number) { return static_cast<ZydisRegister>(first + number); }

constexpr ZydisRegister kCpu = ZYDIS_REGISTER_RDI, kOp = ZYDIS_REGISTER_RSI, kPointer = ZYDIS_REGISTER_RDX;

template <class T>
void append(std::vector<std::uint8_t>& code, T value) {
  const auto bytes = std::bit_cast<std::array<std::uint8_t, sizeof(T)>>(value);
  code.insert(code.end(), bytes.begin(), bytes.end());
}

}  // namespace

void ThunkCode::encode(ZydisMnemonic mnemonic, std::initializer_list<ZydisEncoderOperand> operands) {
  ZydisEncoderRequest request{};
  request.machine_mode = ZYDIS_MACHINE_MODE_LONG_64;
  request.mnemonic = mnemonic;
  for (const ZydisEncoderOperand& o : operands) request.operands[request.operand_count++] = o;
  std::uint8_t buffer[ZYDIS_MAX_INSTRUCTION_LENGTH];
  ZyanUSize length = sizeof buffer;
  if (!ZYAN_SUCCESS(ZydisEncoderEncodeInstruction(&request, buffer, &length)))
    throw Error("cannot encode an instruction").why(ZydisMnemonicGetString(mnemonic));
  bytes({buffer, length});
}

void ThunkCode::need_window(std::size_t window_offset, Enter enter) {
  encode(ZYDIS_MNEMONIC_CMP, {mem(kCpu, window_offset, 4), imm(1)});
  bytes(std::initializer_list<std::uint8_t>{0x0f, 0x85, 0, 0, 0, 0});  // JNE
  guards_.push_back({code_.size() - 4, enter});
}

void ThunkCode::load_vector(unsigned number, bool wide, std::size_t offset) {
  if (wide) {
    encode(ZYDIS_MNEMONIC_VMOVAPS, {reg(numbered(ZYDIS_REGISTER_YMM0, number)), mem(kCpu, offset, 32)});
  } else {
    encode(ZYDIS_MNEMONIC_MOVAPS, {reg(numbered(ZYDIS_REGISTER_XMM0, number)), mem(kCpu, offset, 16)});
  }
}
void ThunkCode::store_vector(unsigned number, bool vex, std::size_t offset) {
  if (vex) {
    encode(ZYDIS_MNEMONIC_VMOVAPS, {mem(kCpu, offset, 32), reg(numbered(ZYDIS_REGISTER_YMM0, number))});
  } else {
    encode(ZYDIS_MNEMONIC_MOVAPS, {mem(kCpu, offset, 16), reg(numbered(ZYDIS_REGISTER_XMM0, number))});
  }
}
void ThunkCode::load_gpr(ZydisRegister host, std::size_t offset) {
  encode(ZYDIS_MNEMONIC_MOV, {reg(host), mem(kCpu, offset, 8)});
}
void ThunkCode::store_gpr(ZydisRegister host, std::size_t offset) {
  encode(ZYDIS_MNEMONIC_MOV, {mem(kCpu, offset, 8), reg(host)});
}

void ThunkCode::load_flags() {
  encode(ZYDIS_MNEMONIC_MOV, {reg(ZYDIS_REGISTER_AL), mem(kCpu, layout::kFlagsOf, 1)});
  encode(ZYDIS_MNEMONIC_MOV, {reg(ZYDIS_REGISTER_AH), mem(kCpu, layout::kFlagsLow, 1)});
  encode(ZYDIS_MNEMONIC_ADD, {reg(ZYDIS_REGISTER_AL), imm(127)});  // overflows from 1
  encode(ZYDIS_MNEMONIC_SAHF, {});
}
void ThunkCode::store_flags() {
  encode(ZYDIS_MNEMONIC_LAHF, {});
  encode(ZYDIS_MNEMONIC_SETO, {reg(ZYDIS_REGISTER_AL)});
  encode(ZYDIS_MNEMONIC_MOV, {mem(kCpu, layout::kFlagsLow, 1), reg(ZYDIS_REGISTER_AH)});
  encode(ZYDIS_MNEMONIC_MOV, {mem(kCpu, layout::kFlagsOf, 1), reg(ZYDIS_REGISTER_AL)});
}
void ThunkCode::vzeroupper() { encode(ZYDIS_MNEMONIC_VZEROUPPER, {}); }
void ThunkCode::move_pointer(ZydisRegister to) { encode(ZYDIS_MNEMONIC_MOV, {reg(to), reg(kPointer)}); }

void ThunkCode::note_x87(std::uint16_t opcode) {
  encode(ZYDIS_MNEMONIC_MOVZX, {reg(ZYDIS_REGISTER_ECX), mem(kOp, layout::kOpOffset, 2)});
  encode(ZYDIS_MNEMONIC_ADD, {reg(ZYDIS_REGISTER_RCX), mem(kCpu, layout::gpr(kRipBase), 8)});
  encode(ZYDIS_MNEMONIC_MOVZX, {reg(ZYDIS_REGISTER_EAX), mem(kCpu, layout::kCsSelector, 2)});
  encode(ZYDIS_MNEMONIC_MOV, {mem(kCpu, layout::kX87LastIp, 8), reg(ZYDIS_REGISTER_RCX)});
  encode(ZYDIS_MNEMONIC_MOV, {mem(kCpu, layout::kX87LastCs, 2), reg(ZYDIS_REGISTER_AX)});
  encode(ZYDIS_MNEMONIC_MOV, {mem(kCpu, layout::kX87Opcode, 2), imm(opcode)});
}

void ThunkCode::next() {
  encode(ZYDIS_MNEMONIC_ADD, {reg(kOp), imm(sizeof(Op))});
  encode(ZYDIS_MNEMONIC_JMP, {mem(kOp, layout::kOpHandler, 8)});
}

Thunk ThunkCode::finish(ThunkCache& cache) {
  for (const Guard& g : guards_) {
    const auto to_slow = static_cast<std::int32_t>(code_.size() - (g.jump + 4));
    std::memcpy(code_.data() + g.jump, &to_slow, sizeof to_slow);
    bytes(std::initializer_list<std::uint8_t>{0x48, 0x8d, 0x0d});  // LEA RCX, [RIP + the thunk's start]
    append(code_, -static_cast<std::int32_t>(code_.size() + 4));
    bytes(std::initializer_list<std::uint8_t>{0x48, 0xb8});  // MOV RAX, imm64
    append(code_, std::bit_cast<std::uint64_t>(g.enter));
    bytes(std::initializer_list<std::uint8_t>{0xff, 0xe0});  // JMP RAX
  }
  return std::bit_cast<Thunk>(cache.intern(code_));
}

}  // namespace machina::jit
