#include "machines/cli/settings.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "core/fd_sets.h"
#include "core/log.h"
#include "core/thread_name.h"
#include "core/trace/trace_control.h"
#include "core/trace/trace_output.h"
#include "machines/cli/option_reader.h"
#include "qom/property.h"

namespace machina {

namespace {

constexpr std::string_view kLifecycle = "lifecycle";  // of -trace: no event, but the steps of the machine's life
constexpr std::size_t kMaxProcessName = 15;           // TASK_COMM_LEN of Linux, less its final zero

std::string boot_letters(const ConfigNode& order) {
  std::string seen;
  for (const char c : order.text()) {
    if (std::string_view("acdn").find(c) == std::string_view::npos) {
      throw Error(fmt::format("no such boot device: '{}'", c))
          .at(order.origin())
          .hint("a floppy, c disk, d CD-ROM, n network");
    }
    if (seen.find(c) != std::string::npos)
      throw Error(fmt::format("boot device '{}' is named twice", c)).at(order.origin());
    seen += c;
  }
  return seen;
}

}  // namespace

BootOptions boot_of(const CommandLine& cl) {
  BootOptions boot;
  boot.nographic = cl.nographic;
  const ConfigNode option = only_option(cl, "boot-opts");
  if (!option) return boot;
  refuse_unknown_keys(option, {"order", "once", "menu", "splash-time", "strict"});
  if (const ConfigNode order = option["order"]) boot.order = boot_letters(order);
  if (const ConfigNode once = option["once"]) boot.once = boot_letters(once);
  if (const ConfigNode menu = option["menu"])
    at_origin(menu.origin(), [&] { boot.menu = qom::parse_bool(menu.text()); });
  if (const ConfigNode strict = option["strict"])
    at_origin(strict.origin(), [&] { boot.strict = qom::parse_bool(strict.text()); });
  if (const ConfigNode time = option["splash-time"]) {
    at_origin(time.origin(), [&] {
      const std::uint64_t ms = qom::parse_uint(time.text());
      if (ms > 0xffff) throw Error(fmt::format("splash-time of {} ms is too long", ms)).hint("at most 65535");
      boot.splash_time_ms = static_cast<std::uint16_t>(ms);
    });
  }
  return boot;
}

void apply_identity(const CommandLine& cl, Machine& machine) {
  if (const ConfigNode option = only_option(cl, "name")) {
    refuse_unknown_keys(option, {"guest", "process", "debug-threads"});
    if (const ConfigNode guest = option["guest"]) machine.name = guest.text();
    if (const ConfigNode process = option["process"]) {
      if (process.text().empty() || process.text().size() > kMaxProcessName) {
        throw Error(fmt::format("no name for a process: '{}'", process.text()))
            .at(process.origin())
            .hint(fmt::format("expected 1 to {} bytes", kMaxProcessName));
      }
      ::prctl(PR_SET_NAME, process.text().c_str());
    }
    if (const ConfigNode debug = option["debug-threads"])
      at_origin(debug.origin(), [&] { set_thread_names(qom::parse_bool(debug.text())); });
  }
  if (cl.uuid) {
    at_origin(cl.uuid->origin, [&] { parse_uuid(cl.uuid->text); });
    machine.uuid = cl.uuid->text;
    for (char& c : machine.uuid) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
}

void apply_rtc(CommandLine& cl) {
  const ConfigNode option = only_option(cl, "rtc");
  if (!option) return;
  refuse_unknown_keys(option, {"base", "clock", "driftfix"});
  const auto set = [&](const char* key, const char* property) {
    const ConfigNode node = option[key];
    if (!node) return;
    ConfigValue value = node.value();
    value.key_origin = node.key_origin();
    if (std::string_view(key) == "driftfix" && value.text == "none") value.text = "discard";
    cl.globals.push_back({"mc146818rtc", property, std::move(value), node.key_origin()});
  };
  set("base", "base");
  set("clock", "clock");
  set("driftfix", "lost_tick_policy");
}

void take_descriptors(const CommandLine& cl) {
  const ConfigNode options = cl.groups["add-fd"];
  if (!options) return;
  for (const ConfigNode& option : options.items()) {
    refuse_unknown_keys(option, {"fd", "set", "opaque"});
    const ConfigNode fd = option["fd"], set = option["set"], opaque = option["opaque"];
    if (!fd || !set) throw Error("-add-fd needs fd and set").at(option.origin()).hint("write -add-fd fd=N,set=N");
    std::int64_t number = -1, id = -1;
    at_origin(fd.origin(), [&] { number = qom::parse_int(fd.text()); });
    at_origin(set.origin(), [&] { id = qom::parse_int(set.text()); });
    // The number stays taken, so that nothing else is opened under it; what is used is a copy that no child inherits.
    OwnedFd own(number > STDERR_FILENO && number <= INT32_MAX ? ::fcntl(static_cast<int>(number), F_DUPFD_CLOEXEC, 0)
                                                              : -1);
    if (!own) throw Error(fmt::format("no descriptor {} was inherited", number)).at(fd.origin());
    at_origin(set.origin(), [&] { FdSets::global().add(std::move(own), id, opaque ? opaque.text() : std::string()); });
  }
}

DisplayKind display_of(const CommandLine& cl, bool stdio_taken) {
  if (cl.daemonize && !cl.display) return DisplayKind::None;
  if (!cl.display) {
    if (cl.groups["vnc"]) return DisplayKind::None;  // that is the display
    const bool terminal = ::isatty(STDIN_FILENO) && ::isatty(STDOUT_FILENO);
    return terminal && !cl.nographic && !stdio_taken && cl.qtests.empty() ? DisplayKind::Text : DisplayKind::None;
  }
  const std::vector<std::string> kinds = {"none", "text", "vnc"};
  if (cl.display->text == "none") return DisplayKind::None;
  if (cl.display->text != "text") {
    const std::string near = did_you_mean(cl.display->text, kinds);
    throw Error(fmt::format("no such display: '{}'", cl.display->text))
        .at(cl.display->origin)
        .hint(near.empty() || cl.display->text == "vnc" ? "expected none, text or vnc=HOST:D" : near);
  }
  if (cl.nographic) {
    throw Error("the display and -nographic both want this terminal")
        .at(cl.display->origin)
        .hint("leave one of them out");
  }
  if (stdio_taken) {
    throw Error("the display and a character backend both want this terminal")
        .at(cl.display->origin)
        .hint("give the backend another place than stdio");
  }
  return DisplayKind::Text;
}

void apply_logging(const CommandLine& cl) {
  if (cl.log_items) at_origin(cl.log_items->origin, [&] { log::enable(cl.log_items->text); });
  const ConfigNode traces = cl.groups["trace"];
  if (!traces) return;
  for (const ConfigNode& option : traces.items()) {
    refuse_unknown_keys(option, {"enable", "events", "file"});
    const ConfigNode what = option["enable"];
    if (!what && !option["events"]) {
      throw Error("-trace needs something to trace")
          .at(option.origin())
          .hint("write e.g. -trace 'pci_*'; -trace help lists the events");
    }
    if (!what) continue;
    if (what.text() != kLifecycle) {
      const std::string near = did_you_mean(what.text(), {std::string(kLifecycle)});
      if (near.empty() || !trace::list(what.text()).empty()) continue;
      throw Error(fmt::format("nothing called '{}' can be traced", what.text())).at(what.origin()).hint(near);
    }
    // Whoever reads it may go away (`| head`), and no step of the machine fails because of that.
    qom::LifecycleTrace::set_sink([](std::string_view line) {
      const std::string whole = std::string(line) + "\n";
      (void)std::fwrite(whole.data(), 1, whole.size(), stderr);
    });
  }
}

void open_log(const CommandLine& cl) {
  if (cl.log_file) at_origin(cl.log_file->origin, [&] { log::set_file(cl.log_file->text); });
  const ConfigNode traces = cl.groups["trace"];
  if (!traces) return;
  for (const ConfigNode& option : traces.items()) {
    const ConfigNode what = option["enable"], list = option["events"], file = option["file"];
    if (file) at_origin(file.origin(), [&] { trace::set_file(file.text()); });
    if (list) at_origin(list.origin(), [&] { trace::enable_from_file(list.text()); });
    if (what && what.text() != kLifecycle) at_origin(what.origin(), [&] { trace::enable_item(what.text()); });
  }
}

PidFile::PidFile(const ConfigValue& path) {
  const auto refuse = [&](int error) {
    return Error(fmt::format("cannot write the pid file '{}'", path.text)).at(path.origin).why(std::strerror(error));
  };
  std::error_code relative;
  path_ = std::filesystem::absolute(path.text, relative);
  OwnedFd fd;
  struct stat st {};
  for (bool ours = false; !ours;) {
    // Not cut off before it is ours.
    fd.reset(::open(path.text.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    if (!fd) throw refuse(errno);
    struct flock whole {};
    whole.l_type = F_WRLCK;
    if (::fcntl(fd.get(), F_OFD_SETLK, &whole) != 0 && (errno == EAGAIN || errno == EACCES))
      throw refuse(errno).hint("another machine that runs has it: choose another file");
    regular_ = ::fstat(fd.get(), &st) == 0 && S_ISREG(st.st_mode);
    // A machine that ended meanwhile may have removed what was opened.
    struct stat there {};
    ours =
        !regular_ || (::stat(path.text.c_str(), &there) == 0 && there.st_dev == st.st_dev && there.st_ino == st.st_ino);
  }
  const std::string text = fmt::format("{}\n", ::getpid());
  errno = ENOSPC;  // what a short write means
  if ((regular_ && ::ftruncate(fd.get(), 0) != 0) ||
      ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    const Error error = refuse(errno);
    remove();
    throw error;
  }
  fd_ = std::move(fd);
}

PidFile::~PidFile() { remove(); }

void PidFile::remove() const {
  if (regular_) ::unlink(path_.c_str());
}

}  // namespace machina
