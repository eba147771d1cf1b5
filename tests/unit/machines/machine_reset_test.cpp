// A reset leaves nothing behind: a board that a guest has written garbage all over and that was reset cannot be told
// from one that was reset only, by anything that a guest or a user may look at. For each board, and for each type of
// device that a user may add, found in the registry.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <sstream>

#include "core/units.h"
#include "hw/base/bus.h"
#include "hw/intc/apic.h"
#include "hw/pci/pci_device.h"
#include "machines/hotplug.h"
#include "tests/support/board_machine.h"

namespace machina::test {
namespace {

using Arguments = std::vector<std::string>;

/// An access of the guest and what came of it, for a message.
struct Step {
  std::string what;
  std::uint64_t value = 0;
  friend bool operator==(const Step&, const Step&) = default;
};

/// A guest that reads and writes anything anywhere that anybody answers, always in the same way for one seed.
class WildGuest {
 public:
  WildGuest(BoardMachine& machine, unsigned seed) : m_(machine), engine_(seed) {}

  /// Registers that it keeps away from.
  void spare(std::function<bool(const FlatRange&, Offset, bool writes)> spared) { spared_ = std::move(spared); }

  std::vector<Step> run(unsigned accesses) {
    std::vector<Step> steps;
    for (unsigned i = 0; i < accesses; ++i) {
      if (i == accesses / 4) m_.set_up_pci();
      if (random() % 32 == 0) m_.step(static_cast<std::int64_t>(random() % 3'000'000));
      if (random() % 8 == 0) any_config();
      if (random() % 16 == 0) any_apic(steps);
      any_access(steps);
      m_.settle();
    }
    return steps;
  }

 private:
  std::uint32_t random() { return static_cast<std::uint32_t>(engine_()); }
  std::uint64_t value() {
    static constexpr std::uint64_t kLikely[] = {0, 1, 2, 0x10, 0x20, 0x80, 0xff, 0xffff, ~std::uint64_t{0}};
    return random() % 3 ? random() & 0xff : random() % 2 ? kLikely[random() % std::size(kLikely)] : random();
  }

  void any_access(std::vector<Step>& steps) {
    AddressSpace& space = random() % 3 ? m_.system().io : m_.system().memory;
    const auto view = space.view();
    std::vector<FlatRange> registers;
    for (const FlatRange& r : view->ranges())
      if (!r.is_ram()) registers.push_back(r);
    if (registers.empty()) return;
    const FlatRange& range = registers[random() % registers.size()];
    const Offset at = random() % std::min<std::uint64_t>(range.size(), random() % 4 ? 0x40 : 0x1000);
    const Widths widths = static_cast<const IoRegion*>(range.region)->widths();
    const Width width = random() % 4 ? widths.min : widths.max;
    const bool writes = random() % 5 < 3;
    const std::uint64_t written = value();
    const std::string what = fmt::format("{} {} {}+{:#x}, {} bytes", space.name(), writes ? "write" : "read",
                                         range.region->name(), range.offset + at, width);
    if (spared_ && spared_(range, at, writes)) return;
    const bool port = &space == &m_.system().io;
    const std::uint64_t address = range.first + at;
    if (writes) {
      port ? m_.out(static_cast<std::uint16_t>(address), written, width) : m_.write(address, written, width);
      steps.push_back({what, written});
    } else {
      steps.push_back({what, port ? m_.in(static_cast<std::uint16_t>(address), width) : m_.read(address, width)});
    }
  }
  void any_config() {
    if (!m_.system().io.view()->find(0xcf8)) return;
    const unsigned slot = random() % 8, function = slot == 1 ? random() % 4 : 0;
    const std::uint32_t before = m_.pci_read({slot, function}, random() & 0xfc);
    m_.out(0xcfc, random() % 2 ? before ^ (1U << random() % 32) : random(), 4);
  }
  void any_apic(std::vector<Step>& steps) {
    Apic* apic = m_.machine().cpus().cpus().front()->local_apic();
    if (!apic) return;
    const MachineLock::Guard guard(m_.system().lock);
    const std::uint64_t reg = random() % 0x40 * 16, written = random() % 2 ? random() & 0x700ff : random();
    if (random() % 4 == 0) steps.push_back({"INTA", static_cast<std::uint64_t>(apic->acknowledge())});
    if (random() % 2) {
      apic->mmio_write(reg, 4, written);
    } else {
      steps.push_back({fmt::format("APIC {:#x}", reg), apic->mmio_read(reg, 4)});
    }
  }

