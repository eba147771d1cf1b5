#include "machines/cli/launch.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>

#include "core/chardev/char_mux.h"
#include "core/chardev/char_stdio.h"
#include "core/display/text_display.h"
#include "core/log.h"
#include "hw/block/floppy_drive.h"
#include "hw/nvram/pc_firmware.h"
#include "machines/board/board_composer.h"
#include "machines/cli/accel_choice.h"
#include "machines/cli/action_options.h"
#include "machines/cli/firmware_options.h"
#include "machines/cli/kernel_options.h"
#include "machines/cli/option_reader.h"
#include "machines/cli/run_directory.h"
#include "machines/cli/settings.h"
#include "machines/cli/sizing.h"
#include "machines/firmware_data.h"
#include "machines/firmware_tables.h"
#include "machines/gdb/gdb_device.h"
#include "machines/gdb/gdb_server.h"
#include "qom/find.h"
#include "qom/plugin.h"

namespace machina {

namespace {

/// Devices of a board are linked to conventional names of back ends; what -serial chardev:ID says changes the link.
void use_aliases(Board& board, const std::map<std::string, std::string>& aliases) {
  for (BoardDevice& d : board.devices) {
    for (Setting& s : d.settings) {
      const auto alias = aliases.find(s.text);
      if (!s.by_user && alias != aliases.end()) s.text = alias->second;
    }
  }
}

/// Whether a device of the board links to the back end that is conventionally called so.
bool links_to(const Board& board, const std::string& backend) {
  return std::any_of(board.devices.begin(), board.devices.end(), [&](const BoardDevice& d) {
    return std::any_of(d.settings.begin(), d.settings.end(), [&](const Setting& s) { return s.text == backend; });
  });
}

/// What -serial and -debugcon connect must have a device at its other end.
void require_ports(const Board& board, const CommandLine& cl, Faults& faults) {
  const auto require = [&](const std::vector<ConfigValue>& specs, const char* stem, const char* what,
                           const char* device) {
    for (std::size_t i = 0; i < specs.size(); ++i) {
      if (specs[i].text == "none" || links_to(board, fmt::format("{}{}", stem, i))) continue;
      faults.add(Error(fmt::format("board '{}' has no {} number {}", board.name, what, i + 1))
                     .at(specs[i].origin)
                     .hint(fmt::format("add one: -chardev BACKEND,id=ID -device {},chardev=ID", device)));
    }
  };
  require(cl.serials, "serial", "serial port", "isa-serial,iobase=PORT,irq=LINE");
  require(cl.parallels, "parallel", "parallel port", "isa-parallel,iobase=PORT,irq=LINE");
  require(cl.debugcons, "debugcon", "debug console", "isa-debugcon,iobase=PORT");
}

/// As that, for what -fda, -fdb and -drive if=floppy put into a drive.
void require_floppy_drives(const Board& board, const Backends& backends, Faults& faults) {
  for (unsigned n = 0; n < BoardRequest().floppies.size(); ++n) {
    const std::optional<Origin> asked = backends.floppy(n);
    if (!asked || links_to(board, fmt::format("floppy{}", n))) continue;
    faults.add(Error(fmt::format("board '{}' has no floppy drive {}", board.name, n == 0 ? "A" : "B"))
                   .at(*asked)
                   .hint("-M help lists the boards"));
  }
}

/// Whether a -device is of that type.
bool asks_for_device(const CommandLine& cl, std::string_view type) {
  const ConfigNode list = cl.groups["device"];
  if (!list) return false;
  const std::vector<ConfigNode> options = list.items();
  return std::any_of(options.begin(), options.end(), [type](const ConfigNode& option) {
    const ConfigNode driver = option["driver"];
    return driver && driver.text() == type;
  });
}

/// The place that asked for the object that went wrong when it was powered on: -cpu, -bios, or the device on the
/// command line or in the board file.
Origin origin_of(const std::string& path, const Board& board, const CommandLine& cl, qom::Object& root) {
  if (path.starts_with("/machine/cpu[")) return cl.cpu ? cl.cpu->origin : board.cpus.at;
  const ConfigNode machine = only_option(cl, "machine");
  const bool named = cl.bios || (machine && machine["firmware"]);
  const qom::Object* object = named ? qom::resolve_path(root, path) : nullptr;
  return object && object->is_a(PcFirmware::kType) ? board.firmware_at : device_origin(board, path);
}

}  // namespace

Launch::Launch(CommandLine cl) : cl_(std::move(cl)) {
  root_ = qom::create<qom::Container>();
  machine_ = &root_->add_new_child<Machine>("machine");
  const MachineLock::Guard guard(machine_->system().lock);
  try {
    build();
  } catch (...) {
    take_down();
    throw;
  }
}

Launch::~Launch() {
  const MachineLock::Guard guard(machine_->system().lock);
  take_down();
}

void Launch::take_down() {
  display_.reset();
  for (const VncServer& v : vnc_) v.display->close();
  signals_.reset();
  // Before the machine: they look at it, and what they still have to say goes out.
  for (auto it = servers_.rbegin(); it != servers_.rend(); ++it) qom::unrealize_tree(*it->first);
  if (qom::Object* objects = root_->child("objects")) qom::unrealize_tree(*objects);  // those that a monitor has made
  machine_->power_off();
  if (backends_) backends_->close();
}

void Launch::build() {
  for (const ConfigValue& plugin : cl_.plugins) at_origin(plugin.origin, [&] { qom::load_plugin(plugin.text); });
  take_descriptors(cl_);
  apply_rtc(cl_);
  BootOptions boot = boot_of(cl_);
  apply_identity(cl_, *machine_);

  // What the board is, with everything that the command line says about it.
  std::vector<std::string> directories;
  for (const ConfigValue& d : cl_.directories) directories.push_back(d.text);
  backends_ = std::make_unique<Backends>(*root_, machine_->system().loop, machine_->system().clock);
  backends_->add_drives(cl_, cl_.groups);
  backends_->add_networks(cl_, cl_.groups);
  BoardRequest request;
  for (unsigned n = 0; n < request.floppies.size(); ++n) request.floppies[n] = backends_->floppy(n).has_value();
  request.default_floppy = !asks_for_device(cl_, FloppyDrive::kType);
  request.groups = cl_.groups;
  request.globals = cl_.globals;
  request.sets = cl_.sets;
  request.no_defaults = cl_.nodefaults;
  request.firmware = cl_.bios;
  request.default_cdrom = backends_->default_cdrom();
  const auto given = [this](const char* group) { return cl_.groups[group] && cl_.groups[group].size() > 0; };
  request.default_nic = !given("netdev") && !given("nic") && !given("net");
  for (const ConfigValue& serial : cl_.serials) request.serials.push_back(serial.text != "none");
  for (const ConfigValue& printer : cl_.parallels) request.parallels.push_back(printer.text != "none");
  Faults faults;
  std::optional<Board> board = load_board(request, BoardCatalog::standard(directories), faults);
  if (!board) faults.throw_if_any();
  const RamConfig ram = ram_of(cl_, *board);
  const CpuConfig cpus = cpus_of(cl_, *board);
  machine_->tables = table_options_of(cl_, ram, cpus);
  machine_->tables.product = board->summary;

  // Objects, none of which touches the host yet.
  backends_->add_chardevs(cl_);
  if (request.default_nic && links_to(*board, Backends::kDefaultNetwork)) backends_->add_default_network();
  backends_->add_objects(cl_);
  connect_consoles();
  require_ports(*board, cl_, faults);
  require_floppy_drives(*board, *backends_, faults);
  display_kind_ = display_of(cl_, backends_->has_stdio());
  add_vnc();
  if (cl_.daemonize && (backends_->has_stdio() || display_kind_ == DisplayKind::Text))
    throw Error("a machine in the background has no terminal")
        .hint("leave out -daemonize, or stdio, -nographic and -display text");
  use_aliases(*board, backends_->aliases());
  AcceleratorChoice choice = choose_accelerator(cl_);
  ComposeOptions options;
  options.implementation_of = [&](const std::string& model) { return choice.accelerator->implementation_of(model); };
  options.load_plugin = [](const std::string& file) { qom::load_plugin(file); };
  const std::vector<Device*> devices = compose_board(*board, request, *machine_, options, faults);
  faults.throw_if_any();
  if (display_kind_ == DisplayKind::Text && !qom::first_of<DisplaySource>(*machine_)) {
    if (cl_.display)
      throw Error("the machine has no display adapter").at(cl_.display->origin).hint("add one: -device VGA");
    display_kind_ = DisplayKind::None;  // nobody asked for it by name
  }
  if (!vnc_.empty() && !qom::first_of<DisplaySource>(*machine_))
    throw Error("the machine has no display adapter").at(vnc_.front().origin).hint("add one: -device VGA");
  find_firmware(directories);
  std::optional<boot::BootPlan> kernel = kernel_plan(cl_, *machine_, ram);

  apply_actions(cl_, *machine_);

  // From here on the host is asked for things.
  signals_ = machine_->system().loop.on_signal({SIGINT, SIGTERM, SIGHUP},
                                               [this](int) { machine_->request_shutdown(ShutdownCause::HostSignal); });
  backends_->open();
  open_log(cl_);
  boot.kernel = kernel && boots_through_firmware(*machine_);
  if (kernel && !boot.kernel) {
    machine_->add_new_child<MemoryTables>("tables");
    add_direct_boot(*machine_, std::move(*kernel));
  }
  power_on(*board, request, ram, cpus, std::move(choice.accelerator), devices);
  backends_->warn_of_loose_ends();
  fill_firmware_data(*machine_, boot);
  if (boot.kernel) offer_to_firmware(*machine_, std::move(*kernel));
  if (!boot.once.empty()) {
    machine_->add_observer([this, usual = std::move(boot)](const Machine::EventData& e) mutable {
      if (e.event != Machine::Event::Reset || usual.once.empty()) return;
      usual.once.clear();
      set_boot_order(*machine_, usual);
    });
  }
  if (cl_.pidfile) pidfile_.emplace(*cl_.pidfile);
  open_servers();
  // Not before: what goes wrong until here is told alone. A machine without CPUs executes nothing.
  if (!choice.note.empty() && cpus.max > 0) log::info("{}", choice.note);
  // Ctrl-C is the guest's: somebody who sits here should know the way out.
  if (::isatty(STDIN_FILENO) && (display_kind_ == DisplayKind::Text || backends_->has_stdio()))
    log::info("Ctrl-a x leaves the machine, Ctrl-a h lists what else there is");
  if (::isatty(STDIN_FILENO) && cl_.stopped && servers_.empty())
    log::info("-S: the CPUs wait for 'cont' of a monitor, and there is none (-monitor or -qmp makes one)");
  if (display_kind_ == DisplayKind::Text) open_display();
  open_vnc();
  if (!cl_.stopped) machine_->start();
}

void Launch::power_on(const Board& board, const BoardRequest& request, const RamConfig& ram, const CpuConfig& cpus,
                      qom::Ref<Accelerator> accelerator, const std::vector<Device*>& devices) {
  const Origin accel_at = accelerator_origin(cl_);
  at_origin(ram_origin(cl_), [&] { machine_->set_ram(ram); });
  at_origin(accel_at, [&] { machine_->set_accelerator(std::move(accelerator), cpus.max); });
  machine_->add_cpus(cpus);
  configure_cpus(board, request, *machine_);
  try {
    machine_->power_on(devices);
  } catch (Error& e) {
    throw e.at(origin_of(e.object_path(), board, cl_, *root_)).at(backends_->origin_of(e.object_path()));
  }
  at_origin(ram_origin(cl_), [&] { refuse_ram_beyond_cpus(*machine_); });
}

void Launch::open_display() {
  System& s = machine_->system();
  const Origin at = cl_.display ? cl_.display->origin : Origin();
  at_origin(at, [&] {
    display_ = std::make_unique<TextDisplay>(s.loop, s.realtime, qom::first_of<DisplaySource>(*machine_),
                                             qom::first_of<InputSink>(*machine_));
  });
  display_->while_it([this] { return machine_listens(); });
  display_->on_quit([this] { machine_->request_shutdown(ShutdownCause::HostUi); });
}

bool Launch::machine_listens() const {
  const RunState state = machine_->run_state();
  return state == RunState::Running || state == RunState::Suspended;  // a key may wake it up
}

void Launch::add_vnc() {
  const ConfigNode options = cl_.groups["vnc"];
  if (!options) return;
  for (const ConfigNode& option : options.items()) {
    if (option["vnc"] && option["vnc"].text() == "none" && option.size() == 1) continue;
    const Origin at = option["vnc"] ? option["vnc"].origin() : option.origin();
    if (!option["vnc"]) throw Error("VNC needs an address").at(at).hint("write -vnc HOST:D");
    VncSpec spec;
    at_origin(at, [&] { spec = VncSpec::of(option); });
    qom::Object* objects = root_->child("objects");
    if (!objects) objects = &root_->add_new_child<qom::Container>("objects");
    vnc_.push_back({&objects->add_new_child<VncDisplay>(fmt::format("vnc{}", vnc_.size())), std::move(spec), at});
  }
}

void Launch::open_vnc() {
  System& s = machine_->system();
  for (VncServer& v : vnc_) {
    const bool picked = v.spec.path.empty() && (v.spec.port == 0 || v.spec.to > 0);
    VncDisplay::Setup setup{s.loop, s.realtime, v.spec, "Machina", {}, {}, {}, {}};
    if (!machine_->name.empty()) setup.name = fmt::format("Machina ({})", machine_->name);
    setup.source = [this] { return qom::first_of<DisplaySource>(*machine_); };
    setup.sink = [this] { return qom::first_of<InputSink>(*machine_); };
    setup.listens = [this] { return machine_listens(); };
    setup.report = [this](std::string_view event, qom::ValueMap data) {
      machine_->report_event(event, std::move(data));
    };
    at_origin(v.origin, [&] { v.display->open(std::move(setup)); });
    const VncDisplay::Address& a = v.display->address();
    if (picked) log::info("VNC clients find the screen at {}:{}", a.host, a.service);
  }
}

void Launch::find_firmware(const std::vector<std::string>& first) {
  // -L, then what Debian's packages install, then what the wider field does.
  std::string dirs;
  for (const std::string& d : first) dirs += d + ":";
  dirs += "/usr/share/seabios:/usr/share/vgabios:/usr/local/share/seabios:/usr/share/qemu";
  qom::for_each<Device>(*machine_, [&](Device& d) {
    const qom::Property* p = d.object_class().find_property("dirs");
    if (p && p->kind == qom::PropertyKind::List && d.get("dirs") == p->default_value)  // the board did not say
      d.set_text("dirs", dirs);
  });
}

void Launch::connect_consoles() {
  // Boards link their devices to these conventional ids; one that is not there leaves a device unconnected.
  if (cl_.serials.empty() && cl_.nographic && !cl_.nodefaults && cl_.qtests.empty()) {
    const Origin at{"-nographic", 0, 0, 0, {}};
    // A monitor that has a place of its own leaves the terminal to the serial line.
    const bool alone = !cl_.monitors.empty() || cl_.groups["mon"];
    backends_->add_character(config_scalar(alone ? "stdio,signal=off" : "mon:stdio", at), "serial0");
  }
  for (std::size_t i = 0; i < cl_.serials.size(); ++i)
    backends_->add_character(cl_.serials[i], fmt::format("serial{}", i));
  for (std::size_t i = 0; i < cl_.parallels.size(); ++i)
    backends_->add_character(cl_.parallels[i], fmt::format("parallel{}", i));
  for (std::size_t i = 0; i < cl_.debugcons.size(); ++i)
    backends_->add_character(cl_.debugcons[i], fmt::format("debugcon{}", i));
  for (std::size_t i = 0; i < cl_.qtests.size(); ++i) add_server("qtest", cl_.qtests[i], fmt::format("qtest{}", i));
  add_monitors();
  if (cl_.gdb) {
    ConfigValue spec = *cl_.gdb;
    at_origin(spec.origin, [&] { spec.text = gdb_device(spec.text); });
    add_server(GdbServer::kType, spec, "gdb");
  }
  qom::for_each<CharStdio>(*root_, [this](CharStdio& terminal) {
    terminal.on_quit([this] { machine_->request_shutdown(ShutdownCause::HostUi); });
  });
  qom::for_each<CharMux>(
      *root_, [this](CharMux& mux) { mux.on_quit([this] { machine_->request_shutdown(ShutdownCause::HostUi); }); });
}

void Launch::add_monitors() {
  for (std::size_t i = 0; i < cl_.qmps.size(); ++i) add_server("qmp", cl_.qmps[i], fmt::format("qmp{}", i));
  unsigned people = 0, programs = 0;
  for (const ConfigValue& spec : cl_.monitors) add_server("monitor", spec, fmt::format("monitor{}", people++));
  for (const auto& [port, origin] : backends_->monitor_ports())
    add_server_on("monitor", *port, fmt::format("monitor{}", people++), origin);
  const ConfigNode options = cl_.groups["mon"];
  if (options) {
    for (const ConfigNode& option : options.items()) {
      refuse_unknown_keys(option, {"chardev", "mode", "pretty", "id"});
      const ConfigNode chardev = option["chardev"], mode = option["mode"], pretty = option["pretty"];
      if (!chardev) throw Error("-mon needs a chardev").at(option.origin()).hint("write -mon chardev=ID");
      const bool control = mode && mode.text() == "control";
      if (mode && !control && mode.text() != "readline") {
        throw Error(fmt::format("no such mode of a monitor: '{}'", mode.text()))
            .at(mode.origin())
            .hint("expected readline or control");
      }
      const std::string id = control ? fmt::format("mon-qmp{}", programs++) : fmt::format("monitor{}", people++);
      ConfigValue spec = chardev.value();
      spec.text = "chardev:" + spec.text;
      CharBackend* backend = backends_->add_character(spec, id, true);
      const ConfigNode name = option["id"];
      qom::Object* server = nullptr;
      at_origin(name ? name.origin() : option.origin(), [&] {
        server = &add_server_on(control ? "qmp" : "monitor", *backend, name ? name.text() : id, option.origin());
      });
      if (!pretty) continue;
      if (!control)
        throw Error("only what a program reads can be pretty").at(pretty.key_origin()).hint("add mode=control");
      at_origin(pretty.origin(), [&] { server->set_text("pretty", pretty.text()); });
    }
  }
  if (!cl_.qtests.empty() || machine_->name.empty()) return;
  const std::string socket = control_socket_of(cl_, machine_->name);
  if (socket.empty()) return;
  // A comma would begin an option of the socket.
  std::string path;
  for (const char c : socket) path += c == ',' ? std::string(",,") : std::string(1, c);
  const Origin at = cl_.run_dir ? cl_.run_dir->origin : Origin{"-name", 0, 0, 0, {}};
  // Nobody has asked for this name, so it gives way to those that were.
  const qom::Object* const objects = root_->child("objects");
  std::string id = "control";
  while (backends_->find_character(id) || (objects && objects->child(id))) id += "-";
  add_server("qmp", config_scalar(fmt::format("unix:{},server=on,wait=off", path), at), id);
}

void Launch::add_server(const char* type, const ConfigValue& spec, const std::string& id) {
  CharBackend* const chardev = backends_->add_character(spec, id, true);
  if (chardev) add_server_on(type, *chardev, id, spec.origin);
}

qom::Object& Launch::add_server_on(const char* type, CharBackend& chardev, const std::string& id,
                                   const Origin& origin) {
  qom::Object* objects = root_->child("objects");
  if (!objects) objects = &root_->add_new_child<qom::Container>("objects");
  auto& server = objects->add_new_child<qom::Object>(id, type);
  server.set_link("chardev", &chardev);
  servers_.emplace_back(&server, origin);
  return server;
}

void Launch::open_servers() {
  for (const auto& [server, origin] : servers_) at_origin(origin, [&s = *server] { qom::realize_tree(s); });
}

int Launch::run() { return machine_->run(); }

}  // namespace machina
