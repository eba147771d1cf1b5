#include "core/fd_sets.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <map>
#include <mutex>
#include <string_view>

#include "core/error.h"

namespace machina {
namespace {

struct Entry {
  OwnedFd fd;
  std::string opaque;
};

struct Table {
  std::mutex lock;
  std::map<std::int64_t, std::vector<Entry>> sets;
};

Table& table() {
  static Table t;
  return t;
}

}  // namespace

FdSets& FdSets::global() {
  static FdSets sets;
  return sets;
}

std::pair<std::int64_t, int> FdSets::add(OwnedFd fd, std::optional<std::int64_t> id, std::string opaque) {
  if (id && *id < 0) throw Error("Parameter 'fdset-id' expects a non-negative value");
  Table& t = table();
  const std::lock_guard guard(t.lock);
  std::int64_t chosen = 0;
  if (id) {
    chosen = *id;
  } else {
    while (t.sets.contains(chosen)) ++chosen;
  }
  const int number = fd.get();
  t.sets[chosen].push_back({std::move(fd), std::move(opaque)});
  return {chosen, number};
}

bool FdSets::remove(std::int64_t id, std::optional<int> fd) {
  Table& t = table();
  const std::lock_guard guard(t.lock);
  const auto set = t.sets.find(id);
  if (set == t.sets.end()) return false;
  if (!fd) {
    t.sets.erase(set);
    return true;
  }
  if (std::erase_if(set->second, [&](const Entry& e) { return e.fd.get() == *fd; }) == 0) return false;
  if (set->second.empty()) t.sets.erase(set);
  return true;
}

std::vector<FdSets::Set> FdSets::list() const {
  Table& t = table();
  const std::lock_guard guard(t.lock);
  std::vector<Set> all;
  for (const auto& [id, entries] : t.sets) {
    Set set{id, {}};
    for (const Entry& e : entries) set.members.push_back({e.fd.get(), e.opaque});
    all.push_back(std::move(set));
  }
  return all;
}

int FdSets::open(std::int64_t id, int flags) const {
  Table& t = table();
  const std::lock_guard guard(t.lock);
  const auto set = t.sets.find(id);
  if (set == t.sets.end()) {
    errno = ENOENT;
    return -1;
  }
  for (const Entry& e : set->second) {
    const int mode = ::fcntl(e.fd.get(), F_GETFL);
    if (mode < 0 || (mode & O_ACCMODE) != (flags & O_ACCMODE)) continue;
    return ::fcntl(e.fd.get(), (flags & O_CLOEXEC) ? F_DUPFD_CLOEXEC : F_DUPFD, 0);
  }
  errno = EACCES;
  return -1;
}

int open_path(const char* path, int flags, unsigned mode) {
  constexpr std::string_view kPrefix = "/dev/fdset/";
  std::string_view name = path;
  if (!name.starts_with(kPrefix)) return ::open(path, flags, mode);
  name.remove_prefix(kPrefix.size());
  std::int64_t id = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
  if (error != std::errc() || end != name.data() + name.size()) {
    errno = EINVAL;
    return -1;
  }
  return FdSets::global().open(id, flags);
}

}  // namespace machina
