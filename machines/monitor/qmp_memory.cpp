/// Guest memory to files: memsave, pmemsave, dump-guest-memory.

#include <fmt/format.h>

#include <array>
#include <memory>
#include <optional>

#include "machines/monitor/guest_dump.h"
#include "machines/monitor/host_file.h"
#include "machines/monitor/human_command.h"
#include "machines/monitor/json_value.h"
#include "machines/monitor/qmp_command.h"

namespace machina {
namespace {

using qom::Value;
using qom::ValueList;
using qom::ValueMap;

constexpr std::size_t kPiece = 4096;

/// `read(address, piece)` says whether there is memory. What was written until then stays.
template <class Read>
void save(const std::string& path, std::uint64_t address, std::uint64_t size, Read&& read) {
  const OwnedFd file = create_file(path);
  std::array<std::uint8_t, kPiece> buffer;
  for (std::uint64_t done = 0; done < size;) {
    // No piece crosses a page.
    const std::uint64_t at = address + done;
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(size - done, kPiece - at % kPiece));
    const auto piece = std::span(buffer).first(n);
    if (!read(at, piece)) generic_error(fmt::format("Invalid addr 0x{:016x}/size {} specified", address, size));
    write_file(file, piece, path);
    done += n;
  }
}

std::uint64_t size_of(const QmpArguments& arguments) {
  const std::int64_t size = arguments.integer("size");
  if (size < 0) generic_error("Parameter 'size' expects a number of bytes");
  return static_cast<std::uint64_t>(size);
}

Value memsave(MonitorSession& session, const QmpArguments& arguments) {
  const std::int64_t index = arguments.integer_or("cpu-index", session.cpu_index());
  X86Cpu* cpu = nullptr;
  for (X86Cpu* c : session.machine().cpus().cpus())
    if (c->index() == index) cpu = c;
  if (!cpu || !cpu->vcpu()) generic_error("Parameter 'cpu-index' expects a CPU number");
  const CpusAside aside(session.machine());
  const X86State state = cpu->state();
  const GuestMemory memory(session.machine());
  save(arguments.string("filename"), arguments.unsigned_integer("val"), size_of(arguments),
       [&](std::uint64_t at, std::span<std::uint8_t> to) { return memory.access_linear(state, at, to); });
  return {};
}

Value pmemsave(MonitorSession& session, const QmpArguments& arguments) {
  const CpusAside aside(session.machine());
  const GuestMemory memory(session.machine());
  X86Cpu* const cpu = session.cpu();
  std::optional<X86State> state;
  if (cpu && cpu->vcpu()) state = cpu->state();
  save(arguments.string("filename"), arguments.unsigned_integer("val"), size_of(arguments),
       [&](std::uint64_t at, std::span<std::uint8_t> to) {
         (void)memory.access_physical(at, to, state ? &*state : nullptr);  // where nobody answers: zeros
         return true;
       });
  return {};
}

// --- dump -----------------------------------------------------------------------------------------------------------

const MonitorCondition kWithRam{"on a machine with RAM",
                                [](MonitorSession& s) { return s.machine().system().ram != nullptr; },
                                "no guest memory is there to be dumped"};

/// One dump of one machine; of the last one there is only the result.
struct DumpJob {
  std::unique_ptr<GuestDump> dump;  ///< while it goes on
  bool go_on = false;               ///< the machine ran before
  const char* status = "none";
  std::uint64_t completed = 0, total = 0;
};

DumpJob& job_of(Machine& machine) {
  // A process has one machine; a test has one after the other, which are told apart by their memory.
  static std::pair<std::weak_ptr<RamBlock>, DumpJob> last;
  const std::shared_ptr<RamBlock>& ram = machine.system().ram;
  if (!ram || last.first.lock() != ram) last = {ram, DumpJob{}};
  return last.second;
}

Value dump_status(const DumpJob& job) {
  return ValueMap{{"status", job.status}, {"completed", job.completed}, {"total", job.total}};
}

/// After the last step, or the one that failed.
void finish_dump(Machine& machine, DumpJob& job, const std::string& error) {
  job.status = error.empty() ? "completed" : "failed";
  job.completed = job.dump->written();
  job.dump.reset();
  ValueMap data{{"result", dump_status(job)}};
  if (!error.empty()) data.emplace_back("error", error);
  machine.report_event("DUMP_COMPLETED", std::move(data));
  if (job.go_on && machine.run_state() == RunState::Paused) machine.start();
}

/// The loop is the machine's: nothing that waits there outlives it.
void continue_dump(Machine& machine) {
  machine.system().loop.post([&machine] {
    DumpJob& job = job_of(machine);
    if (!job.dump) return;
    try {
      const bool more = job.dump->step();
      job.completed = job.dump->written();
      if (more) return continue_dump(machine);
      finish_dump(machine, job, {});
    } catch (const Error& e) {
      finish_dump(machine, job, one_line(e));
    }
  });
}

OwnedFd dump_target(MonitorSession& session, const std::string& protocol) {
  if (protocol.starts_with("file:")) return create_file(protocol.substr(5));
  if (!protocol.starts_with("fd:")) generic_error("Invalid parameter 'protocol'");
  const auto named = session.named_fds().find(protocol.substr(3));
  if (named == session.named_fds().end())
    generic_error(fmt::format("File descriptor named '{}' has not been found", protocol.substr(3)));
  OwnedFd fd = std::move(named->second);
  session.named_fds().erase(named);
  return fd;
}

Value dump_guest_memory(MonitorSession& session, const QmpArguments& arguments) {
  Machine& machine = session.machine();
  DumpJob& job = job_of(machine);
  if (job.dump) generic_error(std::string(kWithoutDump.refusal));
  GuestDump::Options options;
  options.paging = std::get<bool>(arguments.value("paging").get());
  if (arguments.has("begin") != arguments.has("length"))
    generic_error(fmt::format("Parameter '{}' is missing", arguments.has("begin") ? "length" : "begin"));
  if (arguments.has("begin")) {
    if (options.paging) generic_error("paging and begin/length cannot be had together");
    options.begin = arguments.unsigned_integer("begin");
    options.length = arguments.unsigned_integer("length");
    if (*options.begin > UINT64_MAX - *options.length) generic_error("Parameter 'length' expects less");
  }
  if (arguments.string_or("format", "elf") != "elf") generic_error("this format of dumps is not supported: use elf");
  OwnedFd to = dump_target(session, arguments.string("protocol"));

  job.go_on = machine.run_state() == RunState::Running;
  if (job.go_on) machine.stop();
  try {
    std::vector<X86State> states;
    for (X86Cpu* cpu : machine.cpus().cpus())
      if (cpu->vcpu()) states.push_back(cpu->state());
    job.dump = std::make_unique<GuestDump>(machine.system(), std::move(states), options, std::move(to));
  } catch (...) {
    if (job.go_on) machine.start();
    throw;
  }
  job.status = "active";
  job.total = job.dump->total();
  job.completed = 0;
  if (arguments.boolean_or("detach", false)) {
    continue_dump(machine);
    return {};
  }
  std::string error;
  try {
    while (job.dump->step()) {
    }
  } catch (const Error& e) {
    error = one_line(e);
  }
  finish_dump(machine, job, error);
  if (!error.empty()) generic_error(error);
  return {};
}

Value query_dump(MonitorSession& session, const QmpArguments&) { return dump_status(job_of(session.machine())); }

Value query_dump_capability(MonitorSession&, const QmpArguments&) { return ValueMap{{"formats", ValueList{"elf"}}}; }

// --- for people ---

void human_dump(HumanContext& c, const QmpArguments& arguments) {
  ValueMap request{{"paging", arguments.boolean_or("p", false)},
                   {"protocol", "file:" + arguments.string("filename")},
                   {"detach", arguments.boolean_or("d", false)}};
  for (const char* key : {"begin", "length"})
    if (arguments.has(key)) request.emplace_back(key, arguments.value(key));
  c.query("dump-guest-memory", request);
}

void info_dump(HumanContext& c, const QmpArguments&) {
  const Value status = c.query("query-dump");
  c.print("Status: {}\n", member(status, "status")->to_string());
  const std::uint64_t completed = job_of(c.machine()).completed, total = job_of(c.machine()).total;
  if (total > 0) c.print("Finished: {:.2f} %\n", 100.0 * static_cast<double>(completed) / static_cast<double>(total));
}

void add(MonitorTable& t) {
  t.schema.define(R"(
    enum DumpGuestMemoryFormat { elf }
    struct DumpGuestMemoryCapability { formats: [DumpGuestMemoryFormat] }
    enum DumpStatus { none, active, completed, failed }
    struct DumpQueryResult { status: DumpStatus, completed: int, total: int }
  )");
  t.command({.name = "memsave",
             .arguments = "val: uint64, size: uint64, filename: str, *cpu-index: int",
             .doc = "linear memory and registers, as a CPU sees them, to a file",
             .run = memsave,
             .human = "memsave"});
  t.command({.name = "pmemsave",
             .arguments = "val: uint64, size: uint64, filename: str",
             .doc = "physical memory, and registers that are mapped there, to a file; zeros where there is neither",
             .run = pmemsave,
             .human = "pmemsave"});
  t.command(
      {.name = "dump-guest-memory",
       .arguments = "paging: bool, protocol: str, *detach: bool, *begin: int, *length: int, "
                    "*format: DumpGuestMemoryFormat",
       .doc = "memory and CPUs as an ELF core file, to `file:PATH` or `fd:NAME`; the machine stands still meanwhile",
       .run = dump_guest_memory,
       .when = &kWithRam});
  t.command({.name = "query-dump", .returns = "DumpQueryResult", .doc = "how far the dump is", .run = query_dump});
  t.command({.name = "query-dump-guest-memory-capability",
             .returns = "DumpGuestMemoryCapability",
             .doc = "formats of dumps",
             .run = query_dump_capability});
  t.event({.name = "DUMP_COMPLETED", .data = "result: DumpQueryResult, *error: str", .doc = "a dump has ended"});
  t.human({.name = "dump-guest-memory",
           .arguments = "-p, -d, filename: str, *begin: int, *length: int",
           .doc = "memory and CPUs as an ELF core file; -p: by linear address; -d: in the background",
           .run = human_dump});
  t.human({.name = "info dump", .doc = "how far the dump is", .run = info_dump});
}

const MonitorFamily kFamily{"Memory", add};

}  // namespace

const MonitorCondition kWithoutDump{"while no dump is being written",
                                    [](MonitorSession& s) { return !job_of(s.machine()).dump; },
                                    "There is a dump in process, please wait."};

}  // namespace machina
