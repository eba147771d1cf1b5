#include "tests/fuzz/device_board.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "core/config/option_groups.h"
#include "hw/acpi/acpi_board.h"
#include "hw/nvram/fw_cfg.h"
#include "hw/pci/pci_device.h"
#include "machines/board/board_composer.h"
#include "machines/firmware_data.h"
#include "qom/find.h"
#include "tests/fuzz/fuzz_backends.h"

namespace machina::fuzz {

namespace {

using qom::TypeRegistry;

/// What a device needs beside itself to have something to do: other devices of a board, where it has them, and such as
/// -device adds.
struct Company {
  const char* type;
  std::vector<std::string> ids;
  std::vector<std::string> added;
};
const Company kCompany[] = {
    {"piix3-ide", {}, {"ide-hd,bus=ide.0,unit=0,id=disk0", "ide-cd,bus=ide.1,unit=1,id=cd1"}},
    {"isa-ide", {}, {"ide-hd,unit=0,id=disk0", "ide-cd,unit=1,id=cd1"}},
    {"isa-fdc", {"dma"}, {"floppy,unit=0,id=floppy0", "floppy,unit=1,id=floppy1"}},
    {"floppy", {"dma"}, {}},
    {"i8237", {"fdc"}, {}},
    {"vmgenid", {"pm", "fw_cfg"}, {}},
};

/// An image that any ROM can be made of, as a file.
const std::string& rom_file() {
  static const std::string path = memory_file("rom", std::vector<std::uint8_t>(128 * 1024, 0x90));
  return path;
}

void set(BoardDevice& device, const std::string& property, const std::string& value) {
  std::erase_if(device.settings, [&](const Setting& s) { return s.name == property; });
  Setting setting;
  setting.name = property;
  setting.text = value;
  setting.by_user = true;
  device.settings.push_back(std::move(setting));
}

const qom::ObjectClass& class_of(const BoardDevice& device) { return TypeRegistry::global().class_of(device.type); }

/// "8:pm.rtc-alarm" -> "8", "pm.rtc-alarm"
std::vector<std::string> targets_in(const std::string& text) {
  std::vector<std::string> targets;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(':', at), text.size());
    targets.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return targets;
}

/// Takes all devices off the board that none of these, nor what they need, needs.
void keep_what_is_needed(Board& board, const std::vector<std::string>& wanted) {
  struct BroughtBus {
    std::string name, owner;
    qom::Ref<Device> keeper;
    Bus* bus;
  };
  std::vector<BroughtBus> buses;
  for (const BoardDevice& device : board.devices) {
    auto instance = TypeRegistry::global().create_as<Device>(device.type);
    qom::for_each<Bus>(*instance, [&](Bus& bus) { buses.push_back({bus.name(), device.id, instance, &bus}); });
  }
  const auto owner_of_bus = [&](const std::string& name) {
    const auto found = std::find_if(buses.begin(), buses.end(), [&](const BroughtBus& b) { return b.name == name; });
    return found == buses.end() ? std::string() : found->owner;
  };

  std::set<std::string> needed;
  std::vector<std::string> waiting = wanted;
  while (!waiting.empty()) {
    const std::string name = waiting.back();
    waiting.pop_back();
    if (const std::string owner = owner_of_bus(name); !owner.empty()) waiting.push_back(owner);
    const auto device = std::find_if(board.devices.begin(), board.devices.end(), [&](const BoardDevice& d) {
      return d.id == name || name.starts_with(d.id + ".");
    });
    if (device == board.devices.end() || !needed.insert(device->id).second) continue;

    const auto& c = dynamic_cast<const DeviceClass&>(class_of(*device));
    if (device->bus) {
      waiting.push_back(device->bus->text);
    } else if (!c.bus_type.empty()) {
      const auto bus =
          std::find_if(buses.begin(), buses.end(), [&](const BroughtBus& b) { return b.bus->is_a(c.bus_type); });
      if (bus != buses.end()) waiting.push_back(bus->owner);
    }
    for (const Setting& s : device->settings)
      for (const std::string& target : targets_in(s.text)) waiting.push_back(target);
    for (const qom::Property& p : c.properties())
      for (const std::string& target : targets_in(p.default_value.to_string())) waiting.push_back(target);
  }
  std::erase_if(board.devices, [&](const BoardDevice& d) { return !needed.contains(d.id); });
}

}  // namespace

