#include "machines/cli/firmware_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <string_view>

#include "core/byte_order.h"
#include "core/read_file.h"
#include "core/units.h"
#include "hw/acpi/acpi_sdt.h"
#include "hw/base/byte_writer.h"
#include "hw/x86/boot/low_layout.h"
#include "machines/cli/option_reader.h"
#include "machines/firmware_data.h"
#include "qom/property.h"

namespace machina {

namespace {

constexpr std::uint64_t kMaxTable = 64 * KiB;
/// Of all tables and structures together: half of what kernels leave alone for tables, the other half being the
/// machine's own. SeaBIOS has room for less.
constexpr std::uint64_t kMaxAllTables = boot::kTopReserve / 2;
constexpr std::uint64_t kPage = 4096;
constexpr unsigned kMaxNodes = 128;

std::uint64_t number(ConfigNode node, std::uint64_t max) {
  std::uint64_t value = 0;
  at_origin(node.origin(), [&] {
    value = qom::parse_uint(node.text());
    if (value > max) throw Error(fmt::format("{} is too large", node.text())).hint(fmt::format("at most {}", max));
  });
  return value;
}

// --- -acpitable ---

/// A field of the table's header: `offset` of ACPI 6.4, table 5.4.
struct HeaderText {
  const char* key;
  std::size_t offset, size;
};
constexpr HeaderText kTexts[] = {{"sig", 0, 4}, {"oem_id", 10, 6}, {"oem_table_id", 16, 8}, {"asl_compiler_id", 28, 4}};
struct HeaderNumber {
  const char* key;
  std::size_t offset, size;
};
constexpr HeaderNumber kNumbers[] = {{"rev", 8, 1}, {"oem_rev", 24, 4}, {"asl_compiler_rev", 32, 4}};

void check_signature(const std::vector<std::uint8_t>& table, bool nodes) {
  const std::string_view signature(reinterpret_cast<const char*>(table.data()), 4);
  for (const char c : signature) {
    if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')))
      throw Error("no signature of an ACPI table").why("it is made of four capital letters and digits");
  }
  if (nodes && signature == "SRAT")
    throw Error("the machine has a table SRAT already").why("there is one only, and -numa makes it");
  constexpr std::string_view kOwn[] = {"RSDT", "XSDT", "FACP", "FACS", "DSDT", "APIC", "HPET", "WAET"};
  if (std::find(std::begin(kOwn), std::end(kOwn), signature) == std::end(kOwn)) return;
  throw Error(fmt::format("the machine has a table {} already", signature))
      .why("there is one only, and it is made of the devices")
      .hint("objects are added by an SSDT");
}

std::vector<std::uint8_t> read_table(ConfigNode option, bool nodes) {
  refuse_unknown_keys(option, {"sig", "rev", "oem_id", "oem_table_id", "oem_rev", "asl_compiler_id", "asl_compiler_rev",
                               "data", "file"});
  const ConfigNode data = option["data"], file = option["file"];
  if (static_cast<bool>(data) == static_cast<bool>(file))
    throw Error("a table needs a file").at(option.origin()).hint("write file=TABLE, or sig=NAME,data=CONTENT");
  const ConfigNode source = data ? data : file;
  std::vector<std::uint8_t> bytes;
  at_origin(source.origin(), [&] { bytes = read_file(source.text(), kMaxTable - kSdtHeader); });
  std::vector<std::uint8_t> table = bytes;
  if (data) {
    if (!option["sig"]) throw Error("a table needs a signature").at(option.origin()).hint("write sig=SSDT");
    table = Sdt("    ", 1).finish();
    table.insert(table.end(), bytes.begin(), bytes.end());
  } else {
    at_origin(source.origin(), [&] {
      if (bytes.size() < kSdtHeader) {
        throw Error("not an ACPI table")
            .why(fmt::format("it has {} bytes, and a header alone has {}", bytes.size(), kSdtHeader))
            .hint("content without a header is given by data=");
      }
      const auto length = load_le<std::uint32_t>(bytes, kSdtLength);
      if (length != bytes.size()) {
        throw Error("not an ACPI table")
            .why(fmt::format("its header says {} bytes, and the file has {}", length, bytes.size()))
            .hint("content without a header is given by data=");
      }
    });
  }
  for (const HeaderText& field : kTexts) {
    const ConfigNode node = option[field.key];
    if (!node) continue;
    const std::string& text = node.text();
    const bool exact = field.offset == 0;
    if (text.size() > field.size || text.empty() || (exact && text.size() != field.size)) {
      throw Error(fmt::format("no {}: '{}'", field.key, text))
          .at(node.origin())
          .hint(fmt::format("expected {}{} bytes", exact ? "" : "1 to ", field.size));
    }
    for (std::size_t i = 0; i < field.size; ++i)
      table[field.offset + i] = i < text.size() ? static_cast<std::uint8_t>(text[i]) : std::uint8_t{' '};
  }
  for (const HeaderNumber& field : kNumbers) {
    const ConfigNode node = option[field.key];
    if (!node) continue;
    const std::uint64_t value = number(node, (std::uint64_t{1} << (8 * field.size)) - 1);
    store_le(table, field.offset, value, field.size);
  }
  at_origin(option["sig"] ? option["sig"].origin() : source.origin(), [&] { check_signature(table, nodes); });
  store_le(table, kSdtLength, table.size(), 4);
  table[kSdtChecksum] = 0;
  table[kSdtChecksum] = checksum_of(table);
  return table;
}

// --- -smbios ---

void read_smbios(ConfigNode option, SmbiosOptions& smbios) {
  if (const ConfigNode file = option["file"]) {
    refuse_unknown_keys(option, {"file"});
    at_origin(file.origin(), [&] { smbios.add_structure(read_file(file.text(), kMaxTable)); });
    return;
  }
  if (const ConfigNode entry = option["entry-point"]) {
    refuse_unknown_keys(option, {"entry-point"});
    const std::uint64_t bits = number(entry, 64);
    if (bits != 32 && bits != 64)
      throw Error(fmt::format("no entry point of {} bits", bits)).at(entry.origin()).hint("expected 32 or 64");
    smbios.entry_point = static_cast<unsigned>(bits);
    return;
  }
  const ConfigNode type = option["type"];
  if (!type) throw Error("-smbios needs a type or a file").at(option.origin()).hint("write type=1,product=NAME");
  const auto n = static_cast<unsigned>(number(type, 0xff));
  std::vector<std::string> known = SmbiosOptions::known_fields(n);
  if (known.empty()) {
    throw Error(fmt::format("nothing can be set in SMBIOS type {}", n))
        .at(type.origin())
        .hint(fmt::format("types are {}; others come from a file", fmt::join(SmbiosOptions::known_types(), ", ")));
  }
  known.emplace_back("type");
  refuse_unknown_keys(option, known);
  for (const auto& [key, node] : option.children()) {
    if (key == "type" || key == "id") continue;
    at_origin(node.origin(), [&, &key = key, &node = node] {
      if (n == 1 && key == "uuid") {
        smbios.uuid = parse_uuid(node.text());
      } else {
        smbios.set(n, key, node.text());
      }
    });
  }
}

// --- -numa ---

class NumaReader {
 public:
  NumaReader(const RamConfig& ram, const CpuConfig& cpus) : ram_(ram), cpus_(cpus) {}

