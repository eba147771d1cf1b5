#include "tests/support/test_chardev.h"

#include <algorithm>

namespace machina {
using test::TestChardev;
MACHINA_TYPE(TestChardev, CharBackend);
}  // namespace machina

namespace machina::test {

std::size_t TestChardev::write(std::span<const std::byte> bytes) {
  const std::size_t n = std::min(bytes.size(), room_);
  if (room_ != std::numeric_limits<std::size_t>::max()) room_ -= n;
  for (const std::byte b : bytes.first(n)) written.push_back(static_cast<char>(b));
  return n;
}

void TestChardev::accept_input() {
  while (!input_.empty() && frontend()) {
    const std::size_t n = std::min(input_.size(), frontend()->can_receive());
    if (n == 0) return;
    const std::string part = input_.substr(0, n);
    input_.erase(0, n);
    frontend()->receive(std::as_bytes(std::span(part)));
  }
}

void TestChardev::send(std::string_view text) {
  input_ += text;
  accept_input();
}

void TestChardev::allow(std::size_t bytes) {
  room_ = bytes;
  if (room_ && frontend()) frontend()->writable();
}

}  // namespace machina::test
