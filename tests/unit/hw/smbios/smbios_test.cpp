#include "hw/smbios/smbios.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>
#include <set>
#include <tuple>

#include "core/error.h"
#include "core/units.h"

namespace machina {
namespace {

using Bytes = std::vector<std::uint8_t>;

/// A structure as a reader sees it (DSP0134, 6.1).
struct Structure {
  Bytes fields;  // header included
  std::vector<std::string> strings;
  unsigned type() const { return fields[0]; }
  std::uint64_t at(std::size_t offset, unsigned size) const {
    std::uint64_t value = 0;
    for (unsigned i = size; i-- > 0;) value = value << 8 | fields.at(offset + i);
    return value;
  }
  std::string text(std::size_t offset) const {
    const unsigned n = fields.at(offset);
    return n ? strings.at(n - 1) : "";
  }
};

std::vector<Structure> parse(const SmbiosTables& tables) {
  std::vector<Structure> all;
  const Bytes& b = tables.structures;
  for (std::size_t at = 0; at < b.size();) {
    Structure s;
    s.fields.assign(b.begin() + static_cast<std::ptrdiff_t>(at),
                    b.begin() + static_cast<std::ptrdiff_t>(at + b[at + 1]));
    at += b[at + 1];
    while (b.at(at)) {
      s.strings.emplace_back(reinterpret_cast<const char*>(&b[at]));
      at += s.strings.back().size() + 1;
    }
    at += s.strings.empty() ? 2 : 1;
    all.push_back(std::move(s));
  }
  EXPECT_EQ(all.size(), tables.count);
  return all;
}

std::vector<Structure> of_type(const SmbiosTables& tables, unsigned type) {
  std::vector<Structure> found;
  for (const Structure& s : parse(tables))
    if (s.type() == type) found.push_back(s);
  return found;
}

SmbiosFacts pc() {
  SmbiosFacts facts;
  facts.product = "Test PC";
  facts.ram_below_4g = 3 * GiB;
  facts.ram_above_4g = 30 * GiB;
  facts.sockets = 2, facts.cores = 3, facts.threads = 2;
  facts.populated = 1;
  facts.cpu_signature = 0x12345, facts.cpu_features = 0x6789;
  return facts;
}

TEST(Smbios, AMachineHasTheRequiredStructures) {
  const SmbiosTables tables = make_smbios(pc(), {});
  std::vector<unsigned> types;
  for (const Structure& s : parse(tables)) types.push_back(s.type());
  // 33 GiB are three modules of at most 16; two ranges of addresses. Type 0 is the firmware's, type 2 nobody's.
  EXPECT_EQ(types, (std::vector<unsigned>{1, 3, 4, 4, 16, 17, 17, 17, 19, 19, 32, 127}));
  SmbiosFacts own = pc();
  own.own_firmware = true;
  EXPECT_EQ(of_type(make_smbios(own, {}), 0).size(), 1U);
}

TEST(Smbios, HandlesAreUnique) {
  std::set<std::uint64_t> handles;
  for (const Structure& s : parse(make_smbios(pc(), {}))) EXPECT_TRUE(handles.insert(s.at(2, 2)).second);
}

TEST(Smbios, TheUuidIsLittleEndianInItsFirstFields) {
  SmbiosFacts facts = pc();
  facts.uuid = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
  const Structure system = of_type(make_smbios(facts, {}), 1).at(0);
  const Bytes expected{0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
  EXPECT_EQ((Bytes{system.fields.begin() + 8, system.fields.begin() + 24}), expected);
  EXPECT_EQ(system.text(5), "Test PC");
  SmbiosOptions options;
  options.uuid.emplace().fill(0x5a);
  EXPECT_EQ(of_type(make_smbios(facts, options), 1).at(0).at(8, 8), 0x5a5a5a5a5a5a5a5a);
}

TEST(Smbios, SocketsTellWhatIsInThem) {
  const auto cpus = of_type(make_smbios(pc(), {}), 4);
  ASSERT_EQ(cpus.size(), 2U);
  EXPECT_EQ(cpus[0].text(4), "CPU 0");
  EXPECT_EQ(cpus[0].at(8, 8), 0x0000678900012345U);
  EXPECT_EQ(cpus[0].at(0x18, 1), 0x41U);
  EXPECT_EQ(cpus[1].at(0x18, 1), 0U);  // empty
  EXPECT_EQ(cpus[0].at(0x23, 1), 3U);  // cores
  EXPECT_EQ(cpus[0].at(0x25, 1), 6U);  // threads
  EXPECT_EQ(cpus[0].at(0x2e, 2), 6U);
  SmbiosFacts huge = pc();
  huge.cores = 300;
  const Structure cpu = of_type(make_smbios(huge, {}), 4).at(0);
  EXPECT_EQ(cpu.at(0x23, 1), 0xffU);
  EXPECT_EQ(cpu.at(0x2a, 2), 300U);
}

TEST(Smbios, MemoryAddsUp) {
  const SmbiosTables tables = make_smbios(pc(), {});
  std::uint64_t mib = 0;
  for (const Structure& module : of_type(tables, 17)) mib += module.at(0x0c, 2);
  EXPECT_EQ(mib, 33 * 1024U);
  const auto ranges = of_type(tables, 19);
  ASSERT_EQ(ranges.size(), 2U);
  EXPECT_EQ(ranges[0].at(8, 4), 3 * GiB / KiB - 1);
  EXPECT_EQ(ranges[1].at(4, 4), 4 * GiB / KiB);
  EXPECT_EQ(ranges[1].at(8, 4), 34 * GiB / KiB - 1);
  SmbiosFacts small;
  small.ram_below_4g = MiB + 4096;
  EXPECT_EQ(of_type(make_smbios(small, {}), 17).at(0).at(0x0c, 2), 0x8000U | 1028);
  // Beyond what 32 bits of KiB can say.
  SmbiosFacts large;
  large.ram_above_4g = std::uint64_t{5} << 40;
  EXPECT_EQ(of_type(make_smbios(large, {}), 16).at(0).at(0x0f, 8), std::uint64_t{5} << 40);
  EXPECT_EQ(of_type(make_smbios(large, {}), 19).at(0).at(4, 4), 0xffffffffU);
  EXPECT_EQ(of_type(make_smbios(large, {}), 19).at(0).at(0x17, 8), (std::uint64_t{5} << 40) + 4 * GiB - 1);
}

TEST(Smbios, TheUserMaySayOtherwise) {
  SmbiosOptions options;
  options.set(0, "vendor", "Someone");
  options.set(0, "release", "3.14");
  options.set(2, "product", "Board");
  options.set(4, "max-speed", "3000");
  options.set(11, "value", "one");
  options.set(11, "value", "two");
  const SmbiosTables tables = make_smbios(pc(), options);
  EXPECT_EQ(of_type(tables, 0).at(0).text(4), "Someone");
  EXPECT_EQ(of_type(tables, 0).at(0).at(0x14, 2), 0x0e03U);
  EXPECT_EQ(of_type(tables, 2).at(0).text(5), "Board");
  EXPECT_EQ(of_type(tables, 4).at(1).at(0x14, 2), 3000U);
  EXPECT_EQ(of_type(tables, 11).at(0).strings, (std::vector<std::string>{"one", "two"}));
  for (const auto& [type, field, text] :
       std::vector<std::tuple<unsigned, const char*, const char*>>{{1, "location", "x"},
                                                                   {5, "serial", "x"},
                                                                   {4, "max-speed", "65536"},
                                                                   {4, "max-speed", "fast"},
                                                                   {0, "release", "3"},
                                                                   {0, "release", "256.0"},
                                                                   {0, "uefi", "perhaps"},
                                                                   {11, "value", ""}})
    EXPECT_THROW(options.set(type, field, text), Error) << type << field << text;
  EXPECT_THROW(options.set(1, "serial", std::string(256, 'x')), Error);
}

TEST(Smbios, AFileReplacesWhatIsMade) {
  SmbiosOptions options;
  Bytes file{1, 8, 0x34, 0x12, 1, 0, 0, 0};
  for (const char c : std::string("From a file")) file.push_back(static_cast<std::uint8_t>(c));
  file.insert(file.end(), {0, 0});
  options.add_structure(file);
  const auto systems = of_type(make_smbios(pc(), options), 1);
  ASSERT_EQ(systems.size(), 1U);
  EXPECT_EQ(systems[0].text(4), "From a file");
}

TEST(Smbios, FilesThatAreNoStructureAreRefused) {
  const Bytes good{200, 5, 0, 1, 7, 'a', 0, 'b', 'c', 0, 0};
  SmbiosOptions().add_structure(good);
  SmbiosOptions().add_structure({200, 4, 0, 1, 0, 0});
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_THROW(SmbiosOptions().add_structure(Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size))),
                 Error)
        << size;
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_THROW(SmbiosOptions().add_structure(longer), Error);
  EXPECT_THROW(SmbiosOptions().add_structure({127, 4, 0, 1, 0, 0}), Error);
  EXPECT_THROW(SmbiosOptions().add_structure({200, 3, 0, 1, 0, 0}), Error);
  EXPECT_THROW(SmbiosOptions().add_structure(Bytes(0x10000, 0)), Error);
}

// Whatever is accepted is what a reader can walk.
TEST(Smbios, RandomFilesAreRefusedOrReadable) {
  std::mt19937 random(1);
  unsigned accepted = 0;
  for (int i = 0; i < 20000; ++i) {
    Bytes bytes(random() % 24);
    for (std::uint8_t& b : bytes) b = static_cast<std::uint8_t>(random() % 3 ? random() % 8 : 0);
    SmbiosOptions options;
    try {
      options.add_structure(bytes);
    } catch (const Error&) {
      continue;
    }
    ++accepted;
    (void)parse(make_smbios({}, options));
  }
  EXPECT_GT(accepted, 10U);
}

unsigned sum(const Bytes& bytes, std::size_t first, std::size_t length) {
  return std::accumulate(bytes.begin() + static_cast<std::ptrdiff_t>(first),
                         bytes.begin() + static_cast<std::ptrdiff_t>(first + length), 0U) &
         0xff;
}

TEST(Smbios, EntryPointsReachTheStructures) {
  const SmbiosTables tables = make_smbios(pc(), {});
  const Bytes narrow = smbios_entry_point_32(tables, 0xf1230), wide = smbios_entry_point_64(tables, 0x123456780);
  ASSERT_EQ(narrow.size(), 0x1fU);
  EXPECT_EQ((std::string{narrow.begin(), narrow.begin() + 4}), "_SM_");
  EXPECT_EQ(sum(narrow, 0, 0x1f), 0U);
  EXPECT_EQ((std::string{narrow.begin() + 16, narrow.begin() + 21}), "_DMI_");
  EXPECT_EQ(sum(narrow, 16, 15), 0U);
  EXPECT_EQ(narrow[5], 0x1f);
  EXPECT_EQ(narrow[6], 2);
  EXPECT_EQ(narrow[7], 8);
  EXPECT_EQ(narrow[0x16] | narrow[0x17] << 8, static_cast<int>(tables.structures.size()));
  EXPECT_EQ(narrow[0x18] | narrow[0x19] << 8 | narrow[0x1a] << 16, 0xf1230);
  EXPECT_EQ(narrow[0x1c], tables.count);
  ASSERT_EQ(wide.size(), 0x18U);
  EXPECT_EQ((std::string{wide.begin(), wide.begin() + 5}), "_SM3_");
  EXPECT_EQ(sum(wide, 0, 0x18), 0U);
  EXPECT_EQ(wide[6], 0x18);
  EXPECT_EQ(wide[7], 3);
  EXPECT_EQ(wide[0x10], 0x80);
  EXPECT_EQ(wide[0x14], 1);
  SmbiosTables large = tables;
  large.structures.resize(0x10000);
  EXPECT_THROW(smbios_entry_point_32(large, 0), Error);
  EXPECT_NO_THROW(smbios_entry_point_64(large, 0));
}

}  // namespace
}  // namespace machina
