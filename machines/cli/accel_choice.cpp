#include "machines/cli/accel_choice.h"

#include <fmt/format.h>

#include "core/error.h"
#include "machines/cli/option_reader.h"

namespace machina {

namespace {

constexpr std::string_view kSuffix = "-accel";

/// In order of preference when the user names none. qtest executes nothing and is never chosen for anybody.
constexpr const char* kDefaults[] = {"kvm"};

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::size_t start = 0;
  for (;;) {
    const std::size_t colon = text.find(':', start);
    parts.push_back(text.substr(start, colon - start));
    if (colon == std::string::npos) return parts;
    start = colon + 1;
  }
}

qom::Ref<Accelerator> make(const std::string& name, const Origin& at) {
  const std::vector<std::string> known = accelerator_names();
  if (std::find(known.begin(), known.end(), name) == known.end()) {
    Error e(fmt::format("no such accelerator: '{}'", name));
    const std::string near = did_you_mean(name, known);
    throw e.at(at).hint(fmt::format("{}there are: {}", near.empty() ? "" : near + " ", fmt::join(known, ", ")));
  }
  return qom::TypeRegistry::global().create_as<Accelerator>(name + std::string(kSuffix));
}

}  // namespace

std::vector<std::string> accelerator_names() {
  std::vector<std::string> names = qom::TypeRegistry::global().names(Accelerator::kType);
  for (std::string& name : names)
    if (name.ends_with(kSuffix)) name.resize(name.size() - kSuffix.size());
  return names;
}

std::string accelerators_help() {
  std::string text = "Accelerators:\n";
  for (const std::string& name : accelerator_names()) {
    const auto made = make(name, {});
    const Accelerator::Probe probe = made->probe();
    text += fmt::format("  {:<8}{}\n          {}: {}\n", name, made->object_class().description,
                        probe.usable ? "usable here" : "not usable here", probe.reason);
  }
  return text + "-accel NAME,help lists the properties of one.\n";
}

std::string accelerator_help(const std::string& name) {
  const auto made = make(name, {});
  std::string text = fmt::format("{}: {}\n", name, made->object_class().description);
  for (const qom::Property& p : made->object_class().properties())
    text += fmt::format("  {}=<{}>  {} (default: {})\n", p.name, p.type, p.description, p.default_value.to_string());
  return text + made->details();
}

Origin accelerator_origin(const CommandLine& cl) {
  const ConfigNode given = cl.groups["accel"];
  return given && given.size() > 0 ? given.items().front().origin() : Origin();
}

qom::Ref<Accelerator> choose_accelerator(const CommandLine& cl) {
  struct Choice {
    std::string name;
    Origin at;
    ConfigNode option;
  };
  std::vector<Choice> choices;
  const ConfigNode given = cl.groups["accel"];
  if (given) {
    for (const ConfigNode& option : given.items()) {
      const ConfigNode names = option["accel"];
      if (!names) throw Error("-accel needs a name").at(option.origin()).hint("-accel help lists them");
      for (const std::string& name : split(names.text())) choices.push_back({name, names.origin(), option});
    }
  } else if (!cl.qtests.empty()) {
    choices.push_back({"qtest", cl.qtests.front().origin, {}});
  } else {
    for (const char* name : kDefaults) choices.push_back({name, {}, {}});
  }
  std::string reasons;
  for (const Choice& c : choices) {
    auto accelerator = make(c.name, c.at);
    if (c.option) {
      for (const auto& [key, node] : c.option.children()) {
        if (key == "accel" || key == "id") continue;
        set_from_option(*accelerator, key, node);
      }
    }
    // One that stands alone is tried without a probe: the machine's own start-up says best what is wrong.
    if (choices.size() == 1) return accelerator;
    const Accelerator::Probe probe = accelerator->probe();
    if (probe.usable) return accelerator;
    reasons += fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", c.name, probe.reason);
  }
  throw Error("no accelerator can be used here").at(choices.front().at).why(reasons);
}

}  // namespace machina
