#pragma once
/// The software TLB: from a linear page to host memory. Direct mapped, one table for each way in which accesses are
/// checked, so that a change of privilege is a change of a pointer.
///
/// An entry is the vCPU thread's own, but for one thing: another thread may take its right to write away (code was
/// found on the page), so that tag is atomic. Entries hold nothing that is not RAM: registers, pages that hold code
/// (for writes), logged pages and pages that are not there always go the slow way.

#include <array>
#include <atomic>
#include <cstdint>

namespace machina::jit {

inline constexpr unsigned kPageBits = 12;
inline constexpr std::uint64_t kPageSize = std::uint64_t{1} << kPageBits;
inline constexpr std::uint64_t kPageMask = ~(kPageSize - 1);

struct TlbEntry {
  static constexpr std::uint64_t kNever = ~std::uint64_t{0};  ///< no page: pages have their low bits clear

  std::atomic<std::uint64_t> read{kNever}, write{kNever};  ///< the linear page, where the access needs no check
  std::atomic<std::uintptr_t> host{0};                     ///< the page in this process
  std::uint64_t addend = 0;                                ///< host address minus linear address
};

/// Whose accesses a table is for.
enum class TlbMode : std::uint8_t {
  User,
  Supervisor,      ///< implicit accesses and those with SMAP in force
  SupervisorOpen,  ///< EFLAGS.AC is set, or there is no SMAP: user pages are open
  UserAligned,     ///< CR0.AM and EFLAGS.AC at CPL 3: every access is looked at, so this one stays empty
};
inline constexpr unsigned kTlbModes = 4;

/// What is forgotten costs by what has been filled since, so that guests may forget often.
class Tlb {
 public:
  static constexpr unsigned kEntries = 1024;  ///< 4 MiB of working set each

  static unsigned index(std::uint64_t linear) { return static_cast<unsigned>(linear >> kPageBits) & (kEntries - 1); }
  TlbEntry& entry(std::uint64_t linear) { return entries_[index(linear)]; }

  void flush();
  /// The page, and all entries of the large page that it may be a piece of.
  void flush_page(std::uint64_t linear);
  /// All but pages that were mapped global.
  void flush_non_global();
  struct Traits {
    std::uint64_t page_size = kPageSize;
    bool global = false;
    bool may_write = false;  ///< but for the code that may be on the page
  };
  /// What else is to be known of the entry of `linear`, which was filled just now.
  void set_traits(std::uint64_t linear, const Traits& traits);
  /// The page is known, and that writes to it need no other check than for code.
  bool may_write(std::uint64_t linear) const {
    const unsigned i = index(linear);
    return traits_[i].may_write && entries_[i].read.load(std::memory_order_relaxed) == (linear & kPageMask);
  }
  /// Any thread: writes to this page of the process go the slow way from now on. True: there was one that need not
  /// have.
  bool protect(std::uintptr_t host_page);

 private:
  static constexpr unsigned kListed = 64;

  void clear(unsigned index);
  bool empty(unsigned index) const;
  /// Calls `what` with the index of every entry that may be filled.
  template <class What>
  void for_each_filled(What what) const {
    if (filled_ <= kListed) {
      for (unsigned n = 0; n < filled_; ++n) what(list_[n]);
    } else {
      for (unsigned i = 0; i < kEntries; ++i) what(i);
    }
  }
  /// Clears all but those for which `keep` says otherwise.
  template <class Keep>
  void clear_unless(Keep keep);

  std::array<TlbEntry, kEntries> entries_;
  std::array<Traits, kEntries> traits_;
  // Which entries have been filled; beyond kListed, nobody knows any more.
  std::array<std::uint16_t, kListed> list_;
  std::array<bool, kEntries> is_listed_{};
  unsigned filled_ = 0;
  bool has_large_ = false;  // since the last flush
};

/// The last tables of walks in 4-level and 5-level paging, by 2 MiB of linear addresses: what processors call
/// paging-structure caches, forgotten as those are (SDM vol. 3, 4.10.4).
class WalkCache {
 public:
  struct Entry {
    std::uint64_t region = ~std::uint64_t{0};  ///< linear address / 2 MiB
    std::uint64_t table = 0;                   ///< physical
    std::uint64_t rights = 0;                  ///< what the levels above it allow, as Walk has it
    std::uint64_t generation = 0;
  };

  const Entry* find(std::uint64_t linear) const {
    const Entry& e = entries_[index(linear)];
    return e.region == linear >> kShift && e.generation == generation_ ? &e : nullptr;
  }
  void remember(std::uint64_t linear, std::uint64_t table, std::uint64_t rights) {
    entries_[index(linear)] = {linear >> kShift, table, rights, generation_};
  }
  void forget() { ++generation_; }

 private:
  static constexpr unsigned kShift = 21, kEntries = 64;
  static unsigned index(std::uint64_t linear) { return static_cast<unsigned>(linear >> kShift) & (kEntries - 1); }

  std::array<Entry, kEntries> entries_;
  std::uint64_t generation_ = 1;
};

}  // namespace machina::jit
