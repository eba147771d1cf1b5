#pragma once
/// Options by group, as they come from the command line and from -readconfig: below the root a list for each group
/// ("device", "drive", "chardev", …), in it a map for each option. An option is found by the value of its key "id".

#include <string>
#include <string_view>

#include "core/config/config_tree.h"
#include "core/config/option_string.h"

namespace machina {

/// The option of that group and id; false when there is none.
ConfigNode find_option(const ConfigTree& groups, std::string_view group, std::string_view id);

/// Appends an option. Throws Error, naming both places, when its group has one of the same id.
void add_option(ConfigTree& groups, const std::string& group, ConfigNode option);

/// Appends all options of another tree of groups (-readconfig). Throws Error as add_option.
void add_options(ConfigTree& groups, const ConfigTree& more);

/// Replaces or adds a value of an option that exists. Returns false when there is no such option.
bool apply_set(ConfigTree& groups, const SetOption& set);

}  // namespace machina
