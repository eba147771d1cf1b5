#pragma once
/// The short forms in which -serial, -qmp, -monitor and the like name a character backend:
///
///   none, null, stdio, pty, ringbuf, file:PATH, pipe:PATH,
///   unix:PATH[,OPTION…], tcp:HOST:PORT[,OPTION…], chardev:ID, mon:any of these
///
/// Options are properties of the backend's type: "unix:/tmp/q,server=on,wait=off". A comma in a path is written twice.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace machina {

struct CharSpec {
  enum class Kind {
    None,      ///< nothing is to be attached
    Existing,  ///< the backend with `id`, made by -chardev
    Create,    ///< a new backend of `type` with `properties`
  };
  Kind kind = Kind::None;
  bool with_monitor = false;  ///< "mon:": a human monitor shares the backend
  std::string id;
  std::string type;
  std::vector<std::pair<std::string, std::string>> properties;  ///< for Object::set_text
};

/// Throws Error: unknown form or option with the nearest name, a missing part.
CharSpec parse_char_spec(std::string_view text);

}  // namespace machina
