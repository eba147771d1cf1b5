#include "accel/jit/memory.h"

#include <algorithm>
#include <array>

#include "accel/jit/block_cache.h"
#include "accel/jit/control_registers.h"
#include "accel/jit/debug.h"
#include "accel/jit/environment.h"
#include "accel/jit/features.h"
#include "accel/jit/host_float.h"

namespace machina::jit {

namespace {

TlbMode mode_of(const Cpu& cpu) {
  const auto mode = static_cast<TlbMode>(cpu.tlb - cpu.tlbs.data());
  return mode == TlbMode::UserAligned ? TlbMode::User : mode;
}

/// What a page is made of once it has been translated.
struct Target {
  std::uint64_t physical = 0;
  HostPage page;
  std::uint8_t* host() const { return page.host + (physical & (kPageSize - 1)); }
};

/// Translates and remembers. `linear` lies in the page that is meant.
Target fill(Cpu& cpu, std::uint64_t linear, Access access, bool stack) {
  if (access == Access::Write && cpu.tlb->may_write(linear)) {
    // It has been translated, and only the quick way is closed, as long as there is code.
    const std::uintptr_t host = cpu.tlb->entry(linear).host.load(std::memory_order_relaxed);
    if (cpu.blocks.code().page_has_code(host))
      return {linear & (kPageSize - 1), {reinterpret_cast<std::uint8_t*>(host)}};
  }
  if (cpu.long_mode() && !canonical(cpu, linear)) raise_segment_fault(stack);
  Translation t;
  if (const std::uint32_t error = translate(cpu, cpu.environment, linear, access, mode_of(cpu), t);
      error != kTranslated) [[unlikely]]
    throw GuestFault{Vector::PageFault, true, error, linear};
  if (access == Access::Write) cpu.environment.announce_write(t.physical);
  const Target target{t.physical, cpu.environment.page(t.physical & kPageMask)};
  if (cpu.tlb == &cpu.tlbs[static_cast<unsigned>(TlbMode::UserAligned)] || page_is_watched(cpu, linear)) return target;
  TlbEntry& e = cpu.tlb->entry(linear);
  const std::uint64_t linear_page = linear & kPageMask;
  // Another thread that finds code on the page notes that first, then looks for entries with this host page and takes
  // `write` away. So: the page, the right to write, and then a look whether there is code by now.
  e.write.store(TlbEntry::kNever, std::memory_order_relaxed);
  e.read.store(TlbEntry::kNever, std::memory_order_relaxed);
  const auto host = reinterpret_cast<std::uintptr_t>(target.page.host);
  e.host.store(host, std::memory_order_seq_cst);
  const bool may_write = target.page.host && t.writable && !target.page.readonly && !target.page.logged;
  if (target.page.host) {
    e.addend = host - linear_page;
    e.read.store(linear_page, std::memory_order_relaxed);
    if (may_write) {
      e.write.store(linear_page, std::memory_order_seq_cst);
      if (cpu.blocks.code().page_has_code(host)) e.write.store(TlbEntry::kNever, std::memory_order_relaxed);
    }
  }
  cpu.tlb->set_traits(linear, {.page_size = t.page_size, .global = t.global, .may_write = may_write});
  return target;
}

unsigned room_in_page(std::uint64_t linear) { return static_cast<unsigned>(kPageSize - (linear & (kPageSize - 1))); }

/// Addresses wrap at 4 GiB outside of 64-bit code, but for tables that lie above.
std::uint64_t advance(const Cpu& cpu, std::uint64_t linear, unsigned by) {
  const std::uint64_t sum = linear + by;
  return cpu.long_code() || linear > 0xffffffff ? sum : sum & 0xffffffff;
}

/// #AC: SDM vol. 3, 6.15, for the widths that instructions load and store.
void check_alignment(Cpu& cpu, std::uint64_t linear, unsigned width) {
  if (cpu.tlb == &cpu.tlbs[static_cast<unsigned>(TlbMode::UserAligned)] && (linear & (width - 1)))
    raise(Vector::AlignmentCheck, 0);
}

bool is_stack(const Op* op, Of of = Of::Operand) { return of == Of::Stack || (op && op->segment == kSs); }

/// All of an access is looked at before paging looks at its first page: SDM vol. 3, 5.12, and vol. 1, 3.3.7.1.
/// What lies in one page is left to fill().
void check_canonical(const Cpu& cpu, std::uint64_t linear, unsigned size, bool stack) {
  if (cpu.long_mode() && (!canonical(cpu, linear) || !canonical(cpu, linear + size - 1))) raise_segment_fault(stack);
}

std::uint64_t read_piece(Cpu& cpu, std::uint64_t linear, unsigned width, bool stack) {
  const Target t = fill(cpu, linear, Access::Read, stack);
  if (!t.page.host) return cpu.environment.read_physical(t.physical, width);
  std::uint64_t value = 0;
  switch (width) {  // in one piece, for whoever else looks at this memory
    case 1:
      return ram_load<std::uint8_t>(t.host());
    case 2:
      return ram_load<std::uint16_t>(t.host());
    case 4:
      return ram_load<std::uint32_t>(t.host());
    case 8:
      return ram_load<std::uint64_t>(t.host());
    default:
      ram_read(&value, t.host(), width);
      return value;
  }
}

/// Bytes of the block that runs must not change under it.
void spare_block(Cpu& cpu, const Target& t, unsigned width) {
  const Block* b = cpu.block;
  if (!b || (b->mode & kModeSingle) || !t.page.host) return;
  const auto first = reinterpret_cast<std::uintptr_t>(t.host());
  if (first < b->host + b->size && b->host < first + width) throw StartsOver{};
}

void store_ram(std::uint8_t* host, unsigned width, std::uint64_t value) {
  switch (width) {  // in one piece, and once: another CPU may have changed it again after that
    case 1:
      return ram_store(host, static_cast<std::uint8_t>(value));
    case 2:
      return ram_store(host, static_cast<std::uint16_t>(value));
    case 4:
      return ram_store(host, static_cast<std::uint32_t>(value));
    case 8:
      return ram_store(host, value);
    default:
      ram_write(host, &value, width);
  }
}

void write_piece(Cpu& cpu, const Target& t, unsigned width, std::uint64_t value) {
  if (!t.page.host || t.page.readonly || t.page.logged) {
    cpu.environment.write_physical(t.physical, width, value);
    if (!t.page.host || t.page.readonly) return;
  } else {
    store_ram(t.host(), width, value);
  }
  written(cpu, t.host(), width);
}

/// A store to registers may have moved memory: a BAR, a window of SMRAM. What the block does next must see that, so
/// nothing waits for its end; only its instructions have been fetched already. No Target is good after this.
void follow_memory_map(Cpu& cpu) {
  if (!(cpu.requests.load(std::memory_order_relaxed) & kRequestFlush)) [[likely]]
    return;
  leave_guest_float(cpu);
  cpu.requests.fetch_and(~std::uint32_t{kRequestFlush}, std::memory_order_seq_cst);
  cpu.environment.refresh();
  cpu.flush_tlb();
}

bool has_copies_of_its_sign(std::uint64_t linear, unsigned bits) {
  const unsigned unused = 64 - bits;
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(linear << unused) >> unused) == linear;
}

}  // namespace

