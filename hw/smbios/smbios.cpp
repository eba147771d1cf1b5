#include "hw/smbios/smbios.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/units.h"
#include "hw/base/byte_writer.h"
#include "hw/smbios/smbios_writer.h"
#include "qom/property.h"

namespace machina {

namespace {

constexpr const char* kMaker = "Machina";
constexpr const char* kVersion = "1.0";
constexpr std::uint64_t kMaxModule = 16 * GiB;  // RAM is shown as modules of up to that size

// Handles: a range for each type, as the type's number says.
constexpr unsigned handle_of(unsigned type, unsigned n = 0) { return type << 8 | n; }
constexpr unsigned kNoHandle = 0xffff;
constexpr unsigned kNoErrorInformation = 0xfffe;

unsigned number(const SmbiosOptions& options, unsigned type, const char* field) {
  const auto at = options.fields.find({type, field});
  return at == options.fields.end() ? 0 : static_cast<unsigned>(qom::parse_uint(at->second));
}

std::string text(const SmbiosOptions& options, unsigned type, const char* field, std::string_view otherwise = {}) {
  const auto at = options.fields.find({type, field});
  return at == options.fields.end() ? std::string(otherwise) : at->second;
}

bool mentioned(const SmbiosOptions& options, unsigned type) {
  return std::any_of(options.fields.begin(), options.fields.end(),
                     [type](const auto& field) { return field.first.first == type; });
}

bool replaced(const SmbiosOptions& options, unsigned type) {
  return std::any_of(options.files.begin(), options.files.end(), [type](const auto& f) { return f[0] == type; });
}

/// 7.1: BIOS information.
void add_bios(SmbiosWriter& w, const SmbiosOptions& o) {
  constexpr std::uint64_t kNotSupported = 1U << 3;  // no characteristics are told
  constexpr unsigned kTargetedContent = 1U << 2, kUefi = 1U << 3, kVirtualMachine = 1U << 4;
  constexpr unsigned kSegment = 0xf000;
  constexpr unsigned kNoEmbeddedController = 0xff;
  const std::string release = text(o, 0, "release", "0.0");
  const bool uefi = qom::parse_bool(text(o, 0, "uefi", "off"));
  w.begin(0, handle_of(0));
  w.string(text(o, 0, "vendor", kMaker)).string(text(o, 0, "version", kVersion)).u16(kSegment);
  w.string(text(o, 0, "date", "01/01/2026")).u8(0).u64(kNotSupported);
  w.u8(0).u8(kTargetedContent | kVirtualMachine | (uefi ? kUefi : 0));
  const std::size_t dot = release.find('.');
  w.u8(static_cast<unsigned>(qom::parse_uint(release.substr(0, dot))));
  w.u8(static_cast<unsigned>(qom::parse_uint(release.substr(dot + 1))));
  w.u8(kNoEmbeddedController).u8(kNoEmbeddedController).end();
}

/// 7.2: system information.
void add_system(SmbiosWriter& w, const SmbiosFacts& facts, const SmbiosOptions& o) {
  constexpr unsigned kPowerSwitch = 6;
  const std::array<std::uint8_t, 16> uuid = o.uuid ? *o.uuid : facts.uuid.value_or(std::array<std::uint8_t, 16>{});
  w.begin(1, handle_of(1));
  w.string(text(o, 1, "manufacturer", kMaker)).string(text(o, 1, "product", facts.product));
  w.string(text(o, 1, "version", kVersion)).string(text(o, 1, "serial"));
  // 7.2.1: the first three fields are little-endian.
  for (const unsigned i : {3U, 2U, 1U, 0U, 5U, 4U, 7U, 6U, 8U, 9U, 10U, 11U, 12U, 13U, 14U, 15U}) w.u8(uuid[i]);
  w.u8(kPowerSwitch).string(text(o, 1, "sku")).string(text(o, 1, "family")).end();
}

/// 7.3: baseboard.
void add_board(SmbiosWriter& w, const SmbiosFacts& facts, const SmbiosOptions& o) {
  constexpr unsigned kHostingBoard = 1, kMotherboard = 0x0a;
  w.begin(2, handle_of(2));
  w.string(text(o, 2, "manufacturer", kMaker)).string(text(o, 2, "product", facts.product));
  w.string(text(o, 2, "version", kVersion)).string(text(o, 2, "serial")).string(text(o, 2, "asset"));
  w.u8(kHostingBoard).string(text(o, 2, "location")).u16(handle_of(3)).u8(kMotherboard).u8(0).end();
}

/// 7.4: chassis.
void add_chassis(SmbiosWriter& w, const SmbiosOptions& o) {
  constexpr unsigned kOther = 1, kUnknown = 2, kSafe = 3;
  w.begin(3, handle_of(3));
  w.string(text(o, 3, "manufacturer", kMaker)).u8(kOther).string(text(o, 3, "version", kVersion));
  w.string(text(o, 3, "serial")).string(text(o, 3, "asset")).u8(kSafe).u8(kSafe).u8(kSafe).u8(kUnknown);
  w.u32(0).u8(0).u8(0).u8(0).u8(0).string(text(o, 3, "sku")).end();
}

/// 7.5: a processor socket.
void add_processor(SmbiosWriter& w, const SmbiosFacts& facts, const SmbiosOptions& o, unsigned socket) {
  constexpr unsigned kCentralProcessor = 3, kOther = 1, kPopulatedAndEnabled = 0x41, kEmpty = 0;
  constexpr unsigned k64Bit = 1U << 2, kMultiCore = 1U << 3, kHardwareThread = 1U << 4;
  const bool there = socket < facts.populated;
  std::uint64_t id = std::uint64_t{facts.cpu_features} << 32 | facts.cpu_signature;
  if (const std::string said = text(o, 4, "processor-id"); !said.empty()) id = qom::parse_uint(said);
  const unsigned cores = facts.cores, threads = facts.cores * facts.threads;
  const auto byte = [](unsigned n) { return std::min(n, 0xffU); };  // 7.5.6: FFh, and the number in 16 bits
  w.begin(4, handle_of(4, socket));
  w.string(text(o, 4, "sock_pfx", "CPU") + fmt::format(" {}", socket)).u8(kCentralProcessor).u8(kOther);
  w.string(text(o, 4, "manufacturer", facts.cpu_manufacturer)).u64(there ? id : 0);
  w.string(text(o, 4, "version", facts.cpu_version)).u8(0).u16(0);
  w.u16(number(o, 4, "max-speed")).u16(number(o, 4, "current-speed"));
  w.u8(there ? kPopulatedAndEnabled : kEmpty).u8(kOther).u16(kNoHandle).u16(kNoHandle).u16(kNoHandle);
  w.string(text(o, 4, "serial")).string(text(o, 4, "asset")).string(text(o, 4, "part"));
  w.u8(byte(cores)).u8(byte(cores)).u8(byte(threads));
  w.u16(k64Bit | (cores > 1 ? kMultiCore : 0) | (facts.threads > 1 ? kHardwareThread : 0)).u16(kOther);
  w.u16(cores).u16(cores).u16(threads).end();
}

/// 7.17, 7.18 and 7.20: the array, its modules, and the addresses it answers.
void add_memory(SmbiosWriter& w, const SmbiosFacts& facts, const SmbiosOptions& o) {
  constexpr unsigned kOther = 1, kSystemMemory = 3, kNoErrorCorrection = 3, kDimm = 9, kRam = 7;
  constexpr std::uint32_t kSeeExtended = 0x80000000;
  const std::uint64_t ram = facts.ram_below_4g + facts.ram_above_4g;
  const auto modules = static_cast<unsigned>((ram + kMaxModule - 1) / kMaxModule);
  if (!replaced(o, 16)) {
    const std::uint64_t kib = ram / KiB;
    w.begin(16, handle_of(16)).u8(kOther).u8(kSystemMemory).u8(kNoErrorCorrection);
    w.u32(kib < kSeeExtended ? static_cast<std::uint32_t>(kib) : kSeeExtended).u16(kNoErrorInformation).u16(modules);
    w.u64(kib < kSeeExtended ? 0 : ram).end();
  }
  for (unsigned i = 0; i < modules && !replaced(o, 17); ++i) {
    const std::uint64_t size = std::min(kMaxModule, ram - i * kMaxModule);
    constexpr unsigned kUnknownWidth = 0xffff, kInKib = 0x8000, kDetailOther = 1U << 1;
    // 7.18.4: in MiB up to 32 GiB less one, which no module reaches, and what is less than a MiB in KiB.
    const unsigned told = size % MiB == 0       ? static_cast<unsigned>(size / MiB)
                          : size / KiB < 0x7fff ? static_cast<unsigned>(size / KiB) | kInKib
                                                : static_cast<unsigned>(size / MiB);
    w.begin(17, handle_of(17, i)).u16(handle_of(16)).u16(kNoErrorInformation).u16(kUnknownWidth).u16(kUnknownWidth);
    w.u16(told).u8(kDimm).u8(0).string(text(o, 17, "loc_pfx", "DIMM") + fmt::format(" {}", i));
    w.string(text(o, 17, "bank")).u8(kRam).u16(kDetailOther).u16(number(o, 17, "speed"));
    w.string(text(o, 17, "manufacturer", kMaker)).string(text(o, 17, "serial")).string(text(o, 17, "asset"));
    w.string(text(o, 17, "part")).u8(0).u32(0).u16(number(o, 17, "speed")).u16(0).u16(0).u16(0).end();
  }
  unsigned n = 0;
  for (const auto& [start, size] :
       {std::pair{std::uint64_t{0}, facts.ram_below_4g}, std::pair{4 * GiB, facts.ram_above_4g}}) {
    if (size == 0 || replaced(o, 19)) continue;
    const std::uint64_t last = start + size - 1;
    constexpr std::uint32_t kExtended = 0xffffffff;
    const bool extended = last / KiB >= kExtended;
    w.begin(19, handle_of(19, n++)).u32(extended ? kExtended : static_cast<std::uint32_t>(start / KiB));
    w.u32(extended ? kExtended : static_cast<std::uint32_t>(last / KiB)).u16(handle_of(16)).u8(1);
    w.u64(extended ? start : 0).u64(extended ? last : 0).end();
  }
}

}  // namespace

SmbiosTables make_smbios(const SmbiosFacts& facts, const SmbiosOptions& o) {
  SmbiosWriter w;
  for (const auto& file : o.files) w.whole(file);
  if ((facts.own_firmware || mentioned(o, 0)) && !replaced(o, 0)) add_bios(w, o);
  if (!replaced(o, 1)) add_system(w, facts, o);
  if (mentioned(o, 2) && !replaced(o, 2)) add_board(w, facts, o);
  if (!replaced(o, 3)) add_chassis(w, o);
  for (unsigned socket = 0; socket < facts.sockets && !replaced(o, 4); ++socket) add_processor(w, facts, o, socket);
  if (!o.oem_strings.empty() && !replaced(o, 11)) {  // 7.12
    w.begin(11, handle_of(11)).u8(static_cast<unsigned>(o.oem_strings.size()));
    for (const std::string& s : o.oem_strings) w.add_string(s);
    w.end();
  }
  add_memory(w, facts, o);
  if (!replaced(o, 32)) w.begin(32, handle_of(32)).u32(0).u16(0).u8(0).end();  // 7.33: no errors at boot
  w.begin(127, handle_of(127)).end();
  return w.take();
}

std::vector<std::uint8_t> smbios_entry_point_32(const SmbiosTables& t, std::uint32_t address) {
  if (t.structures.size() > 0xffff) {
    throw Error("the SMBIOS structures are longer than 64 KiB")
        .hint("choose the entry point that can reach them: -smbios entry-point=64");
  }
  ByteWriter w;
  constexpr unsigned kLength = 0x1f, kMajor = 2, kMinor = 8, kBcdRevision = kMajor << 4 | kMinor;
  constexpr unsigned kChecksum = 4, kIntermediate = 0x10, kIntermediateChecksum = 0x15;
  w.text("_SM_").u8(0).u8(kLength).u8(kMajor).u8(kMinor).u16(t.largest).u8(0);
  for (unsigned i = 0; i < 5; ++i) w.u8(0);
  w.text("_DMI_").u8(0).u16(static_cast<unsigned>(t.structures.size())).u32(address).u16(t.count).u8(kBcdRevision);
  std::vector<std::uint8_t> bytes = w.bytes();
  bytes[kIntermediateChecksum] = checksum_of({bytes.data() + kIntermediate, bytes.size() - kIntermediate});
  bytes[kChecksum] = checksum_of(bytes);
  return bytes;
}

std::vector<std::uint8_t> smbios_entry_point_64(const SmbiosTables& t, std::uint64_t address) {
  ByteWriter w;
  constexpr unsigned kLength = 0x18, kMajor = 3, kMinor = 0, kRevision = 1, kChecksum = 5;
  w.text("_SM3_").u8(0).u8(kLength).u8(kMajor).u8(kMinor).u8(0).u8(kRevision).u8(0);
  w.u32(static_cast<std::uint32_t>(t.structures.size())).u64(address);
  std::vector<std::uint8_t> bytes = w.bytes();
  bytes[kChecksum] = checksum_of(bytes);
  return bytes;
}

}  // namespace machina
