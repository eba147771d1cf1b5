#include "core/config/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "core/config/property_tree.h"

namespace machina {

namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{1} << 20;
// Ten aliases of ten aliases of … double a file of a screen into gigabytes. No board has this many nodes.
constexpr std::size_t kMaxNodes = 20'000;
// Each value keeps the line that it stands on. Longer ones are no line that a person reads, and 20,000 copies of one
// would be gigabytes.
constexpr std::size_t kMaxShownLine = 1000;

}  // namespace

std::string read_text_file(const std::string& path, const char* what) {
  const auto refuse = [&](std::string_view why) {
    return Error(fmt::format("cannot read {} '{}'", what, path)).why(why);
  };
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) throw refuse("it is a directory");
  std::ifstream file(path, std::ios::binary);
  if (!file) throw refuse(std::strerror(errno));
  std::string text;
  char piece[4096];  // piece by piece: to make room for the longest file costs more than to read the usual one
  do {
    file.read(piece, sizeof piece);
    text.append(piece, static_cast<std::size_t>(file.gcount()));
  } while (file && text.size() <= kMaxFileBytes);
  if (file.bad()) throw refuse(std::strerror(errno));
  if (text.size() > kMaxFileBytes) throw refuse("it is longer than 1 MiB");
  return text;
}

SourceLines::SourceLines(std::string_view text, std::string name) : name_(std::move(name)) {
  if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);  // byte order mark
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    lines_.emplace_back(line);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
}

std::string_view SourceLines::line(int number) const {
  return number >= 1 && number <= count() ? std::string_view(lines_[static_cast<std::size_t>(number - 1)])
                                          : std::string_view();
}

Origin SourceLines::at(int line_number, int column, int length) const {
  Origin origin;
  origin.place = name_;
  origin.line = std::clamp(line_number, 1, std::max(1, count()));
  const std::string_view text = line(origin.line);
  if (text.size() <= kMaxShownLine) origin.line_text = text;
  const int width = static_cast<int>(text.size());
  // Past the last line: just behind its end.
  origin.column = line_number > origin.line ? width + 1 : std::clamp(column, 1, width + 1);
  origin.length = std::clamp(length, 1, std::max(1, width + 1 - origin.column));
  return origin;
}

namespace {

/// Builds the tree from yaml-cpp's events: its nodes know neither the place of an alias nor a key that stands twice.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const SourceLines& lines) : lines_(lines) {}

