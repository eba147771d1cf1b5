#pragma once
/// `machine-run board …`: what one does with board files without running a machine.

#include <iosfwd>
#include <string>
#include <vector>

#include "machines/board/board_catalog.h"

namespace machina {

/// Runs one of
///   check BOARD…   finds all faults of all boards (names or files), with the options at their defaults
///   list           names, aliases and summaries
///   schema         the JSON Schema of board files, made from the registered types
///   help
/// Results go to `out`, faults to `err`. Returns the exit status: 0, or 1 when there were faults. No object is
/// realized; no file but boards and their plugins is opened.
int run_board_command(const std::vector<std::string>& arguments, const BoardCatalog& catalog, std::ostream& out,
                      std::ostream& err);

/// All faults of one board, as `check` finds them.
Faults check_board(const std::string& name, const BoardCatalog& catalog);

}  // namespace machina
