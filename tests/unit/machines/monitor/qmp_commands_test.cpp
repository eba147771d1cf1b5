// Commands beyond those of the protocol itself, each against its description in QEMU's schema.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/fd_sets.h"
#include "core/memory/peekable_memory.h"
#include "tests/support/monitor_fixture.h"
#include "tests/support/test_paths.h"

namespace machina::test {
namespace {

class QmpCommandsTest : public MonitorTest {
 protected:
  QmpCommandsTest() { negotiate(); }
  static std::string content(const std::string& path) {
    std::ostringstream out;
    out << std::ifstream(path, std::ios::binary).rdbuf();
    return out.str();
  }
};

TEST_F(QmpCommandsTest, TellWhatTheMachineIs) {
  EXPECT_EQ(to_json(run("query-target")), R"({"arch": "x86_64"})");
  EXPECT_EQ(to_json(run("query-current-machine")), R"({"wakeup-suspend-support": false})");
  EXPECT_EQ(to_json(run("query-memory-size-summary")), R"({"base-memory": 0, "plugged-memory": 0})");
  EXPECT_EQ(to_json(run("query-memdev")), "[]");
  EXPECT_EQ(to_json(run("query-memory-devices")), "[]");
  EXPECT_EQ(to_json(run("query-iothreads")), "[]");
  EXPECT_EQ(to_json(run("query-pci")), "[]");
  EXPECT_EQ(to_json(run("query-named-block-nodes")), "[]");
  EXPECT_EQ(to_json(run("query-blockstats")), "[]");
  EXPECT_EQ(refusal_of("query-balloon", "{}"), "DeviceNotActive: No balloon device has been activated");
  EXPECT_EQ(refusal_of("query-vm-generation-id", "{}"), "GenericError: VM Generation ID device not found");
  EXPECT_EQ(refusal_of("query-hotpluggable-cpus", "{}"), "GenericError: machine does not support hot-plugging CPUs");
  EXPECT_EQ(refusal_of("system_wakeup", "{}"), "GenericError: Unable to wake up: guest is not in suspended state");
  {
    const MachineLock::Guard guard(system().lock);
    RamConfig ram;
    ram.size = 2 << 20;
    machine_->set_ram(ram);
  }
  EXPECT_EQ(to_json(run("query-memory-size-summary")), R"({"base-memory": 2097152, "plugged-memory": 0})");
  EXPECT_EQ(std::get<ValueList>(run("query-memdev").get()).size(), 1U);
}

TEST_F(QmpCommandsTest, BoardsAreListed) {
  const Value list = run("query-machines");
  std::set<std::string> found;
  for (const Value& m : std::get<ValueList>(list.get())) {
    const std::string name = member(m, "name")->to_string();
    found.insert(name);
    if (name != "pc") continue;
    EXPECT_EQ(*member(m, "is-default"), Value(true));
    EXPECT_EQ(*member(m, "hotpluggable-cpus"), Value(true));
    EXPECT_EQ(member(m, "cpu-max")->to_string(), "255");
    EXPECT_EQ(member(m, "alias")->to_string(), "pc-i440fx-1.0");
  }
  EXPECT_TRUE(found.contains("pc") && found.contains("isapc") && found.contains("none"));
}

TEST_F(QmpCommandsTest, CpuModelsAreListedAndExpanded) {
  EXPECT_TRUE(names(run("query-cpu-definitions")).contains("qemu64"));
  EXPECT_EQ(refusal_of("query-cpu-model-expansion", R"({"type": "full", "model": {"name": "qemu64"}})"),
            "GenericError: the accelerator of this machine runs no CPUs");
}

TEST_F(QmpCommandsTest, OptionsOfTheCommandLine) {
  const Value all = run("query-command-line-options");
  EXPECT_GT(std::get<ValueList>(all.get()).size(), 30U);
  const std::string rtc = to_json(run("query-command-line-options", R"({"option": "rtc"})"));
  EXPECT_NE(rtc.find(R"("name": "clock", "type": "string")"), std::string::npos) << rtc;
  const std::string boot = to_json(run("query-command-line-options", R"({"option": "boot"})"));
  EXPECT_NE(boot.find(R"({"name": "menu", "type": "boolean"})"), std::string::npos) << boot;
  EXPECT_EQ(refusal_of("query-command-line-options", R"({"option": "x"})"), "GenericError: invalid option name: x");
}

TEST_F(QmpCommandsTest, TheSchemaIsAnswered) {
  const Value schema = run("query-qmp-schema");
  bool found = false;
  for (const Value& info : std::get<ValueList>(schema.get())) {
    if (member(info, "name")->to_string() != "STOP") continue;
    found = true;
    EXPECT_EQ(member(info, "meta-type")->to_string(), "event");
  }
  EXPECT_TRUE(found);
}

TEST_F(QmpCommandsTest, BackendsComeAndGo) {
  EXPECT_TRUE(names(run("query-chardev-backends")).contains("socket"));
  EXPECT_FALSE(names(run("query-chardev-backends")).contains("mux-port"));
  const std::string dir = testing::TempDir();
  run("chardev-add", R"({"id": "n", "backend": {"type": "null", "data": {}}})");
  run("chardev-add", R"({"id": "r", "backend": {"type": "ringbuf", "data": {"size": 4096}}})");
  run("chardev-add",
      fmt::format(R"({{"id": "f", "backend": {{"type": "file", "data": {{"out": "{}machina-f"}}}}}})", dir));
  run("chardev-add", fmt::format(R"({{"id": "s", "backend": {{"type": "socket", "data": {{"addr": {{"type": "unix",
                     "data": {{"path": "{}machina-s"}}}}}}}}}})",
                                 dir));
  const Value pty = run("chardev-add", R"({"id": "p", "backend": {"type": "pty", "data": {}}})");
  EXPECT_TRUE(member(pty, "pty")->to_string().starts_with("/dev/"));
  const std::string all = to_json(run("query-chardev"));
  EXPECT_NE(all.find("disconnected:unix:"), std::string::npos) << all;
  EXPECT_EQ(refusal_of("chardev-add", R"({"id": "n", "backend": {"type": "null", "data": {}}})"),
            "GenericError: Chardev with id 'n' already exists");
  EXPECT_EQ(refusal_of("chardev-add", R"({"id": "x", "backend": {"type": "vc", "data": {}}})"),
            "GenericError: Parameter 'type' does not accept value 'vc'");
  EXPECT_EQ(refusal_of("chardev-add", R"({"id": "x", "backend": {"type": "file", "data": {}}})"),
            "GenericError: Parameter 'backend.data.out' is missing");
  EXPECT_TRUE(refusal_of("chardev-add", R"({"id": "x", "backend": {"type": "socket", "data": {"wait": true,
                         "addr": {"type": "unix", "data": {"path": "/x"}}}}})")
                  .starts_with("GenericError: a machine"));
  EXPECT_TRUE(refusal_of("chardev-add", R"({"id": "x", "backend": {"type": "file", "data": {"out": "/nowhere/x"}}})")
                  .starts_with("GenericError: cannot open"));
  EXPECT_EQ(to_json(run("query-chardev")), all) << "what failed left nothing";
  run("chardev-change", R"({"id": "n", "backend": {"type": "ringbuf", "data": {}}})");
  EXPECT_EQ(to_json(run("qom-get", R"({"path": "/chardevs/n", "property": "type"})")), "\"chardev-ringbuf\"");
  EXPECT_TRUE(refusal_of("chardev-change", R"({"id": "n", "backend": {"type": "file", "data": {"out": "/nowhere/x"}}})")
                  .starts_with("GenericError: cannot open"));
  EXPECT_EQ(to_json(run("qom-get", R"({"path": "/chardevs/n", "property": "type"})")), "\"chardev-ringbuf\"")
      << "the old one is back";
  EXPECT_EQ(refusal_of("chardev-change", R"({"id": "qmp0-chardev", "backend": {"type": "null", "data": {}}})"),
            "GenericError: Chardev user does not support chardev hotswap");
  EXPECT_EQ(refusal_of("chardev-change", R"({"id": "x", "backend": {"type": "null", "data": {}}})"),
            "GenericError: Chardev 'x' does not exist");
  for (const char* id : {"n", "r", "f", "s", "p"}) run("chardev-remove", fmt::format(R"({{"id": "{}"}})", id));
  EXPECT_EQ(refusal_of("chardev-remove", R"({"id": "n"})"), "GenericError: Chardev 'n' not found");
  EXPECT_EQ(refusal_of("chardev-remove", R"({"id": "qmp0-chardev"})"), "GenericError: Chardev 'qmp0-chardev' is busy");
  EXPECT_FALSE(std::filesystem::exists(dir + "machina-s")) << "the socket is gone with it";
  std::filesystem::remove(dir + "machina-f");
  run("chardev-send-break", R"({"id": "ring"})");
  EXPECT_EQ(refusal_of("chardev-send-break", R"({"id": "x"})"), "GenericError: Chardev 'x' not found");
}