bool canonical(const Cpu& cpu, std::uint64_t linear) {
  return has_copies_of_its_sign(linear, (cpu.cr4 & kCr4La57) ? 57 : 48);
}

bool canonical_for_model(const Cpu& cpu, std::uint64_t linear) {
  return has_copies_of_its_sign(linear, has(cpu.features, feature::kLa57) ? 57 : 48);
}

void written(Cpu& cpu, const void* host, unsigned width) {
  cpu.blocks.written(reinterpret_cast<std::uintptr_t>(host), width);
}

void written(Cpu& cpu, const HostAccess& access, unsigned width) {
  if (access.logged) cpu.environment.note_write(access.physical, width);
  written(cpu, access.host, width);
}

std::uint64_t read_slow(Cpu& cpu, const Op* op, std::uint64_t linear, unsigned width, Of of) {
  cpu.fault_op = op;
  check_alignment(cpu, linear, width);
  const bool stack = is_stack(op, of);
  const unsigned room = room_in_page(linear);
  announce_access(cpu, linear, width, Debugger::Accesses::Read);
  std::uint64_t value = 0;
  if (room >= width) {
    value = read_piece(cpu, linear, width, stack);
  } else {
    check_canonical(cpu, linear, width, stack);
    for (unsigned i = 0; i < width; ++i) value |= read_piece(cpu, advance(cpu, linear, i), 1, stack) << (8 * i);
  }
  note_access(cpu, linear, width, Debugger::Accesses::Read);
  return value;
}

void write_slow(Cpu& cpu, const Op* op, std::uint64_t linear, unsigned width, std::uint64_t value, Of of) {
  cpu.fault_op = op;
  check_alignment(cpu, linear, width);
  const bool stack = is_stack(op, of);
  const unsigned room = room_in_page(linear);
  if (room < width) check_canonical(cpu, linear, width, stack);
  const Target first = fill(cpu, linear, Access::Write, stack);
  spare_block(cpu, first, std::min(room, width));
  if (room >= width) {
    note_access(cpu, linear, width, Debugger::Accesses::Write);
    write_piece(cpu, first, width, value);
    return follow_memory_map(cpu);
  }
  // Both pages are checked before either is written.
  const Target second = fill(cpu, advance(cpu, linear, room), Access::Write, stack);
  spare_block(cpu, second, width - room);
  note_access(cpu, linear, width, Debugger::Accesses::Write);
  for (unsigned i = 0; i < width; ++i) {
    Target t = i < room ? first : second;
    t.physical += i < room ? i : i - room;
    write_piece(cpu, t, 1, value >> (8 * i) & 0xff);
  }
  follow_memory_map(cpu);
}

