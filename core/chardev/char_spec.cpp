#include "core/chardev/char_spec.h"

#include <algorithm>

#include "qom/error.h"
#include "qom/type.h"

namespace machina {
namespace {

// "a,,b,c" -> "a,b" and "c".
std::vector<std::string> split_commas(std::string_view text) {
  std::vector<std::string> parts(1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != ',') {
      parts.back() += text[i];
    } else if (i + 1 < text.size() && text[i + 1] == ',') {
      parts.back() += ',';
      ++i;
    } else {
      parts.emplace_back();
    }
  }
  return parts;
}

void add_option(CharSpec& spec, std::string_view option) {
  const auto equals = option.find('=');
  std::string name(option.substr(0, equals));
  std::string value = equals == std::string_view::npos ? "on" : std::string(option.substr(equals + 1));
  const qom::ObjectClass& type = qom::TypeRegistry::global().class_of(spec.type);
  const qom::Property* property = type.find_property(name);
  // The old short form of a switch: "server,nowait".
  if (!property && equals == std::string_view::npos && name.starts_with("no")) {
    name.erase(0, 2);
    value = "off";
    property = type.find_property(name);
  }
  if (!property || property->read_only) {
    throw Error("character backend '" + spec.type.substr(std::string_view("chardev-").size()) + "' has no option '" +
                std::string(option.substr(0, equals)) + "'")
        .hint(did_you_mean(option.substr(0, equals), type.property_names()));
  }
  if (equals == std::string_view::npos && property->kind != qom::PropertyKind::Bool)
    throw Error("option '" + name + "' needs a value").hint("expected " + property->expected());
  (void)property->parse(value);
  spec.properties.emplace_back(std::move(name), std::move(value));
}

[[noreturn]] void missing(std::string_view what, std::string_view example) {
  throw Error(std::string(what)).hint("write e.g. " + std::string(example));
}

}  // namespace

CharSpec parse_char_spec(std::string_view text) {
  CharSpec spec;
  if (text == "none") return spec;
  if (text.starts_with("mon:")) {
    const std::string_view shared = text.substr(4);
    if (shared.empty() || shared == "none" || shared.starts_with("mon:"))
      missing("'mon:' names no character backend", "mon:stdio");
    spec = parse_char_spec(shared);
    spec.with_monitor = true;
    // Ctrl-C at such a terminal is for the guest, as with QEMU.
    const auto is_signal = [](const auto& p) { return p.first == "signal"; };
    if (spec.type == "chardev-stdio" && std::none_of(spec.properties.begin(), spec.properties.end(), is_signal))
      spec.properties.emplace_back("signal", "off");
    return spec;
  }
  if (text.starts_with("chardev:")) {
    spec.kind = CharSpec::Kind::Existing;
    spec.id = text.substr(8);
    if (spec.id.empty()) missing("'chardev:' names no character backend", "chardev:ID after -chardev …,id=ID");
    return spec;
  }

  const std::vector<std::string> parts = split_commas(text);
  const std::string& form = parts.front();
  const auto colon = form.find(':');
  const std::string kind = form.substr(0, colon);
  const std::string rest = colon == std::string::npos ? "" : form.substr(colon + 1);
  spec.kind = CharSpec::Kind::Create;
  const bool bare = kind == "null" || kind == "stdio" || kind == "pty" || kind == "ringbuf";
  if (bare) {
    if (colon != std::string::npos) throw Error("'" + kind + "' takes nothing after it but options: '" + form + "'");
    spec.type = "chardev-" + kind;
  } else if (kind == "file" || kind == "pipe") {
    spec.type = "chardev-" + kind;
    if (rest.empty()) missing("'" + kind + ":' needs a path", kind + ":/tmp/serial.log");
    spec.properties.emplace_back("path", rest);
  } else if (kind == "unix") {
    spec.type = "chardev-socket";
    if (rest.empty()) missing("'unix:' needs a path", "unix:/tmp/monitor,server=on,wait=off");
    spec.properties.emplace_back("path", rest);
  } else if (kind == "tcp") {
    spec.type = "chardev-socket";
    std::string host;
    std::string port;
    if (rest.starts_with('[')) {  // an IPv6 address
      const auto end = rest.find("]:");
      if (end == std::string::npos) missing("'" + form + "' has no port", "tcp:[::1]:4444,server=on");
      host = rest.substr(1, end - 1);
      port = rest.substr(end + 2);
    } else {
      const auto at = rest.rfind(':');
      if (at != std::string::npos) host = rest.substr(0, at), port = rest.substr(at + 1);
    }
    if (port.empty()) missing("'" + form + "' has no port", "tcp:localhost:4444");
    if (!host.empty()) spec.properties.emplace_back("host", host);
    spec.properties.emplace_back("port", port);
  } else {
    const std::vector<std::string> kinds = {"none", "null", "stdio", "pty",     "ringbuf", "file",
                                            "pipe", "unix", "tcp",   "chardev", "mon"};
    const std::string near = did_you_mean(kind, kinds);
    throw Error("no such character backend: '" + std::string(text) + "'")
        .hint(near.empty() ? "one of none, null, stdio, pty, ringbuf, file:PATH, pipe:PATH, unix:PATH, tcp:HOST:PORT, "
                             "chardev:ID"
                           : near);
  }
  for (std::size_t i = 1; i < parts.size(); ++i) add_option(spec, parts[i]);
  return spec;
}

}  // namespace machina