TEST_F(QmpCommandsTest, DescriptorsAreNamedAndCollected) {
  EXPECT_EQ(refusal_of("getfd", R"({"fdname": "x"})"), "GenericError: No file descriptor supplied via SCM_RIGHTS");
  EXPECT_EQ(refusal_of("add-fd", "{}"), "GenericError: No file descriptor supplied via SCM_RIGHTS");
  EXPECT_EQ(refusal_of("closefd", R"({"fdname": "x"})"), "GenericError: File descriptor named 'x' not found");
  EXPECT_EQ(refusal_of("remove-fd", R"({"fdset-id": 4})"),
            "GenericError: File descriptor named 'fdset-id:4' not found");
  EXPECT_EQ(to_json(run("query-fdsets")), "[]");
  const auto pass = [&] { client_->chardev->fds.push_back(::open("/dev/null", O_RDONLY | O_CLOEXEC)); };
  pass();
  EXPECT_EQ(refusal_of("getfd", R"({"fdname": "1x"})"),
            "GenericError: Parameter 'fdname' expects a name not starting with a digit");
  pass();
  run("getfd", R"({"fdname": "x"})");
  run("closefd", R"({"fdname": "x"})");
  pass();
  const Value added = run("add-fd", R"({"fdset-id": 7, "opaque": "disk"})");
  EXPECT_EQ(*member(added, "fdset-id"), Value(7));
  EXPECT_NE(to_json(run("query-fdsets")).find(R"("opaque": "disk")"), std::string::npos);
  run("remove-fd", fmt::format(R"({{"fdset-id": 7, "fd": {}}})", member(added, "fd")->to_string()));
  EXPECT_EQ(to_json(run("query-fdsets")), "[]");
}

