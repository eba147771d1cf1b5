/// Descriptors that a client sends along (SCM_RIGHTS).

#include <fmt/format.h>

#include <cctype>

#include "core/fd_sets.h"
#include "machines/monitor/qmp_command.h"

namespace machina {
namespace {

using qom::Value;
using qom::ValueList;
using qom::ValueMap;

OwnedFd sent_descriptor(MonitorSession& session) {
  OwnedFd fd = session.take_fd();
  if (!fd) generic_error("No file descriptor supplied via SCM_RIGHTS");
  return fd;
}

Value getfd(MonitorSession& session, const QmpArguments& arguments) {
  OwnedFd fd = sent_descriptor(session);
  const std::string& name = arguments.string("fdname");
  // A number would mean a descriptor of this process where a name is looked for.
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0])))
    generic_error("Parameter 'fdname' expects a name not starting with a digit");
  session.named_fds()[name] = std::move(fd);
  return {};
}

Value closefd(MonitorSession& session, const QmpArguments& arguments) {
  const std::string& name = arguments.string("fdname");
  if (session.named_fds().erase(name) == 0) generic_error(fmt::format("File descriptor named '{}' not found", name));
  return {};
}

Value add_fd(MonitorSession& session, const QmpArguments& arguments) {
  OwnedFd fd = sent_descriptor(session);
  std::optional<std::int64_t> id;
  if (arguments.has("fdset-id")) id = arguments.integer("fdset-id");
  const auto [set, number] = FdSets::global().add(std::move(fd), id, arguments.string_or("opaque", ""));
  return ValueMap{{"fd", number}, {"fdset-id", set}};
}

Value remove_fd(MonitorSession&, const QmpArguments& arguments) {
  std::optional<int> fd;
  const std::int64_t id = arguments.integer("fdset-id");
  if (arguments.has("fd")) {
    const std::int64_t given = arguments.integer("fd");
    fd = given >= 0 && given <= INT32_MAX ? static_cast<int>(given) : -1;
  }
  if (!FdSets::global().remove(id, fd)) {
    generic_error(fd ? fmt::format("File descriptor named 'fdset-id:{}, fd:{}' not found", id, *fd)
                     : fmt::format("File descriptor named 'fdset-id:{}' not found", id));
  }
  return {};
}

Value query_fdsets(MonitorSession&, const QmpArguments&) {
  ValueList list;
  for (const FdSets::Set& set : FdSets::global().list()) {
    ValueList fds;
    for (const FdSets::Member& m : set.members) {
      ValueMap one{{"fd", m.fd}};
      if (!m.opaque.empty()) one.emplace_back("opaque", m.opaque);
      fds.emplace_back(std::move(one));
    }
    list.emplace_back(ValueMap{{"fds", std::move(fds)}, {"fdset-id", set.id}});
  }
  return list;
}

void add(MonitorTable& t) {
  t.schema.define(R"(
    struct AddfdInfo { fdset-id: int, fd: int }
    struct FdsetFdInfo { fd: int, *opaque: str }
    struct FdsetInfo { fdset-id: int, fds: [FdsetFdInfo] }
  )");
  t.command({.name = "getfd",
             .arguments = "fdname: str",
             .doc = "names the descriptor that came with this command, for commands that take one by name",
             .run = getfd,
             .human = "getfd"});
  t.command({.name = "closefd", .arguments = "fdname: str", .doc = "closes it", .run = closefd, .human = "closefd"});
  t.command({.name = "add-fd",
             .arguments = "*fdset-id: int, *opaque: str",
             .returns = "AddfdInfo",
             .doc = "puts the descriptor that came with this command into a set; `/dev/fdset/N` opens it",
             .run = add_fd});
  t.command({.name = "remove-fd",
             .arguments = "fdset-id: int, *fd: int",
             .doc = "takes descriptors out of a set; what was opened from it stays open",
             .run = remove_fd});
  t.command({.name = "query-fdsets", .returns = "[FdsetInfo]", .doc = "the sets", .run = query_fdsets});
}

const MonitorFamily kFamily{"Descriptors", add};

}  // namespace
}  // namespace machina
