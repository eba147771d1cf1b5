#include "accel/jit/mmu.h"

#include <algorithm>
#include <optional>

#include "accel/jit/control_registers.h"
#include "accel/jit/fault.h"
#include "accel/jit/features.h"
#include "accel/jit/vendor.h"

namespace machina::jit {

namespace {

// Bits of an entry: SDM vol. 3, tables 4-4 to 4-19.
constexpr std::uint64_t kPresent = 1, kWritable = 2, kUser = 4, kAccessed = 0x20, kDirty = 0x40, kLarge = 0x80,
                        kGlobal = 0x100, kNoExecute = std::uint64_t{1} << 63;
constexpr unsigned kKeyShift = 59;

/// How the tables of the paging mode in force are laid out.
struct Layout {
  unsigned levels;      // of tables that are walked: 2, 3 (PAE: the PDPTEs are registers), 4, 5
  unsigned entry_size;  // 4 or 8 bytes
  unsigned index_bits;  // 10 or 9
  bool wide() const { return entry_size == 8; }
};

Layout layout_of(const Cpu& cpu) {
  if (cpu.efer & kEferLma) return {(cpu.cr4 & kCr4La57) ? 5U : 4U, 8, 9};
  if (cpu.cr4 & kCr4Pae) return {2, 8, 9};
  return {2, 4, 10};
}

std::uint64_t bits(unsigned from, unsigned to) {  // inclusive; none when from > to
  if (from > to) return 0;
  return (~std::uint64_t{0} >> (63 - to)) & (~std::uint64_t{0} << from);
}

/// Of a PDE that maps 4 MiB: bits 39 to 32 of the address are in bits 20 to 13, as many as the model has. SDM vol. 3,
/// table 4-4.
std::uint64_t reserved_in_4m_page(const Cpu& cpu) {
  const unsigned width = has(cpu.features, feature::kPse36) ? std::min(cpu.physical_bits, 40U) : 32;
  return bits(width - 19, 21);
}

/// Reserved bits that are set make the entry a fault: SDM vol. 3, 4.4 to 4.6.
bool has_reserved_bits(const Cpu& cpu, const Layout& layout, unsigned level, std::uint64_t entry, bool leaf) {
  const bool long_mode = cpu.efer & kEferLma;
  if (!layout.wide()) return leaf && level == 2 && (entry & reserved_in_4m_page(cpu));
  std::uint64_t reserved = bits(cpu.physical_bits, long_mode ? 51 : 62);
  if (!(cpu.efer & kEferNxe)) reserved |= kNoExecute;
  if (leaf && level > 1) reserved |= bits(13, 12 + 9 * (level - 1) - 1);
  if (!leaf && level >= 4) {
    reserved |= kLarge;
    if ((entry & kGlobal) && is_amd(cpu)) return true;  // APM vol. 2, 5.3.3: bit 8 of a PML4E must be zero, too
  }
  if (level == 3 && leaf && !cpu.has_1g_pages) reserved |= kLarge;
  return entry & reserved;
}

struct Walk {
  Cpu& cpu;
  PhysicalMemory& memory;
  std::uint64_t linear;
  Access access;
  TlbMode mode;

  std::uint32_t fault(std::uint32_t code) const {
    if (access == Access::Write) code |= kPfWrite;
    if (mode == TlbMode::User) code |= kPfUser;
    const bool tells_fetches = (cpu.cr4 & kCr4Smep) || ((cpu.cr4 & kCr4Pae) && (cpu.efer & kEferNxe));
    if (access == Access::Fetch && tells_fetches) code |= kPfFetch;
    return code;
  }

  /// SDM vol. 3, 4.6.1. `rights` has U and W when all levels have them, NX when one has it. An error code or
  /// kTranslated.
  std::uint32_t check(std::uint64_t rights, std::uint64_t leaf) const {
    const bool user_page = rights & kUser;
    if (mode == TlbMode::User && !user_page) return fault(kPfPresent);
    if (access == Access::Fetch) {
      if (rights & kNoExecute) return fault(kPfPresent);
      if (mode != TlbMode::User && user_page && (cpu.cr4 & kCr4Smep)) return fault(kPfPresent);
      return kTranslated;
    }
    const bool checks_writes = mode == TlbMode::User || (cpu.cr0 & kCr0Wp);
    // Told also beside another reason: SDM vol. 3, 4.7.
    std::uint32_t key = 0;
    if (user_page && (cpu.cr4 & kCr4Pke) && (cpu.efer & kEferLma)) {
      const unsigned denied = cpu.pkru >> (2 * (leaf >> kKeyShift & 0xf)) & 3;  // bit 0: access, bit 1: write
      if ((denied & 1) || (access == Access::Write && (denied & 2) && checks_writes)) key = kPfKey;
    }
    const bool open = mode != TlbMode::Supervisor || !user_page || !(cpu.cr4 & kCr4Smap);
    const bool writable = access != Access::Write || !checks_writes || (rights & kWritable);
    return open && writable && key == 0 ? kTranslated : fault(kPfPresent | key);
  }

