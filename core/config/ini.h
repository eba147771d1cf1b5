#pragma once
/// Configuration files of -readconfig, in QEMU's notation:
///
///   [device "net0"]        # group and id
///     driver = "e1000"
///   [machine]
///     type = "pc"

#include <string>
#include <string_view>

#include "core/config/config_tree.h"

namespace machina {

/// A tree of option groups (core/config/option_groups.h). Throws Error at the line that is not understood. Other than
/// QEMU, which drops what follows, a value may not be longer than a line, and blanks around '=' are optional.
ConfigTree parse_ini(std::string_view text, const std::string& name);
ConfigTree load_ini(const std::string& path);

}  // namespace machina
