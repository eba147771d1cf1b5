#pragma once
/// Guest memory and the registers of all CPUs as an ELF core file, which gdb, crash and readelf read.
///
/// A note PRSTATUS for each CPU, as Linux writes them; a note QEMU for each, with what PRSTATUS has no place for
/// (segments, control registers), in the form in which crash looks for it; a PT_LOAD for each piece of RAM, or with
/// paging for each piece of linear address space that is mapped.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/chardev/fd_stream.h"
#include "machines/monitor/guest_memory.h"

namespace machina {

class GuestDump {
 public:
  struct Options {
    bool paging = false;                             ///< p_vaddr are linear addresses, by the page tables of the CPUs
    std::optional<std::uint64_t> begin{}, length{};  ///< physical; only this part
  };
  /// The machine is stopped and stays so. `cpus` are the states of its CPUs. Throws Error: nothing to dump.
  GuestDump(System& system, std::vector<X86State> cpus, const Options& options, OwnedFd to);

  /// Writes some MiB; true while there is more. Throws Error when the file takes no more.
  bool step();
  std::uint64_t total() const { return total_; }  ///< bytes of memory
  std::uint64_t written() const { return written_; }

 private:
  struct Segment {
    std::uint64_t physical = 0, linear = 0, size = 0;
  };
  void find_segments(const Options& options);
  void add_mappings(const X86State& state);
  void write_headers();
  void put(const void* bytes, std::size_t size);

  System& system_;
  std::vector<X86State> cpus_;
  OwnedFd file_;
  std::vector<Segment> ram_;  // pieces of RAM, ascending
  std::vector<Segment> segments_;
  std::uint64_t total_ = 0, written_ = 0;
  std::size_t segment_ = 0;
  std::uint64_t offset_ = 0;  // in it
  bool begun_ = false;
};

}  // namespace machina
