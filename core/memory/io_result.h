#pragma once
/// What a device answers to an access. A device never decides what an unanswered read looks like: the bus does (all
/// ones).

#include <cstdint>

namespace machina {

using Offset = std::uint64_t;  ///< from the start of the region
using Width = unsigned;        ///< of an access, in bytes: 1, 2, 4 or 8

enum class IoStatus : std::uint8_t {
  Ok,
  NoResponse,   ///< nothing answers there
  BadRegister,  ///< the device has no such register
  BadSize,      ///< the register cannot be accessed in that width
};

class [[nodiscard]] IoResult {
 public:
  IoResult(std::uint64_t value) : value_(value) {}  // NOLINT: `return register_;` is the point
  IoResult(IoStatus status) : status_(status) {}    // NOLINT
  /// What the bus makes of a refusal: the bytes as the guest sees them, and why.
  IoResult(std::uint64_t value, IoStatus status) : value_(value), status_(status) {}
  IoStatus status() const { return status_; }
  bool ok() const { return status_ == IoStatus::Ok; }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0;
  IoStatus status_ = IoStatus::Ok;
};

/// The answer to a write that was taken.
inline IoResult io_ok() { return IoStatus::Ok; }

}  // namespace machina
