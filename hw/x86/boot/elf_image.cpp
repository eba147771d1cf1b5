#include "hw/x86/boot/elf_image.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/byte_order.h"
#include "core/error.h"
#include "core/units.h"

namespace machina::boot {

namespace {

constexpr std::uint32_t kMagic = 0x464c457f;
constexpr std::uint8_t kClass32 = 1, kClass64 = 2, kLittleEndian = 1;
constexpr std::uint16_t kExecutable = 2, kDynamic = 3;
constexpr std::uint16_t kMachine386 = 3, kMachineX86_64 = 62;
constexpr std::uint32_t kLoad = 1, kNote = 4;

/// Where the fields of a class are.
struct Layout {
  std::size_t header_size, entry, phoff, phentsize, phnum;
  std::size_t program_size, p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align;
};
constexpr Layout kLayout32{52, 24, 28, 42, 44, 32, 4, 8, 12, 16, 20, 28};
constexpr Layout kLayout64{64, 24, 32, 54, 56, 56, 8, 16, 24, 32, 40, 48};

class Parser {
 public:
  Parser(std::span<const std::uint8_t> file, const std::string& name) : file_(file), name_(name) {}

  ElfImage parse() {
    if (file_.size() < kLayout32.header_size) throw truncated(kLayout32.header_size, "ELF header");
    const std::uint8_t elf_class = file_[4];
    if (elf_class != kClass32 && elf_class != kClass64)
      throw refuse(fmt::format("EI_CLASS is {}, neither 32-bit (1) nor 64-bit (2)", elf_class));
    image_.is_64bit = elf_class == kClass64;
    layout_ = image_.is_64bit ? &kLayout64 : &kLayout32;
    if (file_.size() < layout_->header_size) throw truncated(layout_->header_size, "ELF header");
    if (file_[5] != kLittleEndian) throw refuse(fmt::format("EI_DATA is {}: it is not little-endian", file_[5]));
    const auto type = load_le<std::uint16_t>(file_, 16), machine = load_le<std::uint16_t>(file_, 18);
    if (type != kExecutable && type != kDynamic)
      throw refuse(fmt::format("e_type is {}: it is not an executable", type)).hint("link it");
    if (machine != kMachine386 && machine != kMachineX86_64)
      throw refuse(fmt::format("e_machine is {}: it is not for x86 (3 or 62)", machine));
    image_.entry = word(layout_->entry);
    read_program_headers();
    if (image_.segments.empty()) throw refuse("it has no segment to load (PT_LOAD)");
    return std::move(image_);
  }

 private:
  Error refuse(const std::string& why) const {
    return Error(fmt::format("'{}' is not a usable ELF kernel", name_)).why(why);
  }
  Error truncated(std::uint64_t needed, const std::string& what) const {
    return refuse(fmt::format("it is cut off: it has {} bytes, and its {} needs {}", file_.size(), what, needed))
        .hint("copy the file again");
  }
  std::uint64_t word(std::size_t offset) const {
    return image_.is_64bit ? load_le<std::uint64_t>(file_, offset) : load_le<std::uint32_t>(file_, offset);
  }
  bool in_file(std::uint64_t offset, std::uint64_t size) const {
    return size <= file_.size() && offset <= file_.size() - size;
  }

  void read_program_headers() {
    const std::uint64_t table = word(layout_->phoff);
    const auto entry_size = load_le<std::uint16_t>(file_, layout_->phentsize);
    const auto count = load_le<std::uint16_t>(file_, layout_->phnum);
    if (count > 0 && entry_size < layout_->program_size)
      throw refuse(fmt::format("e_phentsize is {}, less than {}", entry_size, layout_->program_size));
    const std::uint64_t size = std::uint64_t{entry_size} * count;
    if (!in_file(table, size)) {
      throw refuse(fmt::format("it is cut off: its program headers (e_phoff {:#x}, {} bytes) end beyond its {} bytes",
                               table, size, file_.size()));
    }
    for (unsigned i = 0; i < count; ++i) read_program_header(i, static_cast<std::size_t>(table + i * entry_size));
  }

