#pragma once
/// What a client has asked of a front end that answers, and that has not been looked at: OutputQueue's counterpart.
///
/// Main thread or under the machine lock.

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace machina {

class InputQueue {
 public:
  /// `limit`: bytes that wait while a request is carried out.
  explicit InputQueue(std::size_t limit) : limit_(limit) {}

  /// For CharFrontend::can_receive().
  std::size_t room() const { return limit_ - std::min(limit_, waiting_.size()); }
  void push(std::span<const std::byte> bytes) {
    waiting_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  /// Another client, or none.
  void clear() {
    waiting_.clear();
    ++connection_;
  }
  /// Another number for each client: an answer is for nobody else but who has asked.
  unsigned connection() const { return connection_; }
  /// Answers what waits while `go_on()`. `next(rest)` takes a request off the front of a string_view, or all of it and
  /// returns none when the request is not complete; `answer(request)` must not throw. Both may bring input, another
  /// client, and calls of this, which do nothing then.
  template <class Next, class Answer, class GoOn>
  void carry_out(Next next, Answer answer, GoOn go_on) {
    if (busy_) return;  // what is said to the backend may come back as its answer
    busy_ = true;
    while (!waiting_.empty() && go_on()) {
      const std::string bytes = std::exchange(waiting_, {});
      std::string_view rest = bytes;
      const unsigned connection = connection_;
      while (auto request = next(rest)) {
        answer(*request);
        if (connection_ != connection || !go_on()) break;
      }
      // What another client sends is not put behind the remains of this one's.
      if (connection_ == connection && !rest.empty()) waiting_.insert(0, rest);
    }
    busy_ = false;
  }

 private:
  std::size_t limit_;
  std::string waiting_;
  unsigned connection_ = 0;
  bool busy_ = false;
};

}  // namespace machina
