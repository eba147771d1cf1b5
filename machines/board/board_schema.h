#pragma once
/// The format of board files as a JSON Schema (draft 2020-12), made from the registered types, so that an editor with a
/// YAML language server completes device types and their properties.

#include <string>

namespace machina {

/// The schema as indented JSON. Main thread.
std::string board_schema();

}  // namespace machina
