/// What the machine is: identity, accelerator, board, memory.

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "hw/acpi/cpu_hotplug.h"
#include "machines/board/board.h"
#include "machines/board/board_catalog.h"
#include "machines/monitor/human_command.h"
#include "machines/monitor/json_value.h"
#include "machines/monitor/qmp_command.h"

namespace machina {
namespace {

using qom::Value;
using qom::ValueList;
using qom::ValueMap;

constexpr std::string_view kDefaultBoard = "pc";  // of the command line

Value query_name(MonitorSession& session, const QmpArguments&) {
  ValueMap answer;
  if (!session.machine().name.empty()) answer.emplace_back("name", session.machine().name);
  return answer;
}

Value query_uuid(MonitorSession& session, const QmpArguments&) {
  const std::string& uuid = session.machine().uuid;
  return ValueMap{{"UUID", uuid.empty() ? std::string("00000000-0000-0000-0000-000000000000") : uuid}};
}

Value query_kvm(MonitorSession& session, const QmpArguments&) {
  constexpr std::string_view kKvm = "kvm-accel";
  return ValueMap{{"enabled", session.machine().accelerator().is_a(kKvm)},
                  {"present", qom::TypeRegistry::global().find(kKvm) != nullptr}};
}

Value query_target(MonitorSession&, const QmpArguments&) { return ValueMap{{"arch", "x86_64"}}; }

/// What `-M` would find for this name, with all defaults.
std::optional<Board> board_called(const std::string& name, const BoardCatalog& catalog) {
  BoardRequest request;
  ConfigTree option;
  option.put({"type"}, config_scalar(name, {}));
  request.groups.append({"machine"}, option.root());
  Faults faults;
  std::optional<Board> board = load_board(request, catalog, faults);
  return faults.size() == 0 ? std::move(board) : std::nullopt;
}

Value query_machines(MonitorSession&, const QmpArguments&) {
  ValueList list;
  const BoardCatalog catalog = BoardCatalog::standard();
  Faults faults;  // a board that cannot be read is none
  for (const BoardCatalog::Entry& entry : catalog.list(faults)) {
    const std::optional<Board> board = board_called(entry.name, catalog);
    if (!board) continue;
    const bool hotplug = std::any_of(board->devices.begin(), board->devices.end(),
                                     [](const BoardDevice& d) { return d.type == CpuHotplug::kType; });
    ValueMap info{{"hotpluggable-cpus", hotplug}, {"name", entry.name}};
    info.emplace_back("numa-mem-supported", false);
    info.emplace_back("default-cpu-type", board->cpus.type);
    if (entry.name == kDefaultBoard) info.emplace_back("is-default", true);
    info.emplace_back("cpu-max", board->cpus.max);
    info.emplace_back("deprecated", false);
    if (!entry.aliases.empty()) info.emplace_back("alias", entry.aliases.front());
    list.emplace_back(std::move(info));
  }
  return list;
}

Value query_current_machine(MonitorSession& session, const QmpArguments&) {
  bool wakes = false;
  qom::for_each<qom::Object>(session.root(), [&](qom::Object& o) { wakes = wakes || o.is_a("PIIX4_PM"); });
  return ValueMap{{"wakeup-suspend-support", wakes}};
}

Value query_memory_size_summary(MonitorSession& session, const QmpArguments&) {
  return ValueMap{{"base-memory", session.machine().ram().size}, {"plugged-memory", 0}};
}

Value query_memory_devices(MonitorSession&, const QmpArguments&) { return ValueList{}; }

Value query_memdev(MonitorSession& session, const QmpArguments&) {
  ValueList list;
  const auto& ram = session.machine().system().ram;
  if (!ram) return list;
  // One block: a memfd that other processes could map, allocated as it is touched.
  list.emplace_back(ValueMap{{"share", true},
                             {"policy", "default"},
                             {"merge", false},
                             {"dump", true},
                             {"size", ram->size()},
                             {"reserve", false},
                             {"host-nodes", ValueList{}},
                             {"prealloc", false},
                             {"id", ram->name()}});
  return list;
}

Value query_iothreads(MonitorSession&, const QmpArguments&) { return ValueList{}; }

Value query_balloon(MonitorSession&, const QmpArguments&) {
  throw QmpError{QmpErrorClass::DeviceNotActive, "No balloon device has been activated"};
}

Value query_vm_generation_id(MonitorSession& session, const QmpArguments&) {
  std::string guid;
  qom::for_each<qom::Object>(session.root(), [&](qom::Object& o) {
    if (guid.empty() && o.is_a("vmgenid")) guid = o.get("guid").to_string();
  });
  if (guid.empty()) generic_error("VM Generation ID device not found");
  return ValueMap{{"guid", guid}};
}

// --- for people ---

void info_name(HumanContext& c, const QmpArguments&) {
  if (!c.machine().name.empty()) c.print("{}\n", c.machine().name);
}

void info_uuid(HumanContext& c, const QmpArguments&) {
  c.print("{}\n", member(c.query("query-uuid"), "UUID")->to_string());
}

void info_kvm(HumanContext& c, const QmpArguments&) {
  const Value answer = c.query("query-kvm");
  const bool present = *member(answer, "present") == Value(true), enabled = *member(answer, "enabled") == Value(true);
  c.print("kvm support: {}\n", !present ? "not compiled" : enabled ? "enabled" : "disabled");
  if (enabled) c.write(c.machine().accelerator().statistics());
}

void info_memory_size_summary(HumanContext& c, const QmpArguments&) {
  c.print("base memory: {}\nplugged memory: 0\n", c.machine().ram().size);
}

void info_memdev(HumanContext& c, const QmpArguments&) {
  const Value answer = c.query("query-memdev");
  for (const Value& m : std::get<ValueList>(answer.get())) {
    c.print("memory backend: {}\n", member(m, "id")->to_string());
    for (const char* key : {"size", "merge", "dump", "prealloc", "share", "reserve", "policy"})
      c.print("  {}:  {}\n", key, to_json(*member(m, key)));
  }
}

void info_iothreads(HumanContext&, const QmpArguments&) {}

void info_balloon(HumanContext& c, const QmpArguments&) { c.query("query-balloon"); }

void info_vm_generation_id(HumanContext& c, const QmpArguments&) {
  c.print("{}\n", member(c.query("query-vm-generation-id"), "guid")->to_string());
}

void add(MonitorTable& t) {
  t.schema.define(R"(
    struct NameInfo { *name: str }
    struct UuidInfo { UUID: str }
    struct KvmInfo { enabled: bool, present: bool }
    enum SysEmuTarget { x86_64 }
    struct TargetInfo { arch: SysEmuTarget }
    struct MachineInfo { name: str, *alias: str, *is-default: bool, cpu-max: int, hotpluggable-cpus: bool,
                         numa-mem-supported: bool, deprecated: bool, *default-cpu-type: str, *default-ram-id: str }
    struct CurrentMachineParams { wakeup-suspend-support: bool }
    struct MemoryInfo { base-memory: uint64, *plugged-memory: uint64 }
    enum HostMemPolicy { default, preferred, bind, interleave }
    struct Memdev { *id: str, size: uint64, merge: bool, dump: bool, prealloc: bool, share: bool, *reserve: bool,
                    host-nodes: [int], policy: HostMemPolicy }
    enum MemoryDeviceInfoKind { }
    union MemoryDeviceInfo { type: MemoryDeviceInfoKind } by type { }
    struct IOThreadInfo { id: str, thread-id: int, poll-max-ns: int, poll-grow: int, poll-shrink: int,
                          aio-max-batch: int }
    struct BalloonInfo { actual: int }
    struct GuidInfo { guid: str }
  )");
  t.command({.name = "query-name", .returns = "NameInfo", .doc = "what `-name` says", .run = query_name});
  t.command(
      {.name = "query-uuid", .returns = "UuidInfo", .doc = "what `-uuid` says; zeros without", .run = query_uuid});
  t.command({.name = "query-kvm", .returns = "KvmInfo", .doc = "whether KVM runs the machine", .run = query_kvm});
  t.command({.name = "query-target", .returns = "TargetInfo", .doc = "the architecture: x86_64", .run = query_target});
  t.command({.name = "query-machines",
             .returns = "[MachineInfo]",
             .doc = "boards that `-M` can name, aliases too",
             .run = query_machines});
  t.command({.name = "query-current-machine",
             .returns = "CurrentMachineParams",
             .doc = "whether this machine can sleep and be woken",
             .run = query_current_machine});
  t.command({.name = "query-memory-size-summary",
             .returns = "MemoryInfo",
             .doc = "bytes of guest memory",
             .run = query_memory_size_summary});
  t.command({.name = "query-memory-devices",
             .returns = "[MemoryDeviceInfo]",
             .doc = "memory that was plugged in: none",
             .run = query_memory_devices});
  t.command({.name = "query-memdev",
             .returns = "[Memdev]",
             .doc = "what guest memory is made of on the host",
             .run = query_memdev});
  t.command({.name = "query-iothreads", .returns = "[IOThreadInfo]", .doc = "iothreads: none", .run = query_iothreads});
  t.command({.name = "query-balloon",
             .returns = "BalloonInfo",
             .doc = "`DeviceNotActive`: there is no balloon device",
             .run = query_balloon});
  t.command({.name = "query-vm-generation-id",
             .returns = "GuidInfo",
             .doc = "what the VM generation ID device shows; an error without one",
             .run = query_vm_generation_id});
  t.human({.name = "info name", .doc = "name of the machine", .run = info_name});
  t.human({.name = "info uuid", .doc = "UUID of the machine", .run = info_uuid});
  t.human({.name = "info kvm",
           .doc = "whether KVM runs the machine, and what the software CPU did for it",
           .run = info_kvm});
  t.human({.name = "info memory_size_summary", .doc = "bytes of guest memory", .run = info_memory_size_summary});
  t.human({.name = "info memdev", .doc = "what guest memory is made of on the host", .run = info_memdev});
  t.human({.name = "info iothreads", .doc = "iothreads", .run = info_iothreads});
  t.human({.name = "info balloon", .doc = "the balloon, if there were one", .run = info_balloon});
  t.human({.name = "info vm-generation-id", .doc = "the VM generation ID", .run = info_vm_generation_id});
}

const MonitorFamily kFamily{"Machine", add};

}  // namespace
}  // namespace machina