  bool saw_document() const { return documents_ > 0; }
  PropertyTree take() {
    PropertyTree tree;
    tree.swap(root_);
    return tree;
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0) throw Error("a second document in one file").at(origin(mark, 3)).hint("remove the '---'");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(leaf({ConfigKind::Null, {}, origin(mark, 1), {}}), anchor);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    refuse_tag(mark, tag);
    const Origin place = origin(mark, static_cast<int>(text.size()));
    refuse_open_quote(place);
    if (open_.empty() || open_.back().node.data().kind != ConfigKind::Map || open_.back().has_key) {
      add(leaf(config_scalar(text, place)), anchor);
      return;
    }
    Level& map = open_.back();
    if (const auto it = map.node.find(text); it != map.node.not_found()) {
      throw Error(fmt::format("'{}' stands twice in one map", text))
          .at(place)
          .hint(fmt::format("the first is in line {}", it->second.data().key_origin.line));
    }
    map.key = text, map.key_origin = place, map.has_key = true;
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto it = anchors_.find(anchor);
    if (it == anchors_.end()) throw Error("an alias inside of what it stands for").at(origin(mark, 1));
    if (wants_key()) throw Error("an alias cannot be a key").at(origin(mark, 1));
    add(PropertyTree(it->second), 0);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    start(mark, tag, anchor, ConfigKind::List);
  }
  void OnSequenceEnd() override { end(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    start(mark, tag, anchor, ConfigKind::Map);
  }
  void OnMapEnd() override { end(); }

 private:
  struct Level {
    PropertyTree node;
    YAML::anchor_t anchor = 0;
    std::string key;  // read, its value is next
    Origin key_origin;
    bool has_key = false;
  };

  static PropertyTree leaf(ConfigValue value) { return PropertyTree(value); }

  bool wants_key() const {
    return !open_.empty() && open_.back().node.data().kind == ConfigKind::Map && !open_.back().has_key;
  }

  /// The place of a token. Marks count from 0; a mark may stand on the anchor before the value.
  Origin origin(const YAML::Mark& mark, int length) const {
    const std::string_view line = lines_.line(mark.line + 1);
    auto column = static_cast<std::size_t>(std::max(0, mark.column));
    while (column < line.size() && line[column] == '&') {
      const std::size_t next = line.find_first_not_of(' ', std::min(line.find(' ', column), line.size()));
      if (next == std::string_view::npos) break;  // the value is on a later line
      column = next;
    }
    if (column < line.size() && (line[column] == '"' || line[column] == '\'')) {
      // Quotes belong to what is underlined.
      const std::size_t close = closing_quote(line, column);
      length = static_cast<int>((close == std::string_view::npos ? line.size() : close + 1) - column);
    } else if (column < line.size() && (line[column] == '|' || line[column] == '>')) {
      length = 1;
    }
    return lines_.at(mark.line + 1, static_cast<int>(column) + 1, length);
  }

  static std::size_t closing_quote(std::string_view line, std::size_t open) {
    return closing_quote(line, open + 1, line[open]);
  }
  static std::size_t closing_quote(std::string_view line, std::size_t from, char quote) {
    for (std::size_t i = from; i < line.size(); ++i) {
      if (quote == '"' && line[i] == '\\') {
        ++i;
      } else if (line[i] == quote) {
        if (quote == '"' || i + 1 >= line.size() || line[i + 1] != '\'') return i;
        ++i;  // '' is a quote within quotes
      }
    }
    return std::string_view::npos;
  }

  /// yaml-cpp takes a quoted text that the end of the file cuts off.
  void refuse_open_quote(const Origin& place) const {
    const std::string_view line = lines_.line(place.line);
    const auto column = static_cast<std::size_t>(place.column - 1);
    const char quote = column < line.size() ? line[column] : '\0';
    if (quote != '"' && quote != '\'') return;
    auto from = static_cast<std::size_t>(place.column);
    for (int n = place.line; n <= lines_.count(); ++n, from = 0)
      if (closing_quote(lines_.line(n), from, quote) != std::string_view::npos) return;
    throw Error("the closing quote is missing").at(place);
  }

  void refuse_tag(const YAML::Mark& mark, const std::string& tag) const {
    // yaml-cpp reports "?" for a plain scalar and "!" for a quoted one; maps and lists have "?" or nothing.
    if (!tag.empty() && tag != "?" && tag != "!")
      throw Error("YAML tags have no meaning here").at(origin(mark, 1)).hint("remove '" + tag + "'");
  }

  void start(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, ConfigKind kind) {
    refuse_tag(mark, tag);
    if (wants_key()) throw Error("a key must be a word").at(origin(mark, 1));
    Level level;
    level.node.data() = {kind, {}, origin(mark, 1), {}};
    level.anchor = anchor;
    open_.push_back(std::move(level));
  }

  void end() {
    Level done = std::move(open_.back());
    open_.pop_back();
    add(std::move(done.node), done.anchor);
  }

  static std::size_t count(const PropertyTree& node) {
    std::size_t n = 1;
    for (const auto& [key, child] : node) n += count(child);
    return n;
  }

  // Swaps throughout: a PropertyTree cannot be moved, and a copy at the end of each map would copy all below it.
  void add(PropertyTree&& node, YAML::anchor_t anchor) {
    if (wants_key()) throw Error("a key is missing before ':'").at(node.data().origin);
    // A map or list that was closed just now had its own nodes counted as they came; an alias brings all of its copy.
    nodes_ += node.empty() ? 1 : count(node);
    if (nodes_ > kMaxNodes) throw Error("too many values in one file").at(node.data().origin);
    if (anchor != 0) anchors_[anchor] = node;
    if (open_.empty()) {
      root_.swap(node);
      return;
    }
    Level& level = open_.back();
    if (level.has_key) node.data().key_origin = level.key_origin;
    level.node.push_back({level.key, {}})->second.swap(node);
    level.key.clear(), level.has_key = false;
  }

  const SourceLines& lines_;
  int documents_ = 0;
  std::size_t nodes_ = 0;
  PropertyTree root_;
  std::vector<Level> open_;
  std::map<YAML::anchor_t, PropertyTree> anchors_;
};

}  // namespace

ConfigTree parse_yaml(std::string_view text, const std::string& name) {
  const SourceLines lines(text, name);
  TreeBuilder builder(lines);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& e) {
    Error error(e.msg.empty() ? "not YAML" : "not YAML: " + e.msg);
    error.at(lines.at(e.mark.line + 1, e.mark.column + 1, 1));
    const std::string_view line = lines.line(e.mark.line + 1);
    if (line.substr(0, line.find_first_not_of(" \t")).find('\t') != std::string_view::npos)
      error.hint("indent with blanks: YAML does not allow tabs");
    throw error;
  }
  if (!builder.saw_document()) throw Error("the file is empty").at(lines.at(1, 1, 1));
  return ConfigTree(builder.take());
}

ConfigTree load_yaml(const std::string& path) { return parse_yaml(read_text_file(path, "file"), path); }

}  // namespace machina