  BoardMachine& m_;
  std::mt19937 engine_;
  std::function<bool(const FlatRange&, Offset, bool)> spared_;
};

/// All that can be seen of a machine without touching it.
std::map<std::string, std::string> picture(BoardMachine& m) {
  std::map<std::string, std::string> seen;
  const MachineLock::Guard guard(m.system().lock);
  System& s = m.system();
  for (const AddressSpace* space : {&s.memory, &s.io}) seen[space->name()] = space->view()->describe();
  seen["smram"] = FlatView::render(s.smram_root).describe();
  const auto until = [](const Clock& clock) {
    const std::int64_t next = clock.next_deadline();
    return next == Clock::kNever ? std::string("never") : fmt::format("{}", next - clock.now_ns());
  };
  seen["next timer"] = until(s.clock);
  seen["next timer of host time"] = until(s.host_clock);
  qom::for_each<Device>(m.machine(), [&](Device& d) {
    for (const qom::Property& p : d.object_class().properties())
      if (p.get) seen[d.path() + "." + p.name] = d.get(p.name).to_string();
    for (const DeviceClass::Input& input : d.device_class().inputs()) {
      std::string levels;
      IrqInBank& bank = input.bank(d);
      for (unsigned n = 0; n < bank.size(); ++n) levels += bank[n].level() ? '1' : '0';
      seen[d.path() + " input " + input.name] = levels;
    }
    for (const DeviceClass::Output& output : d.device_class().outputs()) {
      std::string levels;
      for (const IrqOut* pin : output.pins(d)) levels += pin->level() ? '1' : '0';
      seen[d.path() + " output " + output.name] = levels;
    }
  });
  for (X86Cpu* cpu : m.machine().cpus().cpus()) {
    const X86State fresh = X86State::at_reset(cpu->signature(), cpu->bootstrap(), cpu->apic_id());
    for (const std::string& difference : differences(fresh, cpu->state())) seen[cpu->path() + " state"] += difference;
    seen[cpu->path()] = fmt::format("interrupt {} a20 {}", cpu->interrupt_pending(), cpu->a20_enabled());
  }
  return seen;
}

/// Memory is no device's state: both machines get the same. So is what is on a disk.
class Garbage {
 public:
  explicit Garbage(const Arguments& arguments, const std::vector<std::string>& disks) : m(arguments) {
    for (const std::string& name : disks) {
      std::ifstream file(name, std::ios::binary);
      disks_[name] = std::string(std::istreambuf_iterator<char>(file), {});
    }
  }

  /// What a guest may do that a reset does not undo: the time and memory of the clock, a card that was let go.
  static bool lasts(const FlatRange& range, Offset offset, bool writes) {
    const std::string& name = range.region->name();
    if (name == "mc146818rtc") return writes && range.offset + offset == 1;
    return name == "acpi-pci-hotplug" && writes && range.offset + offset == 8;
  }
  /// What a guest may still see of it: video memory is kept as all memory is.
  static bool shows_memory(const FlatRange& range, Offset, bool writes) {
    return range.region->name() == "vga-lowmem" && !writes;
  }

  void leave_only_what_reset_leaves() {
    m.settle();
    m.step(kNsPerSecond - (m.system().clock.now_ns() % kNsPerSecond));
    m.settle();
    for (const auto& [name, bytes] : disks_) {
      std::fstream file(name, std::ios::binary | std::ios::in | std::ios::out);
      file << bytes;
    }
    m.reset();
    const MachineLock::Guard guard(m.system().lock);
    std::memset(m.system().ram->host(), 0, m.system().ram->size());
  }

  BoardMachine m;

 private:
  std::map<std::string, std::string> disks_;
};

class MachineReset : public testing::Test {
 protected:
  MachineReset() : folder_(std::filesystem::temp_directory_path() / fmt::format("machina-reset-{}", ::getpid())) {
    std::filesystem::create_directories(folder_);
  }
  ~MachineReset() override { std::filesystem::remove_all(folder_); }

