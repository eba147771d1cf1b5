#include "machines/cli/command_line.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/program_options/options_description.hpp>
#include <boost/program_options/parsers.hpp>
#include <functional>
#include <map>

#include "core/config/ini.h"
#include "machines/cli/action_options.h"
#include "machines/cli/option_table.h"
#include "machines/gdb/gdb_device.h"

namespace machina {

namespace po = boost::program_options;

namespace {

std::vector<std::string> option_names() {
  std::vector<std::string> names;
  for (const OptionSpec& spec : option_table()) names.push_back(fmt::format("-{}", spec.name));
  return names;
}

/// Each option in the order of the command line; a name is empty for a plain argument.
struct Given {
  std::string name, argument;
};

/// How many plain arguments stand before the "--" that ends the options, which is an argument of its own.
std::size_t plain_before_end(const std::vector<std::string>& arguments) {
  std::size_t plain = 0;
  for (std::size_t i = 0; i < arguments.size() && arguments[i] != "--"; ++i) {
    const std::string& text = arguments[i];
    const std::size_t start = std::min(text.find_first_not_of('-'), text.size());
    const std::size_t equals = text.find('=');
    const OptionSpec* spec = start == 1 || start == 2 ? find_option_spec(text.substr(start, equals - start)) : nullptr;
    if (!spec) {
      ++plain;
    } else if (spec->argument && equals == std::string::npos) {
      ++i;
    }
  }
  return plain;
}

std::vector<Given> tokenize(const std::vector<std::string>& arguments) {
  po::options_description description;
  for (const OptionSpec& spec : option_table()) {
    if (spec.argument) {
      description.add_options()(spec.name, po::value<std::string>(), "");
    } else {
      description.add_options()(spec.name, "");
    }
  }
  namespace style = po::command_line_style;
  std::vector<Given> given;
  try {
    // All names are long ones that a single dash may introduce, as QEMU has it; none may be abbreviated.
    po::command_line_parser parser(arguments);
    parser.options(description).style(style::allow_long | style::allow_long_disguise | style::long_allow_next);
    const po::parsed_options parsed = parser.run();
    std::size_t left = plain_before_end(arguments);
    for (const po::option& o : parsed.options) {
      Given g{o.string_key, o.value.empty() ? std::string() : o.value.front()};
      // With names of one dash the parser takes what it does not know for a plain argument.
      if (g.name.empty() && left > 0) {
        --left;
        if (g.argument.size() > 1 && g.argument[0] == '-') throw po::unknown_option(g.argument);
      }
      given.push_back(std::move(g));
    }
  } catch (const po::unknown_option& e) {
    std::string name = e.get_option_name();
    name = "-" + name.substr(std::min(name.find_first_not_of('-'), name.size()));
    Error error(fmt::format("no such option: {}", name));
    if (const char* instead = instead_of_option(name.substr(1))) throw error.hint(instead);
    const std::string near = did_you_mean(name, option_names());
    throw error.hint(near.empty() ? "machine-run -help lists all options" : near);
  } catch (const po::error_with_option_name& e) {
    std::string name = e.get_option_name();
    name = name.substr(std::min(name.find_first_not_of('-'), name.size()));
    const OptionSpec* spec = find_option_spec(name);
    if (spec && spec->argument) {
      throw Error(fmt::format("option -{} needs an argument", name))
          .hint(fmt::format("write -{} {}", name, spec->argument));
    }
    throw Error(fmt::format("option -{} takes no argument", name));
  } catch (const po::error& e) {
    throw Error(fmt::format("the command line is not understood: {}", e.what()));
  }
  return given;
}

/// Groups that are one option however often they are given: later values win, key by key.
bool is_merged(std::string_view group) {
  constexpr std::string_view kMerged[] = {"machine", "memory", "smp-opts", "rtc", "boot-opts", "name", "action"};
  return std::find(std::begin(kMerged), std::end(kMerged), group) != std::end(kMerged);
}

void add_to_group(ConfigTree& groups, const std::string& group, ConfigNode option) {
  if (!is_merged(group)) {
    add_option(groups, group, option);
    return;
  }
  ConfigTree merged(option);  // a place to point at when the whole is at fault: the latest
  if (const ConfigNode old = groups[group]; old && old.size() > 0) {
    merged = ConfigTree(old.items().front());
    merged.merge(option);
    merged.relabel({}, option.value());
  }
  groups.remove({group});
  add_option(groups, group, merged.root());
}

ConfigValue whole(const std::string& option, const std::string& text) {
  return config_scalar(text, option_origin(option, text), {});
}

/// Groups may come from -readconfig, which knows no names: [global] is -global, and an unknown group is a mistake. What
/// -set says of other groups than devices is applied, now that all options are there.
void finish_groups(CommandLine& cl) {
  static const std::vector<std::string> known{"machine", "device", "drive",  "chardev",   "accel", "smp-opts",
                                              "memory",  "rtc",    "name",   "boot-opts", "trace", "global",
                                              "numa",    "acpi",   "smbios", "netdev",    "nic",   "net",
                                              "object",  "mon",    "add-fd", "action",    "vnc"};
  for (const auto& [group, list] : cl.groups.root().children()) {
    if (std::find(known.begin(), known.end(), group) != known.end()) continue;
    const std::string near = did_you_mean(group, known);
    throw Error(fmt::format("no such group of options: '{}'", group))
        .at(list.items().front().origin())
        .hint(near.empty() ? fmt::format("groups are {}", fmt::join(known, ", ")) : near);
  }
  for (const ConfigNode& item : cl.groups["global"].items()) {
    if (!item["driver"] || !item["property"] || !item["value"])
      throw Error("not a global property").at(item.origin()).hint("write driver, property and value");
    GlobalOption global;
    global.driver = item["driver"].text(), global.driver_origin = item["driver"].origin();
    global.property = item["property"].text();
    global.value = config_scalar(item["value"].text(), item["value"].origin(), item["property"].origin());
    cl.globals.push_back(std::move(global));
  }
  for (const SetOption& set : cl.sets) {
    // What can have an id; options of which there is one are simply given again.
    static const std::vector<std::string> with_id{"device", "drive", "chardev", "accel", "netdev", "object"};
    if (std::find(with_id.begin(), with_id.end(), set.group) == with_id.end()) {
      const std::string near = did_you_mean(set.group, with_id);
      throw Error(fmt::format("no such group of options: '{}'", set.group))
          .at(set.group_origin)
          .hint(near.empty() ? fmt::format("groups are {}", fmt::join(with_id, ", ")) : near);
    }
    if (set.group == "device" || apply_set(cl.groups, set)) continue;
    std::vector<std::string> ids;
    for (const ConfigNode& item : cl.groups[set.group].items())
      if (item["id"]) ids.push_back(item["id"].text());
    const std::string near = did_you_mean(set.id, ids);
    throw Error(fmt::format("no {} has the id '{}'", set.group, set.id))
        .at(set.id_origin)
        .hint(!near.empty() ? near
              : ids.empty() ? fmt::format("no -{} has an id", set.group)
                            : fmt::format("ids are {}", fmt::join(ids, ", ")));
  }
}

/// -M BOARD,accel=NAMES is -accel NAMES, in QEMU's older spelling.
void move_machine_accel(CommandLine& cl) {
  const ConfigNode machine = cl.groups["machine"];
  if (!machine || !machine.items().front()["accel"]) return;
  ConfigTree rest(machine.items().front());
  const ConfigNode names = rest["accel"];
  if (cl.groups["accel"]) {
    throw Error("the accelerator is named twice, with -accel as well")
        .at(names.key_origin())
        .hint("name it once; -accel NAME:NAME… lists several");
  }
  ConfigTree option;
  option.relabel({}, {ConfigKind::Map, {}, names.origin(), {}});
  option.put({"accel"}, names.value());
  add_option(cl.groups, "accel", option.root());
  rest.remove({"accel"});
  cl.groups.remove({"machine"});
  if (rest.root().size() > 0) add_option(cl.groups, "machine", rest.root());
}

}  // namespace

CommandLine CommandLine::parse(const std::vector<std::string>& arguments) {
  CommandLine cl;
  const auto group = [&cl](const char* name, const char* implied_key) {
    return [&cl, name, implied_key](const std::string& option, const std::string& text) {
      add_to_group(cl.groups, name, parse_option(option, text, implied_key).root());
    };
  };
  const auto network = [&cl](const char* name) {
    return [&cl, name](const std::string& option, const std::string& text) {
      add_to_group(cl.groups, name, parse_option(option, text, "type", {"hostfwd", "dnssearch"}).root());
    };
  };
  const auto to = [](std::optional<ConfigValue> CommandLine::*field, CommandLine& target) {
    return
        [field, &target](const std::string& option, const std::string& text) { target.*field = whole(option, text); };
  };
  const auto push = [](std::vector<ConfigValue> CommandLine::*field, CommandLine& target) {
    return [field, &target](const std::string& option, const std::string& text) {
      (target.*field).push_back(whole(option, text));
    };
  };
  const auto flag = [](bool CommandLine::*field, CommandLine& target) {
    return [field, &target](const std::string&, const std::string&) { target.*field = true; };
  };
  const auto disk_at = [&cl](unsigned index, const std::string& text, const Origin& origin,
                             const char* interface = "ide") {
    ConfigTree drive;
    drive.relabel({}, {ConfigKind::Map, {}, origin, {}});
    drive.put({"file"}, config_scalar(text, origin, origin));
    drive.put({"if"}, config_scalar(interface, origin, origin));
    drive.put({"index"}, config_scalar(std::to_string(index), origin, origin));
    add_option(cl.groups, "drive", drive.root());
  };
  const auto cdrom = [&cl](const std::string& option, const std::string& text) {
    constexpr const char* kThirdDrive = "2";
    const Origin origin = option_origin(option, text);
    ConfigTree drive;
    drive.relabel({}, {ConfigKind::Map, {}, origin, {}});
    drive.put({"file"}, config_scalar(text, origin, origin));
    drive.put({"media"}, config_scalar("cdrom", origin, origin));
    drive.put({"index"}, config_scalar(kThirdDrive, origin, origin));
    add_option(cl.groups, "drive", drive.root());
  };
  const auto disk = [disk_at](unsigned index) {
    return [disk_at, index](const std::string& option, const std::string& text) {
      disk_at(index, text, option_origin(option, text));
    };
  };
  const auto floppy = [disk_at](unsigned index) {
    return [disk_at, index](const std::string& option, const std::string& text) {
      disk_at(index, text, option_origin(option, text), "floppy");
    };
  };
  using Handler = std::function<void(const std::string& option, const std::string& text)>;
  const std::map<std::string, Handler> handlers = {
      {"M", group("machine", "type")},
      {"machine", group("machine", "type")},
      {"cpu", to(&CommandLine::cpu, cl)},
      {"m", group("memory", "size")},
      {"smp", group("smp-opts", "cpus")},
      {"accel", group("accel", "accel")},
      {"enable-kvm",
       [&](const std::string& option, const std::string&) {
         ConfigTree machine;
         machine.put({"accel"}, config_scalar("kvm", Origin{option, 0, 0, 0, {}}));
         add_to_group(cl.groups, "machine", machine.root());
       }},
      {"bios", to(&CommandLine::bios, cl)},
      {"kernel", to(&CommandLine::kernel, cl)},
      {"initrd", to(&CommandLine::initrd, cl)},
      {"append", to(&CommandLine::append, cl)},
      {"name", group("name", "guest")},
      {"uuid", to(&CommandLine::uuid, cl)},
      {"rtc", group("rtc", "base")},
      {"boot", group("boot-opts", "order")},
      {"numa", group("numa", "type")},
      {"acpitable", group("acpi", "file")},
      {"smbios", group("smbios", "")},
      {"drive", group("drive", "file")},
      {"fda", floppy(0)},
      {"fdb", floppy(1)},
      {"hda", disk(0)},
      {"hdb", disk(1)},
      {"hdc", disk(2)},
      {"hdd", disk(3)},
      {"cdrom", cdrom},
      {"snapshot", flag(&CommandLine::snapshot, cl)},
      {"display",
       [&](const std::string& option, const std::string& text) {
         if (text.starts_with("vnc=")) {
           group("vnc", "vnc")(option, text);
         } else {
           to(&CommandLine::display, cl)(option, text);
         }
       }},
      {"vnc", group("vnc", "vnc")},
      {"nographic", flag(&CommandLine::nographic, cl)},
      {"chardev", group("chardev", "backend")},
      {"netdev", network("netdev")},
      {"nic", network("nic")},
      {"net", network("net")},
      {"serial", push(&CommandLine::serials, cl)},
      {"parallel", push(&CommandLine::parallels, cl)},
      {"debugcon", push(&CommandLine::debugcons, cl)},
      {"monitor", push(&CommandLine::monitors, cl)},
      {"mon", group("mon", "chardev")},
      {"qmp", push(&CommandLine::qmps, cl)},
      {"device", group("device", "driver")},
      {"object", group("object", "qom-type")},
      {"global", [&](const std::string&, const std::string& text) { cl.globals.push_back(parse_global_option(text)); }},
      {"set", [&](const std::string&, const std::string& text) { cl.sets.push_back(parse_set_option(text)); }},
      {"readconfig",
       [&](const std::string& option, const std::string& text) {
         try {
           const ConfigTree file = load_ini(text);
           for (const auto& [name, list] : file.root().children())
             for (const ConfigNode& node : list.items()) add_to_group(cl.groups, name, node);
         } catch (Error& e) {
           throw e.at(option_origin(option, text));
         }
       }},
      {"nodefaults", flag(&CommandLine::nodefaults, cl)},
      {"plugin", push(&CommandLine::plugins, cl)},
      {"L", push(&CommandLine::directories, cl)},
      {"S", flag(&CommandLine::stopped, cl)},
      {"gdb", to(&CommandLine::gdb, cl)},
      {"s",
       [&](const std::string& option, const std::string&) {
         cl.gdb = config_scalar(kDefaultGdbDevice, Origin{option, 0, 0, 0, {}}, {});
       }},
      {"action", group("action", "")},
      {"watchdog",
       [&](const std::string& option, const std::string& text) {
         add_option(cl.groups, "device", watchdog_device(option, text).root());
       }},
      {"watchdog-action",
       [&](const std::string& option, const std::string& text) {
         ConfigTree action;
         action.put({"watchdog"}, whole(option, text));
         add_to_group(cl.groups, "action", action.root());
       }},
      {"no-hpet",
       [&](const std::string& option, const std::string&) {
         ConfigTree machine;
         machine.put({"hpet"}, config_scalar("off", Origin{option, 0, 0, 0, {}}));
         add_to_group(cl.groups, "machine", machine.root());
       }},
      {"no-reboot", flag(&CommandLine::no_reboot, cl)},
      {"no-shutdown", flag(&CommandLine::no_shutdown, cl)},
      {"qtest", push(&CommandLine::qtests, cl)},
      {"trace", group("trace", "enable")},
      {"d", to(&CommandLine::log_items, cl)},
      {"D", to(&CommandLine::log_file, cl)},
      {"pidfile", to(&CommandLine::pidfile, cl)},
      {"daemonize", flag(&CommandLine::daemonize, cl)},
      {"run-dir", to(&CommandLine::run_dir, cl)},
      {"add-fd", group("add-fd", "fd")},
      {"version", flag(&CommandLine::version, cl)},
      {"h", flag(&CommandLine::help, cl)},
      {"help", flag(&CommandLine::help, cl)},
  };
  std::string plain;
  for (const Given& g : tokenize(arguments)) {
    if (g.name.empty()) {  // the first disk
      const Origin origin{g.argument, 0, 0, 0, {}};
      if (!plain.empty()) {
        throw Error(fmt::format("only one disk can be given without an option, and that was '{}'", plain))
            .at(origin)
            .hint("give further disks with -hdb to -hdd, or with -drive");
      }
      if (g.argument.empty()) throw Error("the name of the disk is empty");
      plain = g.argument;
      disk_at(0, plain, origin);
      continue;
    }
    handlers.at(g.name)("-" + g.name, g.argument);
  }
  move_machine_accel(cl);
  finish_groups(cl);
  return cl;
}

}  // namespace machina
