// A device type as a target: what a guest may do to its registers, and what may happen outside meanwhile.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>

#include "core/block/removable_media.h"
#include "core/display/display.h"
#include "core/display/input_sink.h"
#include "core/units.h"
#include "hw/acpi/power_button.h"
#include "hw/intc/apic.h"
#include "hw/intc/interrupt_acknowledge.h"
#include "hw/pci/pci_device.h"
#include "qom/find.h"
#include "tests/fuzz/coverage.h"
#include "tests/fuzz/device_board.h"
#include "tests/fuzz/fuzz_backends.h"
#include "tests/fuzz/operation.h"
#include "tests/fuzz/target.h"

namespace machina::fuzz {

namespace {

/// Types that are no targets of their own, and why. Anything else that is a device is one.
const std::map<std::string, const char*>& left_out() {
  static const std::map<std::string, const char*> types = {
      {"x86_64-cpu", "its registers belong to what executes it; its local APIC is the target 'apic'"},
      {"apic", "made by a CPU: every target has one, and the operation local-apic"},
      {"i440FX", "part of i440FX-pcihost, whose target reaches its configuration space"},
      {"direct-boot", "writes guest memory at a reset; target 'kernel'"},
      {"memory-tables", "writes guest memory at a reset; the tables are read through 'fw_cfg'"},
  };
  return types;
}

constexpr unsigned kKeyCodes = static_cast<unsigned>(QKeyCode::AcBookmarks) + 1;

/// Registers, or memory of a device, as a guest sees them.
struct Block {
  bool ports = false;
  std::uint64_t address = 0;
  std::uint64_t size = 0;
  std::string name;
};

/// An image to put into drives.
const std::string& medium_file() {
  static const std::string path = memory_file("medium", std::vector<std::uint8_t>(360 * 1024, 0x5a));
  return path;
}

/// What is visible of the machine; guest RAM is not.
std::vector<Block> blocks_of(System& system, const std::function<bool(const FlatRange&)>& wanted) {
  std::vector<Block> blocks;
  for (AddressSpace* space : {&system.io, &system.memory})
    for (const FlatRange& r : space->view()->ranges())
      if (r.ram != system.ram && wanted(r))
        blocks.push_back({space == &system.io, r.first, r.size(), r.region->name()});
  return blocks;
}

class DeviceTarget final : public Target {
 public:
  explicit DeviceTarget(const std::string& type) : board_(type) { learn(); }

  bool run(std::span<const std::uint8_t> input) override;
  std::size_t max_length() const override { return 256 * kRecord; }
  std::size_t mutate(std::uint8_t* data, std::size_t size, std::size_t max, std::uint32_t seed) override {
    return mutate_operations(data, size, max, seed);
  }
  std::vector<std::vector<std::uint8_t>> seeds() const override;
  std::string to_text(std::span<const std::uint8_t> input) const override;
  std::vector<std::uint8_t> from_text(std::string_view text) const override { return operations_from_text(text); }

 private:
  void learn();

  DeviceBoard board_;
  std::vector<Block> own_, all_;
};

/// One input at work.
class Session {
 public:
  Session(FuzzMachine& machine, const std::string& id, const std::vector<Block>& own, const std::vector<Block>& all)
      : m_(machine), device_(*machine.device(id)), own_(own), all_(all) {
    find(inputs_), find(lines_), find(disks_), find(networks_), find(acknowledgers_), find(displays_), find(functions_),
        find(buttons_), find(drives_);
  }

  void run(const std::vector<Operation>& list);

 private:
  template <class T>
  void find(std::vector<T*>& list) {
    qom::for_each<T>(m_.root(), [&](T& t) { list.push_back(&t); });
  }
  template <class T>
  static T* nth(const std::vector<T*>& list, unsigned n) {
    return list.empty() ? nullptr : list[n % list.size()];
  }

