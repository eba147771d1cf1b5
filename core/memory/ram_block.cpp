#include "core/memory/ram_block.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/error.h"
#include "core/units.h"

namespace machina {
namespace {

constexpr std::uint64_t kHugePage = 2 * MiB;
constexpr std::uint64_t kBitsPerWord = 64;

[[noreturn]] void fail(const std::string& name, std::uint64_t size, const std::string& cause,
                       const std::string& advice) {
  throw Error(fmt::format("cannot allocate {} bytes ({:.1f} GiB) of memory for '{}'", size,
                          static_cast<double>(size) / static_cast<double>(GiB), name))
      .why(cause)
      .hint(advice);
}

std::string errno_text(const char* call, int error) { return fmt::format("{}: {}", call, std::strerror(error)); }

/// Maps `fd` at a multiple of 2 MiB, so that the host and the second-level page tables can use huge pages.
void* map_aligned(int fd, std::uint64_t size) {
  const std::uint64_t slack = size >= kHugePage ? kHugePage : 0;
  void* reserved = mmap(nullptr, size + slack, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED) return MAP_FAILED;
  auto* const begin = static_cast<std::uint8_t*>(reserved);
  const auto address = reinterpret_cast<std::uintptr_t>(begin);
  const std::uint64_t skip = slack == 0 ? 0 : (kHugePage - address % kHugePage) % kHugePage;
  void* mapped = mmap(begin + skip, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd, 0);
  if (mapped == MAP_FAILED) {
    const int error = errno;
    munmap(reserved, size + slack);
    errno = error;
    return MAP_FAILED;
  }
  if (skip > 0) munmap(begin, skip);
  if (slack > skip) munmap(begin + skip + size, slack - skip);
  return mapped;
}

/// Calls fn(word index, mask) for each word of the bitmap that pages [first, last] touch.
template <class Fn>
void for_each_word(std::uint64_t first, std::uint64_t last, Fn fn) {
  for (std::uint64_t word = first / kBitsPerWord; word <= last / kBitsPerWord; ++word) {
    std::uint64_t mask = ~std::uint64_t{0};
    if (word == first / kBitsPerWord) mask &= ~std::uint64_t{0} << (first % kBitsPerWord);
    if (word == last / kBitsPerWord) mask &= ~std::uint64_t{0} >> (kBitsPerWord - 1 - last % kBitsPerWord);
    fn(word, mask);
  }
}

}  // namespace

std::shared_ptr<RamBlock> RamBlock::create(std::string name, std::uint64_t size) {
  if (size == 0) fail(name, size, "a block of memory has at least one byte", "ask for a size above 0");
  if (size > kMaxSize) {
    fail(name, size, fmt::format("more than {} TiB does not fit into the address space of a process", kMaxSize / TiB),
         "ask for less");
  }
  size = (size + kPageSize - 1) / kPageSize * kPageSize;

  // Growing a file beyond this limit is answered with a deadly signal, not with an error.
  rlimit limit{};
  if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && size > limit.rlim_cur) {
    fail(name, size, fmt::format("the limit of the size of a file is {} bytes", limit.rlim_cur),
         "raise it (ulimit -f)");
  }

  std::shared_ptr<RamBlock> block(new RamBlock);
  block->fd_ = memfd_create(name.substr(0, 200).c_str(), MFD_CLOEXEC);  // the kernel takes 249 bytes
  if (block->fd_ < 0) fail(name, size, errno_text("memfd_create", errno), "check the limit of open files (ulimit -n)");
  if (ftruncate(block->fd_, static_cast<off_t>(size)) != 0) {
    fail(name, size, errno_text("ftruncate", errno), "ask for less memory");
  }
  void* host = map_aligned(block->fd_, size);
  if (host == MAP_FAILED) {
    fail(name, size, errno_text("mmap", errno),
         "ask for less memory, or raise the limit of the process (ulimit -v) or of the host (vm.overcommit_memory)");
  }
  block->host_ = static_cast<std::uint8_t*>(host);
  block->size_ = size;
  block->name_ = std::move(name);
  // Advice only: a host without transparent huge pages for shared memory refuses, and small pages work as well.
  (void)madvise(host, size, MADV_HUGEPAGE);
  // A core dump of the emulator must not be as large as the guest.
  (void)madvise(host, size, MADV_DONTDUMP);
  return block;
}

RamBlock::~RamBlock() {
  if (host_ != nullptr) munmap(host_, size_);
  if (fd_ >= 0) close(fd_);
}

void RamBlock::enable_dirty_log() {
  std::call_once(dirty_once_, [this] {
    const std::uint64_t pages = size_ / kPageSize;
    dirty_storage_ = std::vector<std::atomic<std::uint64_t>>((pages + kBitsPerWord - 1) / kBitsPerWord);
    dirty_pages_.store(dirty_storage_.data(), std::memory_order_release);
  });
}

void RamBlock::mark_dirty(std::uint64_t offset, std::uint64_t length) {
  if (length == 0 || offset >= size_) return;
  length = std::min(length, size_ - offset);
  if (WriteWatcher* const watcher = watcher_.load(std::memory_order_acquire)) watcher->written(host_ + offset, length);
  auto* const words = dirty_pages_.load(std::memory_order_acquire);
  if (words == nullptr) return;
  const std::uint64_t last = offset + length - 1;
  // Always a locked operation, also when the bit is set already: it orders the data written before it against the
  // reader's clear, without which a write could hide behind a bit that is just being cleared.
  for_each_word(offset / kPageSize, last / kPageSize,
                [words](std::uint64_t word, std::uint64_t mask) { words[word].fetch_or(mask); });
}

bool RamBlock::test_and_clear_dirty(std::uint64_t offset, std::uint64_t length) {
  auto* const words = dirty_pages_.load(std::memory_order_acquire);
  if (words == nullptr || length == 0 || offset >= size_) return false;
  const std::uint64_t last = offset + std::min(length, size_ - offset) - 1;
  bool dirty = false;
  for_each_word(offset / kPageSize, last / kPageSize, [words, &dirty](std::uint64_t word, std::uint64_t mask) {
    if ((words[word].load() & mask) == 0) return;
    if ((words[word].fetch_and(~mask) & mask) != 0) dirty = true;
  });
  return dirty;
}

}  // namespace machina
