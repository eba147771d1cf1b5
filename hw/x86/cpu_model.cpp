#include "hw/x86/cpu_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "core/error.h"
#include "hw/x86/cpu_model_table.h"
#include "qom/property.h"

namespace machina {

namespace {

using Setter = std::function<void(CpuModelSpec&, const std::string&)>;

template <class T>
Setter number(std::optional<T> CpuModelSpec::*field, std::uint64_t low, std::uint64_t high) {
  return [field, low, high](CpuModelSpec& spec, const std::string& text) {
    const std::uint64_t value = qom::parse_uint(text);
    if (value < low || value > high) throw Error(fmt::format("{} is not from {} to {}", value, low, high));
    spec.*field = static_cast<T>(value);
  };
}

const std::vector<std::pair<std::string, Setter>>& properties() {
  static const std::vector<std::pair<std::string, Setter>> table = {
      {"check", [](CpuModelSpec& s, const std::string& t) { s.check = qom::parse_bool(t); }},
      {"enforce", [](CpuModelSpec& s, const std::string& t) { s.enforce = qom::parse_bool(t); }},
      {"kvm", [](CpuModelSpec& s, const std::string& t) { s.kvm = qom::parse_bool(t); }},
      {"vendor",
       [](CpuModelSpec& s, const std::string& t) {
         if (t.size() != 12) throw Error(fmt::format("a vendor has 12 characters, '{}' has {}", t, t.size()));
         s.vendor = t;
       }},
      {"model-id",
       [](CpuModelSpec& s, const std::string& t) {
         if (t.size() > 47) throw Error("a model-id has at most 47 characters");
         s.model_id = t;
       }},
      {"family", number(&CpuModelSpec::family, 0, 0xff + 0xf)},
      {"model", number(&CpuModelSpec::model, 0, 0xff)},
      {"stepping", number(&CpuModelSpec::stepping, 0, 0xf)},
      {"level", number(&CpuModelSpec::level, 1, 0x3fffffff)},
      {"xlevel", number(&CpuModelSpec::xlevel, 0x80000000, 0x8fffffff)},
      {"phys-bits", number(&CpuModelSpec::phys_bits, 32, 52)},
      {"host-phys-bits", [](CpuModelSpec& s, const std::string& t) { s.host_phys_bits = qom::parse_bool(t); }},
      {"tsc-frequency",
       [](CpuModelSpec& s, const std::string& t) {
         // In Hz; QEMU also takes 2.5G, with powers of 1000.
         double scale = 1;
         std::string digits = t;
         if (!digits.empty()) {
           const char suffix = digits.back();
           scale = suffix == 'G' ? 1e9 : suffix == 'M' ? 1e6 : suffix == 'K' || suffix == 'k' ? 1e3 : 1;
           if (scale > 1) digits.pop_back();
         }
         std::size_t used = 0;
         double value = 0;
         try {
           value = std::stod(digits, &used);
         } catch (const std::exception&) {
           used = 0;
         }
         if (used == 0 || used != digits.size() || !(value * scale >= 1e6 && value * scale <= 1e11))
           throw Error(fmt::format("'{}' is not a TSC frequency", t)).hint("expected 1M to 100G, in Hz");
         s.tsc_hz = static_cast<std::uint64_t>(value * scale);
       }},
  };
  return table;
}

std::string plain(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

void add_wish(CpuModelSpec& spec, const std::string& text, const std::string& name, bool on) {
  const std::vector<FeatureBit> bits = find_feature(name);
  if (bits.empty()) {
    std::vector<std::string> candidates = feature_names();
    for (const auto& [property, setter] : properties()) candidates.push_back(property);
    throw Error(fmt::format("no such CPU feature: '{}'", name)).hint(did_you_mean(name, candidates));
  }
  for (const FeatureBit bit : bits) spec.wishes.push_back({text, bit, on});
}

}  // namespace

CpuModelSpec parse_cpu_model(std::string_view text) {
  CpuModelSpec spec;
  bool first = true;
  while (first || !text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    const std::string part(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (first) {
      first = false;
      spec.name = cpu_model_definition(part).name;
      continue;
    }
    if (part.empty())
      throw Error("an empty feature in the CPU model").hint("expected NAME,+feature,-feature,key=value");
    if (part[0] == '+' || part[0] == '-') {
      add_wish(spec, part, part.substr(1), part[0] == '+');
      continue;
    }
    const std::size_t equals = part.find('=');
    const std::string key = plain(part.substr(0, equals));
    const std::string value = equals == std::string::npos ? "on" : part.substr(equals + 1);
    const auto property =
        std::find_if(properties().begin(), properties().end(), [&](const auto& p) { return p.first == key; });
    try {
      if (property != properties().end()) {
        property->second(spec, value);
      } else {
        add_wish(spec, part, key, find_feature(key).empty() || qom::parse_bool(value));
      }
    } catch (Error& e) {
      if (property == properties().end() && find_feature(key).empty()) throw;
      throw Error(fmt::format("CPU model: bad value in '{}'", part)).why(e.message()).hint(e.advice());
    }
  }
  return spec;
}

std::string cpu_model_help() {
  std::string text = "CPU models (-cpu NAME,+feature,-feature,key=value):\n";
  for (const CpuModelDefinition& m : cpu_model_table()) text += fmt::format("  {:<10} {}\n", m.name, m.summary);
  text += "\nKeys:\n ";
  for (const auto& [name, setter] : properties()) text += " " + name;
  text += "\n\nFeatures:\n";
  std::string line = " ";
  for (const std::string& name : feature_names()) {
    if (line.size() + name.size() > 78) {
      text += line + "\n";
      line = " ";
    }
    line += " " + name;
  }
  return text + line + "\n";
}

}  // namespace machina