  /// A disk image of 1 MiB, alike for all that are called differently.
  std::string disk(const std::string& stem) const {
    const std::string name = (folder_ / (stem + ".img")).string();
    std::string bytes(1 << 20, '\0');
    for (std::size_t i = 0; i < bytes.size(); i += 512) bytes[i] = static_cast<char>(i / 512 + 1);
    std::ofstream(name, std::ios::binary) << bytes;
    return name;
  }

  /// Empty, or the first thing that garbage before the reset has changed. `disk_count` of -drive are in `arguments`
  /// as {0}, {1}.
  std::string difference(const Arguments& arguments, unsigned seed, unsigned accesses, unsigned disk_count = 0) {
    std::array<std::vector<std::string>, 2> disks;
    std::array<Arguments, 2> of{arguments, arguments};
    for (unsigned i = 0; i < 2; ++i) {
      for (unsigned n = 0; n < disk_count; ++n) {
        disks[i].push_back(disk(fmt::format("{}-{}", n, i)));
        for (std::string& a : of[i]) {
          const std::string mark = fmt::format("{{{}}}", n);
          if (const std::size_t at = a.find(mark); at != std::string::npos) a.replace(at, mark.size(), disks[i][n]);
        }
      }
    }
    Garbage calm(of[0], disks[0]), wild(of[1], disks[1]);
    {
      WildGuest guest(wild.m, seed);
      guest.spare(Garbage::lasts);
      guest.run(accesses);
    }
    const std::int64_t passed = wild.m.system().clock.now_ns();
    wild.leave_only_what_reset_leaves();
    calm.m.step(passed);
    calm.leave_only_what_reset_leaves();
    const auto before = picture(calm.m), after = picture(wild.m);
    std::string differs;
    for (const auto& [what, seen] : before)
      if (after.at(what) != seen) differs += fmt::format("{}: '{}' instead of '{}'\n", what, after.at(what), seen);
    if (!differs.empty()) return differs;

    const auto steps = [&](BoardMachine& m) {
      WildGuest guest(m, seed + 1);
      guest.spare(Garbage::shows_memory);
      return guest.run(accesses);
    };
    const std::vector<Step> expected = steps(calm.m), found = steps(wild.m);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      if (i < found.size() && found[i] == expected[i]) continue;
      const Step other = i < found.size() ? found[i] : Step{"nothing"};
      return fmt::format("step {}: {} gave {:#x} instead of {:#x} ({})", i, expected[i].what, other.value,
                         expected[i].value, other.what);
    }
    return {};
  }