/// Memory behind registers, as a VGA has it: whoever reads it as a guest leaves a trace.
class WindowWithTraces final : public qom::Object, public PeekableMemory {
 public:
  static constexpr const char* kType = "test-window-with-traces";
  static void class_init(qom::ObjectClass& c) { c.description = "Test"; }
  bool peek(const MemoryRegion& region, Offset offset, std::span<std::uint8_t> to) const override {
    if (&region != &window || offset >= 0x8000) return false;
    for (std::uint8_t& byte : to) byte = static_cast<std::uint8_t>('a' + offset++);
    return true;
  }
  unsigned reads = 0;
  IoRegion window{"window",
                  0x10000,
                  Widths{1, 8, true},
                  [this](Offset, Width) -> IoResult {
                    ++reads;
                    return 0;
                  },
                  {}};
};

MACHINA_TYPE(WindowWithTraces, qom::Object);

TEST_F(QmpCommandsTest, MemoryBehindRegistersIsSeen) {
  WindowWithTraces* device = nullptr;
  {
    const MachineLock::Guard guard(system().lock);
    device = &machine_->add_new_child<WindowWithTraces>("window");
    const MemoryTransaction together;
    system().memory_root.add(0xb0000, device->window);
  }
  const std::string file = testing::TempDir() + "machina-window";
  run("pmemsave", fmt::format(R"({{"val": 720897, "size": 3, "filename": "{}"}})", file));
  EXPECT_EQ(content(file), "bcd");
  const auto xp = [&](const std::string& what) {
    return run("human-monitor-command", fmt::format(R"({{"command-line": "xp {}"}})", what)).to_string();
  };
  EXPECT_EQ(xp("/4xb 0xb0000"), "00000000000b0000: 0x61 0x62 0x63 0x64\r\n");
  EXPECT_EQ(device->reads, 0U);
  EXPECT_EQ(xp("/1xb 0xb8000"), "00000000000b8000: 0x00\r\n") << "registers only, which answer as to a guest";
  EXPECT_EQ(device->reads, 1U);
  std::filesystem::remove(file);
}

