#pragma once
/// A client of QMP that waits for each answer: what machine-ctl speaks to machines with.

#include <optional>
#include <string>
#include <string_view>

#include "core/chardev/fd_stream.h"
#include "machines/monitor/json_stream.h"
#include "qom/value.h"

namespace machina {

class QmpClient {
 public:
  /// Answers are what the machine makes of itself, long lists among them: `info tlb`.
  static constexpr std::size_t kMaxAnswer = std::size_t{256} << 20;

  /// Connects to a unix socket, waits for the greeting and negotiates. Throws Error: nobody listens, or whoever does
  /// does not answer within `timeout_ms`, since another client has the connection or several wait for it.
  explicit QmpClient(const std::string& socket, int timeout_ms = 5'000);

  /// The "return" of a command. Throws Error with the class and description of an error, or when the machine goes.
  qom::Value command(std::string_view name, const qom::Value& arguments = qom::ValueMap{});
  /// What a command of the human monitor prints, for a CPU where it is about one.
  std::string human(const std::string& line, std::optional<std::int64_t> cpu = {});
  /// Waits until the machine hangs up. False when it did not in that time.
  bool wait_for_end(int timeout_ms);
  /// Process id of the machine.
  int pid() const;

  /// For interactive use: sends a message as it is; the next message that came, or nothing within the time.
  void send(std::string_view text);
  bool receive(qom::Value& message, int timeout_ms);
  int fd() const { return fd_.get(); }
  /// Nothing more will be sent: the machine answers what it has got, and hangs up.
  void finish();
  /// The machine has hung up.
  bool ended() const { return ended_; }

 private:
  OwnedFd fd_;
  JsonStream stream_{kMaxAnswer};
  std::string input_;
  bool ended_ = false;
};

}  // namespace machina