 private:
  std::filesystem::path folder_;
};

TEST_F(MachineReset, NothingOfABoardIsLeftBehind) {
  const std::map<std::string, std::pair<Arguments, unsigned>> boards{
      {"pc", {{"-drive", "file={0},format=raw", "-smp", "2"}, 1}},
      {"isapc", {{"-drive", "file={0},format=raw"}, 1}},
      {"microvm", {{}, 0}},
      {"teaching", {{"-serial", "null"}, 0}},
  };
  for (const auto& [board, with] : boards) {
    Arguments arguments{"-M", board, "-m", "4M", "-rtc", "base=2026-11-22"};
    arguments.insert(arguments.end(), with.first.begin(), with.first.end());
    for (const unsigned seed : {1U, 2U, 41U})
      EXPECT_EQ(difference(arguments, seed, 2000, with.second), "") << board << ", seed " << seed;
  }
}

/// -device and what it needs, for a type that a user may add to a PC.
struct AddedDevice {
  Arguments arguments;
  unsigned disks = 0;
};

AddedDevice with_backends(const qom::ObjectClass& type) {
  AddedDevice added;
  std::string spec = type.name();
  for (const qom::Property& p : type.properties()) {
    if (p.kind != qom::PropertyKind::Link) continue;
    if (p.link_type == "block-backend") {
      spec += ",drive=disk0";
      added.arguments.insert(added.arguments.end(), {"-drive", "if=none,id=disk0,file={0},format=raw"});
      added.disks = 1;
    } else if (p.link_type == "chardev") {
      spec += ",chardev=null0";
      added.arguments.insert(added.arguments.end(), {"-chardev", "null,id=null0"});
    }
  }
  added.arguments.insert(added.arguments.end(), {"-device", spec});
  return added;
}

/// Types of the devices that boards have by themselves; of most there can be only one.
std::set<std::string> types_on_boards() {
  std::set<std::string> types;
  for (const char* board : {"pc", "isapc", "microvm"}) {
    BoardMachine m({"-M", board, "-m", "4M"});
    qom::for_each<Device>(m.machine(), [&](Device& d) { types.insert(d.type_name()); });
  }
  return types;
}

TEST_F(MachineReset, NothingOfAnyDeviceIsLeftBehind) {
  const std::set<std::string> on_boards = types_on_boards();
  qom::TypeRegistry& registry = qom::TypeRegistry::global();
  unsigned tried = 0;
  for (const std::string& type : registry.names(Device::kType)) {
    const auto& c = dynamic_cast<const DeviceClass&>(registry.class_of(type));
    const bool of_a_bus = c.bus_type == "isa-bus" || c.bus_type == "pci-bus" || c.bus_type == "ide-bus";
    if (!c.user_creatable || !of_a_bus || type.starts_with("test-") || type.starts_with("kvm-")) continue;
    const AddedDevice added = with_backends(c);
    Arguments arguments{"-M", "pc", "-nodefaults", "-m", "4M", "-rtc", "base=2026-11-22"};
    arguments.insert(arguments.end(), added.arguments.begin(), added.arguments.end());
    try {
      EXPECT_EQ(difference(arguments, 7, 1500, added.disks), "") << type;
      ++tried;
    } catch (const Error& e) {
      EXPECT_TRUE(on_boards.contains(type)) << type << " cannot be added: " << e.what();
    }
  }
  EXPECT_GT(tried, 5U);
}

TEST_F(MachineReset, RequestsOfADiskInFlightAreOverBefore) {
  const std::string image = disk("flight");
  BoardMachine m({"-M", "pc", "-nodefaults", "-m", "4M", "-drive", "file=" + image + ",format=raw"});
  const auto prepare = [&] {
    m.set_up_pci();
    m.pci_write({1, 1}, 0x40, 0x80008000);  // both channels decode
    const std::uint32_t engine = m.pci_read({1, 1}, pci::kBar0 + 16) & ~3U;
    m.write(0x1000, 0x2000, 4), m.write(0x1004, 0x80000000 | 4096, 4);  // one region
    m.out(static_cast<std::uint16_t>(engine + 4), 0x1000, 4);
    return static_cast<std::uint16_t>(engine);
  };
  const auto command = [&](unsigned opcode) {
    m.out(0x1f6, 0xe0), m.out(0x1f2, 8), m.out(0x1f3, 16), m.out(0x1f4, 0), m.out(0x1f5, 0), m.out(0x1f7, opcode);
  };
  constexpr unsigned kReadDma = 0xc8, kWriteDma = 0xca;
  for (unsigned round = 0; round < 20; ++round) {
    for (const unsigned opcode : {kReadDma, kWriteDma}) {
      const std::uint16_t engine = prepare();
      for (unsigned i = 0; i < 4096; i += 8) m.write(0x2000 + i, 0x1111111111111111U * (round % 15 + 1), 8);
      command(opcode);
      m.out(engine, opcode == kReadDma ? 9 : 1);
      {
        const MachineLock::Guard guard(m.system().lock);
        m.machine().reset(ShutdownCause::HostQmpSystemReset);
      }
      const std::uint64_t after = m.read(0x2000, 8);
      m.settle();
      EXPECT_EQ(m.read(0x2000, 8), after) << "memory changes behind the reset's back";
      prepare();
      EXPECT_EQ(m.in(0x1f7), 0x50U) << "ready";
      EXPECT_EQ(m.in(0x1f1), 1U) << "diagnostic passed";
      EXPECT_EQ(m.in(engine) | (m.in(static_cast<std::uint16_t>(engine + 2)) & 7), 0U) << "the engine is off";
    }
    // A write that was accepted is on the disk as a whole.
    std::ifstream file(image, std::ios::binary);
    std::string bytes(4096, '\0');
    file.seekg(std::streamoff{16} * 512);
    file.read(bytes.data(), 4096);
    EXPECT_EQ(bytes, std::string(4096, static_cast<char>(0x11 * (round % 15 + 1))));
  }
}

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * 4096;
}

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr unsigned kCycles = 500;  // whose allocator keeps what was freed: descriptors only
#else
constexpr unsigned kCycles = 10'000;
#endif

