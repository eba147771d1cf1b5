#pragma once
/// Which bytes of guest memory blocks were made of, in lines of 64 bytes: a page that holds both code and data costs a
/// store a look at its line, and only a store into code costs blocks. Addresses are those of this process.
///
/// Any thread. A store into a page with code and the making of a block may race; both sides then do this:
///
///   who stores:   store the bytes, then look at the lines; blocks on them die
///   who decodes:  mark the lines, then compare the bytes with what was decoded; a difference and it starts over
///
/// Both steps of each are in order for everybody (sequentially consistent), so at least one sees the other. Stores by a
/// right of the TLB do not look: that right is taken, and the stores that still use it are waited for, before the first
/// bytes of a page are decoded (BlockCache::claim(), CpuGroup::protect()).

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace machina::jit {

/// A store before it is visible to everybody before a load after it is carried out. Not a fence: ThreadSanitizer knows
/// none.
inline void store_before_load() {
  std::atomic<int> own{0};
  own.exchange(1, std::memory_order_seq_cst);
}

class CodeMap {
 public:
  static constexpr unsigned kLineBits = 6;

  /// Throws Error when the host has no address space left.
  CodeMap();
  ~CodeMap();
  CodeMap(const CodeMap&) = delete;
  CodeMap& operator=(const CodeMap&) = delete;

  bool page_has_code(std::uintptr_t address) const { return lines(address) != 0; }
  /// Do blocks lie on a line of [address, address + size)? Within a page.
  bool has_code(std::uintptr_t address, unsigned size) const { return lines(address) & mask(address, size); }
  void mark(std::uintptr_t address, unsigned size);
  /// Blocks of the page are gone.
  void clear_page(std::uintptr_t address);

 private:
  using Lines = std::atomic<std::uint64_t>;
  static constexpr unsigned kPagesPerChunk = 512;     // a chunk is 2 MiB of memory, and a page of this map
  static constexpr std::uint64_t kChunks = 1U << 26;  // of a process: 47 bits of address

  static std::uint64_t mask(std::uintptr_t address, unsigned size);
  std::uint64_t lines(std::uintptr_t address) const;

  std::atomic<Lines*>* chunks_;  // reserved as a whole, backed by the host where it is touched
  std::mutex mutex_;             // of made_
  std::vector<std::unique_ptr<Lines[]>> made_;
};

}  // namespace machina::jit
