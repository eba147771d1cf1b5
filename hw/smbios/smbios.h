#pragma once
/// SMBIOS: what a machine tells of its make, its CPUs and its memory modules. Source: DMTF DSP0134, System Management
/// BIOS Reference Specification, 3.0.0; chapter 5 (entry points), 6 (structures), 7 (fields of each type).
///
/// The structures have the lengths of 3.0; readers of 2.8 go by the length that each one tells.

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace machina {

/// What the machine is.
struct SmbiosFacts {
  std::string product = "PC";
  std::optional<std::array<std::uint8_t, 16>> uuid;   ///< in text order
  unsigned sockets = 1, cores = 1, threads = 1;       ///< cores a socket, threads a core
  unsigned populated = 1;                             ///< of the sockets
  std::uint32_t cpu_signature = 0, cpu_features = 0;  ///< CPUID 1, EAX and EDX
  std::string cpu_manufacturer, cpu_version;          ///< CPUID: vendor, brand string
  std::uint64_t ram_below_4g = 0, ram_above_4g = 0;   ///< bytes
  /// Firmware that brings its own type 0 leaves it out, unless the user says something of it.
  bool own_firmware = false;
};

/// What the user says instead: -smbios.
struct SmbiosOptions {
  /// By type and field: {1, "manufacturer"}.
  std::map<std::pair<unsigned, std::string>, std::string> fields;
  std::vector<std::string> oem_strings;          ///< type 11
  std::vector<std::vector<std::uint8_t>> files;  ///< whole structures, strings included
  std::optional<std::array<std::uint8_t, 16>> uuid;
  std::optional<unsigned> entry_point;  ///< 32 or 64 bits; without, 32 while that can reach the table

  /// Names of fields that a type has; empty when it has none that can be set.
  static const std::vector<std::string>& known_fields(unsigned type);
  static std::vector<unsigned> known_types();
  /// Throws Error when the field, or what it says, is wrong.
  void set(unsigned type, const std::string& field, const std::string& text);
  /// A structure from a file. Throws Error: cut off, without its end, or of a type that only this program makes.
  void add_structure(std::vector<std::uint8_t> bytes);
};

struct SmbiosTables {
  std::vector<std::uint8_t> structures;
  std::uint16_t count = 0, largest = 0;  ///< structures, and bytes of the largest
};

SmbiosTables make_smbios(const SmbiosFacts& facts, const SmbiosOptions& options);

/// Version 2.8. Throws Error when the table is longer than 64 KiB.
std::vector<std::uint8_t> smbios_entry_point_32(const SmbiosTables& tables, std::uint32_t address);
/// Version 3.0.
std::vector<std::uint8_t> smbios_entry_point_64(const SmbiosTables& tables, std::uint64_t address);

}  // namespace machina