  void read(ConfigNode option) {
    refuse_unknown_keys(option, {"type", "nodeid", "cpus", "mem"});
    if (const ConfigNode type = option["type"]; !type || type.text() != "node")
      throw Error("no such kind of -numa").at(type ? type.origin() : option.origin()).hint("write -numa node,…");
    const auto id = static_cast<unsigned>(option["nodeid"] ? number(option["nodeid"], kMaxNodes - 1)
                                                           : std::uint64_t{nodes_.size()});
    if (id >= kMaxNodes) throw Error("too many nodes").at(option.origin()).hint(fmt::format("at most {}", kMaxNodes));
    if (id >= nodes_.size()) nodes_.resize(id + 1);
    Node& node = nodes_[id];
    if (node.given && !option["cpus"]) throw Error(fmt::format("node {} is given twice", id)).at(option.origin());
    node.given = true;
    last_ = option.origin();
    if (const ConfigNode mem = option["mem"]) {
      at_origin(mem.origin(), [&] {
        if (node.memory) throw Error(fmt::format("node {} has memory already", id));
        // A plain number is MiB, as with -m.
        const std::string& text = mem.text();
        const bool plain =
            !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
        node.memory = qom::parse_size(plain ? text + "M" : text);
        if (*node.memory % kPage != 0) {
          throw Error(fmt::format("memory of {} bytes is not a whole number of pages", *node.memory))
              .hint("a page has 4096 bytes");
        }
      });
    }
    if (const ConfigNode cpus = option["cpus"]) at_origin(cpus.origin(), [&] { add_cpus(id, cpus.text()); });
  }

