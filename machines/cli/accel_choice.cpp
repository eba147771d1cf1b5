#include "machines/cli/accel_choice.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/config/option_string.h"
#include "core/error.h"
#include "machines/cli/option_reader.h"

namespace machina {

namespace {

constexpr std::string_view kSuffix = "-accel";

/// The name that QEMU has for its software CPU: scripts use it.
constexpr std::string_view kAlias = "tcg", kAliased = "jit";

struct Candidate {
  std::string name;
  qom::Ref<Accelerator> accelerator;
};

struct NameAt {
  std::string name;
  Origin at;
};

/// The names between colons, each with its own place.
std::vector<NameAt> split(const ConfigNode& list) {
  std::vector<NameAt> parts;
  const std::string& text = list.text();
  for (std::size_t start = 0;;) {
    const std::size_t colon = text.find(':', start);
    NameAt part{text.substr(start, colon - start), list.origin()};
    if (part.at.length == static_cast<int>(text.size())) {
      part.at.column += static_cast<int>(start);
      part.at.length = std::max(1, static_cast<int>(part.name.size()));
    }
    parts.push_back(std::move(part));
    if (colon == std::string::npos) return parts;
    start = colon + 1;
  }
}

bool is_known(const std::string& name) {
  const std::vector<std::string> known = accelerator_names();
  return std::find(known.begin(), known.end(), name) != known.end();
}

/// The name of the type, without its suffix.
std::string resolve(const std::string& name) {
  return name == kAlias && is_known(std::string(kAliased)) ? std::string(kAliased) : name;
}

qom::Ref<Accelerator> make(const std::string& given, const Origin& at) {
  const std::string name = resolve(given);
  if (!is_known(name)) {
    const std::vector<std::string> known = accelerator_names();
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

std::vector<std::string> default_accelerators() { return {"kvm", std::string(kAliased)}; }

namespace {

/// All that -accel names, with their properties.
std::vector<Candidate> named(ConfigNode options) {
  std::vector<Candidate> candidates;
  for (const ConfigNode& option : options.items()) {
    const ConfigNode names = option["accel"];
    if (!names) throw Error("-accel needs a name").at(option.origin()).hint("-accel help lists them");
    for (const auto& [name, at] : split(names)) {
      if (name.empty() && names.text().find(':') != std::string::npos) {
        throw Error(fmt::format("a name is missing in the list '{}'", names.text()))
            .at(at)
            .hint("write names with one colon between two: kvm:jit");
      }
      Candidate c{resolve(name), make(name, at)};
      const bool again =
          std::any_of(candidates.begin(), candidates.end(), [&](const Candidate& o) { return o.name == c.name; });
      if (again) throw Error(fmt::format("accelerator '{}' is named twice", c.name)).at(at);
      for (const auto& [key, node] : option.children())
        if (key != "accel" && key != "id") set_from_option(*c.accelerator, key, node);
      candidates.push_back(std::move(c));
    }
  }
  return candidates;
}

struct Tried {
  const Candidate* candidate;
  Accelerator::Probe probe;

  bool good() const { return probe.usable && !probe.slow; }
  std::string why_not() const {
    return probe.usable ? probe.reason : fmt::format("{} cannot be used ({})", candidate->name, probe.reason);
  }
};

/// Asks them in order, until one is good.
std::vector<Tried> try_each(const std::vector<Candidate>& candidates) {
  std::vector<Tried> tried;
  for (const Candidate& c : candidates) {
    const bool something_runs = std::any_of(tried.begin(), tried.end(), [](const Tried& t) { return t.probe.usable; });
    if (something_runs && !c.accelerator->has_vcpus()) continue;
    tried.push_back({&c, c.accelerator->probe()});
    if (tried.back().good()) break;
  }
  return tried;
}

AcceleratorChoice best_of(const std::vector<Candidate>& candidates, const std::string& missing, const Origin& at) {
  const std::vector<Tried> tried = try_each(candidates);
  const Tried* taken = tried.back().good() ? &tried.back() : nullptr;
  std::string reasons;
  for (const Tried& t : tried) {
    if (&t != taken) reasons += fmt::format("{}{}", reasons.empty() ? "" : ", and ", t.why_not());
    if (!taken && t.probe.usable) taken = &t;
  }
  if (!taken && candidates.size() == 1)
    return {candidates.front().accelerator, {}};  // it says best itself what is wrong
  if (!taken) throw Error("no accelerator can be used here").at(at).why(reasons);
  if (tried.size() == 1) reasons = taken->probe.reason;  // the very first is good
  std::string note =
      fmt::format("accelerator: {}, {} {}", taken->candidate->name, taken->probe.slow ? "although" : "since", reasons);
  if (!missing.empty() && taken->probe.slow) note += fmt::format("; there is no {} in this program", missing);
  std::vector<std::string> others;
  for (const Candidate& c : candidates)
    if (&c != taken->candidate) others.push_back("-accel " + c.name);
  if (!others.empty()) note += fmt::format("; force another with {}", fmt::join(others, " or "));
  return {taken->candidate->accelerator, note};
}

}  // namespace

qom::Ref<Accelerator> make_accelerator(std::string_view command, const std::string& text) {
  const ConfigTree option = parse_option(command, text, "accel");
  const ConfigNode name = option["accel"];
  if (!name)
    throw Error("an accelerator needs a name").hint(fmt::format("there are: {}", fmt::join(accelerator_names(), ", ")));
  auto accelerator = make(name.text(), name.origin());
  for (const auto& [key, node] : option.root().children())
    if (key != "accel") set_from_option(*accelerator, key, node);
  return accelerator;
}

AcceleratorChoice choose_accelerator(const CommandLine& cl, const std::vector<std::string>& preferred) {
  const ConfigNode given = cl.groups["accel"];
  if (given || !cl.qtests.empty()) {
    // One that stands alone is not probed: the machine's own start-up says best what is wrong.
    if (!given) return {make("qtest", cl.qtests.front().origin), {}};
    const std::vector<Candidate> candidates = named(given);
    if (candidates.size() == 1) return {candidates.front().accelerator, {}};
    return best_of(candidates, {}, accelerator_origin(cl));
  }
  std::vector<Candidate> candidates;
  std::string missing;
  for (const std::string& name : preferred) {
    if (is_known(name)) {
      candidates.push_back({name, make(name, {})});
    } else {
      missing += fmt::format("{}'{}'", missing.empty() ? "" : " and no ", name);
    }
  }
  if (candidates.empty()) throw Error(fmt::format("there is no accelerator {} in this program", missing));
  return best_of(candidates, missing, {});
}

}  // namespace machina