/// Runs `cycle` often, and expects that the process is then as large as before.
template <class F>
void expect_no_growth(unsigned cycles, F&& cycle) {
  for (unsigned n = 0; n < cycles / 10; ++n) cycle(n);
  const std::size_t memory = resident_bytes(), descriptors = open_descriptors();
  for (unsigned n = 0; n < cycles; ++n) cycle(n);
  EXPECT_EQ(open_descriptors(), descriptors);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LE(resident_bytes(), memory + (512 << 10)) << "of " << memory;
#else
  (void)memory;
#endif
}

TEST_F(MachineReset, TenThousandOfThemTakeNoMemoryAndNoDescriptor) {
  BoardMachine m({"-M", "pc", "-m", "4M", "-drive", "file=" + disk("soak") + ",format=raw"});
  WildGuest guest(m, 3);
  unsigned resets = 0;
  m.machine().add_observer([&](const Machine::EventData& e) { resets += e.event == Machine::Event::Reset ? 1 : 0; });
  expect_no_growth(kCycles, [&](unsigned n) {
    if (n % 100 == 0) m.set_up_pci(), guest.run(20);
    m.out(0xcf9, 0x06);
    m.settle();
  });
  EXPECT_GE(resets, kCycles + kCycles / 10);
}

constexpr std::uint16_t kEject = 0xae08;

TEST_F(MachineReset, TenThousandCardsThatComeAndGoTakeNoMemoryAndNoDescriptor) {
  BoardMachine m({"-M", "pc", "-nodefaults", "-m", "4M"});
  unsigned deleted = 0;
  m.machine().add_observer([&](const Machine::EventData& e) { deleted += e.name == "DEVICE_DELETED" ? 1 : 0; });
  expect_no_growth(kCycles, [&](unsigned n) {
    {
      const MachineLock::Guard guard(m.system().lock);
      constexpr const char* kCards[] = {"ne2k_pci", "rtl8139", "e1000"};
      Device& card = hotplug_device(m.machine(), kCards[n % 3], "card", {{"addr", "7"}, {"romfile", ""}});
      if (n % 4 == 0) request_unplug(m.machine(), card);
    }
    if (n % 5 == 0) m.set_up_pci();
    m.out(kEject, 1U << 7, 4);
    m.settle();
  });
  EXPECT_EQ(deleted, kCycles + kCycles / 10);
}

TEST_F(MachineReset, ACardThatTheGuestWasAskedToLetGoIsGoneAfterwards) {
  BoardMachine m({"-M", "pc", "-nodefaults", "-m", "4M"});
  std::string events;
  m.machine().add_observer([&](const Machine::EventData& e) {
    if (e.event == Machine::Event::Reset) events += "RESET ";
    if (e.event == Machine::Event::Other) events += std::string(e.name) + " ";
  });
  {
    const MachineLock::Guard guard(m.system().lock);
    hotplug_device(m.machine(), "ne2k_pci", "stays", {{"addr", "6"}});
    request_unplug(m.machine(), hotplug_device(m.machine(), "ne2k_pci", "goes", {{"addr", "7"}}));
  }
  EXPECT_NE(m.pci_read({7, 0}, 0), 0xffffffffU) << "the guest is free to ignore it";
  m.out(0xcf9, 0x06);
  m.settle();
  EXPECT_EQ(events, "DEVICE_DELETED RESET ");
  EXPECT_EQ(m.pci_read({7, 0}, 0), 0xffffffffU);
  EXPECT_NE(m.pci_read({6, 0}, 0), 0xffffffffU);
}

}  // namespace
}  // namespace machina::test
