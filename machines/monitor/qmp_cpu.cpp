/// CPUs: those that run, those that could be plugged in, and the models that there are.

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "hw/acpi/cpu_hotplug.h"
#include "hw/x86/cpu_model.h"
#include "hw/x86/cpuid_source.h"
#include "machines/monitor/human_command.h"
#include "machines/monitor/json_value.h"
#include "machines/monitor/qmp_command.h"

namespace machina {
namespace {

using qom::Value;
using qom::ValueList;
using qom::ValueMap;

const MonitorCondition kWithCpus{"on a machine with CPUs",
                                 [](MonitorSession& s) { return !s.machine().cpus().cpus().empty(); },
                                 "machine does not provide NMIs"};

ValueMap place_of(const CpuTopology& t, std::int64_t index) {
  const std::int64_t threads = t.threads, cores = t.cores;
  return {{"core-id", index / threads % cores}, {"thread-id", index % threads}, {"socket-id", index / threads / cores}};
}

Value query_cpus_fast(MonitorSession& session, const QmpArguments&) {
  ValueList list;
  for (X86Cpu* cpu : session.machine().cpus().cpus()) {
    const std::int64_t index = cpu->index();
    list.emplace_back(ValueMap{{"thread-id", cpu->thread_id()},
                               {"props", place_of(cpu->topology(), index)},
                               {"qom-path", cpu->path()},
                               {"cpu-index", index},
                               {"target", "x86_64"}});
  }
  return list;
}

Value query_hotpluggable_cpus(MonitorSession& session, const QmpArguments&) {
  const Machine& machine = session.machine();
  const CpuConfig& config = machine.cpu_config();
  bool hotplug = false;
  qom::for_each<CpuHotplug>(session.root(), [&](CpuHotplug&) { hotplug = true; });
  if (!hotplug) generic_error("machine does not support hot-plugging CPUs");
  ValueList list;
  for (unsigned i = config.max; i-- > 0;) {  // the highest first, as QEMU's list has it
    ValueMap one{{"props", place_of(config.topology, i)}, {"vcpus-count", 1}};
    for (const X86Cpu* cpu : session.machine().cpus().cpus())
      if (cpu->index() == i) one.emplace_back("qom-path", cpu->path());
    one.emplace_back("type", config.type);
    list.emplace_back(std::move(one));
  }
  return list;
}

Value inject_nmi(MonitorSession& session, const QmpArguments&) {
  for (X86Cpu* cpu : session.machine().cpus().cpus()) cpu->raise_nmi();
  return {};
}

// --- models ---

Value query_cpu_definitions(MonitorSession&, const QmpArguments&) {
  ValueList list;
  for (const std::string& name : cpu_model_names()) {
    // host and max are whatever the host is.
    const bool fixed = name != "host" && name != "max";
    list.emplace_back(ValueMap{{"name", name},
                               {"typename", std::string(X86Cpu::kType)},
                               {"unavailable-features", ValueList{}},
                               {"static", false},
                               {"migration-safe", fixed},
                               {"deprecated", false}});
  }
  return list;
}

/// "NAME,+avx,vendor=…" from a model and its properties.
std::string model_text(const Value& model) {
  std::string text = member(model, "name")->to_string();
  const Value* props = member(model, "props");
  if (!props) return text;
  const auto* map = props->get_if<ValueMap>();
  if (!map) generic_error("Invalid parameter type for 'model.props', expected: object");
  for (const auto& [key, value] : *map) {
    const auto* flag = value.get_if<bool>();
    text += flag ? fmt::format(",{}={}", key, *flag ? "on" : "off") : fmt::format(",{}={}", key, value.to_string());
  }
  return text;
}

/// What a CPU of this model would show here: the CPUs of this machine know what their accelerator supports.
Value query_cpu_model_expansion(MonitorSession& session, const QmpArguments& arguments) {
  const Value& model = arguments.value("model");
  const CpuModelSpec spec = parse_cpu_model(model_text(model));
  const Accelerator& accelerator = session.machine().accelerator();
  const auto* source = qom::cast<const CpuidSource>(&accelerator);
  if (!source) generic_error("the accelerator of this machine runs no CPUs");
  CpuPlatform platform{source->supported_cpuid(), accelerator.type_name(), session.machine().cpu_config().topology};
  const CpuidTable table = make_cpuid(spec, platform).table;
  const FeatureSet features = features_of(table);
  ValueMap props;
  std::set<std::string> seen;
  const auto words = feature_words();
  for (std::size_t w = 0; w < words.size(); ++w) {
    for (unsigned bit = 0; bit < 32; ++bit) {
      if (!words[w].names[bit]) continue;
      const std::string name = feature_name({w, bit});
      if (seen.insert(name).second) props.emplace_back(name, (features[w] >> bit & 1) != 0);
    }
  }
  const std::uint32_t signature = table.find(1).eax;
  const std::uint32_t family = signature >> 8 & 0xf, extended = signature >> 20 & 0xff;
  props.emplace_back("family", family == 0xf ? family + extended : family);
  props.emplace_back("model", (signature >> 4 & 0xf) | (signature >> 12 & 0xf0));
  props.emplace_back("stepping", signature & 0xf);
  props.emplace_back("level", table.find(0).eax);
  props.emplace_back("xlevel", table.find(0x80000000).eax);
  return ValueMap{{"model", ValueMap{{"name", member(model, "name")->to_string()}, {"props", std::move(props)}}}};
}

// --- for people ---

void info_cpus(HumanContext& c, const QmpArguments&) {
  for (X86Cpu* cpu : c.machine().cpus().cpus())
    c.print("{} CPU #{}: thread_id={}\n", cpu->index() == c.session().cpu_index() ? '*' : ' ', cpu->index(),
            cpu->thread_id());
}

void info_hotpluggable_cpus(HumanContext& c, const QmpArguments&) {
  const Value answer = c.query("query-hotpluggable-cpus");
  c.write("Hotpluggable CPUs:\n");
  for (const Value& one : std::get<ValueList>(answer.get())) {
    c.print("  type: \"{}\"\n  vcpus_count: \"1\"\n", member(one, "type")->to_string());
    if (const Value* path = member(one, "qom-path")) c.print("  qom_path: \"{}\"\n", path->to_string());
    c.write("  CPUInstance Properties:\n");
    for (const char* key : {"socket-id", "core-id", "thread-id"})
      c.print("    {}: \"{}\"\n", key, member(*member(one, "props"), key)->to_string());
  }
}

void cpu(HumanContext& c, const QmpArguments& arguments) {
  const unsigned before = c.session().cpu_index();
  const std::uint64_t index = arguments.unsigned_integer("index");
  c.session().set_cpu_index(static_cast<unsigned>(std::min<std::uint64_t>(index, UINT32_MAX)));
  if (c.session().cpu()) return;
  c.session().set_cpu_index(before);
  c.write("invalid CPU index\n");
}

void add(MonitorTable& t) {
  t.schema.define(R"(
    struct CpuInstanceProperties { *node-id: int, *socket-id: int, *die-id: int, *cluster-id: int, *core-id: int,
                                   *thread-id: int }
    struct CpuInfoFast { cpu-index: int, qom-path: str, thread-id: int, *props: CpuInstanceProperties,
                         target: SysEmuTarget }
    struct HotpluggableCPU { type: str, vcpus-count: int, props: CpuInstanceProperties, *qom-path: str }
    struct CpuDefinitionInfo { name: str, *migration-safe: bool, static: bool, *unavailable-features: [str],
                               typename: str, *alias-of: str, deprecated: bool }
    enum CpuModelExpansionType { static, full }
    struct CpuModelInfo { name: str, *props: any }
    struct CpuModelExpansionInfo { model: CpuModelInfo }
  )");
  t.command({.name = "query-cpus-fast",
             .returns = "[CpuInfoFast]",
             .doc = "the CPUs; the thread is 0 where an accelerator has none",
             .run = query_cpus_fast});
  t.command({.name = "query-hotpluggable-cpus",
             .returns = "[HotpluggableCPU]",
             .doc = "places for CPUs, those that are taken with a `qom-path`; `device_add` fills the others",
             .run = query_hotpluggable_cpus});
  t.command({.name = "query-cpu-definitions",
             .returns = "[CpuDefinitionInfo]",
             .doc = "models that `-cpu` can name",
             .run = query_cpu_definitions});
  t.command({.name = "query-cpu-model-expansion",
             .arguments = "type: CpuModelExpansionType, model: CpuModelInfo",
             .returns = "CpuModelExpansionInfo",
             .doc = "every feature of a model, with `props` on top, as this machine's accelerator would show it",
             .run = query_cpu_model_expansion});
  t.command({.name = "inject-nmi",
             .doc = "a non-maskable interrupt to every CPU",
             .run = inject_nmi,
             .when = &kWithCpus,
             .human = "nmi"});
  t.human({.name = "info cpus", .doc = "the CPUs and their threads", .run = info_cpus});
  t.human({.name = "info hotpluggable-cpus", .doc = "places for CPUs", .run = info_hotpluggable_cpus});
  t.human(
      {.name = "cpu", .arguments = "index: int", .doc = "chooses the CPU that other commands are about", .run = cpu});
}

const MonitorFamily kFamily{"Processors", add};

}  // namespace
}  // namespace machina
