/// Disks.

#include <fmt/format.h>

#include "core/block/block_backend.h"
#include "core/block/removable_media.h"
#include "hw/base/device.h"
#include "machines/monitor/human_command.h"
#include "machines/monitor/json_value.h"
#include "machines/monitor/qmp_command.h"

namespace machina {
namespace {

using qom::Value;
using qom::ValueList;
using qom::ValueMap;

/// The device that links to the disk; null when nobody uses it.
Device* user_of(MonitorSession& session, const qom::Object& disk) {
  Device* user = nullptr;
  qom::for_each<Device>(session.root(), [&](Device& device) {
    for (const qom::Property& p : device.object_class().properties())
      if (!user && p.kind == qom::PropertyKind::Link && device.get(p.name) == Value(disk.path())) user = &device;
  });
  return user;
}

ValueMap inserted_medium(const BlockBackend& disk) {
  const std::string file = disk.description();
  ValueMap inserted{{"file", file}, {"node-name", disk.name()}, {"ro", disk.read_only()}, {"drv", "raw"}};
  inserted.emplace_back("encrypted", false);
  inserted.emplace_back("backing_file_depth", 0);
  // No limits on the rate of requests, which is what zeros say.
  for (const char* limit : {"bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr"}) inserted.emplace_back(limit, 0);
  inserted.emplace_back("detect_zeroes", "off");
  inserted.emplace_back("write_threshold", 0);
  const BlockBackend::Caching cache = disk.caching();
  inserted.emplace_back(
      "cache", ValueMap{{"writeback", cache.writeback}, {"direct", cache.direct}, {"no-flush", cache.no_flush}});
  inserted.emplace_back("image", ValueMap{{"filename", file}, {"format", "raw"}, {"virtual-size", disk.size()}});
  return inserted;
}

Value query_block(MonitorSession& session, const QmpArguments&) {
  ValueList list;
  qom::for_each<BlockBackend>(session.root(), [&](BlockBackend& disk) {
    Device* user = user_of(session, disk);
    auto* drive = user ? qom::cast<RemovableMedia>(user) : nullptr;
    // QEMU keeps "type" for old clients and says the same for every disk; what uses the disk is "qdev".
    ValueMap info{{"device", disk.name()}, {"type", "unknown"}, {"removable", drive != nullptr}};
    info.emplace_back("locked", drive && drive->tray_locked());
    if (user) info.emplace_back("qdev", user->path());
    if (drive) info.emplace_back("tray_open", drive->tray_open());
    info.emplace_back("inserted", inserted_medium(disk));
    list.emplace_back(std::move(info));
  });
  // Drives without a medium have no backend.
  qom::for_each<RemovableMedia>(session.root(), [&](RemovableMedia& drive) {
    auto& device = dynamic_cast<qom::Object&>(drive);
    if (drive.has_medium()) return;
    list.emplace_back(ValueMap{{"device", drive.drive_name()},
                               {"type", "unknown"},
                               {"removable", true},
                               {"locked", drive.tray_locked()},
                               {"qdev", device.path()},
                               {"tray_open", drive.tray_open()}});
  });
  return list;
}

Value query_named_block_nodes(MonitorSession& session, const QmpArguments&) {
  ValueList list;
  qom::for_each<BlockBackend>(session.root(), [&](BlockBackend& disk) { list.emplace_back(inserted_medium(disk)); });
  return list;
}

Value query_blockstats(MonitorSession& session, const QmpArguments& arguments) {
  const bool nodes = arguments.boolean_or("query-nodes", false);
  ValueList list;
  qom::for_each<BlockBackend>(session.root(), [&](BlockBackend& disk) {
    const BlockBackend::Statistics& s = disk.statistics();
    ValueMap stats{{"rd_bytes", s.read.bytes},
                   {"wr_bytes", s.write.bytes},
                   {"unmap_bytes", s.discard.bytes},
                   {"rd_operations", s.read.operations},
                   {"wr_operations", s.write.operations},
                   {"flush_operations", s.flush.operations},
                   {"unmap_operations", s.discard.operations},
                   {"rd_total_time_ns", s.read.time_ns},
                   {"wr_total_time_ns", s.write.time_ns},
                   {"flush_total_time_ns", s.flush.time_ns},
                   {"unmap_total_time_ns", s.discard.time_ns},
                   {"wr_highest_offset", s.highest_write},
                   {"failed_rd_operations", s.read.failed},
                   {"failed_wr_operations", s.write.failed},
                   {"failed_flush_operations", s.flush.failed},
                   {"failed_unmap_operations", s.discard.failed}};
    // Requests are passed on one by one, and those that are out of range fail.
    for (const char* none : {"rd_merged", "wr_merged", "unmap_merged", "invalid_rd_operations", "invalid_wr_operations",
                             "invalid_flush_operations", "invalid_unmap_operations"})
      stats.emplace_back(none, 0);
    stats.emplace_back("account_invalid", true);
    stats.emplace_back("account_failed", true);
    stats.emplace_back("timed_stats", ValueList{});
    ValueMap info;
    if (!nodes) {
      info.emplace_back("device", disk.name());
      if (const Device* user = user_of(session, disk)) info.emplace_back("qdev", user->path());
    }
    info.emplace_back("node-name", disk.name());
    info.emplace_back("stats", std::move(stats));
    list.emplace_back(std::move(info));
  });
  return list;
}

// --- removable media ---

/// The drive that "device" (an old name: that of its backend) or "id" (a device, or a path) means.
RemovableMedia& drive_of(MonitorSession& session, const QmpArguments& arguments) {
  if (arguments.has("device") == arguments.has("id")) generic_error("Need exactly one of 'device' and 'id'");
  const std::string name = arguments.has("id") ? arguments.string("id") : arguments.string("device");
  RemovableMedia* found = nullptr;
  qom::Object* object = qom::resolve_path(session.root(), name);
  if (object && !arguments.has("device")) found = qom::cast<RemovableMedia>(object);
  qom::for_each<RemovableMedia>(session.root(), [&](RemovableMedia& drive) {
    if (!found && drive.drive_name() == name) found = &drive;
  });
  if (found) return *found;
  bool there = object != nullptr;
  qom::for_each<BlockBackend>(session.root(), [&](BlockBackend& disk) { there = there || disk.name() == name; });
  if (!there) device_not_found(name);
  generic_error(fmt::format("Device '{}' is not removable", name));
}

Value eject(MonitorSession& session, const QmpArguments& arguments) {
  drive_of(session, arguments).eject(arguments.boolean_or("force", false));
  return {};
}

Value open_tray(MonitorSession& session, const QmpArguments& arguments) {
  drive_of(session, arguments).open_tray(arguments.boolean_or("force", false));
  return {};
}

Value close_tray(MonitorSession& session, const QmpArguments& arguments) {
  drive_of(session, arguments).close_tray();
  return {};
}

Value remove_medium(MonitorSession& session, const QmpArguments& arguments) {
  drive_of(session, arguments).remove_medium();
  return {};
}

Value change_medium(MonitorSession& session, const QmpArguments& arguments) {
  RemovableMedia::Change change;
  change.filename = arguments.string("filename");
  change.format = arguments.string_or("format", "raw");
  change.force = arguments.boolean_or("force", false);
  const std::string mode = arguments.string_or("read-only-mode", "retain");
  if (mode != "retain") change.read_only = mode == "read-only";
  drive_of(session, arguments).change_medium(change);
  return {};
}

// --- for people ---

void info_block(HumanContext& c, const QmpArguments& arguments) {
  const std::string wanted = arguments.string_or("device", "");
  const Value answer = c.query("query-block");
  bool first = true;
  for (const Value& b : std::get<ValueList>(answer.get())) {
    const std::string name = member(b, "device")->to_string();
    if (!wanted.empty() && name != wanted) continue;
    if (!std::exchange(first, false)) c.write("\n");
    const Value* medium = member(b, "inserted");
    if (medium) {
      c.print("{} (#{}): {} ({}{})\n", name, member(*medium, "node-name")->to_string(),
              member(*medium, "file")->to_string(), member(*medium, "drv")->to_string(),
              *member(*medium, "ro") == Value(true) ? ", read-only" : "");
    } else {
      c.print("{}: [not inserted]\n", name);
    }
    if (const Value* user = member(b, "qdev")) c.print("    Attached to:      {}\n", user->to_string());
    if (*member(b, "removable") == Value(true)) {
      c.print("    Removable device: {}locked, tray {}\n", *member(b, "locked") == Value(true) ? "" : "not ",
              *member(b, "tray_open") == Value(true) ? "open" : "closed");
    }
    if (!medium) continue;
    const Value& cache = *member(*medium, "cache");
    c.print("    Cache mode:       {}{}{}\n", *member(cache, "writeback") == Value(true) ? "writeback" : "writethrough",
            *member(cache, "direct") == Value(true) ? ", direct" : "",
            *member(cache, "no-flush") == Value(true) ? ", ignore flushes" : "");
  }
}

void info_blockstats(HumanContext& c, const QmpArguments&) {
  const Value answer = c.query("query-blockstats");
  for (const Value& b : std::get<ValueList>(answer.get())) {
    c.print("{}:", member(b, "device")->to_string());
    for (const char* key : {"rd_bytes", "wr_bytes", "rd_operations", "wr_operations", "flush_operations",
                            "wr_total_time_ns", "rd_total_time_ns", "flush_total_time_ns"})
      c.print(" {}={}", key, member(*member(b, "stats"), key)->to_string());
    c.write("\n");
  }
}

void human_eject(HumanContext& c, const QmpArguments& arguments) {
  c.query("eject", ValueMap{{"device", arguments.string("device")}, {"force", arguments.boolean_or("f", false)}});
}

void human_change(HumanContext& c, const QmpArguments& arguments) {
  ValueMap request{{"device", arguments.string("device")}, {"filename", arguments.string("filename")}};
  if (arguments.boolean_or("f", false)) request.emplace_back("force", true);
  if (arguments.has("format")) request.emplace_back("format", arguments.string("format"));
  if (arguments.has("read-only-mode")) request.emplace_back("read-only-mode", arguments.string("read-only-mode"));
  c.query("blockdev-change-medium", request);
}

std::vector<std::string> complete_disk(MonitorSession& session, std::string_view argument) {
  std::vector<std::string> names;
  if (argument != "device") return names;
  qom::for_each<BlockBackend>(session.root(), [&](BlockBackend& disk) { names.push_back(disk.name()); });
  qom::for_each<RemovableMedia>(session.root(), [&](RemovableMedia& drive) {
    if (!drive.has_medium()) names.push_back(drive.drive_name());
  });
  return names;
}

void add(MonitorTable& t) {
  t.schema.define(R"(
    enum BlockdevDetectZeroesOptions { off, on, unmap }
    struct BlockdevCacheInfo { writeback: bool, direct: bool, no-flush: bool }
    struct ImageInfo { filename: str, format: str, *actual-size: int, virtual-size: int, *cluster-size: int }
    struct BlockDeviceInfo { file: str, *node-name: str, ro: bool, drv: str, *backing_file: str,
                             backing_file_depth: int, encrypted: bool, detect_zeroes: BlockdevDetectZeroesOptions,
                             bps: int, bps_rd: int, bps_wr: int, iops: int, iops_rd: int, iops_wr: int,
                             image: ImageInfo, cache: BlockdevCacheInfo, write_threshold: int }
    enum BlockDeviceIoStatus { ok, failed, nospace }
    struct BlockInfo { device: str, *qdev: str, type: str, removable: bool, locked: bool, *inserted: BlockDeviceInfo,
                       *tray_open: bool, *io-status: BlockDeviceIoStatus }
    struct BlockDeviceTimedStats { interval_length: int, min_rd_latency_ns: int, max_rd_latency_ns: int,
                                   avg_rd_latency_ns: int, min_wr_latency_ns: int, max_wr_latency_ns: int,
                                   avg_wr_latency_ns: int, min_flush_latency_ns: int, max_flush_latency_ns: int,
                                   avg_flush_latency_ns: int, avg_rd_queue_depth: number, avg_wr_queue_depth: number }
    struct BlockDeviceStats { rd_bytes: int, wr_bytes: int, unmap_bytes: int, rd_operations: int, wr_operations: int,
                              flush_operations: int, unmap_operations: int, rd_total_time_ns: int,
                              wr_total_time_ns: int, flush_total_time_ns: int, unmap_total_time_ns: int,
                              wr_highest_offset: int, rd_merged: int, wr_merged: int, unmap_merged: int,
                              *idle_time_ns: int, failed_rd_operations: int, failed_wr_operations: int,
                              failed_flush_operations: int, failed_unmap_operations: int, invalid_rd_operations: int,
                              invalid_wr_operations: int, invalid_flush_operations: int,
                              invalid_unmap_operations: int, account_invalid: bool, account_failed: bool,
                              timed_stats: [BlockDeviceTimedStats] }
    struct BlockStats { *device: str, *qdev: str, *node-name: str, stats: BlockDeviceStats }
    enum BlockdevChangeReadOnlyMode { retain, read-only, read-write }
  )");
  t.command({.name = "query-block", .returns = "[BlockInfo]", .doc = "the disks", .run = query_block});
  t.command({.name = "query-blockstats",
             .arguments = "*query-nodes: bool",
             .returns = "[BlockStats]",
             .doc = "what has been read from the disks and written to them",
             .run = query_blockstats});
  t.command({.name = "query-named-block-nodes",
             .arguments = "*flat: bool",
             .returns = "[BlockDeviceInfo]",
             .doc = "the images behind the disks",
             .run = query_named_block_nodes});
  t.command({.name = "eject",
             .arguments = "*device: str, *id: str, *force: bool",
             .doc = "takes the medium out of a drive; `force` even where the guest has locked the tray",
             .run = eject});
  t.command({.name = "blockdev-open-tray",
             .arguments = "*device: str, *id: str, *force: bool",
             .doc = "opens a drive's tray, and leaves the medium in it; `force` as with eject",
             .run = open_tray});
  t.command({.name = "blockdev-close-tray",
             .arguments = "*device: str, *id: str",
             .doc = "closes a drive's tray",
             .run = close_tray});
  t.command({.name = "blockdev-remove-medium",
             .arguments = "id: str",
             .doc = "takes the medium out of an open tray",
             .run = remove_medium});
  t.command({.name = "blockdev-change-medium",
             .arguments = "*device: str, *id: str, filename: str, *format: str, *force: bool, "
                          "*read-only-mode: BlockdevChangeReadOnlyMode",
             .doc = "puts another medium into a drive",
             .run = change_medium});
  t.event({.name = "DEVICE_TRAY_MOVED",
           .data = "device: str, id: str, tray-open: bool",
           .doc = "a drive's tray has been opened or closed"});
  t.human({.name = "info block",
           .arguments = "*device: str",
           .doc = "the disks",
           .run = info_block,
           .complete = complete_disk});
  t.human({.name = "info blockstats", .doc = "what has been read and written", .run = info_blockstats});
  t.human({.name = "eject",
           .arguments = "-f, device: str",
           .doc = "takes a medium out; -f: even where the tray is locked",
           .run = human_eject,
           .complete = complete_disk});
  t.human({.name = "change",
           .arguments = "device: str, -f, filename: str, *format: str, *read-only-mode: str",
           .doc = "puts another medium into a drive",
           .run = human_change,
           .complete = complete_disk});
}

const MonitorFamily kFamily{"Disks", add};

}  // namespace
}  // namespace machina
