#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/error.h"
#include "hw/smbios/smbios.h"
#include "qom/property.h"

namespace machina {

namespace {

constexpr unsigned kOemStrings = 11, kEnd = 127;
constexpr std::size_t kMaxString = 255;
/// What 32-bit readers can reach, and more than any structure has.
constexpr std::size_t kMaxStructure = 0xffff;

using Fields = std::map<unsigned, std::vector<std::string>>;

const Fields& all_fields() {
  static const Fields fields{
      {0, {"vendor", "version", "date", "release", "uefi"}},
      {1, {"manufacturer", "product", "version", "serial", "uuid", "sku", "family"}},
      {2, {"manufacturer", "product", "version", "serial", "asset", "location"}},
      {3, {"manufacturer", "version", "serial", "asset", "sku"}},
      {4,
       {"sock_pfx", "manufacturer", "version", "serial", "asset", "part", "max-speed", "current-speed",
        "processor-id"}},
      {kOemStrings, {"value"}},
      {17, {"loc_pfx", "bank", "manufacturer", "serial", "asset", "part", "speed"}},
  };
  return fields;
}

void check_number(const std::string& text, std::uint64_t max) {
  const std::uint64_t n = qom::parse_uint(text);
  if (n > max) throw Error(fmt::format("{} is too large", text)).hint(fmt::format("at most {}", max));
}

void check_value(const std::string& field, const std::string& text) {
  if (field == "max-speed" || field == "current-speed" || field == "speed") {
    check_number(text, 0xffff);
  } else if (field == "processor-id") {
    check_number(text, ~std::uint64_t{0});
  } else if (field == "uefi") {
    (void)qom::parse_bool(text);
  } else if (field == "release") {
    const std::size_t dot = text.find('.');
    if (dot == std::string::npos) throw Error(fmt::format("no release: '{}'", text)).hint("write MAJOR.MINOR");
    check_number(text.substr(0, dot), 0xff);
    check_number(text.substr(dot + 1), 0xff);
  } else if (text.size() > kMaxString) {
    throw Error(fmt::format("the text is too long: {} bytes", text.size())).hint(fmt::format("at most {}", kMaxString));
  }
}

}  // namespace

const std::vector<std::string>& SmbiosOptions::known_fields(unsigned type) {
  static const std::vector<std::string> none;
  const auto at = all_fields().find(type);
  return at == all_fields().end() ? none : at->second;
}

std::vector<unsigned> SmbiosOptions::known_types() {
  std::vector<unsigned> types;
  for (const auto& [type, fields] : all_fields()) types.push_back(type);
  return types;
}

void SmbiosOptions::set(unsigned type, const std::string& field, const std::string& text) {
  const std::vector<std::string>& known = known_fields(type);
  if (std::find(known.begin(), known.end(), field) == known.end())
    throw Error(fmt::format("SMBIOS type {} has no field '{}'", type, field));
  if (type == kOemStrings) {
    if (text.empty() || text.size() > kMaxString || oem_strings.size() == 0xff)
      throw Error("no OEM string").hint(fmt::format("at most 255 of 1 to {} bytes", kMaxString));
    oem_strings.push_back(text);
    return;
  }
  check_value(field, text);
  fields[{type, field}] = text;
}

void SmbiosOptions::add_structure(std::vector<std::uint8_t> bytes) {
  constexpr std::size_t kHeader = 4;
  const auto wrong = [&](const std::string& why) { return Error("not an SMBIOS structure").why(why); };
  if (bytes.size() < kHeader + 2) throw wrong(fmt::format("it has {} bytes, a header alone has 4", bytes.size()));
  if (bytes.size() > kMaxStructure) throw wrong(fmt::format("it has {} bytes, more than 64 KiB", bytes.size()));
  const std::size_t fields_end = bytes[1];
  if (fields_end < kHeader || fields_end + 2 > bytes.size())
    throw wrong(fmt::format("its second byte says {} bytes of fields, and the file has {}", fields_end, bytes.size()));
  // Strings, each with its zero, then one more zero; without strings two zeros.
  std::size_t at = fields_end;
  while (at < bytes.size() && bytes[at] != 0) {
    while (at < bytes.size() && bytes[at] != 0) ++at;
    ++at;
  }
  if (at == fields_end) ++at;
  if (at >= bytes.size() || bytes[at] != 0) throw wrong("its strings do not end in two zeros");
  if (at + 1 != bytes.size())
    throw wrong(fmt::format("{} bytes follow its end", bytes.size() - at - 1)).hint("write one structure a file");
  if (bytes[0] == kEnd) throw wrong("type 127 ends the table").hint("leave it out: it is there always");
  files.push_back(std::move(bytes));
}

}  // namespace machina
