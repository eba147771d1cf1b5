/// chardev-null: takes everything, gives nothing.

#include "core/chardev/char_backend.h"

namespace machina {

class CharNull final : public CharBackend {
 public:
  static constexpr const char* kType = "chardev-null";
  static void class_init(qom::ObjectClass& c) {
    c.description = "takes everything and gives nothing";
    c.user_creatable = true;
  }

  std::size_t write(std::span<const std::byte> bytes) override {
    log_copy(bytes);
    return bytes.size();
  }
  std::string description() const override { return "null"; }
};

MACHINA_TYPE(CharNull, CharBackend);

}  // namespace machina