  void read_program_header(unsigned number, std::size_t at) {
    const auto type = load_le<std::uint32_t>(file_, at);
    if (type != kLoad && type != kNote) return;
    ElfImage::Segment s;
    s.offset = word(at + layout_->p_offset);
    s.virtual_address = word(at + layout_->p_vaddr);
    s.physical = word(at + layout_->p_paddr);
    s.file_size = word(at + layout_->p_filesz);
    s.memory_size = word(at + layout_->p_memsz);
    const std::string what = fmt::format("segment {}", number);
    if (!in_file(s.offset, s.file_size)) {
      throw refuse(fmt::format("it is cut off: its {} (p_offset {:#x}, p_filesz {:#x}) ends beyond its {} bytes", what,
                               s.offset, s.file_size, file_.size()));
    }
    if (type == kNote) {
      read_notes(file_.subspan(s.offset, s.file_size), word(at + layout_->p_align) == 8 ? 8 : 4);
      return;
    }
    if (s.file_size > s.memory_size) {
      throw refuse(
          fmt::format("{} has p_filesz {:#x} and p_memsz {:#x}, which is less", what, s.file_size, s.memory_size));
    }
    if (s.memory_size == 0) return;
    if (s.physical >= 4 * GiB || s.memory_size > 4 * GiB - s.physical) {
      throw refuse(
          fmt::format("{} goes to {:#x} (p_paddr) with {:#x} bytes, beyond 4 GiB", what, s.physical, s.memory_size));
    }
    image_.segments.push_back(s);
  }

  // What is not a whole note is none: producers pad, and nothing depends on the others.
  void read_notes(std::span<const std::uint8_t> notes, std::size_t align) {
    constexpr std::size_t kHeader = 12;
    const auto padded = [&](std::uint64_t n) { return (n + align - 1) & ~(std::uint64_t{align} - 1); };
    while (notes.size() >= kHeader) {
      const std::uint64_t name_size = load_le<std::uint32_t>(notes, 0), data_size = load_le<std::uint32_t>(notes, 4);
      const std::uint64_t data_at = padded(kHeader + name_size);
      if (data_at > notes.size() || data_size > notes.size() - data_at) return;
      ElfImage::Note note;
      const auto text = notes.subspan(kHeader, static_cast<std::size_t>(name_size));
      note.name.assign(text.begin(), std::find(text.begin(), text.end(), 0));
      note.type = load_le<std::uint32_t>(notes, 8);
      note.data = notes.subspan(static_cast<std::size_t>(data_at), static_cast<std::size_t>(data_size));
      image_.notes.push_back(std::move(note));
      notes =
          notes.subspan(static_cast<std::size_t>(std::min<std::uint64_t>(padded(data_at + data_size), notes.size())));
    }
  }

  std::span<const std::uint8_t> file_;
  const std::string& name_;
  const Layout* layout_ = nullptr;
  ElfImage image_;
};

}  // namespace

std::optional<std::uint64_t> ElfImage::physical_entry() const {
  for (const Segment& s : segments) {
    if (entry >= s.virtual_address && entry - s.virtual_address < s.memory_size)
      return s.physical + (entry - s.virtual_address);
  }
  return std::nullopt;
}

bool is_elf(std::span<const std::uint8_t> file) {
  return file.size() >= 4 && load_le<std::uint32_t>(file, 0) == kMagic;
}

ElfImage parse_elf(std::span<const std::uint8_t> file, const std::string& name) { return Parser(file, name).parse(); }

Blob flatten(const ElfImage& elf, std::span<const std::uint8_t> file, const std::string& name, const Target& target) {
  std::uint64_t first = ~std::uint64_t{0}, end = 0;
  for (const ElfImage::Segment& s : elf.segments) {
    first = std::min(first, s.physical);
    end = std::max(end, s.physical + s.memory_size);
  }
  if (end - first > kMaxKernel) {
    throw Error(fmt::format("'{}' is too large in memory", name))
        .why(fmt::format("its segments span {:#x} to {:#x}", first, end - 1));
  }
  check_room(name, Part::Kernel, first, end - first, target);
  Blob blob{Part::Kernel, first, std::vector<std::uint8_t>(static_cast<std::size_t>(end - first)), 0};
  for (const ElfImage::Segment& s : elf.segments) {
    const auto from = file.subspan(static_cast<std::size_t>(s.offset), static_cast<std::size_t>(s.file_size));
    std::copy(from.begin(), from.end(), blob.file.begin() + static_cast<std::ptrdiff_t>(s.physical - first));
  }
  return blob;
}

}  // namespace machina::boot