TEST_F(QmpCommandsTest, MemoryGoesToFiles) {
  const std::string file = testing::TempDir() + "machina-memory";
  {
    const MachineLock::Guard guard(system().lock);
    RamConfig ram;
    ram.size = 1 << 20;
    machine_->set_ram(ram);
    system().memory.store(0x1ffe, 4, 0x44332211);
  }
  run("pmemsave", fmt::format(R"({{"val": 8190, "size": 4, "filename": "{}"}})", file));
  EXPECT_EQ(content(file), "\x11\x22\x33\x44") << "across a page";
  run("memsave", fmt::format(R"({{"val": 8190, "size": 4, "filename": "{}", "cpu-index": 1}})", file));
  EXPECT_EQ(content(file), "\x11\x22\x33\x44");
  run("pmemsave", fmt::format(R"({{"val": 1048574, "size": 4, "filename": "{}"}})", file));
  EXPECT_EQ(content(file), std::string(4, '\0')) << "zeros where nothing is";
  EXPECT_EQ(refusal_of("memsave", fmt::format(R"({{"val": 1048574, "size": 4, "filename": "{}"}})", file)),
            "GenericError: Invalid addr 0x00000000000ffffe/size 4 specified");
  EXPECT_EQ(refusal_of("memsave", fmt::format(R"({{"val": 0, "size": 4, "filename": "{}", "cpu-index": 9}})", file)),
            "GenericError: Parameter 'cpu-index' expects a CPU number");

  EXPECT_EQ(to_json(run("query-dump-guest-memory-capability")), R"({"formats": ["elf"]})");
  EXPECT_EQ(*member(run("query-dump"), "status"), Value("none"));
  run("cont");
  client_->events.clear(), client_->event_messages.clear();
  run("dump-guest-memory", fmt::format(R"({{"paging": false, "protocol": "file:{}"}})", file));
  EXPECT_EQ(client_->events, (std::vector<std::string>{"STOP", "DUMP_COMPLETED", "RESUME"}));
  EXPECT_EQ(content(file).substr(0, 4),
            "\x7f"
            "ELF");
  EXPECT_EQ(*member(run("query-dump"), "status"), Value("completed"));
  client_->events.clear();
  run("dump-guest-memory", fmt::format(R"({{"paging": true, "protocol": "file:{}", "detach": true}})", file));
  EXPECT_EQ(*member(run("query-dump"), "status"), Value("active"));
  EXPECT_EQ(refusal_of("dump-guest-memory", fmt::format(R"({{"paging": false, "protocol": "file:{}"}})", file)),
            "GenericError: There is a dump in process, please wait.");
  settle(), settle();
  EXPECT_EQ(client_->events.back(), "RESUME");
  EXPECT_EQ(*member(run("query-dump"), "status"), Value("completed"));
  EXPECT_EQ(refusal_of("dump-guest-memory", R"({"paging": false, "protocol": "x"})"),
            "GenericError: Invalid parameter 'protocol'");
  EXPECT_EQ(refusal_of("dump-guest-memory", R"({"paging": false, "protocol": "fd:x"})"),
            "GenericError: File descriptor named 'x' has not been found");
  EXPECT_EQ(refusal_of("dump-guest-memory", R"({"paging": false, "protocol": "file:/nowhere/x"})"),
            "GenericError: Could not open '/nowhere/x': No such file or directory");
  EXPECT_EQ(refusal_of("dump-guest-memory", R"({"paging": false, "protocol": "file:/dev/full"})").substr(0, 42),
            "GenericError: dump: failed to save memory:");
  EXPECT_EQ(machine_->run_state(), RunState::Running) << "it goes on after a dump that failed";
  std::filesystem::remove(file);
}

