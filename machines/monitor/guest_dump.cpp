#include "machines/monitor/guest_dump.h"

#include <elf.h>
#include <fmt/format.h>
#include <sys/procfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/error.h"
#include "core/units.h"

namespace machina {
namespace {

constexpr std::size_t kStep = 8 * MiB;
/// Pages of linear address space that one dump maps at most, as merged pieces: more are nobody's kernel.
constexpr std::size_t kMaxSegments = 1 << 20;

/// x86-64's user_regs_struct, which PRSTATUS holds.
elf_gregset_t* registers_of(elf_prstatus& status) { return &status.pr_reg; }

void fill(elf_prstatus& status, const X86State& s, int number) {
  status = {};
  status.pr_pid = number + 1;  // 0 would be no thread
  auto& r = *registers_of(status);
  const std::uint64_t values[27] = {s.gpr[kR15],
                                    s.gpr[kR14],
                                    s.gpr[kR13],
                                    s.gpr[kR12],
                                    s.gpr[kRbp],
                                    s.gpr[kRbx],
                                    s.gpr[kR11],
                                    s.gpr[kR10],
                                    s.gpr[kR9],
                                    s.gpr[kR8],
                                    s.gpr[kRax],
                                    s.gpr[kRcx],
                                    s.gpr[kRdx],
                                    s.gpr[kRsi],
                                    s.gpr[kRdi],
                                    0,
                                    s.rip,
                                    s.segment[kCs].selector,
                                    s.rflags,
                                    s.gpr[kRsp],
                                    s.segment[kSs].selector,
                                    s.segment[kFs].base,
                                    s.segment[kGs].base,
                                    s.segment[kDs].selector,
                                    s.segment[kEs].selector,
                                    s.segment[kFs].selector,
                                    s.segment[kGs].selector};
  static_assert(sizeof values == sizeof r);
  std::memcpy(&r, values, sizeof r);
}

/// The content of a note called QEMU, version 1.
struct CpuNoteSegment {
  std::uint32_t selector, limit, flags, pad;
  std::uint64_t base;
};
struct CpuNote {
  std::uint32_t version, size;
  std::uint64_t rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp;
  std::uint64_t r[8];
  std::uint64_t rip, rflags;
  CpuNoteSegment cs, ds, es, fs, gs, ss, ldt, tr, gdt, idt;
  std::uint64_t cr[5];
  std::uint64_t kernel_gs_base;
};
static_assert(sizeof(CpuNote) == 8 + 18 * 8 + 10 * 24 + 6 * 8);

CpuNoteSegment note_of(const X86Segment& g) {
  // Flags as in the second word of a descriptor.
  const unsigned flags = static_cast<unsigned>(g.type) << 8 | static_cast<unsigned>(g.s) << 12 |
                         static_cast<unsigned>(g.dpl) << 13 | static_cast<unsigned>(g.present) << 15 |
                         static_cast<unsigned>(g.avl) << 20 | static_cast<unsigned>(g.l) << 21 |
                         static_cast<unsigned>(g.db) << 22 | static_cast<unsigned>(g.g) << 23;
  return {g.selector, g.limit, flags, 0, g.base};
}

CpuNote note_of(const X86State& s) {
  CpuNote n{};
  n.version = 1;
  n.size = sizeof n;
  n.rax = s.gpr[kRax], n.rbx = s.gpr[kRbx], n.rcx = s.gpr[kRcx], n.rdx = s.gpr[kRdx];
  n.rsi = s.gpr[kRsi], n.rdi = s.gpr[kRdi], n.rsp = s.gpr[kRsp], n.rbp = s.gpr[kRbp];
  for (unsigned i = 0; i < 8; ++i) n.r[i] = s.gpr[kR8 + i];
  n.rip = s.rip, n.rflags = s.rflags;
  n.cs = note_of(s.segment[kCs]), n.ds = note_of(s.segment[kDs]), n.es = note_of(s.segment[kEs]);
  n.fs = note_of(s.segment[kFs]), n.gs = note_of(s.segment[kGs]), n.ss = note_of(s.segment[kSs]);
  n.ldt = note_of(s.ldt), n.tr = note_of(s.tr);
  n.gdt = {0, s.gdt.limit, 0, 0, s.gdt.base};
  n.idt = {0, s.idt.limit, 0, 0, s.idt.base};
  n.cr[0] = s.cr0, n.cr[2] = s.cr2, n.cr[3] = s.cr3, n.cr[4] = s.cr4;
  n.kernel_gs_base = s.msr(0xc0000102);  // IA32_KERNEL_GS_BASE
  return n;
}

template <class T>
void append_note(std::string& notes, const char* name, std::uint32_t type, const T& content) {
  const auto padded = [](std::size_t n) { return (n + 3) & ~std::size_t{3}; };
  Elf64_Nhdr header{static_cast<std::uint32_t>(std::strlen(name) + 1), sizeof content, type};
  notes.append(reinterpret_cast<const char*>(&header), sizeof header);
  notes.append(name, header.n_namesz);
  notes.resize(padded(notes.size()));
  notes.append(reinterpret_cast<const char*>(&content), sizeof content);
  notes.resize(padded(notes.size()));
}

}  // namespace

GuestDump::GuestDump(System& system, std::vector<X86State> cpus, const Options& options, OwnedFd to)
    : system_(system), cpus_(std::move(cpus)), file_(std::move(to)) {
  find_segments(options);
  for (const Segment& s : segments_) total_ += s.size;
  if (segments_.empty()) throw Error("no guest memory is there to be dumped");
}

void GuestDump::find_segments(const Options& options) {
  const std::uint64_t from = options.begin.value_or(0);
  const std::uint64_t end = options.begin ? from + options.length.value_or(0) : ~std::uint64_t{0};
  const auto add = [&](std::uint64_t start, std::uint64_t size) {
    const std::uint64_t first = std::max(start, from), last = std::min(start + size, end);
    if (size > 0 && first < last) ram_.push_back({first, 0, last - first});
  };
  add(0, system_.ram_below_4g);
  add(4 * GiB, system_.ram_above_4g);
  if (options.paging)
    for (const X86State& cpu : cpus_) add_mappings(cpu);
  // Without page tables, or before they are switched on: physical memory.
  if (segments_.empty()) segments_ = ram_;
}

void GuestDump::add_mappings(const X86State& state) {
  const GuestMemory memory(system_);
  std::vector<Segment> mapped;
  for_each_page(state, memory.reader(), [&](const PageMapping& page) {
    const auto in_ram = std::any_of(ram_.begin(), ram_.end(), [&](const Segment& r) {
      return page.physical >= r.physical && page.physical - r.physical < r.size &&
             page.size <= r.size - (page.physical - r.physical);
    });
    if (!in_ram) return true;  // a device, or outside of what was asked for
    if (!mapped.empty() && mapped.back().linear + mapped.back().size == page.linear &&
        mapped.back().physical + mapped.back().size == page.physical) {
      mapped.back().size += page.size;
    } else {
      mapped.push_back({page.physical, page.linear, page.size});
    }
    return mapped.size() < kMaxSegments;
  });
  // CPUs share most of their address space.
  const auto same = [](const Segment& a, const Segment& b) {
    return a.linear == b.linear && a.physical == b.physical && a.size == b.size;
  };
  std::vector<Segment> fresh;
  for (const Segment& s : mapped) {
    const bool known = std::any_of(segments_.begin(), segments_.end(), [&](const Segment& k) { return same(k, s); });
    if (!known) fresh.push_back(s);
  }
  segments_.insert(segments_.end(), fresh.begin(), fresh.end());
}

void GuestDump::put(const void* bytes, std::size_t size) {
  const auto* at = static_cast<const char*>(bytes);
  while (size > 0) {
    const ssize_t n = ::write(file_.get(), at, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw Error("dump: failed to save memory").why(n < 0 ? std::strerror(errno) : "nothing was written");
    at += n;
    size -= static_cast<std::size_t>(n);
  }
}

void GuestDump::write_headers() {
  std::string notes;
  for (std::size_t i = 0; i < cpus_.size(); ++i) {
    elf_prstatus status;
    fill(status, cpus_[i], static_cast<int>(i));
    append_note(notes, "CORE", NT_PRSTATUS, status);
  }
  for (const X86State& s : cpus_) append_note(notes, "QEMU", 0, note_of(s));

  const std::size_t count = segments_.size() + 1;
  Elf64_Ehdr file{};
  std::memcpy(file.e_ident, ELFMAG, SELFMAG);
  file.e_ident[EI_CLASS] = ELFCLASS64;
  file.e_ident[EI_DATA] = ELFDATA2LSB;
  file.e_ident[EI_VERSION] = EV_CURRENT;
  file.e_type = ET_CORE;
  file.e_machine = EM_X86_64;
  file.e_version = EV_CURRENT;
  file.e_ehsize = sizeof(Elf64_Ehdr);
  file.e_phentsize = sizeof(Elf64_Phdr);
  file.e_phoff = sizeof(Elf64_Ehdr);
  // More program headers than the field can count stand in the first section header (System V gABI, "ELF Header").
  const bool many = count >= PN_XNUM;
  file.e_phnum = static_cast<Elf64_Half>(many ? PN_XNUM : count);
  Elf64_Shdr extended{};
  if (many) {
    file.e_shoff = sizeof(Elf64_Ehdr) + count * sizeof(Elf64_Phdr);
    file.e_shentsize = sizeof(Elf64_Shdr);
    file.e_shnum = 1;
    extended.sh_info = static_cast<Elf64_Word>(count);
  }
  std::uint64_t at = sizeof(Elf64_Ehdr) + count * sizeof(Elf64_Phdr) + (many ? sizeof extended : 0);

  std::vector<Elf64_Phdr> headers(count);
  headers[0].p_type = PT_NOTE;
  headers[0].p_offset = at;
  headers[0].p_filesz = headers[0].p_memsz = notes.size();
  at += notes.size();
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    Elf64_Phdr& h = headers[i + 1];
    const Segment& s = segments_[i];
    h.p_type = PT_LOAD;
    h.p_offset = at;
    h.p_paddr = s.physical;
    h.p_vaddr = s.linear;
    h.p_filesz = h.p_memsz = s.size;
    at += s.size;
  }
  put(&file, sizeof file);
  put(headers.data(), headers.size() * sizeof(Elf64_Phdr));
  if (many) put(&extended, sizeof extended);
  put(notes.data(), notes.size());
}

bool GuestDump::step() {
  if (!std::exchange(begun_, true)) write_headers();
  const std::uint8_t* ram = system_.ram->host();
  std::size_t left = kStep;
  while (left > 0 && segment_ < segments_.size()) {
    const Segment& s = segments_[segment_];
    const std::uint64_t physical = s.physical + offset_;
    const std::uint64_t in_block = physical >= 4 * GiB ? physical - 4 * GiB + system_.ram_below_4g : physical;
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(left, s.size - offset_));
    put(ram + in_block, n);
    offset_ += n;
    written_ += n;
    left -= n;
    if (offset_ == s.size) ++segment_, offset_ = 0;
  }
  return segment_ < segments_.size();
}

}  // namespace machina
