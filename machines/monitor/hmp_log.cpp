/// The log, from the human monitor.

#include "core/log.h"
#include "machines/monitor/human_command.h"
#include "machines/monitor/qmp_command.h"

namespace machina {
namespace {

void log_items(HumanContext& c, const QmpArguments& arguments) {
  const std::string& items = arguments.string("items");
  if (items == "help" || items == "?") return c.write(log::help());
  log::enable_only(items == "none" ? "" : items);
}

void logfile(HumanContext&, const QmpArguments& arguments) { log::set_file(arguments.string("filename")); }

void add(MonitorTable& t) {
  t.human({.name = "log",
           .arguments = "items: str",
           .doc = "logs these items, as -d does, and no others; 'help' lists them, 'none' ends it",
           .run = log_items});
  t.human({.name = "logfile", .arguments = "filename: str", .doc = "where the log goes, as -D", .run = logfile});
}

const MonitorFamily kFamily{"Log", add};

}  // namespace
}  // namespace machina
