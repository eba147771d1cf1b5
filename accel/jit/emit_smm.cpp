/// RSM.

#include "accel/jit/emitters.h"
#include "accel/jit/fault.h"
#include "accel/jit/host_float.h"
#include "accel/jit/smm.h"
#include "accel/jit/system_handler.h"

namespace machina::jit {

namespace {

const Block* rsm(Cpu& cpu, const Op* op) {
  cpu.fault_op = op;
  if (!cpu.smm) raise(Vector::InvalidOpcode);
  leave_guest_float(cpu);
  leave_smm(cpu);
  return nullptr;
}

void emit_rsm(Decoding& d) {
  d.op.handler = &rsm;
  d.ends_block = true;
}

}  // namespace

void add_smm_emitters(EmitterTable& table) { table[ZYDIS_MNEMONIC_RSM] = &emit_rsm; }

}  // namespace machina::jit
