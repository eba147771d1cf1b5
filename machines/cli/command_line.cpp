#include "machines/cli/command_line.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/program_options/options_description.hpp>
#include <boost/program_options/parsers.hpp>
#include <functional>
#include <map>

#include "core/config/ini.h"
#include "machines/cli/option_table.h"

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
    for (const po::option& o : parser.run().options)
      given.push_back({o.string_key, o.value.empty() ? std::string() : o.value.front()});
  } catch (const po::unknown_option& e) {
    std::string name = e.get_option_name();
    name = "-" + name.substr(std::min(name.find_first_not_of('-'), name.size()));
    Error error(fmt::format("no such option: {}", name));
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

ConfigValue whole(const std::string& option, const std::string& text) {
  return config_scalar(text, option_origin(option, text), {});
}

}  // namespace

namespace {

/// Groups may come from -readconfig, which knows no names: [global] is -global, and an unknown group is a mistake. What
/// -set says of other groups than devices is applied, now that all options are there.
void finish_groups(CommandLine& cl) {
  static const std::vector<std::string> known{"machine", "device", "drive", "chardev",   "accel", "smp-opts",
                                              "memory",  "rtc",    "name",  "boot-opts", "trace", "global"};
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
    if (set.group == "device" || apply_set(cl.groups, set)) continue;
    std::vector<std::string> ids;
    for (const ConfigNode& item : cl.groups[set.group].items())
      if (item["id"]) ids.push_back(item["id"].text());
    throw Error(fmt::format("no {} has the id '{}'", set.group, set.id))
        .at(set.id_origin)
        .hint(did_you_mean(set.id, ids));
  }
}

}  // namespace

CommandLine CommandLine::parse(const std::vector<std::string>& arguments) {
  CommandLine cl;
  const auto group = [&cl](const char* name, const char* implied_key) {
    return [&cl, name, implied_key](const std::string& option, const std::string& text) {
      add_option(cl.groups, name, parse_option(option, text, implied_key).root());
    };
  };
  const auto merge_into_one = [&cl](const char* name, const char* implied_key) {
    // -M and its like may be given several times; together they are one option.
    return [&cl, name, implied_key](const std::string& option, const std::string& text) {
      const ConfigTree fresh = parse_option(option, text, implied_key);
      ConfigTree merged;
      if (const ConfigNode old = cl.groups[name]; old && old.size() > 0) merged = ConfigTree(old.items().front());
      merged.merge(fresh.root());
      cl.groups.remove({name});
      add_option(cl.groups, name, merged.root());
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
  const auto disk = [&cl](unsigned index) {
    return [&cl, index](const std::string& option, const std::string& text) {
      ConfigTree drive;
      const Origin origin = option_origin(option, text);
      drive.put({"file"}, config_scalar(text, origin, origin));
      drive.put({"format"}, config_scalar("raw", origin, origin));
      drive.put({"if"}, config_scalar("ide", origin, origin));
      drive.put({"index"}, config_scalar(std::to_string(index), origin, origin));
      add_option(cl.groups, "drive", drive.root());
    };
  };
  using Handler = std::function<void(const std::string& option, const std::string& text)>;
  const std::map<std::string, Handler> handlers = {
      {"M", merge_into_one("machine", "type")},
      {"machine", merge_into_one("machine", "type")},
      {"cpu", to(&CommandLine::cpu, cl)},
      {"m", merge_into_one("memory", "size")},
      {"smp", merge_into_one("smp-opts", "cpus")},
      {"accel", group("accel", "accel")},
      {"enable-kvm", [&](const std::string& option, const std::string&) { group("accel", "accel")(option, "kvm"); }},
      {"bios", to(&CommandLine::bios, cl)},
      {"name", merge_into_one("name", "guest")},
      {"uuid", to(&CommandLine::uuid, cl)},
      {"rtc", merge_into_one("rtc", "base")},
      {"boot", merge_into_one("boot-opts", "order")},
      {"drive", group("drive", "file")},
      {"hda", disk(0)},
      {"hdb", disk(1)},
      {"hdc", disk(2)},
      {"hdd", disk(3)},
      {"snapshot", flag(&CommandLine::snapshot, cl)},
      {"display", to(&CommandLine::display, cl)},
      {"nographic", flag(&CommandLine::nographic, cl)},
      {"chardev", group("chardev", "backend")},
      {"serial", push(&CommandLine::serials, cl)},
      {"debugcon", push(&CommandLine::debugcons, cl)},
      {"qmp", push(&CommandLine::qmps, cl)},
      {"device", group("device", "driver")},
      {"global", [&](const std::string&, const std::string& text) { cl.globals.push_back(parse_global_option(text)); }},
      {"set", [&](const std::string&, const std::string& text) { cl.sets.push_back(parse_set_option(text)); }},
      {"readconfig",
       [&](const std::string& option, const std::string& text) {
         try {
           add_options(cl.groups, load_ini(text));
         } catch (Error& e) {
           throw e.at(option_origin(option, text));
         }
       }},
      {"nodefaults", flag(&CommandLine::nodefaults, cl)},
      {"plugin", push(&CommandLine::plugins, cl)},
      {"L", push(&CommandLine::directories, cl)},
      {"S", flag(&CommandLine::stopped, cl)},
      {"no-reboot", flag(&CommandLine::no_reboot, cl)},
      {"no-shutdown", flag(&CommandLine::no_shutdown, cl)},
      {"qtest", push(&CommandLine::qtests, cl)},
      {"trace", group("trace", "enable")},
      {"d", to(&CommandLine::log_items, cl)},
      {"D", to(&CommandLine::log_file, cl)},
      {"pidfile", to(&CommandLine::pidfile, cl)},
      {"version", flag(&CommandLine::version, cl)},
      {"h", flag(&CommandLine::help, cl)},
      {"help", flag(&CommandLine::help, cl)},
  };
  for (const Given& g : tokenize(arguments)) {
    if (g.name.empty()) {
      disk(0)("DISK", g.argument);  // a plain argument is the first disk
      continue;
    }
    handlers.at(g.name)("-" + g.name, g.argument);
  }
  finish_groups(cl);
  return cl;
}

}  // namespace machina