std::string memory_file(const char* name, const std::vector<std::uint8_t>& bytes) {
  const int fd = ::memfd_create(name, MFD_CLOEXEC);
  if (fd < 0 || ::write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
    throw Error(fmt::format("cannot make a file in memory: '{}'", name));
  return fmt::format("/proc/self/fd/{}", fd);
}

// --- FuzzMachine ---

FuzzMachine::FuzzMachine(const Board& board, const BoardRequest& request, const std::function<void(Machine&)>& more) {
  root_ = qom::create<qom::Container>();
  machine_ = &root_->add_new_child<Machine>("machine");
  const MachineLock::Guard guard(system().lock);
  try {
    build(board, request, more);
  } catch (...) {
    machine_->power_off();
    throw;
  }
}

FuzzMachine::~FuzzMachine() {
  const MachineLock::Guard guard(system().lock);
  machine_->power_off();
  qom::unrealize_tree(*root_);
}

Device* FuzzMachine::device(const std::string& id) {
  for (const char* place : {"", "peripheral/"})
    if (auto* found = qom::cast<Device>(qom::resolve_path(*root_, fmt::format("/machine/{}{}", place, id))))
      return found;
  return nullptr;
}

void FuzzMachine::set_up() {
  qom::for_each<FirmwareSetup>(*machine_, [](FirmwareSetup& chip) { chip.set_up_as_firmware(); });
  std::uint32_t port = 0xc000, memory = 0xe0000000;
  qom::for_each<PciDevice>(*machine_, [&](PciDevice& function) {
    for (unsigned n = 0; n < PciDevice::kBars; ++n) {
      const std::uint64_t size = function.bar_size(n);
      const unsigned bar = pci::kBar0 + 4 * n;
      if (size == 0 || size > 0x10000000) continue;
      std::uint32_t& next = function.config_read(bar, 4) & pci::kBarIo ? port : memory;
      next = (next + static_cast<std::uint32_t>(size) - 1) & ~(static_cast<std::uint32_t>(size) - 1);
      function.config_write(bar, 4, next);
      next += static_cast<std::uint32_t>(size);
    }
    function.config_write(
        pci::kCommand, 2,
        pci::kCommandIo | pci::kCommandMemory | pci::kCommandBusMaster | function.config_read(pci::kCommand, 2));
  });
}

void FuzzMachine::add_backends(Board& board) {
  auto& backends = root_->add_new_child<qom::Container>("backends");
  for (BoardDevice& device : board.devices) {
    for (const qom::Property& p : class_of(device).properties()) {
      if (p.kind != qom::PropertyKind::Link) continue;
      const std::string id = fmt::format("{}-{}", device.id, p.name);
      if (p.link_type == CharBackend::kType) {
        backends.add_new_child<FuzzChardev>(id).set_event_loop(system().loop);
      } else if (p.link_type == BlockBackend::kType) {
        backends.add_new_child<FuzzDisk>(id).set_event_loop(system().loop);
      } else if (p.link_type == NetBackend::kType) {
        backends.add_new_child<FuzzNet>(id).set_host(system().loop, system().clock);
      } else {
        continue;
      }
      set(device, p.name, id);
    }
  }
  qom::realize_tree(backends);
}

void FuzzMachine::build(const Board& plan, const BoardRequest& request, const std::function<void(Machine&)>& more) {
  Board board = plan;
  add_backends(board);
  Faults faults;
  devices_ = compose_board(board, request, *machine_, {}, faults);
  faults.throw_if_any();
  machine_->set_ram({kRam});
  constexpr std::int64_t kEpoch = 1'000'000'000'000'000'000;  // 2001: the same day for each input
  system().host_clock.make_manual(kEpoch);
  machine_->set_accelerator(TypeRegistry::global().create_as<Accelerator>("qtest-accel"), 2);
  CpuConfig cpus;
  cpus.max = cpus.topology.sockets = 2;  // the other one may be plugged in
  cpus.type = board.cpus.type;
  machine_->add_cpus(cpus);
  configure_cpus(board, request, *machine_);
  if (more) more(*machine_);
  machine_->power_on(devices_);
  set_up();
  if (qom::first_of<FwCfg>(*machine_)) fill_firmware_data(*machine_, {});
  machine_->start();
}

// --- DeviceBoard ---

namespace {

struct LoadedBoard {
  Board board;
  BoardRequest request;
};

/// With all that a board has only when it is asked for.
LoadedBoard load(const std::string& name, const std::vector<std::string>& added) {
  LoadedBoard loaded;
  BoardRequest& request = loaded.request;
  request.firmware = config_scalar(rom_file(), {});
  request.serials = {true, true, true, true};
  request.default_nic = true;
  add_option(request.groups, "machine", parse_option("-M", name, "type").root());
  for (const std::string& device : added)
    add_option(request.groups, "device", parse_option("-device", device, "driver").root());
  Faults faults;
  std::optional<Board> board = load_board(request, BoardCatalog::standard(), faults);
  faults.throw_if_any();
  loaded.board = std::move(*board);
  return loaded;
}

/// Leaves what these and all that was added need.
void reduce(Board& board, std::vector<std::string> wanted) {
  for (const BoardDevice& device : board.devices)
    if (device.place != BoardDevice::Place::Board) wanted.push_back(device.id);
  for (const Setting& s : board.cpus.settings)
    for (const std::string& target : targets_in(s.text)) wanted.push_back(target);
  keep_what_is_needed(board, wanted);
}

}  // namespace

DeviceBoard::DeviceBoard(const std::string& type) {
  std::vector<std::string> wanted, added;
  for (const Company& c : kCompany)
    if (c.type == type) wanted = c.ids, added = c.added;
  const auto take_from = [&](LoadedBoard loaded) {
    const auto& devices = loaded.board.devices;
    const auto found = std::find_if(devices.begin(), devices.end(), [&](const auto& d) { return d.type == type; });
    if (found == devices.end()) return;
    const std::string id = found->id;
    wanted.push_back(id);
    reduce(loaded.board, wanted);
    wanted.pop_back();
    if (!board_.devices.empty() && board_.devices.size() <= devices.size()) return;
    board_ = std::move(loaded.board);
    request_ = std::move(loaded.request);
    id_ = id;
  };
  // Of the boards that have it, the one on which it needs least: all that is there is made anew for each input.
  Faults faults;
  for (const auto& entry : BoardCatalog::standard().list(faults)) {
    Faults unfit;  // the company may need a bus that another board has
    unfit.guard({}, [&] { take_from(load(entry.name, added)); });
  }
  if (board_.devices.empty()) {
    added.push_back(type + ",id=dut");
    take_from(load("pc", added));
  }
  if (board_.devices.empty()) throw Error(fmt::format("no board takes '{}'", type));
  finish();
}

DeviceBoard::DeviceBoard(const std::string& board, const std::vector<std::string>& ids,
                         const std::vector<std::string>& added) {
  LoadedBoard loaded = load(board, added);
  reduce(loaded.board, ids);
  board_ = std::move(loaded.board);
  request_ = std::move(loaded.request);
  finish();
}

void DeviceBoard::finish() {
  for (BoardDevice& device : board_.devices) {
    if (class_of(device).find_property("romfile")) set(device, "romfile", "");
    if (device.type == "pc-firmware") set(device, "file", rom_file());
  }
}

std::unique_ptr<FuzzMachine> DeviceBoard::make(std::uint32_t setting, const std::function<void(Machine&)>& more) const {
  if (setting == 0) return std::make_unique<FuzzMachine>(board_, request_, more);
  Board board = board_;
  for (BoardDevice& device : board.devices) {
    if (device.id != id_) continue;
    for (const qom::Property& p : class_of(device).properties()) {
      if (p.read_only || (p.kind != qom::PropertyKind::Bool && p.kind != qom::PropertyKind::Enum)) continue;
      const std::uint32_t choice = setting & 3;
      setting = setting >> 2 | setting << 30;
      if (choice == 0) continue;
      const bool flag = p.kind == qom::PropertyKind::Bool;
      set(device, p.name, flag ? (choice == 1 ? "on" : "off") : p.enum_values[choice % p.enum_values.size()]);
    }
  }
  try {
    return std::make_unique<FuzzMachine>(board, request_, more);
  } catch (const Error&) {
    return nullptr;
  }
}

}  // namespace machina::fuzz
