#include "machines/cli/help_requests.h"

#include "core/log.h"
#include "core/trace/trace_control.h"
#include "hw/x86/cpu_model.h"
#include "machines/board/board_catalog.h"
#include "machines/cli/accel_choice.h"
#include "machines/cli/backends.h"
#include "machines/cli/option_reader.h"
#include "machines/cli/option_table.h"
#include "machines/help.h"
#include "qom/plugin.h"

namespace machina {

namespace {

bool asks(const std::string& text) { return text == "help" || text == "?"; }

struct Question {
  std::string name;  ///< of "NAME,help"; empty for "help" alone
  Origin at;
};

std::optional<Question> asked(const CommandLine& cl, const char* group, const char* main_key) {
  for (const ConfigNode& option : cl.groups[group].items()) {
    const ConfigNode name = option[main_key];
    if ((name && asks(name.text())) || (!name && option["help"])) return Question{{}, option.origin()};
    if (name && option["help"]) return Question{name.text(), name.origin()};
  }
  return std::nullopt;
}

/// What `list` says, or `one` of the name; an Error points at the question.
template <class List, class One>
std::string answer(const Question& question, List&& list, One&& one) {
  std::string text;
  at_origin(question.at, [&] { text = question.name.empty() ? list() : one(question.name); });
  return text;
}

std::string board_help(const CommandLine& cl, const std::string& name, const Origin& at) {
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
                          option.put({"type"}, config_scalar(name, at));
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
  // Their types are to be listed as well.
  for (const ConfigValue& plugin : cl.plugins) at_origin(plugin.origin, [&] { qom::load_plugin(plugin.text); });
  if (const auto q = asked(cl, "machine", "type")) return board_help(cl, q->name, q->at);
  if (const auto q = asked(cl, "device", "driver")) return answer(*q, device_list_help, type_help);
  if (const auto q = asked(cl, "accel", "accel")) return answer(*q, accelerators_help, accelerator_help);
  if (const auto q = asked(cl, "chardev", "backend"))
    return answer(*q, chardevs_help, [](const std::string& name) { return type_help("chardev-" + name); });
  if (const auto q = asked(cl, "netdev", "type"))
    return answer(*q, netdevs_help, [](const std::string& name) { return type_help("netdev-" + name); });
  for (const ConfigNode& nic : cl.groups["nic"].items())
    if (const ConfigNode model = nic["model"]; model && asks(model.text())) return nic_models_help();
  if (const auto q = asked(cl, "nic", "type"))
    return answer(*q, netdevs_help, [](const std::string& name) { return type_help("netdev-" + name); });
  if (const auto q = asked(cl, "object", "qom-type")) return answer(*q, objects_help, type_help);
  if (cl.cpu && asks(cl.cpu->text)) return cpu_model_help();
  if ((cl.display && asks(cl.display->text)) || asked(cl, "vnc", "vnc"))
    return std::string(
        "Displays:\n  none  nothing shows the screen\n"
        "  text  the guest's text screen and keyboard, in this terminal\n"
        "  vnc=HOST:D  screen, keyboard and mouse for VNC clients at port 5900 + D; or vnc=unix:PATH. Options:\n"
        "    port=P             another port, instead of :D; 0: the host picks one, and a line says which\n"
        "    to=N               further ports to try where that is taken\n"
        "    password=on|off    clients are asked for one, which the monitor sets (change-vnc-password)\n"
        "    password-file=FILE the password at first, its first 8 bytes\n"
        "    share=allow-exclusive|force-shared|ignore  may a client ask that others go?\n");
  if (cl.log_items && asks(cl.log_items->text)) return log::help();
  if (asked(cl, "trace", "enable"))
    return std::string(
               "lifecycle (class_init, instance_init, property set, realize, reset and vCPU steps, as a call tree)\n") +
           trace::help();
  return std::nullopt;
}

}  // namespace machina