void read_bytes(Cpu& cpu, const Op* op, std::uint64_t linear, void* to, unsigned size) {
  cpu.fault_op = op;
  announce_access(cpu, linear, size, Debugger::Accesses::Read);
  auto* bytes = static_cast<std::uint8_t*>(to);
  if (room_in_page(linear) < size) check_canonical(cpu, linear, size, is_stack(op));
  for (unsigned done = 0; done < size;) {
    const std::uint64_t at = advance(cpu, linear, done);
    unsigned piece = std::min(room_in_page(at), size - done);
    const Target t = fill(cpu, at, Access::Read, is_stack(op));
    if (t.page.host) {
      ram_read(bytes + done, t.host(), piece);
    } else {
      piece = piece >= 8 && at % 8 == 0 ? 8 : piece >= 4 && at % 4 == 0 ? 4 : 1;
      const std::uint64_t value = cpu.environment.read_physical(t.physical, piece);
      std::memcpy(bytes + done, &value, piece);
    }
    done += piece;
  }
  note_access(cpu, linear, size, Debugger::Accesses::Read);
}

void check_read(Cpu& cpu, const Op* op, std::uint64_t linear, unsigned size) {
  cpu.fault_op = op;
  announce_access(cpu, linear, size, Debugger::Accesses::Read);
  if (room_in_page(linear) < size) check_canonical(cpu, linear, size, is_stack(op));
  for (unsigned done = 0; done < size;) {
    const std::uint64_t at = advance(cpu, linear, done);
    fill(cpu, at, Access::Read, is_stack(op));
    done += std::min(room_in_page(at), size - done);
  }
}

void check_write(Cpu& cpu, const Op* op, std::uint64_t linear, unsigned size) {
  cpu.fault_op = op;
  announce_access(cpu, linear, size, Debugger::Accesses::Write);
  if (room_in_page(linear) < size) check_canonical(cpu, linear, size, is_stack(op));
  for (unsigned done = 0; done < size;) {
    const std::uint64_t at = advance(cpu, linear, done);
    const unsigned piece = std::min(room_in_page(at), size - done);
    spare_block(cpu, fill(cpu, at, Access::Write, is_stack(op)), piece);
    done += piece;
  }
}

void write_bytes(Cpu& cpu, const Op* op, std::uint64_t linear, const void* from, unsigned size) {
  check_write(cpu, op, linear, size);
  note_access(cpu, linear, size, Debugger::Accesses::Write);
  const auto* bytes = static_cast<const std::uint8_t*>(from);
  for (unsigned done = 0; done < size;) {
    const std::uint64_t at = advance(cpu, linear, done);
    unsigned piece = std::min(room_in_page(at), size - done);
    const Target t = fill(cpu, at, Access::Write, is_stack(op));
    if (t.page.host && !t.page.readonly && !t.page.logged) {
      ram_write(t.host(), bytes + done, piece);
      written(cpu, t.host(), piece);
    } else {
      piece = piece >= 8 && at % 8 == 0 ? 8 : piece >= 4 && at % 4 == 0 ? 4 : 1;
      std::uint64_t value = 0;
      std::memcpy(&value, bytes + done, piece);
      write_piece(cpu, t, piece, value);
    }
    done += piece;
  }
  follow_memory_map(cpu);
}

HostAccess map_for_update(Cpu& cpu, const Op* op, std::uint64_t linear, unsigned width) {
  cpu.fault_op = op;
  check_alignment(cpu, linear, width);
  if (room_in_page(linear) < width) return {};
  const Target t = fill(cpu, linear, Access::Write, is_stack(op));
  if (!t.page.host || t.page.readonly) return {};
  spare_block(cpu, t, width);
  note_access(cpu, linear, width, Debugger::Accesses::Update);
  return {.host = t.host(), .logged = t.page.logged, .physical = t.physical};
}

std::uint64_t linear_checked(Cpu& cpu, const Op* op, unsigned width, bool write) {
  return linear_in_segment(cpu, op, op->segment, effective_offset(cpu, op), width, write);
}

std::uint64_t linear_in_segment(Cpu& cpu, const Op* op, unsigned segment, std::uint64_t offset, unsigned width,
                                bool write) {
  if (cpu.long_code()) return offset + (segment >= kFs && segment != kNoSegment ? cpu.segment_base[segment] : 0);
  const Segment& s = cpu.segment[segment];
  cpu.fault_op = op;
  const bool stack = segment == kSs;
  if (cpu.protected_mode()) {
    // A null selector leaves a segment that is not present. SDM vol. 3, 5.5 and 5.4.1.
    if (!s.present()) raise_segment_fault(stack);
    if (write ? s.code() || !s.readable_or_writable() : s.code() && !s.readable_or_writable())
      raise_segment_fault(stack);
  }
  const std::uint64_t last = offset + width - 1;
  const bool expand_down = cpu.protected_mode() && !s.code() && s.conforming_or_down();
  if (expand_down) {
    const std::uint64_t top = s.big() ? 0xffffffff : 0xffff;
    if (offset <= s.limit || last > top) raise_segment_fault(stack);
  } else if (last > s.limit) {
    raise_segment_fault(stack);
  }
  return (s.base + offset) & 0xffffffff;
}

}  // namespace machina::jit
