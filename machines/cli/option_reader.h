#pragma once
/// What the readers of single options share.

#include <functional>
#include <string>
#include <vector>

#include "machines/cli/command_line.h"
#include "qom/object.h"

namespace machina {

/// The one option of a group that is merged from all that were given (-m, -smp, -boot, …); false when none was.
ConfigNode only_option(const CommandLine& cl, const char* group);
/// Throws Error at the first key that is not `known`, with the nearest. "id" is known always.
void refuse_unknown_keys(ConfigNode option, const std::vector<std::string>& known);
/// Sets a property from `key=value` of an option. Throws Error at the value, or at the key when there is no such
/// property.
void set_from_option(qom::Object& object, const std::string& key, ConfigNode node);
/// Runs `read`; an Error that it throws points at `origin` unless it knows better.
void at_origin(const Origin& origin, const std::function<void()>& read);

}  // namespace machina
