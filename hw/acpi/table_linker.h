#pragma once
/// Tables that hold addresses of each other, whose own address nobody knows yet: files, and what must be done to them
/// once they have a place. The same list is carried out by firmware, which reads it from fw_cfg, or by place().
///
/// Source of the list's form: "etc/table-loader" as SeaBIOS reads it (its src/fw/romfile_loader.h): entries of 128
/// bytes, a command (32 bits) and its fields, file names in 56 bytes; allocate, add pointer, add checksum, write
/// pointer.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace machina {

class TableLinker {
 public:
  enum class Zone : std::uint8_t {
    High = 1,     ///< anywhere in memory
    Segment = 2,  ///< where an operating system looks for it: F0000h to FFFFFh
  };
  struct File {
    std::string name;
    std::vector<std::uint8_t> bytes;
    std::uint32_t alignment = 1;  ///< a power of two
    Zone zone = Zone::High;
  };

  /// Throws Error when the name is taken or too long.
  void add_file(File file);
  /// At `offset` of `file` stands an offset into `target`, in 4 or 8 bytes; it becomes an address. Throws Error when it
  /// is not within its file or does not point into the other.
  void add_pointer(const std::string& file, std::size_t offset, unsigned size, const std::string& target);
  /// The byte at `at` makes the sum of [start, start + length) 0, when all pointers are addresses.
  void add_checksum(const std::string& file, std::size_t at, std::size_t start, std::size_t length);

  /// Somebody wants to know where byte `offset` of `target` lies. Firmware writes the address in 8 bytes to the start
  /// of the file `name` of fw_cfg, which is no part of this list.
  struct Report {
    std::string name, target;
    std::uint32_t offset = 0;
    std::function<void(std::uint64_t address)> placed;
  };
  /// Throws Error when the byte is not there.
  void add_report(Report report);
  const std::vector<Report>& reports() const { return reports_; }

  const std::vector<File>& files() const { return files_; }
  const File& file(const std::string& name) const;  ///< throws Error
  /// The list, for firmware.
  std::vector<std::uint8_t> commands() const;

  /// Where place() may put the file.
  using Allocate = std::function<std::uint64_t(const File& file)>;
  using Write = std::function<void(std::uint64_t address, std::span<const std::uint8_t> bytes)>;
  /// Does what firmware would do: asks for a place for each file, resolves all, writes the files, and reports.
  void place(const Allocate& allocate, const Write& write) const;

 private:
  struct Pointer {
    std::string file, target;
    std::uint32_t offset;
    std::uint8_t size;
  };
  struct Checksum {
    std::string file;
    std::uint32_t at, start, length;
  };
  std::vector<File> files_;
  std::vector<Pointer> pointers_;
  std::vector<Report> reports_;
  std::vector<Checksum> checksums_;
};

}  // namespace machina
