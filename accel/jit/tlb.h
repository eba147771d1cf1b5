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
  /// What else is to be known of the entry of `linear`, which was filled just now.
  void set_traits(std::uint64_t linear, bool global, std::uint64_t page_size);
  /// Any thread: writes to this page of the process go the slow way from now on. True: there was one that need not
  /// have.
  bool protect(std::uintptr_t host_page);

 private:
  void clear(unsigned index);

  std::array<TlbEntry, kEntries> entries_;
  std::array<bool, kEntries> global_{};
  std::array<std::uint64_t, kEntries> page_size_{};
  bool has_large_ = false;  ///< since the last flush
};

}  // namespace machina::jit
