#include "accel/jit/tlb.h"

namespace machina::jit {

void Tlb::clear(unsigned index) {
  entries_[index].read.store(TlbEntry::kNever, std::memory_order_relaxed);
  entries_[index].write.store(TlbEntry::kNever, std::memory_order_relaxed);
}

void Tlb::flush() {
  for (unsigned i = 0; i < kEntries; ++i) clear(i);
  has_large_ = false;
}

void Tlb::flush_page(std::uint64_t linear) {
  clear(index(linear));
  if (!has_large_) return;
  for (unsigned i = 0; i < kEntries; ++i) {
    const std::uint64_t page = entries_[i].read.load(std::memory_order_relaxed);
    if (page_size_[i] > kPageSize && page != TlbEntry::kNever && ((page ^ linear) & ~(page_size_[i] - 1)) == 0)
      clear(i);
  }
}

void Tlb::flush_non_global() {
  for (unsigned i = 0; i < kEntries; ++i)
    if (!global_[i]) clear(i);
}

void Tlb::set_traits(std::uint64_t linear, bool global, std::uint64_t page_size) {
  global_[index(linear)] = global;
  page_size_[index(linear)] = page_size;
  has_large_ = has_large_ || page_size > kPageSize;
}

bool Tlb::protect(std::uintptr_t host_page) {
  bool took = false;
  for (TlbEntry& e : entries_) {
    if (e.host.load(std::memory_order_seq_cst) != host_page) continue;
    took = e.write.exchange(TlbEntry::kNever, std::memory_order_seq_cst) != TlbEntry::kNever || took;
  }
  return took;
}

}  // namespace machina::jit
