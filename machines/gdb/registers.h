#pragma once
/// The registers of a CPU as a client of the gdb stub sees them: their order, their sizes, and what of an X86State they
/// are. The target description is made from the same list.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "hw/x86/x86_state.h"
#include "machines/monitor/guest_memory.h"

namespace machina {

/// gdb has one architecture for a session, and a PC changes its own while it boots. What gdb knows as eax and as rax
/// has one place here.
///  - Wide: i386:x86-64, for a client that comes when the guest is in long mode.
///  - Open: names no architecture and has the registers of both, so that gdb takes what the user has said, or the file
///    that is loaded, and `set architecture` changes it at any time. For a client that comes earlier.
///  - Narrow: i386, for a CPU without long mode.
enum class GdbView { Wide, Open, Narrow };

struct GdbRegister {
  enum class Feature { Core, Sse, Avx, System };
  std::string name;
  unsigned bits = 64;
  std::string type;  ///< gdb's name of it
  Feature feature = Feature::Core;
  /// `to` has bits / 8 bytes.
  std::function<void(const X86State&, std::span<std::uint8_t> to)> read;
  /// False when the value cannot be.
  std::function<bool(X86State&, std::span<const std::uint8_t> from, const GuestMemory&)> write;
};

class GdbRegisters {
 public:
  GdbRegisters(GdbView view, bool avx);

  const std::vector<GdbRegister>& all() const { return all_; }
  GdbView view() const { return view_; }
  bool has_avx() const { return avx_; }
  /// Bytes of all of them: what 'g' answers and 'G' takes.
  std::size_t size() const;
  std::string read(const X86State& state) const;
  /// The bytes of one; empty when there is none of that number.
  std::string read(const X86State& state, std::size_t number) const;
  /// False: no such register, not its size, or a value that cannot be.
  bool write(X86State& state, std::size_t number, std::string_view bytes, const GuestMemory& memory) const;
  /// Those whose value differs: several may be names of one place.
  bool write(X86State& state, std::string_view bytes, const GuestMemory& memory) const;

  /// target.xml.
  std::string description() const;

 private:
  void add_general();
  void add_float();
  void add_system();

  GdbView view_;
  bool avx_;
  std::vector<GdbRegister> all_;
};

/// Where the next instruction is: the base of CS is worked in, since breakpoints, disassembly and memory are linear.
/// What gdb calls pc.
std::uint64_t gdb_pc(const X86State& state);
void set_gdb_pc(X86State& state, std::uint64_t linear);

/// A value for a segment register, with the hidden part that the mode, or the descriptor table, gives it. False when
/// there is no such descriptor.
bool load_segment(X86State& state, X86Segment& segment, std::uint16_t selector, const GuestMemory& memory);

}  // namespace machina
