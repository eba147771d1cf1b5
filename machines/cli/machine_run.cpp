#include <fmt/format.h>

#include "core/log.h"
#include "machines/cli/help_requests.h"
#include "machines/cli/launch.h"

namespace machina {

int machine_run(const std::vector<std::string>& arguments) {
  try {
    CommandLine cl = CommandLine::parse(arguments);
    if (const std::optional<std::string> text = answer_help(cl)) {
      fmt::print("{}", *text);
      return 0;
    }
    apply_logging(cl);
    Launch launch(std::move(cl));
    return launch.run();
  } catch (const Error& e) {
    fmt::print(stderr, "machine-run: {}\n", e.what());
  } catch (const std::exception& e) {
    fmt::print(stderr, "machine-run: {}\n", e.what());
  }
  return 1;
}

}  // namespace machina
