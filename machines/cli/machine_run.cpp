#include <fmt/format.h>

#include <iostream>

#include "core/log.h"
#include "machines/board/board_command.h"
#include "machines/cli/help_requests.h"
#include "machines/cli/launch.h"

namespace machina {

int machine_run(const std::vector<std::string>& arguments) {
  try {
    if (!arguments.empty() && arguments[0] == "board")
      return run_board_command({arguments.begin() + 1, arguments.end()}, BoardCatalog::standard(), std::cout,
                               std::cerr);
    CommandLine cl = CommandLine::parse(arguments);
    if (const std::optional<std::string> text = answer_help(cl)) {
      fmt::print("{}", *text);
      return 0;
    }
    apply_logging(cl);
    Launch launch(std::move(cl));
    return launch.run();
  } catch (const Error& e) {
    fmt::print(stderr, "{}\n", e.what());  // starts with the place, below which carets may stand
  } catch (const std::exception& e) {
    fmt::print(stderr, "machine-run: {}\n", e.what());
  }
  return 1;
}

}  // namespace machina