  /// The same; empty: an entry changed under the walk, which starts over. `known`: where the walk may begin, or null.
  std::optional<std::uint32_t> once(const WalkCache::Entry* known, Translation& result) const {
    const Layout layout = layout_of(cpu);
    const bool long_mode = cpu.efer & kEferLma;
    std::uint64_t table = cpu.cr3 & (layout.wide() ? bits(12, 51) : 0xfffff000);
    std::uint64_t rights = kUser | kWritable;
    unsigned level = layout.levels;
    if (known) {
      table = known->table;
      rights = known->rights;
      level = 1;
    } else if (layout.wide() && !long_mode) {
      const std::uint64_t pdpte = cpu.pdptr[linear >> 30 & 3];
      if (!(pdpte & kPresent)) return fault(0);
      table = pdpte & bits(12, 51);
    }
    for (;; --level) {
      const unsigned shift = kPageBits + layout.index_bits * (level - 1);
      const std::uint64_t index = linear >> shift & bits(0, layout.index_bits - 1);
      const std::uint64_t address = table + index * layout.entry_size;
      const std::uint64_t entry = memory.load_entry(address, layout.entry_size);
      if (!(entry & kPresent)) return fault(0);
      const bool may_be_large = layout.wide() ? level == 2 || level == 3 : level == 2 && (cpu.cr4 & kCr4Pse);
      const bool leaf = level == 1 || (may_be_large && (entry & kLarge));
      if (has_reserved_bits(cpu, layout, level, entry, leaf)) return fault(kPfPresent | kPfReserved);
      rights = (rights & entry & (kUser | kWritable)) | ((rights | entry) & kNoExecute);
      if (!leaf) {
        if (!(entry & kAccessed) && !memory.replace_entry(address, layout.entry_size, entry, entry | kAccessed))
          return {};
        table = entry & (layout.wide() ? bits(12, 51) : 0xfffff000);
        if (long_mode && level == 2) cpu.walks.remember(linear, table, rights);
        continue;
      }
      if (const std::uint32_t error = check(rights, entry); error != kTranslated) return error;
      const std::uint64_t marked = entry | kAccessed | (access == Access::Write ? kDirty : 0);
      if (marked != entry && !memory.replace_entry(address, layout.entry_size, entry, marked)) return {};
      result = leaf_at(layout, shift, rights, marked);
      return kTranslated;
    }
  }

  Translation leaf_at(const Layout& layout, unsigned shift, std::uint64_t rights, std::uint64_t entry) const {
    const std::uint64_t size = std::uint64_t{1} << shift;
    std::uint64_t base = entry & bits(shift, 51);
    if (!layout.wide()) {
      base = entry & 0xffffffff & ~(size - 1);
      if (size > kPageSize) base |= (entry >> 13 & 0xff) << 32;  // PSE-36
    }
    const bool allowed = (rights & kWritable) || (mode != TlbMode::User && !(cpu.cr0 & kCr0Wp));
    Translation t;
    t.physical = base | (linear & (size - 1));
    t.page_size = size;
    t.writable = access != Access::Fetch && allowed && (entry & kDirty) && !write_denied_by_key(rights, entry);
    t.global = (entry & kGlobal) && (cpu.cr4 & kCr4Pge);
    return t;
  }

  bool write_denied_by_key(std::uint64_t rights, std::uint64_t leaf) const {
    if (!(rights & kUser) || !(cpu.cr4 & kCr4Pke) || !(cpu.efer & kEferLma)) return false;
    return cpu.pkru >> (2 * (leaf >> kKeyShift & 0xf)) & 3;
  }
};

}  // namespace

std::uint32_t translate(Cpu& cpu, PhysicalMemory& memory, std::uint64_t linear, Access access, TlbMode mode,
                        Translation& result) {
  if (!(cpu.cr0 & kCr0Pg)) {
    result = {linear & 0xffffffff, kPageSize, access != Access::Fetch, false};
    return kTranslated;
  }
  const Walk walk{cpu, memory, linear, access, mode};
  const WalkCache::Entry* known = cpu.walks.find(linear);
  for (;;) {
    const std::optional<std::uint32_t> error = walk.once(known, result);
    if (!error) continue;
    if (*error == kTranslated || !known) return *error;
    known = nullptr;  // rights that were raised count without INVLPG: a fault is by the tables as they are
  }
}

bool load_pdptrs(Cpu& cpu, PhysicalMemory& memory, std::uint64_t cr3) {
  std::array<std::uint64_t, 4> entries{};
  // Table 4-8: bits 2 to 1, 8 to 5 and those beyond the physical address are reserved.
  const std::uint64_t reserved = bits(1, 2) | bits(5, 8) | bits(cpu.physical_bits, 63);
  for (unsigned i = 0; i < 4; ++i) {
    entries[i] = memory.load_entry((cr3 & 0xffffffe0) + 8 * i, 8);
    if ((entries[i] & kPresent) && (entries[i] & reserved)) return false;
  }
  cpu.pdptr = entries;
  return true;
}

}  // namespace machina::jit