  void carry_out(const Operation& o, std::span<const Operation> rest);
  void access(const std::vector<Block>& blocks, const Operation& o, bool write, unsigned times);
  void configure(const Operation& o, bool write);
  void step(std::int64_t ns);
  void happen(const Operation& o);
  static void handle_medium(RemovableMedia& drive, const Operation& o);
  void frame(const Operation& o, std::span<const std::uint8_t> bytes);
  void local_apic(const Operation& o);
  void look();

  FuzzMachine& m_;
  Device& device_;
  const std::vector<Block>& own_;
  const std::vector<Block>& all_;
  std::vector<InputSink*> inputs_;
  std::vector<FuzzChardev*> lines_;
  std::vector<FuzzDisk*> disks_;
  std::vector<FuzzNet*> networks_;
  std::vector<InterruptAcknowledge*> acknowledgers_;
  std::vector<DisplaySource*> displays_;
  std::vector<PciDevice*> functions_;
  std::vector<PowerButton*> buttons_;
  std::vector<RemovableMedia*> drives_;
  MemoryDispatch io_{m_.system().io};
  MemoryDispatch memory_{m_.system().memory};
  std::size_t taken_ = 0;  // of the records that follow, as data
};

// --- what there is ---

void DeviceTarget::learn() {
  // The machine tells: what is no longer there when the device is gone was its own. Devices go in the order in which a
  // machine powers off. One without registers of its own (a disk) is reached through what drives its bus.
  const std::unique_ptr<FuzzMachine> machine = board_.make(0);
  if (!machine) fail("the board refuses the device");
  System& system = machine->system();
  const MachineLock::Guard guard(system.lock);
  const auto everything = [](const FlatRange&) { return true; };
  all_ = blocks_of(system, everything);
  const qom::Object* wanted = machine->device(board_.id());
  const std::vector<Device*> order = machine->devices();
  for (auto it = order.rbegin(); it != order.rend() && own_.empty(); ++it) {
    const std::vector<Block> with = blocks_of(system, everything);
    const Bus* bus = (*it)->parent_bus();
    qom::unrealize_tree(**it);
    if (*it != wanted) continue;
    const std::vector<Block> without = blocks_of(system, everything);
    for (const Block& b : with) {
      const bool stays = std::any_of(without.begin(), without.end(), [&](const Block& o) {
        return o.ports == b.ports && o.name == b.name && b.address >= o.address && b.address - o.address < o.size;
      });
      if (!stays) own_.push_back(b);
    }
    wanted = bus ? bus->parent() : nullptr;
  }
  if (own_.empty()) own_ = all_;
}

// --- what happens ---

bool DeviceTarget::run(std::span<const std::uint8_t> input) {
  const std::vector<Operation> list = decode(input);
  if (list.empty()) return false;
  Coverage coverage;
  // The first record is no operation: it says how the device is set up.
  std::unique_ptr<FuzzMachine> machine;
  {
    const StepLimit limit("making the machine");
    machine = board_.make(list[0].offset);
  }
  if (!machine) return false;
  Session session(*machine, board_.id(), own_, all_);
  Coverage::begin();
  session.run(list);
  coverage.end();
  const StepLimit limit("taking the machine down");
  machine.reset();
  return true;
}

void Session::run(const std::vector<Operation>& list) {
  for (std::size_t i = 1; i < list.size(); ++i) {
    const StepLimit limit(op_name(list[i].kind()));
    taken_ = 0;
    carry_out(list[i], std::span(list).subspan(i + 1));
    i += taken_;
    if (!(list[i].width & 0x80)) m_.system().loop.poll();
    if (m_.machine().run_state() == RunState::Shutdown) return;
  }
}

void Session::carry_out(const Operation& o, std::span<const Operation> rest) {
  System& system = m_.system();
  switch (o.kind()) {
    case Op::Read:
      return access(own_, o, false, 1);
    case Op::Write:
      return access(own_, o, true, 1);
    case Op::ReadMany:
      return access(own_, o, false, o.count + 2U);
    case Op::WriteMany:
      return access(own_, o, true, o.count + 2U);
    case Op::ConfigRead:
      return configure(o, false);
    case Op::ConfigWrite:
      return configure(o, true);
    case Op::Step:  // up to 69 s, and any order of magnitude below
      return step(static_cast<std::int64_t>(o.value % (std::uint64_t{1} << o.count % 37)));
    case Op::StepToTimer: {
      const std::int64_t due = system.clock.next_deadline(), now = system.clock.now_ns();
      return step(due == Clock::kNever ? 0 : std::clamp<std::int64_t>(due - now, 0, 100 * kNsPerSecond));
    }
    case Op::Ram:
      memory_.write(o.offset % FuzzMachine::kRam, o.bytes(), o.value);
      return;
    case Op::RamBlock: {
      taken_ = std::min<std::size_t>(rest.size(), o.data_records());
      const auto* bytes = reinterpret_cast<const std::uint8_t*>(rest.data());
      system.memory.write(o.offset % (FuzzMachine::kRam - 32 * kRecord), {bytes, taken_ * kRecord});
      return;
    }
    case Op::ReadAnywhere:
      return access(all_, o, false, 1);
    case Op::WriteAnywhere:
      return access(all_, o, true, 1);
    case Op::Event:
      return happen(o);
    case Op::Acknowledge: {
      const MachineLock::Guard guard(system.lock);
      if (auto* a = nth(acknowledgers_, o.region)) a->acknowledge();
      return;
    }
    case Op::LocalApic:
      return local_apic(o);
    case Op::Look:
      return look();
    case Op::Reset: {
      const MachineLock::Guard guard(system.lock);
      m_.machine().reset(ShutdownCause::HostQmpSystemReset);
      return m_.set_up();
    }
    case Op::Frame:
      taken_ = std::min<std::size_t>(rest.size(), o.data_records());
      return frame(o, {reinterpret_cast<const std::uint8_t*>(rest.data()), taken_ * kRecord});
    default:
      return;
  }
}

void Session::access(const std::vector<Block>& blocks, const Operation& o, bool write, unsigned times) {
  const Block& block = blocks[o.region % blocks.size()];
  const std::uint64_t address = block.address + o.offset % block.size;
  const Width width = block.ports ? std::min(o.bytes(), 4U) : o.bytes();
  MemoryDispatch& space = block.ports ? io_ : memory_;
  for (unsigned i = 0; i < times; ++i) {
    if (write) {
      const unsigned turn = i % 8 * 8;
      space.write(address, width, turn ? o.value >> turn | o.value << (64 - turn) : o.value);
    } else if (const std::uint64_t value = space.read(address, width); width < 8 && value >> width * 8) {
      fail(fmt::format("{}: a read of {} bytes gives {:#x}", block.name, width, value));
    }
  }
}

void Session::configure(const Operation& o, bool write) {
  auto* function = dynamic_cast<PciDevice*>(&device_);
  if (!function) function = nth(functions_, o.region);
  if (!function) return;
  const MachineLock::Guard guard(m_.system().lock);
  const Width width = std::min(o.bytes(), 4U);
  const unsigned offset = o.offset % ConfigLayout::kSize & ~(width - 1);
  if (write)
    return function->config_write(offset, width, static_cast<std::uint32_t>(o.value & (~0ULL >> (64 - 8 * width))));
  const std::uint32_t value = function->config_read(offset, width);
  if (width < 4 && value >> width * 8) fail(fmt::format("configuration space: {} bytes read as {:#x}", width, value));
}

void Session::step(std::int64_t ns) {
  // A timer that a guest sets to a microsecond must not make a minute of virtual time a minute of ours.
  constexpr unsigned kTimers = 256;
  System& system = m_.system();
  const MachineLock::Guard guard(system.lock);
  const std::int64_t end = system.clock.now_ns() + ns, host = system.host_clock.now_ns();
  const std::int64_t begin = system.clock.now_ns();
  for (unsigned i = 0; i < kTimers && system.clock.now_ns() < end; ++i)
    system.clock.step_to(std::clamp(system.clock.next_deadline(), system.clock.now_ns() + 1, end));
  system.host_clock.step_to(host + system.clock.now_ns() - begin);
}

void Session::happen(const Operation& o) {
  const MachineLock::Guard guard(m_.system().lock);
  FuzzChardev* line = nth(lines_, o.count);
  FuzzDisk* disk = nth(disks_, o.count);
  FuzzNet* network = nth(networks_, o.count);
  RemovableMedia* drive = nth(drives_, o.count);
  InputSink* input = nth(inputs_, o.count);
  switch (o.region & 31) {
    case 0:
      return input ? input->key(static_cast<QKeyCode>(o.offset % kKeyCodes), o.value & 1) : void();
    case 1:
      return input ? input->mouse_move(static_cast<int>(o.value), static_cast<int>(o.value >> 32),
                                       static_cast<int>(o.offset))
                   : void();
    case 2:
      return input ? input->mouse_button(static_cast<MouseButton>(o.offset % 5), o.value & 1) : void();
    case 3: {
      std::array<std::uint8_t, 8> bytes{};
      std::memcpy(bytes.data(), &o.value, bytes.size());
      return line ? void(line->send(std::span(bytes).first(1 + o.offset % bytes.size()))) : void();
    }
    case 4:
      return line ? line->send_break() : void();
    case 5:
      return line ? line->connect(o.value & 1) : void();
    case 6:
      return line ? line->set_room(o.value & 1 ? ~std::size_t{0} : o.offset % 8) : void();
    case 7:
      return disk ? disk->set_slow(o.value & 1) : void();
    case 8:
      return disk ? disk->complete_one() : void();
    case 9:
      return disk ? disk->set_error(o.value & 1 ? EIO : 0) : void();
    case 10:
      for (PowerButton* button : buttons_) button->press_power_button();
      return;
    case 11:
      return m_.machine().request_wakeup("other");
    case 12:
      return m_.machine().request_reset(ShutdownCause::GuestReset);
    case 13:
      return network ? network->set_link(o.value & 1) : void();
    case 14:
      return network ? network->set_echo(o.value & 1) : void();
    case 15:
      return drive ? handle_medium(*drive, o) : void();
    default:
      return;
  }
}

void Session::handle_medium(RemovableMedia& drive, const Operation& o) {
  RemovableMedia::Change change;
  change.filename = medium_file();
  change.read_only = true;  // the next input finds it as it was
  change.force = o.value & 8;
  try {
    switch (o.value & 7) {
      case 0:
        return drive.eject(o.value & 8);
      case 1:
        return drive.open_tray(o.value & 8);
      case 2:
        return drive.close_tray();
      case 3:
        return drive.remove_medium();
      default:
        return drive.change_medium(change);
    }
  } catch (const Error&) {  // what the drive refuses, it tells who asked
  }
}

void Session::frame(const Operation& o, std::span<const std::uint8_t> bytes) {
  FuzzNet* network = nth(networks_, o.region);
  if (!network) return;
  std::vector<std::uint8_t> frame(bytes.begin(), bytes.end());
  const std::uint32_t size = o.value >> 63 ? o.offset % (NetBackend::kMaxFrame + 1) : o.offset % 2048;
  frame.resize(std::max<std::size_t>(size, NetBackend::kMinFrame), static_cast<std::uint8_t>(o.value >> 48));
  // Most cards look at the destination first, and at a checksum's type.
  constexpr std::array<std::array<std::uint8_t, 6>, 4> kTo{{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
                                                            {0x52, 0x54, 0x00, 0x12, 0x34, 0x56},
                                                            {0x01, 0x00, 0x5e, 0x00, 0x00, 0x01}}};
  if (const unsigned to = o.value & 3; to != 3) std::copy(kTo[to].begin(), kTo[to].end(), frame.begin());
  if (o.value & 4) frame[12] = 0x08, frame[13] = 0x00;
  const MachineLock::Guard guard(m_.system().lock);
  network->inject(frame);
}

void Session::local_apic(const Operation& o) {
  const MachineLock::Guard guard(m_.system().lock);
  Apic* apic = m_.machine().cpus().cpus().at(0)->local_apic();
  if (!apic) return;
  std::uint64_t value = 0;
  switch (o.region % 6) {
    case 0:
      return void(apic->acknowledge());
    case 1:
      return void(apic->msr_write(0x1b, 0xfee00100 | (o.value & 0xc00)));
    case 2:
      return void(apic->msr_write(0x800 + o.offset % 0x40, o.value));
    case 3:
      return void(apic->msr_read(0x800 + o.offset % 0x40, value));
    case 4:
      return void(apic->mmio_read(o.offset % 0x400, 4));
    default:
      return apic->mmio_write(o.offset % 0x40 * 16, 4, static_cast<std::uint32_t>(o.value));
  }
}

void Session::look() {
  const MachineLock::Guard guard(m_.system().lock);
  for (DisplaySource* display : displays_) {
    const TextScreen text = display->text_screen();
    if (text.cells.size() != std::size_t{text.columns} * text.rows) fail("a text screen has another size than it says");
    const PixelScreen pixels = display->pixel_screen();
    if (pixels.pixels.size() != std::size_t{pixels.width} * pixels.height)
      fail("a screen has another size than it says");
  }
  qom::for_each<qom::Object>(device_, [](qom::Object& object) {
    for (const qom::Property& p : object.object_class().properties())
      if (p.get) (void)p.get(object).to_string();
  });
}

// --- for people, and to begin with ---

std::string DeviceTarget::to_text(std::span<const std::uint8_t> input) const {
  return operations_to_text(input, [this](const Operation& o) -> std::string {
    const bool anywhere = o.kind() == Op::ReadAnywhere || o.kind() == Op::WriteAnywhere;
    if (!anywhere && o.kind() > Op::WriteMany) return {};
    const Block& block = anywhere ? all_[o.region % all_.size()] : own_[o.region % own_.size()];
    return fmt::format("{}+{:x}", block.name, o.offset % block.size);
  });
}

std::vector<std::vector<std::uint8_t>> DeviceTarget::seeds() const {
  std::vector<std::vector<std::uint8_t>> seeds;
  const auto keep = [&](const std::vector<Operation>& list) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(list.data());
    seeds.emplace_back(bytes, bytes + std::min(list.size() * kRecord, max_length()));
  };
  const auto operation = [](Op op, unsigned width, std::size_t region, std::uint64_t offset, std::uint64_t value) {
    Operation o;
    o.op = static_cast<std::uint8_t>(op);
    o.width = static_cast<std::uint8_t>(width);
    o.region = static_cast<std::uint8_t>(region);
    o.offset = static_cast<std::uint32_t>(offset);
    o.value = value;
    return o;
  };
  // All registers of each block are read and written, in each width.
  constexpr std::uint64_t kMost = 16;
  for (std::size_t region = 0; region < std::min<std::size_t>(own_.size(), 8); ++region) {
    for (unsigned width = 0; width < 3; ++width) {
      std::vector<Operation> list(1);
      for (std::uint64_t at = 0; at < std::min(own_[region].size, kMost << width); at += std::uint64_t{1} << width) {
        list.push_back(operation(Op::Read, width, region, at, 0));
        list.push_back(operation(Op::Write, width, region, at, at % 2 ? ~std::uint64_t{0} : 1));
      }
      list.push_back(operation(Op::StepToTimer, 0, 0, 0, 0));
      list.push_back(operation(Op::Look, 0, 0, 0, 0));
      keep(list);
    }
  }
  return seeds;
}

}  // namespace

std::vector<TargetInfo> device_targets() {
  std::vector<TargetInfo> targets;
  qom::TypeRegistry& registry = qom::TypeRegistry::global();
  for (const std::string& type : registry.names(Device::kType)) {
    if (left_out().contains(type)) continue;
    targets.push_back(
        {type, registry.class_of(type).description, [type] { return std::make_unique<DeviceTarget>(type); }});
  }
  return targets;
}

}  // namespace machina::fuzz
