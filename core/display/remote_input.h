#pragma once
/// What users at a distance type and point at, as input of the machine: keysyms become keys of a US keyboard, positions
/// become movements, and what a user held is let go when he leaves.
///
/// Keys go out at the pace of a quick typist, since a PC keyboard buffers 16 bytes; buttons and movements go out at
/// once. A machine that stands takes none of them, as it reads no keyboard: what is pressed then is lost, and what is
/// let go then is when it goes on. Main thread, under the machine lock.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <vector>

#include "core/clock.h"
#include "core/display/input_sink.h"

namespace machina {

class RemoteInput {
 public:
  static constexpr std::int64_t kKeyNs = 10'000'000;   ///< between two changes of keys
  static constexpr std::int64_t kLookNs = 50'000'000;  ///< between two looks whether a machine that stands goes on
  static constexpr std::size_t kTypeAhead = 4096;      ///< changes that wait; keys pressed beyond that are lost

  /// `sink` finds the input device each time; null: there is none. `listens` says whether the machine runs, or sleeps
  /// and may be woken up; empty: always.
  RemoteInput(Clock& realtime, std::function<InputSink*()> sink, std::function<bool()> listens = {});
  ~RemoteInput();

  using User = std::uint64_t;
  void key(User user, std::uint32_t keysym, bool down);
  /// Pixels of the screen. Bits of `buttons`: left, middle, right, wheel up, wheel down (RFC 6143, section 7.5.5).
  void pointer(User user, unsigned buttons, int x, int y);
  void release_all(User user);
  void gone(User user);
  /// Changes of keys that have not gone out yet.
  std::size_t waiting() const { return queue_.size(); }

 private:
  struct KeyChange {
    QKeyCode key;
    bool down;
  };
  struct Pointer {
    bool known = false;
    int x = 0, y = 0;
    unsigned buttons = 0;
  };

  bool listens() const { return !listens_ || listens_(); }
  bool held(QKeyCode key) const;
  bool shifted() const { return held(QKeyCode::Shift) || held(QKeyCode::ShiftR); }
  bool commanding() const;
  void type(QKeyCode key, bool down);
  void next_key();

  Clock& realtime_;
  std::function<InputSink*()> sink_;
  std::function<bool()> listens_;
  std::map<User, std::vector<QKeyCode>> held_;
  std::map<User, Pointer> pointers_;
  bool caps_lock_ = false;  // as far as our users pressed it
  std::deque<KeyChange> queue_;
  std::int64_t next_at_ = 0;
  Timer timer_;
};

}  // namespace machina
