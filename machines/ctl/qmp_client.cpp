#include "machines/ctl/qmp_client.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "core/error.h"
#include "machines/monitor/json_value.h"

namespace machina {

using qom::Value;
using qom::ValueMap;

namespace {

constexpr int kAnswerMs = 60'000;  // a dump takes its time
constexpr int kRetryMs = 20;

using SteadyClock = std::chrono::steady_clock;

int milliseconds_until(SteadyClock::time_point limit) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(limit - SteadyClock::now()).count();
  return static_cast<int>(std::max<std::chrono::milliseconds::rep>(left, 0));
}

/// Not a connect() that waits: where others wait as well, it would do so until the last of them has been served.
bool connect_before(int fd, const sockaddr_un& address, SteadyClock::time_point limit) {
  while (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno != EAGAIN && errno != EINTR) return false;
    if (milliseconds_until(limit) == 0) return errno = EAGAIN, false;
    ::poll(nullptr, 0, kRetryMs);
  }
  return true;
}

}  // namespace

QmpClient::QmpClient(const std::string& socket, int timeout_ms) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.size() >= sizeof address.sun_path) throw Error(fmt::format("socket path '{}' is too long", socket));
  std::memcpy(address.sun_path, socket.data(), socket.size());
  fd_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto limit = SteadyClock::now() + std::chrono::milliseconds(timeout_ms);
  const bool connected = fd_ && connect_before(fd_.get(), address, limit);
  if (!connected && errno != EAGAIN)
    throw Error(fmt::format("cannot talk to the machine at '{}'", socket)).why(std::strerror(errno));
  if (connected) ::fcntl(fd_.get(), F_SETFL, 0);
  Value greeting;
  if (!connected || !receive(greeting, milliseconds_until(limit))) {
    throw Error(fmt::format("the machine at '{}' does not answer", socket))
        .hint("another client may have the connection: it serves one at a time");
  }
  if (!member(greeting, "QMP")) throw Error(fmt::format("what listens at '{}' is no machine", socket));
  command("qmp_capabilities");
}

void QmpClient::send(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      ended_ = true;
      throw Error("the machine has gone").why(std::strerror(errno));
    }
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

bool QmpClient::receive(Value& message, int timeout_ms) {
  const auto limit = SteadyClock::now() + std::chrono::milliseconds(timeout_ms);
  for (;;) {
    std::string_view rest = input_;
    const auto item = stream_.next(rest);
    input_.erase(0, input_.size() - rest.size());
    if (item) {
      if (!item->error.empty()) throw Error("the machine sends no JSON").why(item->error);
      message = parse_json(item->text);
      return true;
    }
    if (ended_) throw Error("the machine has gone");
    pollfd p{fd_.get(), POLLIN, 0};
    const int ready = ::poll(&p, 1, milliseconds_until(limit));
    if (ready == 0) return false;
    if (ready < 0) continue;
    char buffer[16'384];
    const ssize_t n = ::read(fd_.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      ended_ = true;
    } else {
      input_.append(buffer, static_cast<std::size_t>(n));
    }
  }
}

Value QmpClient::command(std::string_view name, const Value& arguments) {
  send(to_json(ValueMap{{"execute", std::string(name)}, {"arguments", arguments}}) + "\n");
  for (;;) {
    Value answer;
    if (!receive(answer, kAnswerMs)) throw Error(fmt::format("the machine does not answer to {}", name));
    if (const Value* result = member(answer, "return")) return *result;
    if (const Value* error = member(answer, "error"))
      throw Error(fmt::format("{}: {}", member(*error, "class")->to_string(), member(*error, "desc")->to_string()));
  }
}

std::string QmpClient::human(const std::string& line, std::optional<std::int64_t> cpu) {
  ValueMap arguments{{"command-line", line}};
  if (cpu) arguments.emplace_back("cpu-index", *cpu);
  const std::string text = command("human-monitor-command", arguments).to_string();
  std::string out;
  for (const char c : text)
    if (c != '\r') out += c;
  return out;
}

bool QmpClient::wait_for_end(int timeout_ms) {
  const auto limit = SteadyClock::now() + std::chrono::milliseconds(timeout_ms);
  try {
    for (;;) {
      const int left = milliseconds_until(limit);
      Value message;
      if (left == 0 || !receive(message, left)) return false;
    }
  } catch (const Error&) {
    return true;  // it has gone
  }
}

void QmpClient::finish() { ::shutdown(fd_.get(), SHUT_WR); }

int QmpClient::pid() const {
  ucred peer{};
  socklen_t length = sizeof peer;
  return ::getsockopt(fd_.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 ? peer.pid : 0;
}

}  // namespace machina
