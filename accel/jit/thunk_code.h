#pragma once
/// Writes thunks: host code that carries out one guest instruction on the host's own unit. Registers on entry are those
/// of a handler: RDI is the Cpu, RSI the Op, and RDX the memory operand where there is one. A thunk keeps nothing on
/// the stack and ends with a jump, so that nothing ever unwinds through it.

#include <Zydis/Zydis.h>

#include <cstdint>
#include <span>
#include <vector>

#include "accel/jit/host_float.h"
#include "accel/jit/thunk_cache.h"

namespace machina::jit {

class ThunkCode {
 public:
  using Enter = const Block* (*)(Cpu&, const Op*, void*, Thunk);

  /// Goes on only while the window is open; `enter` opens it and starts over. Before anything is changed.
  void need_window(std::size_t window_offset, Enter enter);
  void bytes(std::span<const std::uint8_t> code) { code_.insert(code_.end(), code.begin(), code.end()); }

  // Between registers of the host and fields of Cpu, by offset.
  void load_vector(unsigned number, bool wide, std::size_t offset);
  void store_vector(unsigned number, bool vex, std::size_t offset);  ///< VEX: all 32 bytes
  void load_gpr(ZydisRegister host, std::size_t offset);
  void store_gpr(ZydisRegister host, std::size_t offset);
  /// SF, ZF, AF, PF, CF, and OF into the host's flags, and back. They use RAX.
  void load_flags();
  void store_flags();
  void vzeroupper();
  /// The memory operand's address, out of the way of RDX.
  void move_pointer(ZydisRegister to);
  /// FIP, FCS and FOP of this instruction. Uses RAX and RCX.
  void note_x87(std::uint16_t opcode);

  /// Ends it: the next instruction.
  void next();
  /// The code, shared with all who wrote the same. Throws Error.
  Thunk finish(ThunkCache& cache);

 private:
  void encode(ZydisMnemonic mnemonic, std::initializer_list<ZydisEncoderOperand> operands);

  struct Guard {
    std::size_t jump;  ///< where the displacement of its branch is
    Enter enter;
  };
  std::vector<std::uint8_t> code_;
  std::vector<Guard> guards_;
};

}  // namespace machina::jit
