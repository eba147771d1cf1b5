/// RDTSC, RDTSCP, RDPID, RDPMC.

#include "accel/jit/control_registers.h"
#include "accel/jit/emitters.h"
#include "accel/jit/environment.h"
#include "accel/jit/system.h"

namespace machina::jit {

namespace {

void require_time_stamp(Cpu& cpu, const Op* op) {
  cpu.fault_op = op;
  if ((cpu.cr4 & kCr4Tsd) && cpu.cpl != 0) refuse();
}

const Block* rdtsc(Cpu& cpu, const Op* op) {
  require_time_stamp(cpu, op);
  set_edx_eax(cpu, cpu.environment.tsc());
  return next(cpu, op);
}
const Block* rdtscp(Cpu& cpu, const Op* op) {
  require_time_stamp(cpu, op);
  set_edx_eax(cpu, cpu.environment.tsc());
  cpu.gpr[kRcx] = cpu.msrs.tsc_aux & 0xffffffff;
  return next(cpu, op);
}
const Block* rdpid(Cpu& cpu, const Op* op) {
  cpu.gpr[op->destination / 8] = cpu.msrs.tsc_aux & 0xffffffff;
  return next(cpu, op);
}
/// There are no performance counters: no number in ECX is a valid one.
const Block* rdpmc(Cpu& cpu, const Op* op) {
  cpu.fault_op = op;
  refuse();
}

void emit_rdpid(Decoding& d) {
  d.use_destination(0);
  d.op.handler = &rdpid;
}

}  // namespace

void add_time_emitters(EmitterTable& table) {
  table[ZYDIS_MNEMONIC_RDTSC] = &emit_fixed<&rdtsc>;
  table[ZYDIS_MNEMONIC_RDTSCP] = &emit_fixed<&rdtscp>;
  table[ZYDIS_MNEMONIC_RDPID] = &emit_rdpid;
  table[ZYDIS_MNEMONIC_RDPMC] = &emit_fixed<&rdpmc>;
}

}  // namespace machina::jit
