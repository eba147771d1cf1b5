#pragma once
/// How a command of the monitor fails, for clients that tell errors apart.

#include <string>

namespace machina {

/// QEMU's classes. It has one more, KVMMissingCap, for a feature that is not here.
enum class QmpErrorClass { GenericError, CommandNotFound, DeviceNotFound, DeviceNotActive };
const char* qmp_error_class_name(QmpErrorClass error_class);

struct QmpError {
  QmpErrorClass error_class;
  std::string description;
};

}  // namespace machina
