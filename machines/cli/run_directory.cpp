#include "machines/cli/run_directory.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "core/chardev/fd_stream.h"
#include "core/log.h"

namespace machina {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".sock";

/// What a name may contain as the name of a file.
std::string file_name(const std::string& name) {
  std::string out;
  for (const char c : name) out += c == '/' || static_cast<unsigned char>(c) < 0x20 ? '_' : c;
  if (out.starts_with('.')) out[0] = '_';
  return out;
}

/// Between its bind() and its listen() a machine that starts looks as dead as one that was killed.
bool is_about_to_live(const std::string& path) {
  constexpr int kMomentMs = 50;
  ::poll(nullptr, 0, kMomentMs);
  return socket_is_alive(path);
}

}  // namespace

std::string default_run_directory() {
  const char* const runtime = std::getenv("XDG_RUNTIME_DIR");
  if (runtime && *runtime == '/') return std::string(runtime) + "/machina";
  return fmt::format("/tmp/machina-{}", ::geteuid());
}

void prepare_run_directory(const std::string& directory) {
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    throw Error(fmt::format("cannot make the folder '{}'", directory)).why(std::strerror(errno));
  // In /tmp anybody could have been first: who owns it can connect to everything in it.
  struct stat st {};
  if (::lstat(directory.c_str(), &st) != 0 || !S_ISDIR(st.st_mode))
    throw Error(fmt::format("'{}' is no folder", directory));
  if (st.st_uid != ::geteuid()) throw Error(fmt::format("folder '{}' belongs to somebody else", directory));
  if (st.st_mode & 0077)
    throw Error(fmt::format("folder '{}' is open to others", directory)).hint("chmod 700 " + directory);
}

bool socket_is_alive(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, path.data(), path.size());
  const OwnedFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return true;  // not known: nothing is taken away from anybody
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return true;
  return errno != ECONNREFUSED && errno != ENOENT;  // EAGAIN: somebody else is talking to it
}

std::string control_socket_of(const CommandLine& cl, const std::string& name) {
  if (cl.run_dir && cl.run_dir->text == "none") return {};
  const std::string directory = cl.run_dir ? cl.run_dir->text : default_run_directory();
  try {
    prepare_run_directory(directory);
    std::string path = fmt::format("{}/{}{}", directory, file_name(name), kSuffix);
    if (socket_is_alive(path)) path = fmt::format("{}/{}-{}{}", directory, file_name(name), ::getpid(), kSuffix);
    if (path.size() >= sizeof sockaddr_un{}.sun_path) throw Error(fmt::format("the name '{}' is too long", name));
    return path;
  } catch (Error& e) {
    if (cl.run_dir) throw e.at(cl.run_dir->origin);
    log::warning("machine-ctl will not find this machine: {}", e.what());
    return {};
  }
}

std::vector<RunningMachine> running_machines(const std::string& directory) {
  std::vector<RunningMachine> machines;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    const std::string file = entry.path().filename();
    if (!file.ends_with(kSuffix) || !entry.is_socket(error)) continue;
    if (socket_is_alive(entry.path()) || is_about_to_live(entry.path())) {
      machines.push_back({file.substr(0, file.size() - kSuffix.size()), entry.path()});
    } else {
      fs::remove(entry.path(), error);
    }
  }
  std::sort(machines.begin(), machines.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return machines;
}

}  // namespace machina
