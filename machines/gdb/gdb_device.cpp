#include "machines/gdb/gdb_device.h"

#include "core/chardev/char_spec.h"
#include "core/error.h"

namespace machina {

std::string gdb_device(std::string_view device) {
  std::string text(device);
  const CharSpec spec = parse_char_spec(device);
  if (spec.with_monitor) throw Error("gdb and a monitor cannot share a character backend");
  if (spec.kind != CharSpec::Kind::Create || spec.type != "chardev-socket") return text;
  const auto value = [&](std::string_view name) -> const std::string* {
    for (const auto& [key, given] : spec.properties)
      if (key == name) return &given;
    return nullptr;
  };
  const std::string* const server = value("server");
  if (!server) text += ",server=on";
  if (!server || *server == "on") {
    if (!value("wait")) text += ",wait=off";
    if (!value("exclusive")) text += ",exclusive=on";
  }
  if (!value("nodelay")) text += ",nodelay=on";
  return text;
}

}  // namespace machina
