#include "machines/ctl/qmp_client.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

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
}

QmpClient::QmpClient(const std::string& socket, int timeout_ms) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.size() >= sizeof address.sun_path) throw Error(fmt::format("socket path '{}' is too long", socket));
  std::memcpy(address.sun_path, socket.data(), socket.size());
  fd_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd_ || ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    throw Error(fmt::format("cannot talk to the machine at '{}'", socket)).why(std::strerror(errno));
  Value greeting;
  if (!receive(greeting, timeout_ms)) {
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
    if (n <= 0) throw Error("the machine has gone").why(std::strerror(errno));
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

bool QmpClient::receive(Value& message, int timeout_ms) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
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
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(limit - std::chrono::steady_clock::now()).count();
    pollfd p{fd_.get(), POLLIN, 0};
    const int ready = ::poll(&p, 1, static_cast<int>(std::max<long>(left, 0)));
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

std::string QmpClient::human(const std::string& line, std::int64_t cpu) {
  const std::string text =
      command("human-monitor-command", ValueMap{{"command-line", line}, {"cpu-index", cpu}}).to_string();
  std::string out;
  for (const char c : text)
    if (c != '\r') out += c;
  return out;
}

bool QmpClient::wait_for_end(int timeout_ms) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  try {
    for (;;) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(limit - std::chrono::steady_clock::now()).count();
      Value message;
      if (left <= 0 || !receive(message, static_cast<int>(left))) return false;
    }
  } catch (const Error&) {
    return true;  // it has gone
  }
}

int QmpClient::pid() const {
  ucred peer{};
  socklen_t length = sizeof peer;
  return ::getsockopt(fd_.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 ? peer.pid : 0;
}

}  // namespace machina
