#pragma once
/// chardev-ringbuf: keeps the last `size` bytes written to it, for the monitor to read.

#include <cstdint>
#include <vector>

#include "core/chardev/char_backend.h"

namespace machina {

class CharRingbuf final : public CharBackend {
 public:
  static constexpr const char* kType = "chardev-ringbuf";
  static void class_init(qom::ObjectClass& c);

  std::size_t write(std::span<const std::byte> bytes) override;
  std::string description() const override { return "ringbuf"; }

  /// Takes up to `max` bytes out, oldest first.
  std::vector<std::byte> read(std::size_t max);
  std::size_t count() const { return static_cast<std::size_t>(produced_ - consumed_); }

 protected:
  void realize() override;

 private:
  qom::Size size_;
  std::vector<std::byte> ring_;
  std::uint64_t produced_ = 0;  // bytes ever; the ring's indices are these modulo its size
  std::uint64_t consumed_ = 0;
};

}  // namespace machina
