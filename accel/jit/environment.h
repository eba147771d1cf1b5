#pragma once
/// What is behind a software CPU: physical memory and registers, ports, the local APIC, time, other CPUs. JitVcpu is
/// it; a test may be another. Called on the CPU's own thread.

#include <cstdint>
#include <mutex>
#include <string>

#include "accel/jit/mmu.h"

namespace machina::jit {

/// A page of guest RAM in this process.
struct HostPage {
  std::uint8_t* host = nullptr;  ///< null: not RAM
  bool readonly = false;
  /// Writes are noted in the dirty log: they go the slow way, by write_physical() or to note_write().
  bool logged = false;
};

class Environment : public PhysicalMemory {
 public:
  /// The CPU's path, for logs.
  virtual std::string name() const { return "cpu"; }
  /// The page at a physical address that is a multiple of kPageSize, as this CPU sees it (A20, SMM).
  virtual HostPage page(std::uint64_t physical) = 0;
  /// Any physical access but the plain ones to RAM; registers are reached here. Width 1, 2, 4, 8, within a page. The
  /// blocks of RAM that is written so are the caller's to see to.
  virtual std::uint64_t read_physical(std::uint64_t physical, unsigned width) = 0;
  virtual void write_physical(std::uint64_t physical, unsigned width, std::uint64_t value) = 0;

  /// The guest may write at this address, and is about to, unless another part of the instruction faults: the last
  /// moment to throw. Not asked again while the TLB knows that the page may be written.
  virtual void announce_write(std::uint64_t /*physical*/) {}
  /// RAM of a page that is logged has been written in place.
  virtual void note_write(std::uint64_t /*physical*/, unsigned /*width*/) {}

  /// Of the machine: held while an atomic access that the host cannot do in one piece is done in several. Taken before
  /// the machine lock, never after it.
  virtual std::mutex& bus_lock() = 0;

  virtual std::uint64_t read_port(std::uint16_t port, unsigned width) = 0;
  virtual void write_port(std::uint16_t port, unsigned width, std::uint64_t value) = 0;

  /// A block is about to be made of bytes on this page of the process: when this returns no CPU writes it the quick way
  /// any more, nor is about to: CpuGroup.
  virtual void protect(std::uintptr_t host_page) = 0;
  /// BlockCache::full(): this CPU is to be kicked, and the cache emptied while all are outside.
  virtual void cache_full() {}
  /// The memory map may have changed: asked before translations are forgotten.
  virtual void refresh() {}

  // --- interrupts ---
  virtual bool interrupt_pending() = 0;     ///< INTR
  virtual int acknowledge_interrupt() = 0;  ///< the vector, or -1 when the request has gone away
  virtual bool take_nmi() = 0;
  /// NMIs are no longer blocked: those that arrived meanwhile count as one.
  virtual void merge_nmis() {}
  virtual bool take_smi() = 0;
  virtual std::uint64_t cr8() = 0;
  virtual void set_cr8(std::uint64_t value) = 0;
  /// MSRs that are not in Msrs: the local APIC's and the paravirtual clocks'. False: #GP(0).
  virtual bool read_msr(std::uint32_t index, std::uint64_t& value) = 0;
  virtual bool write_msr(std::uint32_t index, std::uint64_t value) = 0;

  /// A fixed interrupt, or an NMI, to each local APIC whose ID is `first` + n for a bit n of `set`: how many there are.
  virtual unsigned send_ipis(std::uint32_t first, std::uint64_t set, bool nmi, std::uint8_t vector);

  // --- time ---
  virtual std::uint64_t tsc() = 0;
  virtual void set_tsc(std::uint64_t value) = 0;
  /// Nanoseconds since 1970. The host's, unless somebody has better ones.
  virtual std::uint64_t wall_clock();
};

}  // namespace machina::jit
