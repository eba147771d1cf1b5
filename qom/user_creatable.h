#pragma once
/// Interface of objects that are neither devices nor back ends and that a user makes by -object: QEMU's name for it.

namespace machina::qom {

class UserCreatable {
 public:
  static constexpr const char* kType = "user-creatable";
  virtual ~UserCreatable() = default;
};

}  // namespace machina::qom
