#pragma once
/// YAML files as configuration trees, with the line and column of every key and value.

#include <string>
#include <string_view>

#include "core/config/config_tree.h"

namespace machina {

/// Parses one YAML document. `name` is what messages call it. Throws Error at the place of a syntax error, a key that
/// stands twice in a map, a tag, a second document, or aliases that multiply beyond any honest file. Anchors and
/// aliases are replaced by copies; a copy keeps the place where it was written out.
ConfigTree parse_yaml(std::string_view text, const std::string& name);

/// Reads and parses a file. Throws Error.
ConfigTree load_yaml(const std::string& path);

/// The whole of a text file of at most 1 MiB. Throws Error: it cannot be opened, is a directory, is too long. `what`
/// names the kind of file in the message: "board file".
std::string read_text_file(const std::string& path, const char* what);

/// The lines of a text, without their line ends.
class SourceLines {
 public:
  SourceLines(std::string_view text, std::string name);
  const std::string& name() const { return name_; }
  /// A place in it; `line` and `column` count from 1. A line beyond the end is the end.
  Origin at(int line, int column, int length) const;
  std::string_view line(int number) const;
  int count() const { return static_cast<int>(lines_.size()); }

 private:
  std::string name_;
  std::vector<std::string> lines_;
};

}  // namespace machina
