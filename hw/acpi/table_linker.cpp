#include "hw/acpi/table_linker.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "core/byte_order.h"
#include "core/error.h"
#include "hw/base/byte_writer.h"

namespace machina {

namespace {

constexpr std::size_t kEntry = 128;
constexpr std::size_t kName = 56;  // with its final zero

enum Command : std::uint32_t { kAllocate = 1, kAddPointer = 2, kAddChecksum = 3, kWritePointer = 4 };

class Entry {
 public:
  explicit Entry(Command command) { put(command, 4); }
  Entry& name(const std::string& text) {
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    bytes_.resize(bytes_.size() + kName - text.size());
    return *this;
  }
  Entry& put(std::uint64_t value, unsigned size) {
    append_le(bytes_, value, size);
    return *this;
  }
  void append_to(std::vector<std::uint8_t>& out) {
    bytes_.resize(kEntry);
    out.insert(out.end(), bytes_.begin(), bytes_.end());
  }

 private:
  std::vector<std::uint8_t> bytes_;
};

}  // namespace

void TableLinker::add_file(File file) {
  if (file.name.empty() || file.name.size() >= kName)
    throw Error(fmt::format("'{}' is no name of a firmware file", file.name));
  if (std::any_of(files_.begin(), files_.end(), [&](const File& f) { return f.name == file.name; }))
    throw Error(fmt::format("there are two firmware files '{}'", file.name));
  files_.push_back(std::move(file));
}

const TableLinker::File& TableLinker::file(const std::string& name) const {
  for (const File& f : files_)
    if (f.name == name) return f;
  throw Error(fmt::format("there is no firmware file '{}'", name));
}

void TableLinker::add_pointer(const std::string& name, std::size_t offset, unsigned size, const std::string& target) {
  const File& from = file(name);
  if ((size != 4 && size != 8) || offset + size > from.bytes.size())
    throw Error(fmt::format("'{}' has no pointer at {:#x}", name, offset));
  if (load_le(from.bytes, offset, size) >= file(target).bytes.size())
    throw Error(fmt::format("the pointer at {:#x} of '{}' points beyond '{}'", offset, name, target));
  pointers_.push_back({name, target, static_cast<std::uint32_t>(offset), static_cast<std::uint8_t>(size)});
}

void TableLinker::add_checksum(const std::string& name, std::size_t at, std::size_t start, std::size_t length) {
  // Of those who carry the list out some take what stands there into the sum, and some do not.
  const auto f = std::find_if(files_.begin(), files_.end(), [&](const File& other) { return other.name == name; });
  const std::size_t size = file(name).bytes.size();
  if (start + length > size || at < start || at >= start + length)
    throw Error(fmt::format("'{}' has no checksum at {:#x}", name, at));
  f->bytes[at] = 0;
  checksums_.push_back(
      {name, static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(start), static_cast<std::uint32_t>(length)});
}

void TableLinker::add_report(Report report) {
  if (report.name.empty() || report.name.size() >= kName)
    throw Error(fmt::format("'{}' is no name of a firmware file", report.name));
  if (report.offset >= file(report.target).bytes.size())
    throw Error(fmt::format("'{}' has no byte {:#x}", report.target, report.offset));
  reports_.push_back(std::move(report));
}

std::vector<std::uint8_t> TableLinker::commands() const {
  std::vector<std::uint8_t> out;
  for (const File& f : files_)
    Entry(kAllocate).name(f.name).put(f.alignment, 4).put(static_cast<unsigned>(f.zone), 1).append_to(out);
  for (const Pointer& p : pointers_)
    Entry(kAddPointer).name(p.file).name(p.target).put(p.offset, 4).put(p.size, 1).append_to(out);
  for (const Checksum& c : checksums_)
    Entry(kAddChecksum).name(c.file).put(c.at, 4).put(c.start, 4).put(c.length, 4).append_to(out);
  for (const Report& r : reports_)
    Entry(kWritePointer).name(r.name).name(r.target).put(0, 4).put(r.offset, 4).put(8, 1).append_to(out);
  return out;
}

void TableLinker::place(const Allocate& allocate, const Write& write) const {
  std::map<std::string, std::uint64_t> where;
  std::map<std::string, std::vector<std::uint8_t>> bytes;
  for (const File& f : files_) {
    where[f.name] = allocate(f);
    bytes[f.name] = f.bytes;
  }
  for (const Pointer& p : pointers_) {
    std::vector<std::uint8_t>& from = bytes[p.file];
    const std::uint64_t address = where[p.target] + load_le(from, p.offset, p.size);
    if (p.size == 4 && address > 0xffffffff)
      throw Error(fmt::format("'{}' lies at {:#x}, which is beyond a pointer of 32 bits", p.target, address));
    store_le(from, p.offset, address, p.size);
  }
  for (const Checksum& c : checksums_) {
    std::vector<std::uint8_t>& file = bytes[c.file];
    file[c.at] = 0;
    file[c.at] = checksum_of({file.data() + c.start, c.length});
  }
  for (const File& f : files_) write(where[f.name], bytes[f.name]);
  for (const Report& r : reports_) r.placed(where[r.target] + r.offset);
}

}  // namespace machina