TEST_F(QmpCommandsTest, InputEvents) {
  run("input-send-event", R"({"events": [{"type": "key", "data": {"down": true, "key": {"type": "qcode", "data": "a"}}},
       {"type": "key", "data": {"down": false, "key": {"type": "number", "data": 30}}}]})");
  EXPECT_EQ(panel_->keys, "+a -a ");
  run("input-send-event", R"({"events": [{"type": "rel", "data": {"axis": "x", "value": 5}},
       {"type": "btn", "data": {"button": "left", "down": true}},
       {"type": "btn", "data": {"button": "wheel-up", "down": true}}]})");
  EXPECT_EQ(panel_->moves, "5,0,0 L1 0,0,-1 ");
  EXPECT_EQ(refusal_of("input-send-event", R"({"events": [{"type": "abs", "data": {"axis": "x", "value": 5}}]})"),
            "GenericError: the machine has no absolute pointing device");
  EXPECT_EQ(refusal_of("input-send-event", R"({"device": "nothing", "events": []})"),
            "DeviceNotFound: Device 'nothing' not found");
  EXPECT_EQ(refusal_of("input-send-event", R"({"events": [{"type": "rel", "data": {"axis": "z", "value": 5}}]})"),
            "GenericError: Parameter 'axis' does not accept value 'z'");
  EXPECT_EQ(to_json(run("query-mice")),
            R"([{"name": "test-front-panel", "index": 0, "current": true, "absolute": false}])");
}

TEST_F(QmpCommandsTest, MediaNeedARemovableDrive) {
  EXPECT_EQ(refusal_of("eject", "{}"), "GenericError: Need exactly one of 'device' and 'id'");
  EXPECT_EQ(refusal_of("eject", R"({"device": "x"})"), "DeviceNotFound: Device 'x' not found");
  EXPECT_EQ(refusal_of("blockdev-change-medium", R"({"id": "x", "filename": "y"})"),
            "DeviceNotFound: Device 'x' not found");
  EXPECT_EQ(refusal_of("eject", R"({"id": "/machine/panel"})"),
            "GenericError: Device '/machine/panel' is not removable");
}

TEST_F(QmpCommandsTest, ObjectsComeAndGo) {
  EXPECT_EQ(refusal_of("object-add", R"({"qom-type": "nonsense", "id": "x"})"),
            "GenericError: Parameter 'qom-type' does not accept value 'nonsense'");
  EXPECT_EQ(refusal_of("object-add", R"({"qom-type": "i8254", "id": "x"})"),
            "GenericError: Parameter 'qom-type' does not accept value 'i8254'")
      << "devices are added otherwise";
  run("object-add", R"({"qom-type": "test-plain-object", "id": "x", "size": 5})");
  EXPECT_EQ(to_json(run("qom-get", R"({"path": "/objects/x", "property": "size"})")), "5");
  EXPECT_EQ(refusal_of("object-add", R"({"qom-type": "test-plain-object", "id": "x"})"),
            "GenericError: attempt to add duplicate property 'x' to object (type 'container')");
  EXPECT_TRUE(refusal_of("object-add", R"({"qom-type": "test-plain-object", "id": "y", "size": "much"})")
                  .starts_with("GenericError: "));
  run("object-del", R"({"id": "x"})");
  EXPECT_EQ(refusal_of("object-del", R"({"id": "x"})"), "GenericError: object 'x' not found");
  EXPECT_EQ(refusal_of("object-del", R"({"id": "y"})"), "GenericError: object 'y' not found") << "it failed";
}

TEST_F(QmpCommandsTest, DevicesNeedABusThatTakesThem) {
  EXPECT_EQ(refusal_of("device_add", R"({"driver": "nonsense"})"),
            "GenericError: 'nonsense' is not a valid device model name");
  EXPECT_EQ(refusal_of("device_add", R"({"driver": "device"})"),
            "GenericError: Parameter 'driver' expects a non-abstract device type");
  EXPECT_EQ(refusal_of("device_add", R"({"driver": "fw_cfg"})"),
            "GenericError: Parameter 'driver' expects a pluggable device type");
  EXPECT_EQ(refusal_of("device_add", R"({"driver": "isa-serial"})"),
            "GenericError: No 'isa-bus' bus found for device 'isa-serial'");
  EXPECT_EQ(refusal_of("device_del", R"({"id": "x"})"), "DeviceNotFound: Device 'x' not found");
}

}  // namespace
}  // namespace machina::test
