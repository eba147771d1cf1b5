#pragma once
/// The first passes of the board loader: a file and those that it extends, checked for shape and merged.
///
/// What the keys mean is in docs/boards.md.

#include <optional>
#include <string>
#include <vector>

#include "core/config/config_tree.h"
#include "machines/board/board_catalog.h"
#include "machines/board/faults.h"

namespace machina {

struct BoardFile {
  std::string path;                ///< as found
  std::vector<std::string> files;  ///< the file itself first, then what it extends
  /// Merged and of the right shape: keys are known, maps are maps, lists are lists. Values are still text.
  ConfigTree tree;
};

/// Keys of a board file and of its parts, for the checks and for the JSON Schema.
struct BoardKey {
  const char* name;
  enum class Shape { Text, Size, Count, Switch, Words, Map, Value } shape;
  const char* doc;
  bool required = false;
};
const std::vector<BoardKey>& board_keys();
const std::vector<BoardKey>& cpus_keys();
const std::vector<BoardKey>& ram_keys();
const std::vector<BoardKey>& option_keys();
/// Keys of a device that are not properties of its type.
const std::vector<BoardKey>& device_keys();
/// Legal values of an option's `type`.
const std::vector<std::string>& option_types();

/// Reads a board. What is wrong is added to `faults` and left out of the tree; nothing when no tree is left.
std::optional<BoardFile> read_board(const std::string& path, const BoardCatalog& catalog, Faults& faults);
/// The same from text, which messages call `name`.
std::optional<BoardFile> read_board_text(std::string_view text, const std::string& name, const BoardCatalog& catalog,
                                         Faults& faults);

/// Letters, digits, '-', '_', '.', starting with a letter: what may be the id of a device.
bool valid_id(std::string_view id);

}  // namespace machina
