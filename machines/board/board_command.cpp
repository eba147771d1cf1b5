#include "machines/board/board_command.h"

#include <fmt/format.h>

#include <ostream>

#include "core/config/option_groups.h"
#include "machines/board/board.h"
#include "machines/board/board_composer.h"
#include "machines/board/board_schema.h"
#include "machines/help.h"
#include "qom/plugin.h"

namespace machina {

namespace {

constexpr const char* kUsage =
    "usage: machine-run board check BOARD...   find all faults of board files\n"
    "       machine-run board list             names and summaries of all boards\n"
    "       machine-run board schema           JSON Schema of board files, for editors\n"
    "With -L DIR boards are looked for in that directory first.\n";

}  // namespace

Faults check_board(const std::string& name, const BoardCatalog& catalog) {
  Faults faults;
  BoardRequest request;
  const Origin asked_at = option_origin("board check", name);
  ConfigTree machine;
  machine.put({"type"}, config_scalar(name, asked_at));
  add_option(request.groups, "machine", machine.root());
  request.serials = {true, true, true, true};  // so that the ports which are only there when asked for are checked too
  const std::optional<Board> board = load_board(request, catalog, faults);
  if (!board) return faults;
  // A tree like a machine's, in which nothing is ever realized.
  const auto root = qom::create<qom::Container>();
  auto& scratch = root->add_new_child<qom::Container>("machine");
  ComposeOptions options;
  options.load_plugin = [](const std::string& file) { qom::load_plugin(file); };
  options.backends_known = false;
  compose_board(*board, request, scratch, options, faults);
  return faults;
}

int run_board_command(const std::vector<std::string>& arguments, const BoardCatalog& catalog, std::ostream& out,
                      std::ostream& err) {
  const std::string command = arguments.empty() ? "help" : arguments[0];
  if (command == "check") {
    if (arguments.size() < 2) {
      err << "board check: no board is named\n  write machine-run board check BOARD...\n";
      return 1;
    }
    std::size_t total = 0;
    for (std::size_t i = 1; i < arguments.size(); ++i) {
      const Faults faults = check_board(arguments[i], catalog);
      for (const Error& fault : faults.list()) err << fault.what() << '\n';
      total += faults.size();
      if (faults.empty()) out << arguments[i] << ": no faults\n";
    }
    if (total > 1) err << fmt::format("{} faults\n", total);
    return total > 0 ? 1 : 0;
  }
  if (command == "list") {
    Faults faults;
    out << board_list_help(catalog, faults);
    for (const Error& fault : faults.list()) err << fault.what() << '\n';
    return faults.empty() ? 0 : 1;
  }
  if (command == "schema") {
    out << board_schema() << '\n';
    return 0;
  }
  if (command == "help" || command == "--help" || command == "-h") {
    out << kUsage;
    return 0;
  }
  const std::string near = did_you_mean(command, {"check", "list", "schema", "help"});
  err << fmt::format("no such command: 'board {}'\n  {}\n", command,
                     near.empty() ? "there are: check, list, schema, help" : near);
  return 1;
}

}  // namespace machina
