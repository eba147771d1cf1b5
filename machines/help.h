#pragma once
/// Help that is made from the registry and the board files, for the command line to print.

#include <string>

#include "machines/board/board.h"
#include "machines/board/board_catalog.h"

namespace machina {

/// `-M help`: name, aliases and summary of each board. What cannot be read is added to `faults`.
std::string board_list_help(const BoardCatalog& catalog, Faults& faults);
/// `-M BOARD,help`: the options of a board with type, default and doc line.
std::string board_options_help(const Board& board);
/// `-device help`: the types that -device can make, grouped by category.
std::string device_list_help();
/// `-device TYPE,help`: the properties of a type, of any object. Throws Error with the nearest name.
std::string type_help(const std::string& type);

}  // namespace machina
