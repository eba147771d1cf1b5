#include "core/config/ini.h"

#include <fmt/format.h>

#include "core/config/option_groups.h"
#include "core/config/yaml.h"

namespace machina {

namespace {

constexpr std::string_view kBlanks = " \t";
// Ids are compared with those of all others of their group. No machine has this many parts.
constexpr int kMaxSections = 4000;

class IniParser {
 public:
  explicit IniParser(const SourceLines& lines) : lines_(lines) {}

  ConfigTree parse() {
    for (number_ = 1; number_ <= lines_.count(); ++number_) {
      const std::string_view line = lines_.line(number_);
      const std::size_t start = line.find_first_not_of(kBlanks);
      if (start == std::string_view::npos || line[start] == '#') continue;
      if (line[start] == '[') {
        finish_section();
        section(line, start);
      } else {
        assignment(line, start);
      }
    }
    finish_section();
    return std::move(groups_);
  }

 private:
  Origin at(std::size_t column, std::size_t length) const {
    return lines_.at(number_, static_cast<int>(column) + 1, static_cast<int>(length));
  }

  void nothing_follows(std::string_view line, std::size_t from) const {
    const std::size_t rest = line.find_first_not_of(kBlanks, from);
    if (rest != std::string_view::npos && line[rest] != '#')
      throw Error("the line should end here").at(at(rest, line.size() - rest));
  }

  /// [group] or [group "id"]
  void section(std::string_view line, std::size_t start) {
    const auto refuse = [&] {
      return Error("not the head of a section")
          .at(at(start, line.size() - start))
          .hint("write [group] or [group \"id\"]");
    };
    const std::size_t name_end = line.find_first_of(" \t]\"", start + 1);
    if (name_end == std::string_view::npos || name_end == start + 1) throw refuse();
    if (++sections_ > kMaxSections) throw Error("too many sections in one file").at(at(start, line.size() - start));
    group_ = line.substr(start + 1, name_end - start - 1);
    option_ = ConfigTree();
    option_.put({}, ConfigValue{ConfigKind::Map, {}, at(start, name_end - start + 1), {}});
    std::size_t p = line.find_first_not_of(kBlanks, name_end);
    if (p != std::string_view::npos && line[p] == '"') {
      const std::size_t close = line.find('"', p + 1);
      if (close == std::string_view::npos || close == p + 1) throw refuse();
      const Origin id_at = at(p, close + 1 - p);
      option_.put({"id"}, config_scalar(std::string(line.substr(p + 1, close - p - 1)), id_at, id_at));
      p = line.find_first_not_of(kBlanks, close + 1);
    }
    if (p == std::string_view::npos || line[p] != ']') throw refuse();
    nothing_follows(line, p + 1);
    in_section_ = true;
  }

  /// key = "value"
  void assignment(std::string_view line, std::size_t start) {
    if (!in_section_) throw Error("a value outside of any section").at(at(start, line.size() - start));
    const std::size_t equals = line.find('=', start);
    const bool has_key = equals != std::string_view::npos && equals > start;
    const std::size_t key_end = has_key ? line.find_last_not_of(kBlanks, equals - 1) + 1 : start;
    const std::size_t open = has_key ? line.find_first_not_of(kBlanks, equals + 1) : std::string_view::npos;
    if (open == std::string_view::npos || line[open] != '"')
      throw Error("not a setting").at(at(start, line.size() - start)).hint("write key = \"value\"");
    const std::size_t close = line.find('"', open + 1);
    if (close == std::string_view::npos) throw Error("the closing quote is missing").at(at(open, line.size() - open));
    nothing_follows(line, close + 1);
    option_.put({std::string(line.substr(start, key_end - start))},
                config_scalar(std::string(line.substr(open + 1, close - open - 1)), at(open, close + 1 - open),
                              at(start, key_end - start)));
  }

  void finish_section() {
    if (in_section_) add_option(groups_, group_, option_.root());
    in_section_ = false;
  }

  const SourceLines& lines_;
  int number_ = 0;
  int sections_ = 0;
  ConfigTree groups_;
  std::string group_;
  ConfigTree option_;
  bool in_section_ = false;
};

}  // namespace

ConfigTree parse_ini(std::string_view text, const std::string& name) {
  const SourceLines lines(text, name);
  return IniParser(lines).parse();
}

ConfigTree load_ini(const std::string& path) { return parse_ini(read_text_file(path, "configuration file"), path); }

}  // namespace machina
