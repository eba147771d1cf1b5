#include "core/display/vnc_spec.h"

#include <fmt/format.h>

#include <charconv>

namespace machina {
namespace {

constexpr unsigned kLastPort = 65535;

unsigned number(ConfigNode node, std::string_view text, const char* what, unsigned last) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > last)
    throw Error(fmt::format("'{}' is no {}", text, what)).at(node.origin()).hint(fmt::format("0 to {}", last));
  return value;
}

bool is_on(ConfigNode node) {
  if (node.text() == "on") return true;
  if (node.text() == "off") return false;
  throw Error(fmt::format("'{}' is neither 'on' nor 'off'", node.text()))
      .at(node.origin())
      .hint("the password itself is set by the monitor (change-vnc-password) or read with password-file=FILE");
}

VncSpec::Share share_of(ConfigNode node) {
  if (node.text() == "allow-exclusive") return VncSpec::Share::AllowExclusive;
  if (node.text() == "force-shared") return VncSpec::Share::ForceShared;
  if (node.text() == "ignore") return VncSpec::Share::Ignore;
  throw Error(fmt::format("no such way of sharing: '{}'", node.text()))
      .at(node.origin())
      .hint(did_you_mean(node.text(), {"allow-exclusive", "force-shared", "ignore"}));
}

void read_address(VncSpec& spec, ConfigNode node, bool has_port) {
  const std::string& text = node.text();
  if (text.starts_with("unix:")) {
    spec.path = text.substr(5);
    if (spec.path.empty() || has_port)
      throw Error(has_port ? "a unix socket has no port" : "a unix socket needs a path").at(node.origin());
    return;
  }
  if (has_port) {
    spec.host = text;
  } else {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string::npos)
      throw Error(fmt::format("'{}' names no display", text))
          .at(node.origin())
          .hint("HOST:D is port 5900 + D; port=0 beside HOST lets the host pick one");
    spec.host = text.substr(0, colon);
    const unsigned display =
        number(node, std::string_view(text).substr(colon + 1), "display number", kLastPort - VncSpec::kFirstPort);
    spec.port = static_cast<std::uint16_t>(VncSpec::kFirstPort + display);
  }
  if (spec.host.size() >= 2 && spec.host.front() == '[' && spec.host.back() == ']')
    spec.host = spec.host.substr(1, spec.host.size() - 2);
}

}  // namespace

VncSpec VncSpec::of(ConfigNode option) {
  VncSpec spec;
  const ConfigNode port = option["port"];
  read_address(spec, option["vnc"], static_cast<bool>(port));
  for (const auto& [key, node] : option.children()) {
    if (key == "vnc") continue;
    if (key == "port") {
      spec.port = static_cast<std::uint16_t>(number(node, node.text(), "port", kLastPort));
    } else if (key == "to") {
      spec.to = number(node, node.text(), "number of ports", kLastPort);
    } else if (key == "password") {
      spec.password = is_on(node);
    } else if (key == "password-file") {
      spec.password_file = node.text();
      spec.password = true;
    } else if (key == "share") {
      spec.share = share_of(node);
    } else {
      throw Error(fmt::format("no such option of VNC: '{}'", key))
          .at(node.key_origin())
          .hint(did_you_mean(key, {"port", "to", "password", "password-file", "share"}));
    }
  }
  return spec;
}

}  // namespace machina
