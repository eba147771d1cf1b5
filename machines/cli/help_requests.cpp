#include "machines/cli/help_requests.h"

#include "core/log.h"
#include "hw/x86/cpu_model.h"
#include "machines/board/board_catalog.h"
#include "machines/cli/accel_choice.h"
#include "machines/cli/backends.h"
#include "machines/cli/option_table.h"
#include "machines/help.h"
#include "qom/plugin.h"

namespace machina {

namespace {

bool asks(const std::string& text) { return text == "help" || text == "?"; }

/// "help" alone gives an empty name, "NAME,help" the name; nothing when no help is asked for.
std::optional<std::string> asked(ConfigNode option, const char* main_key) {
  const ConfigNode name = option[main_key];
  if (name && asks(name.text())) return std::string();
  for (const char* key : {"help", "?"})
    if (option[key]) return name ? name.text() : std::string();
  return std::nullopt;
}

std::optional<std::string> asked(const CommandLine& cl, const char* group, const char* main_key) {
  const ConfigNode list = cl.groups[group];
  if (!list) return std::nullopt;
  for (const ConfigNode& option : list.items())
    if (auto name = asked(option, main_key)) return name;
  return std::nullopt;
}

std::string board_help(const CommandLine& cl, const std::string& name) {
  std::vector<std::string> directories;
  for (const ConfigValue& d : cl.directories) directories.push_back(d.text);
  const BoardCatalog catalog = BoardCatalog::standard(directories);
  Faults faults;
  if (name.empty()) {
    std::string text = board_list_help(catalog, faults);
    for (const Error& e : faults.list()) text += std::string("\n") + e.what() + "\n";
    return text;
  }
  BoardRequest request;
  request.groups.append({"machine"},
                        [&] {
                          ConfigTree option;
                          option.put({"type"}, config_scalar(name, option_origin("-M", name)));
                          return option;
                        }()
                            .root());
  const std::optional<Board> board = load_board(request, catalog, faults);
  faults.throw_if_any();
  return board_options_help(*board);
}

}  // namespace

std::optional<std::string> answer_help(const CommandLine& cl) {
  if (cl.help) return help_text("machine-run");
  if (cl.version) return version_text();
  for (const ConfigValue& plugin : cl.plugins) {  // their types are to be listed as well
    try {
      qom::load_plugin(plugin.text);
    } catch (Error& e) {
      throw e.at(plugin.origin);
    }
  }
  if (const auto name = asked(cl, "machine", "type")) return board_help(cl, *name);
  if (const auto name = asked(cl, "device", "driver")) return name->empty() ? device_list_help() : type_help(*name);
  if (const auto name = asked(cl, "accel", "accel"))
    return name->empty() ? accelerators_help() : accelerator_help(*name);
  if (const auto name = asked(cl, "chardev", "backend")) {
    return name->empty() ? chardevs_help() : type_help("chardev-" + *name);
  }
  if (cl.cpu && asks(cl.cpu->text)) return cpu_model_help();
  if (cl.display && asks(cl.display->text))
    return std::string(
        "Displays:\n  none  nothing shows the screen\n"
        "  text  the guest's text screen and keyboard, in this terminal\n");
  if (cl.log_items && asks(cl.log_items->text)) return log::help();
  if (asked(cl, "trace", "enable"))
    return std::string(
        "lifecycle  class_init, instance_init, property set, realize, reset and vCPU steps, as a call tree\n");
  return std::nullopt;
}

}  // namespace machina
