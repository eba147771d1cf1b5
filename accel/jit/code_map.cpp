#include "accel/jit/code_map.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "accel/jit/tlb.h"
#include "core/error.h"

namespace machina::jit {

namespace {
constexpr unsigned kChunkBits = 21;
}

CodeMap::CodeMap() {
  void* reserved = mmap(nullptr, kChunks * sizeof *chunks_, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED)
    throw Error("no address space for the software CPU's map of code")
        .why(std::strerror(errno))
        .hint("raise ulimit -v by 512 MiB");
  chunks_ = static_cast<std::atomic<Lines*>*>(reserved);  // zero: no chunk
}

CodeMap::~CodeMap() { munmap(chunks_, kChunks * sizeof *chunks_); }

std::uint64_t CodeMap::mask(std::uintptr_t address, unsigned size) {
  const unsigned first = static_cast<unsigned>(address & (kPageSize - 1)) >> kLineBits;
  const unsigned last = static_cast<unsigned>((address & (kPageSize - 1)) + size - 1) >> kLineBits;
  const std::uint64_t up_to_last = last >= 63 ? ~std::uint64_t{0} : (std::uint64_t{1} << (last + 1)) - 1;
  return up_to_last & (~std::uint64_t{0} << first);
}

std::uint64_t CodeMap::lines(std::uintptr_t address) const {
  const Lines* pages = chunks_[address >> kChunkBits & (kChunks - 1)].load(std::memory_order_acquire);
  return pages ? pages[address >> kPageBits & (kPagesPerChunk - 1)].load(std::memory_order_seq_cst) : 0;
}

void CodeMap::mark(std::uintptr_t address, unsigned size) {
  std::atomic<Lines*>& chunk = chunks_[address >> kChunkBits & (kChunks - 1)];
  Lines* pages = chunk.load(std::memory_order_acquire);
  if (!pages) {
    auto made = std::make_unique<Lines[]>(kPagesPerChunk);
    const std::lock_guard guard(mutex_);
    pages = chunk.load(std::memory_order_acquire);
    if (!pages) {
      pages = made.get();
      made_.push_back(std::move(made));
      chunk.store(pages, std::memory_order_release);
    }
  }
  pages[address >> kPageBits & (kPagesPerChunk - 1)].fetch_or(mask(address, size));
}

void CodeMap::clear_page(std::uintptr_t address) {
  if (Lines* pages = chunks_[address >> kChunkBits & (kChunks - 1)].load(std::memory_order_acquire))
    pages[address >> kPageBits & (kPagesPerChunk - 1)].store(0);
}

}  // namespace machina::jit
