/// Commands about the host's ends: character backends, disks, displays.

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "core/base64.h"
#include "core/block/block_backend.h"
#include "core/chardev/char_ringbuf.h"
#include "core/display/display.h"
#include "core/display/png_writer.h"
#include "core/error.h"
#include "hw/base/device.h"
#include "machines/monitor/qmp_command.h"

namespace machina {
namespace {

using qom::Value;
using qom::ValueList;
using qom::ValueMap;

Value query_chardev(QmpSession& session, const QmpArguments&) {
  ValueList list;
  qom::for_each<CharBackend>(session.root(), [&](CharBackend& c) {
    list.emplace_back(
        ValueMap{{"frontend-open", c.frontend() != nullptr}, {"filename", c.description()}, {"label", c.name()}});
  });
  return list;
}

/// Path of the device that a link of the same target belongs to; empty when nobody uses it.
std::string user_of(QmpSession& session, const qom::Object& disk) {
  std::string user;
  qom::for_each<Device>(session.root(), [&](Device& device) {
    for (const qom::Property& p : device.object_class().properties())
      if (user.empty() && p.kind == qom::PropertyKind::Link && device.get(p.name) == Value(disk.path()))
        user = device.path();
  });
  return user;
}

Value query_block(QmpSession& session, const QmpArguments&) {
  ValueList list;
  qom::for_each<BlockBackend>(session.root(), [&](BlockBackend& disk) {
    const std::string file = disk.description();
    ValueMap inserted{{"file", file}, {"ro", disk.read_only()}, {"drv", "raw"}, {"encrypted", false}};
    inserted.emplace_back("backing_file_depth", 0);
    // No limits on the rate of requests, which is what zeros say.
    for (const char* limit : {"bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr"}) inserted.emplace_back(limit, 0);
    inserted.emplace_back("detect_zeroes", "off");
    inserted.emplace_back("write_threshold", 0);
    const BlockBackend::Caching cache = disk.caching();
    inserted.emplace_back(
        "cache", ValueMap{{"writeback", cache.writeback}, {"direct", cache.direct}, {"no-flush", cache.no_flush}});
    inserted.emplace_back("image", ValueMap{{"filename", file}, {"format", "raw"}, {"virtual-size", disk.size()}});
    // QEMU keeps "type" for old clients and says the same for every disk; what uses the disk is "qdev".
    ValueMap info{{"device", disk.name()}, {"type", "unknown"}, {"removable", false}, {"locked", false}};
    if (std::string user = user_of(session, disk); !user.empty()) info.emplace_back("qdev", std::move(user));
    info.emplace_back("inserted", std::move(inserted));
    list.emplace_back(std::move(info));
  });
  return list;
}

CharRingbuf& ring(QmpSession& session, const std::string& label) {
  CharBackend* found = nullptr;
  qom::for_each<CharBackend>(session.root(), [&](CharBackend& c) {
    if (c.name() == label) found = &c;
  });
  if (!found) throw QmpError{QmpErrorClass::GenericError, fmt::format("Device '{}' not found", label)};
  auto* ringbuf = qom::cast<CharRingbuf>(found);
  if (!ringbuf) throw QmpError{QmpErrorClass::GenericError, fmt::format("{} is not a ringbuf device", label)};
  return *ringbuf;
}

bool in_base64(const QmpArguments& arguments) {
  const std::string format = arguments.string_or("format", "utf8");
  if (format != "utf8" && format != "base64")
    throw QmpError{QmpErrorClass::GenericError, fmt::format("Parameter 'format' does not accept value '{}'", format)};
  return format == "base64";
}

Value ringbuf_write(QmpSession& session, const QmpArguments& arguments) {
  CharRingbuf& to = ring(session, arguments.string("device"));
  const std::string& data = arguments.string("data");
  if (in_base64(arguments)) {
    const auto bytes = base64_decode(data);
    if (!bytes) throw QmpError{QmpErrorClass::GenericError, "Parameter 'data' is not base64"};
    (void)to.write(std::as_bytes(std::span(*bytes)));
  } else {
    (void)to.write(std::as_bytes(std::span(data)));
  }
  return ValueMap{};
}

Value ringbuf_read(QmpSession& session, const QmpArguments& arguments) {
  CharRingbuf& from = ring(session, arguments.string("device"));
  const std::int64_t size = arguments.integer("size");
  if (size <= 0) throw QmpError{QmpErrorClass::GenericError, "size must be greater than zero"};
  const bool base64 = in_base64(arguments);
  const std::vector<std::byte> bytes = from.read(std::min(static_cast<std::size_t>(size), from.count()));
  const auto* start = reinterpret_cast<const char*>(bytes.data());
  if (!base64) return std::string(start, bytes.size());
  return base64_encode({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

/// PPM, "P6": the format of screendump where none is asked for.
void write_ppm(const PixelScreen& screen, const std::string& path) {
  std::string image = fmt::format("P6\n{} {}\n255\n", screen.width, screen.height);
  for (const std::uint32_t pixel : screen.pixels)
    for (const int shift : {16, 8, 0}) image += static_cast<char>(pixel >> shift & 0xff);
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(image.data(), static_cast<std::streamsize>(image.size()));
  file.flush();
  if (!file) throw QmpError{QmpErrorClass::GenericError, fmt::format("failed to write '{}'", path)};
}

Value screendump(QmpSession& session, const QmpArguments& arguments) {
  DisplaySource* source = nullptr;
  if (arguments.has("device")) {
    const std::string& id = arguments.string("device");
    qom::Object* found = qom::resolve_path(session.root(), id);
    if (!found) throw QmpError{QmpErrorClass::DeviceNotFound, fmt::format("Device '{}' not found", id)};
    source = qom::cast<DisplaySource>(found);
    if (!source) throw QmpError{QmpErrorClass::GenericError, fmt::format("Device {} does not have a console", id)};
  } else {
    qom::for_each<DisplaySource>(session.root(), [&](DisplaySource& d) {
      if (!source) source = &d;
    });
  }
  if (!source) throw QmpError{QmpErrorClass::GenericError, "There is no console to take a screendump from"};
  if (arguments.has("head") && arguments.integer("head") != 0)
    throw QmpError{QmpErrorClass::GenericError, "a display has one head, 0"};
  const std::string format = arguments.string_or("format", "ppm");
  if (format != "ppm" && format != "png")
    throw QmpError{QmpErrorClass::GenericError, fmt::format("Parameter 'format' does not accept value '{}'", format)};
  const PixelScreen screen = source->pixel_screen();
  if (screen.width == 0 || screen.height == 0) throw QmpError{QmpErrorClass::GenericError, "no surface"};
  if (format == "png") {
    write_png(screen, arguments.string("filename"));
  } else {
    write_ppm(screen, arguments.string("filename"));
  }
  return ValueMap{};
}

}  // namespace

void add_backend_commands(std::vector<QmpCommand>& table) {
  using T = QmpArgument::Type;
  table.push_back({"query-chardev",
                   {},
                   "[ChardevInfo]",
                   "character backends, and whether somebody uses them",
                   false,
                   query_chardev});
  table.push_back({"ringbuf-write",
                   {{"device", T::String}, {"data", T::String}, {"format", T::String, true}},
                   "nothing",
                   "puts data (`utf8` or `base64`) into a ring buffer",
                   false,
                   ringbuf_write});
  table.push_back({"ringbuf-read",
                   {{"device", T::String}, {"size", T::Integer}, {"format", T::String, true}},
                   "str",
                   "takes the oldest bytes out of a ring buffer",
                   false,
                   ringbuf_read});
  table.push_back({"query-block", {}, "[BlockInfo]", "the disks", false, query_block});
  table.push_back(
      {"screendump",
       {{"filename", T::String}, {"device", T::String, true}, {"head", T::Integer, true}, {"format", T::String, true}},
       "nothing",
       "writes the screen to a file of the host, as `ppm` or `png`",
       false,
       screendump});
}

}  // namespace machina
