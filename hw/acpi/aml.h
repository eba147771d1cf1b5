#pragma once
/// ACPI Machine Language: the terms that a definition block (DSDT, SSDT) is made of, each encoded by one function and
/// put together as the language nests them:
///
///     device("COM1", {name("_HID", eisa_id("PNP0501")), name("_UID", integer(1)), …})
///
/// Source: ACPI specification 6.4, chapter 20 (AML grammar and byte values), 19.6 (what the operators do). Names of the
/// functions are those of ASL.
///
/// Errors that only a mistake of ours can make (a name of wrong form, a package of more than 256 MiB) throw Error.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace machina::aml {

/// Encoded terms.
class Code {
 public:
  Code() = default;
  explicit Code(std::vector<std::uint8_t> bytes) : bytes_(std::move(bytes)) {}

  Code& u8(unsigned value) { return little_endian(value, 1); }
  Code& u16(unsigned value) { return little_endian(value, 2); }
  Code& u32(std::uint32_t value) { return little_endian(value, 4); }
  Code& u64(std::uint64_t value) { return little_endian(value, 8); }
  Code& append(std::span<const std::uint8_t> bytes);
  Code& append(const Code& code) { return append(code.bytes()); }

  const std::vector<std::uint8_t>& bytes() const { return bytes_; }
  std::size_t size() const { return bytes_.size(); }

 private:
  Code& little_endian(std::uint64_t value, unsigned count);
  std::vector<std::uint8_t> bytes_;
};

using Terms = std::vector<Code>;

/// One after the other.
Code join(const Terms& terms);

// --- 20.2.4: package length ---
/// Of a package whose content has `size` bytes: counts its own bytes as well.
Code package_length(std::size_t size);
/// A plain number in the same encoding: widths in a field list.
Code encoded_length(std::size_t value);

// --- 20.2.2: names ---
/// "\_SB.PCI0", "^ISA.LNKA", "COM1": segments of up to four characters A-Z, 0-9 and _, filled up with _.
Code path(std::string_view text);

// --- 20.2.3: data ---
Code integer(std::uint64_t value);  ///< in its shortest form
Code string(std::string_view ascii);
Code buffer(std::span<const std::uint8_t> bytes);
Code package(const Terms& elements);  ///< at most 255
/// "PNP0501" as the integer that _HID takes: 19.6.36.
Code eisa_id(std::string_view id);

// --- 20.2.5: objects ---
Code name(std::string_view where, const Code& value);
Code scope(std::string_view where, const Terms& terms);
Code device(std::string_view where, const Terms& terms);
enum class Serialize { No, Yes };
Code method(std::string_view where, unsigned arguments, Serialize serialize, const Terms& body);
Code mutex(std::string_view where);
/// Address spaces of operation regions: 5.5.2.4.
enum class Space : std::uint8_t { SystemMemory = 0, SystemIo = 1, PciConfig = 2 };
Code operation_region(std::string_view where, Space space, std::uint64_t offset, std::uint64_t length);
enum class Access : std::uint8_t { Any = 0, Byte = 1, Word = 2, DWord = 3 };
/// What becomes of the bits that a write of a part leaves alone.
enum class Update : std::uint8_t { Preserve = 0, WriteAsOnes = 1, WriteAsZeros = 2 };
/// An element of a field: without a name, bits that are passed over.
struct FieldUnit {
  std::string name;
  unsigned bits;
};
Code field(std::string_view region, Access access, Update update, const std::vector<FieldUnit>& units);

// --- 20.2.5.3 and 20.2.5.4: statements and operators ---
Code arg(unsigned n);    ///< 0 to 6
Code local(unsigned n);  ///< 0 to 7
Code store(const Code& value, const Code& target);
Code return_value(const Code& value);
Code if_true(const Code& condition, const Terms& then);
/// Right behind an if_true.
Code otherwise(const Terms& terms);
Code while_true(const Code& condition, const Terms& body);
Code equal(const Code& a, const Code& b);
Code less(const Code& a, const Code& b);
Code logical_not(const Code& a);
// Without a target the value is the result only.
Code add(const Code& a, const Code& b, const Code& target = Code());
Code bit_and(const Code& a, const Code& b, const Code& target = Code());
Code bit_or(const Code& a, const Code& b, const Code& target = Code());
Code shift_left(const Code& a, const Code& count, const Code& target = Code());
Code create_dword_field(const Code& buffer, const Code& offset, std::string_view where);
Code index(const Code& object, const Code& n);
Code notify(std::string_view object, const Code& value);
Code acquire(std::string_view mutex);  ///< however long it takes
Code release(std::string_view mutex);
/// A method, or the value of a named object.
Code call(std::string_view method, const Terms& arguments = {});

}  // namespace machina::aml
