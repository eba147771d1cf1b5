#include "machines/ctl/console.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <span>
#include <vector>

#include "core/chardev/raw_terminal.h"
#include "core/error.h"
#include "machines/monitor/json_value.h"

namespace machina {
namespace {

using qom::Value;
using qom::ValueList;

/// "unix:/tmp/x,server=on", "disconnected:unix:…", "pty:/dev/pts/3": the path, if it can be reached from here.
std::string path_of(std::string_view filename) {
  if (filename.starts_with("disconnected:")) filename.remove_prefix(13);
  if (filename.starts_with("pty:")) return std::string(filename.substr(4));
  if (!filename.starts_with("unix:")) return {};
  filename.remove_prefix(5);
  const std::size_t end = filename.rfind(",server=on");
  return end == std::string_view::npos ? std::string() : std::string(filename.substr(0, end));
}

OwnedFd open_line(const std::string& path) {
  struct stat st {};
  if (::stat(path.c_str(), &st) == 0 && S_ISCHR(st.st_mode))
    return OwnedFd(::open(path.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw Error(fmt::format("socket path '{}' is too long", path));
  std::memcpy(address.sun_path, path.data(), path.size());
  OwnedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (fd && ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fd.reset();
  return fd;
}

bool write_all(int fd, std::span<const char> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return true;
}

}  // namespace

std::string find_console(QmpClient& machine, const std::string& label) {
  const Value list = machine.command("query-chardev");
  std::string elsewhere;
  for (const Value& c : std::get<ValueList>(list.get())) {
    const std::string name = member(c, "label")->to_string(), file = member(c, "filename")->to_string();
    if (label.empty() ? !name.starts_with("serial") : name != label) continue;
    if (std::string path = path_of(file); !path.empty()) return path;
    elsewhere = file;
  }
  if (elsewhere.empty()) {
    throw Error(label.empty() ? "the machine has no serial line of the usual name"
                              : fmt::format("the machine has no character backend '{}'", label))
        .hint("machine-ctl qmp NAME query-chardev lists its backends");
  }
  throw Error(fmt::format("its serial line cannot be reached from here: {}", elsewhere))
      .hint("start the machine with -serial pty or -serial unix:PATH,server=on,wait=off");
}

void run_console(const std::string& path) {
  const OwnedFd line = open_line(path);
  if (!line) throw Error(fmt::format("cannot open the serial line at '{}'", path)).why(std::strerror(errno));
  const bool terminal = ::isatty(STDIN_FILENO);
  if (terminal) {
    raw_terminal::enter(STDIN_FILENO, false);
    constexpr std::string_view kHint = "[Ctrl-a x leaves]\r\n";
    write_all(STDERR_FILENO, kHint);
  }
  bool escaped = false, open = true;
  pollfd ends[2] = {{STDIN_FILENO, POLLIN, 0}, {line.get(), POLLIN, 0}};
  while (open) {
    if (::poll(ends, 2, -1) < 0) {
      if (errno != EINTR) break;
      continue;  // what it found out the last time is not true any more
    }
    char buffer[4096];
    if (ends[1].revents) {
      const ssize_t n = ::read(line.get(), buffer, sizeof buffer);
      open = n > 0 && write_all(STDOUT_FILENO, {buffer, static_cast<std::size_t>(n)});
    }
    if (open && ends[0].revents) {
      const ssize_t n = ::read(STDIN_FILENO, buffer, sizeof buffer);
      if (n <= 0) break;
      std::vector<char> out;
      for (const char c : std::span(buffer, static_cast<std::size_t>(n))) {
        if (std::exchange(escaped, false)) {
          if (c == 'x') open = false;
          if (c == '\x01') out.push_back(c);
        } else if (terminal && c == '\x01') {
          escaped = true;
        } else {
          out.push_back(c);
        }
      }
      open = write_all(line.get(), out) && open;
    }
  }
  if (terminal) raw_terminal::leave();
}

}  // namespace machina
