#include "machines/help.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "hw/base/device.h"
#include "qom/object.h"

namespace machina {

namespace {

/// Lines "  left   right", the right column aligned.
class Table {
 public:
  void row(std::string left, std::string right) {
    width_ = std::max(width_, std::min<std::size_t>(left.size(), 40));
    rows_.emplace_back(std::move(left), std::move(right));
  }
  std::string text() const {
    std::string made;
    for (const auto& [left, right] : rows_)
      made += right.empty() ? fmt::format("  {}\n", left) : fmt::format("  {:<{}}  {}\n", left, width_, right);
    return made;
  }

 private:
  std::vector<std::pair<std::string, std::string>> rows_;
  std::size_t width_ = 0;
};

/// "bits a second (default 9600; a number from 300 to 115200)"
std::string property_line(const qom::Property& p) {
  std::vector<std::string> notes;
  if (p.required) notes.emplace_back("must be set");
  const std::string by_default = p.kind == qom::PropertyKind::Size && p.default_value.get_if<std::uint64_t>()
                                     ? qom::format_size(*p.default_value.get_if<std::uint64_t>())
                                     : p.default_value.to_string();
  if (!p.default_value.empty() && !by_default.empty()) notes.push_back("default " + by_default);
  if (p.kind == qom::PropertyKind::Enum) notes.push_back(p.expected());
  if (p.live) notes.emplace_back("may change while the machine runs");
  std::string line = p.description;
  if (!notes.empty()) line += fmt::format("{}({})", line.empty() ? "" : " ", fmt::join(notes, "; "));
  return line;
}

}  // namespace

std::string board_list_help(const BoardCatalog& catalog, Faults& faults) {
  Table table;
  for (const BoardCatalog::Entry& board : catalog.list(faults)) {
    table.row(board.name, board.summary);
    for (const std::string& alias : board.aliases) table.row(alias, fmt::format("alias of {}", board.name));
  }
  return "Boards:\n" + table.text();
}

std::string board_options_help(const Board& board) {
  if (board.options.empty()) return fmt::format("Board {} has no options.\n", board.name);
  Table table;
  for (const BoardOption& o : board.options) {
    const std::string values = o.values.empty() ? "" : fmt::format("; one of {}", fmt::join(o.values, ", "));
    table.row(fmt::format("{}=<{}>", o.name, o.type),
              fmt::format("{}{}(default {}{})", o.doc, o.doc.empty() ? "" : " ", o.default_value, values));
  }
  return fmt::format("Options of board {}:\n{}", board.name, table.text());
}

std::string device_list_help() {
  qom::TypeRegistry& registry = qom::TypeRegistry::global();
  std::map<Category, Table> groups;
  for (const std::string& type : registry.names(Device::kType)) {
    const auto& c = dynamic_cast<const DeviceClass&>(registry.class_of(type));
    if (!c.user_creatable) continue;
    const std::string bus = c.bus_type.empty() ? "" : fmt::format(", bus {}", c.bus_type);
    groups[c.category].row(type, c.description + bus);
  }
  std::string text;
  for (const auto& [category, table] : groups)
    text += fmt::format("{}{} devices:\n{}", text.empty() ? "" : "\n", category_name(category), table.text());
  return text;
}

std::string type_help(const std::string& type) {
  const qom::ObjectClass& c = qom::TypeRegistry::global().class_of(type);
  Table table;
  std::vector<const qom::Property*> properties;
  for (const qom::Property& p : c.properties())
    if (!p.read_only && (p.set || p.set_link)) properties.push_back(&p);
  std::sort(properties.begin(), properties.end(), [](const auto* a, const auto* b) { return a->name < b->name; });
  for (const qom::Property* p : properties) table.row(fmt::format("{}=<{}>", p->name, p->type), property_line(*p));
  if (properties.empty()) return fmt::format("{} ({}) has no options.\n", type, c.description);
  return fmt::format("{} options ({}):\n{}", type, c.description, table.text());
}

}  // namespace machina