  void finish(TableOptions& options) {
    if (nodes_.empty()) return;
    at_origin(last_, [&] {
      for (unsigned i = 0; i < nodes_.size(); ++i) {
        if (!nodes_[i].given)
          throw Error(fmt::format("there is a node {}, but none {}", nodes_.size() - 1, i))
              .hint("nodes are numbered from 0 on");
      }
      share_memory(options);
      share_cpus(options);
    });
  }

 private:
  struct Node {
    bool given = false;
    std::optional<std::uint64_t> memory;
  };

  void add_cpus(unsigned node, const std::string& text) {
    const std::size_t dash = text.find('-');
    const std::uint64_t first = qom::parse_uint(text.substr(0, dash));
    const std::uint64_t last = dash == std::string::npos ? first : qom::parse_uint(text.substr(dash + 1));
    if (first > last || last >= cpus_.max) {
      throw Error(fmt::format("no such CPUs: '{}'", text))
          .hint(fmt::format("CPUs are numbered 0 to {}; write FIRST-LAST", cpus_.max - 1));
    }
    node_of_cpu_.resize(cpus_.max);
    for (std::uint64_t i = first; i <= last; ++i) {
      if (node_of_cpu_[i]) throw Error(fmt::format("CPU {} is in node {} already", i, *node_of_cpu_[i]));
      node_of_cpu_[i] = node;
    }
  }

  void share_memory(TableOptions& options) {
    const auto told = static_cast<std::size_t>(
        std::count_if(nodes_.begin(), nodes_.end(), [](const Node& n) { return n.memory.has_value(); }));
    if (told != 0 && told != nodes_.size())
      throw Error("some nodes have mem and some have not").hint("give all of them mem=, or none");
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      // Equal shares of whole MiB; the last takes what is left.
      const bool last = i + 1 == nodes_.size();
      const std::uint64_t share = last ? ram_.size - sum : ram_.size / nodes_.size() / MiB * MiB;
      const std::uint64_t memory = told ? *nodes_[i].memory : share;
      if (memory > ram_.size - sum) throw unequal(fmt::format("more than {}", qom::format_size(ram_.size)));
      options.node_memory.push_back(memory);
      sum += memory;
    }
    if (sum != ram_.size) throw unequal(qom::format_size(sum));
  }
  Error unequal(const std::string& sum) const {
    return Error(fmt::format("the nodes have {} of memory, and the machine {}", sum, qom::format_size(ram_.size)))
        .hint("make them add up to -m");
  }

  void share_cpus(TableOptions& options) {
    if (node_of_cpu_.empty()) {
      // Nobody said: whole sockets in turn.
      const unsigned per_socket = std::max(1U, cpus_.topology.cores * cpus_.topology.threads);
      for (unsigned i = 0; i < cpus_.max; ++i)
        options.node_of_cpu.push_back(static_cast<unsigned>(i / per_socket % nodes_.size()));
      return;
    }
    for (unsigned i = 0; i < cpus_.max; ++i) {
      if (!node_of_cpu_[i]) throw Error(fmt::format("CPU {} is in no node", i)).hint("name all CPUs, or none");
      options.node_of_cpu.push_back(*node_of_cpu_[i]);
    }
  }

  const RamConfig& ram_;
  const CpuConfig& cpus_;
  std::vector<Node> nodes_;
  std::vector<std::optional<unsigned>> node_of_cpu_;
  Origin last_;
};

}  // namespace

TableOptions table_options_of(const CommandLine& cl, const RamConfig& ram, const CpuConfig& cpus) {
  TableOptions options;
  NumaReader numa(ram, cpus);
  for (const ConfigNode& option : cl.groups["numa"].items()) numa.read(option);
  numa.finish(options);
  std::uint64_t all = 0;
  const auto count = [&all](std::size_t bytes, const Origin& at) {
    all += bytes;
    if (all <= kMaxAllTables) return;
    throw Error("too many tables")
        .at(at)
        .why(fmt::format("with this one they have {} bytes, and there is room for {}", all, kMaxAllTables));
  };
  for (const ConfigNode& option : cl.groups["acpi"].items()) {
    options.acpi_tables.push_back(read_table(option, !options.node_memory.empty()));
    count(options.acpi_tables.back().size(), option.origin());
  }
  for (const ConfigNode& option : cl.groups["smbios"].items()) {
    read_smbios(option, options.smbios);
    if (option["file"]) count(options.smbios.files.back().size(), option.origin());
  }
  return options;
}

}  // namespace machina
