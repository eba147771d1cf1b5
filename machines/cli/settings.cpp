#include "machines/cli/settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "core/log.h"
#include "qom/property.h"

namespace machina {

namespace {

ConfigNode only(const CommandLine& cl, const char* group) {
  const ConfigNode list = cl.groups[group];
  return list && list.size() > 0 ? list.items().front() : ConfigNode();
}

void refuse_unknown_keys(ConfigNode option, const std::vector<std::string>& known) {
  for (const auto& [key, node] : option.children()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const std::string near = did_you_mean(key, known);
    throw Error(fmt::format("no such parameter: '{}'", key))
        .at(node.key_origin())
        .hint(near.empty() ? fmt::format("known: {}", fmt::join(known, ", ")) : near);
  }
}

}  // namespace

BootOptions boot_of(const CommandLine& cl) {
  BootOptions boot;
  boot.nographic = cl.nographic;
  const ConfigNode option = only(cl, "boot-opts");
  if (!option) return boot;
  refuse_unknown_keys(option, {"order", "menu", "splash-time", "strict"});
  if (const ConfigNode order = option["order"]) {
    std::string seen;
    for (const char c : order.text()) {
      if (std::string_view("acdn").find(c) == std::string_view::npos) {
        throw Error(fmt::format("no such boot device: '{}'", c))
            .at(order.origin())
            .hint("a floppy, c disk, d CD-ROM, n network");
      }
      if (seen.find(c) != std::string::npos)
        throw Error(fmt::format("boot device '{}' is named twice", c)).at(order.origin());
      seen += c;
    }
    boot.order = seen;
  }
  const auto with_place = [](ConfigNode node, auto&& f) {
    try {
      f();
    } catch (Error& e) {
      throw e.at(node.origin());
    }
  };
  if (const ConfigNode menu = option["menu"]) with_place(menu, [&] { boot.menu = qom::parse_bool(menu.text()); });
  if (const ConfigNode strict = option["strict"])
    with_place(strict, [&] { boot.strict = qom::parse_bool(strict.text()); });
  if (const ConfigNode time = option["splash-time"]) {
    with_place(time, [&] {
      const std::uint64_t ms = qom::parse_uint(time.text());
      if (ms > 0xffff) throw Error(fmt::format("splash-time of {} ms is too long", ms)).hint("at most 65535");
      boot.splash_time_ms = static_cast<std::uint16_t>(ms);
    });
  }
  return boot;
}

void apply_identity(const CommandLine& cl, Machine& machine) {
  if (const ConfigNode option = only(cl, "name")) {
    refuse_unknown_keys(option, {"guest"});
    if (const ConfigNode guest = option["guest"]) machine.name = guest.text();
  }
  if (cl.uuid) {
    try {
      parse_uuid(cl.uuid->text);
    } catch (Error& e) {
      throw e.at(cl.uuid->origin);
    }
    machine.uuid = cl.uuid->text;
  }
}

void apply_rtc(CommandLine& cl) {
  const ConfigNode option = only(cl, "rtc");
  if (!option) return;
  refuse_unknown_keys(option, {"base", "clock", "driftfix"});
  const auto set = [&](const char* key, const char* property) {
    const ConfigNode node = option[key];
    if (!node) return;
    ConfigValue value = node.value();
    value.key_origin = node.key_origin();
    if (std::string_view(key) == "driftfix" && value.text == "none") value.text = "discard";
    cl.globals.push_back({"mc146818rtc", property, std::move(value), node.key_origin()});
  };
  set("base", "base");
  set("clock", "clock");
  set("driftfix", "lost_tick_policy");
}

DisplayKind display_of(const CommandLine& cl) {
  if (cl.display) {
    const std::vector<std::string> kinds = {"none", "text"};
    if (cl.display->text == "text") {
      if (cl.nographic) throw Error("-display text and -nographic both want this terminal").at(cl.display->origin);
      return DisplayKind::Text;
    }
    if (cl.display->text != "none") {
      const std::string near = did_you_mean(cl.display->text, kinds);
      throw Error(fmt::format("no such display: '{}'", cl.display->text))
          .at(cl.display->origin)
          .hint(near.empty() ? "expected none or text" : near);
    }
    return DisplayKind::None;
  }
  // Somebody who types a command without any console wants to see something.
  const bool terminal = ::isatty(STDIN_FILENO) && ::isatty(STDOUT_FILENO);
  return terminal && !cl.nographic && cl.serials.empty() && cl.qtests.empty() ? DisplayKind::Text : DisplayKind::None;
}

void apply_logging(const CommandLine& cl) {
  try {
    if (cl.log_file) log::set_file(cl.log_file->text);
  } catch (Error& e) {
    throw e.at(cl.log_file->origin);
  }
  try {
    if (cl.log_items) log::enable(cl.log_items->text);
  } catch (Error& e) {
    throw e.at(cl.log_items->origin);
  }
  const ConfigNode traces = cl.groups["trace"];
  if (!traces) return;
  for (const ConfigNode& option : traces.items()) {
    refuse_unknown_keys(option, {"enable"});
    const ConfigNode what = option["enable"];
    if (!what || what.text() != "lifecycle") {
      throw Error(fmt::format("nothing called '{}' can be traced", what ? what.text() : ""))
          .at(what ? what.origin() : option.origin())
          .hint("expected lifecycle");
    }
    qom::LifecycleTrace::set_sink([](std::string_view line) { fmt::print(stderr, "{}\n", line); });
  }
}

PidFile::PidFile(const ConfigValue& path) : path_(path.text) {
  std::ofstream out(path_, std::ios::trunc);
  out << ::getpid() << "\n";
  out.close();
  if (!out) {
    Error e(fmt::format("cannot write the pid file '{}'", path_));
    throw e.at(path.origin).why(std::strerror(errno));
  }
}

PidFile::~PidFile() { ::unlink(path_.c_str()); }

}  // namespace machina
