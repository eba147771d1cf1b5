#include "accel/jit/tlb.h"

#include <algorithm>

namespace machina::jit {

void Tlb::clear(unsigned index) {
  entries_[index].read.store(TlbEntry::kNever, std::memory_order_relaxed);
  entries_[index].write.store(TlbEntry::kNever, std::memory_order_relaxed);
}

bool Tlb::empty(unsigned index) const {
  // One that may be written may be read.
  return entries_[index].read.load(std::memory_order_relaxed) == TlbEntry::kNever;
}

template <class Keep>
void Tlb::clear_unless(Keep keep) {
  unsigned kept = 0;
  for_each_filled([&](unsigned i) {
    is_listed_[i] = !empty(i) && keep(i);
    if (!is_listed_[i]) return clear(i);
    if (kept < kListed) list_[kept] = static_cast<std::uint16_t>(i);  // never beyond what has been read of it
    ++kept;
  });
  filled_ = std::min(kept, kListed + 1);
}

void Tlb::flush() {
  clear_unless([](unsigned) { return false; });
  has_large_ = false;
}

void Tlb::flush_page(std::uint64_t linear) {
  clear(index(linear));
  if (!has_large_) return;
  for_each_filled([&](unsigned i) {
    const std::uint64_t page = entries_[i].read.load(std::memory_order_relaxed), size = traits_[i].page_size;
    if (size > kPageSize && page != TlbEntry::kNever && ((page ^ linear) & ~(size - 1)) == 0) clear(i);
  });
}

void Tlb::flush_non_global() {
  clear_unless([this](unsigned i) { return traits_[i].global; });
}

void Tlb::set_traits(std::uint64_t linear, const Traits& traits) {
  const unsigned i = index(linear);
  traits_[i] = traits;
  has_large_ = has_large_ || traits.page_size > kPageSize;
  if (is_listed_[i]) return;
  is_listed_[i] = true;
  if (filled_ < kListed) list_[filled_] = static_cast<std::uint16_t>(i);
  filled_ = std::min(filled_ + 1, kListed + 1);
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
