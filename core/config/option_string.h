#pragma once
/// Options of the command line in QEMU's notation, "isa-serial,chardev=serial0,irq=4", as configuration trees.

#include <initializer_list>
#include <string>
#include <string_view>

#include "core/config/config_tree.h"

namespace machina {

/// Reads `text`, the argument of `option` ("-device"), into a map of scalars:
///  - parts are separated by a comma; a comma that belongs to a value is doubled (file=a,,b)
///  - the first part may be a bare value, of the key `implied_key` ("driver"); without one it is a switch as the others
///  - another part without '=' is a switch: "foo" is foo=on, "nofoo" is foo=off; "help" and "?" are help=on
///  - a key that is given twice keeps its last value, but for those in `repeated`: their values are joined by ';'
/// Origins are places in the option as it was typed. Throws Error when a key is missing.
ConfigTree parse_option(std::string_view option, std::string_view text, std::string_view implied_key = {},
                        std::initializer_list<std::string_view> repeated = {});

/// The whole of an option as a place, to point at when no part of it is more to blame than another.
Origin option_origin(std::string_view option, std::string_view text);
/// Bytes `offset` to `offset + length` of its argument.
Origin option_origin(std::string_view option, std::string_view text, std::size_t offset, std::size_t length);

/// -set group.id.arg=value
struct SetOption {
  std::string group, id, key;
  ConfigValue value;  ///< key_origin is that of `key`
  Origin group_origin, id_origin;
};
SetOption parse_set_option(std::string_view text);

/// -global driver.property=value, or driver=D,property=P,value=V
struct GlobalOption {
  std::string driver, property;
  ConfigValue value;  ///< key_origin is that of `property`
  Origin driver_origin;
};
GlobalOption parse_global_option(std::string_view text);

}  // namespace machina
