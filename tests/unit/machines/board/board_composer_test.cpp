#include "machines/board/board_composer.h"

#include <gtest/gtest.h>

#include "core/config/option_groups.h"
#include "hw/base/bus.h"
#include "machines/machine.h"
#include "tests/support/board_test_types.h"

namespace machina {
namespace {

using test::IsaCard;

/// A board text composed into a real, unrealized machine.
class ComposeBoard : public testing::Test {
 protected:
  ComposeBoard() { machine_ = &root_->add_new_child<Machine>("machine"); }

  void device(const char* text) {
    add_option(request_.groups, "device", parse_option("-device", text, "driver").root());
  }
  void global(const char* text) { request_.globals.push_back(parse_global_option(text)); }
  void set(const char* text) { request_.sets.push_back(parse_set_option(text)); }

  /// `devices` are the lines of the board below "devices:".
  void compose(const std::string& devices, const std::string& head = "") {
    const auto file =
        read_board_text("schema: 1\nboard: t\n" + head + "devices:\n" + devices, "t.yaml", BoardCatalog({}), faults_);
    ASSERT_TRUE(file);
    board_ = resolve_board(*file, request_, faults_);
    order_ = compose_board(board_, request_, *machine_, options_, faults_);
  }
  std::string messages() const {
    std::string all;
    for (const Error& e : faults_.list()) all += std::string(e.what()) + "\n";
    return all;
  }
  std::string value(const char* path, const char* property) const {
    qom::Object* o = qom::resolve_path(*root_, path);
    return o ? o->get(property).to_string() : "(none)";
  }
  std::string order() const {
    std::string all;
    for (const Device* d : order_) all += d->name() + " ";
    return all;
  }

  BoardRequest request_;
  ComposeOptions options_;
  Faults faults_;
  Board board_;
  qom::Ref<qom::Container> root_ = qom::create<qom::Container>();
  Machine* machine_ = nullptr;
  std::vector<Device*> order_;
};

constexpr const char* kBridge = "  bridge: {type: test-bridge}\n";

TEST_F(ComposeBoard, PutsDevicesIntoTheTreeWithTheirProperties) {
  device("test-isa-card,id=com2,iobase=0x2f8,irq=3");
  device("test-isa-card,iobase=0x100");
  compose(std::string(kBridge) +
          "  com: {type: test-isa-card, iobase: 0x3f8, irq: 4, echo: on, buffer: 64K, speed: fast, names: [a, b]}\n");
  EXPECT_EQ(messages(), "");
  EXPECT_EQ(value("/machine/com", "iobase"), "1016");
  EXPECT_EQ(value("/machine/com", "echo"), qom::Value(true).to_string());
  EXPECT_EQ(value("/machine/com", "buffer"), "65536");
  EXPECT_EQ(value("/machine/com", "speed"), "fast");
  EXPECT_EQ(value("/machine/com", "names"), "[a, b]");
  EXPECT_EQ(value("/machine/com", "irq"), "4");
  EXPECT_EQ(value("/machine/peripheral/com2", "iobase"), "760");
  EXPECT_EQ(value("/machine/peripheral-anon/device[0]", "iobase"), "256");
  auto* com = qom::cast<Device>(qom::resolve_path(*root_, "/machine/com"));
  ASSERT_TRUE(com && com->parent_bus());
  EXPECT_EQ(com->parent_bus()->path(), "/machine/bridge/isa.0");
}

TEST_F(ComposeBoard, WhatIsComposedCanBeRealized) {
  compose(std::string("  com: {type: test-isa-card, irq: 4}\n") + kBridge);
  ASSERT_EQ(messages(), "");
  for (Device* d : order_) qom::realize_tree(*d);
  auto* com = qom::cast<Device>(qom::resolve_path(*root_, "/machine/com"));
  EXPECT_TRUE(com->realized());
  EXPECT_TRUE(com->output("irq")[0]->connected());
  for (auto it = order_.rbegin(); it != order_.rend(); ++it) qom::unrealize_tree(**it);
}

TEST_F(ComposeBoard, BusesAndLinkTargetsAreRealizedFirst) {
  compose(
      "  a: {type: test-isa-card, pic: pic, iobase: 0x100}\n"
      "  b: {type: test-isa-card, iobase: 0x200}\n"
      "  pic: {type: test-pic}\n"
      "  bridge: {type: test-bridge}\n");
  EXPECT_EQ(messages(), "");
  EXPECT_EQ(order(), "pic bridge a b ");
  EXPECT_EQ(value("/machine/a", "pic"), "/machine/pic");
}

TEST_F(ComposeBoard, LinksReachBusesPartsAndBackEnds) {
  auto& chardevs = root_->add_new_child<qom::Container>("chardevs");
  chardevs.add_new_child<test::Sink>("mon0");
  chardevs.add_new_child<test::Sink>("com");  // the id of a device too: a link knows which of them it takes
  compose(std::string(kBridge) +
          "  com: {type: test-isa-card, chardev: mon0}\n"
          "  com1: {type: test-isa-card, chardev: com, iobase: 0x100}\n"
          "  com2: {type: test-isa-card, chardev: serial0, iobase: 0x200}\n");
  EXPECT_EQ(value("/machine/com", "chardev"), "/chardevs/mon0");
  EXPECT_EQ(value("/machine/com2", "chardev"), "") << "a conventional back end may be missing";
  EXPECT_EQ(messages(), "");
  EXPECT_EQ(value("/machine/com1", "chardev"), "/chardevs/com");
}

TEST_F(ComposeBoard, AnAcceleratorMayReplaceAType) {
  options_.implementation_of = [](const std::string& model) {
    return model == IsaCard::kType ? std::string(test::FastIsaCard::kType) : model;
  };
  global("test-isa-card.baud=1200");
  compose(std::string(kBridge) + "  com: {type: test-isa-card, iobase: 0x3f8}\n");
  EXPECT_EQ(messages(), "");
  EXPECT_TRUE(qom::resolve_path(*root_, "/machine/com")->is_a(test::FastIsaCard::kType));
  EXPECT_EQ(value("/machine/com", "baud"), "1200");
}

TEST_F(ComposeBoard, TheCommandLineWinsOverTheBoardAndTheDeviceOverGlobals) {
  global("test-isa-card.baud=1200");
  global("isa-device.label=all");
  device("test-isa-card,id=c,baud=2400,iobase=0x100");
  device("test-isa-card,id=d,iobase=0x110");
  set("device.b.baud=4800");
  compose(std::string(kBridge) +
          "  a: {type: test-isa-card, baud: 300, iobase: 0x120}\n"
          "  b: {type: test-isa-card, baud: 300, iobase: 0x130}\n");
  // isa-device has no property "label": only its subclasses do.
  EXPECT_EQ(messages(),
            "-global isa-device.label=all: type 'isa-device' has no property 'label'\n"
            "                   ^^^^^ machine-run -device isa-device,help lists what it has\n");
  request_.globals.pop_back();
  faults_ = {};
  compose(std::string(kBridge) +
          "  a: {type: test-isa-card, baud: 300, iobase: 0x120}\n"
          "  b: {type: test-isa-card, baud: 300, iobase: 0x130}\n");
  EXPECT_EQ(messages(), "");
  EXPECT_EQ(value("/machine/a", "baud"), "1200");
  EXPECT_EQ(value("/machine/b", "baud"), "4800");
  EXPECT_EQ(value("/machine/peripheral/c", "baud"), "2400");
  EXPECT_EQ(value("/machine/peripheral/d", "baud"), "1200");
}

TEST_F(ComposeBoard, ABusIsNamedByItselfOrByItsBridge) {
  compose(std::string(kBridge) +
          "  a: {type: test-isa-card, bus: isa.0, iobase: 0x100}\n"
          "  b: {type: test-isa-card, bus: bridge, iobase: 0x200}\n");
  EXPECT_EQ(messages(), "");
}

TEST_F(ComposeBoard, BusesOfOneKindAreNumbered) {
  compose(
      "  first: {type: test-bridge}\n"
      "  second: {type: test-bridge}\n"
      "  a: {type: test-isa-card, bus: isa.1, iobase: 0x100}\n");
  EXPECT_EQ(messages(), "");
  auto* a = qom::cast<Device>(qom::resolve_path(*root_, "/machine/a"));
  ASSERT_TRUE(a && a->parent_bus());
  EXPECT_EQ(a->parent_bus()->path(), "/machine/second/isa.1");
}

TEST_F(ComposeBoard, TypesPropertiesAndValuesAreAllChecked) {
  compose(std::string(kBridge) +
          "  a: {type: test-isa-crad}\n"
          "  b: {type: isa-device}\n"
          "  c: {type: container}\n"
          "  d: {type: test-isa-card, iobse: 1, iobase: 0x10000, baud: 7, speed: fats, echo: 3, ready: on}\n"
          "  e: {type: test-isa-card, iobase: 0x400, label: [a, b], buffer: huge, baud: fast}\n"
          "  f: {type: test-needy}\n");
  EXPECT_EQ(
      messages(),
      "t.yaml:5:13: no such type: 'test-isa-crad'\n"
      "    5 |   a: {type: test-isa-crad}\n"
      "      |             ^^^^^^^^^^^^^ did you mean 'test-isa-card'? (machine-run -device help lists all types)\n"
      "t.yaml:6:13: 'isa-device' is abstract\n"
      "    6 |   b: {type: isa-device}\n"
      "      |             ^^^^^^^^^^ for example 'i8042'\n"
      "t.yaml:7:13: 'container' is not a device\n"
      "    7 |   c: {type: container}\n"
      "      |             ^^^^^^^^^\n"
      "t.yaml:8:28: type 'test-isa-card' has no property 'iobse'\n"
      "    8 |   d: {type: test-isa-card, iobse: 1, iobase: 0x10000, baud: 7, speed: fats, echo: 3, ready: on}\n"
      "      |                            ^^^^^ did you mean 'iobase'?\n"
      "t.yaml:8:46: value of 'iobase' is out of range: 65536\n"
      "    8 |   d: {type: test-isa-card, iobse: 1, iobase: 0x10000, baud: 7, speed: fats, echo: 3, ready: on}\n"
      "      |                                              ^^^^^^^ expected a number from 0 to 65535\n"
      "t.yaml:8:61: value of 'baud' is out of range: 7\n"
      "    8 |   d: {type: test-isa-card, iobse: 1, iobase: 0x10000, baud: 7, speed: fats, echo: 3, ready: on}\n"
      "      |                                                             ^ expected a number from 300 to 115200\n"
      "t.yaml:8:71: property 'speed' has no value 'fats'\n"
      "    8 |   d: {type: test-isa-card, iobse: 1, iobase: 0x10000, baud: 7, speed: fats, echo: 3, ready: on}\n"
      "      |                                                                       ^^^^ did you mean 'fast'? (one of "
      "slow, fast)\n"
      "t.yaml:8:83: property 'echo' does not take '3': not a switch: '3'\n"
      "    8 |   d: {type: test-isa-card, iobse: 1, iobase: 0x10000, baud: 7, speed: fats, echo: 3, ready: on}\n"
      "      |                                                                                   ^ write on or off\n"
      "t.yaml:8:86: property 'ready' of 'test-isa-card' is read-only\n"
      "    8 |   d: {type: test-isa-card, iobse: 1, iobase: 0x10000, baud: 7, speed: fats, echo: 3, ready: on}\n"
      "      |                                                                                      ^^^^^\n"
      "t.yaml:9:50: property 'label' takes one value, not a list\n"
      "    9 |   e: {type: test-isa-card, iobase: 0x400, label: [a, b], buffer: huge, baud: fast}\n"
      "      |                                                  ^ expected a text\n"
      "t.yaml:9:66: property 'buffer' does not take 'huge': not a size: 'huge'\n"
      "    9 |   e: {type: test-isa-card, iobase: 0x400, label: [a, b], buffer: huge, baud: fast}\n"
      "      |                                                                  ^^^^ sizes are written as 4096, 640K, "
      "64M, 1.5G or 1T\n"
      "t.yaml:9:78: property 'baud' does not take 'fast': not a number: 'fast'\n"
      "    9 |   e: {type: test-isa-card, iobase: 0x400, label: [a, b], buffer: huge, baud: fast}\n"
      "      |                                                                              ^^^^ expected a number "
      "from 300 to 115200\n"
      "t.yaml:10:13: 'test-needy' needs the property 'file'\n"
      "   10 |   f: {type: test-needy}\n"
      "      |             ^^^^^^^^^^ expected a text\n");
  EXPECT_TRUE(machine_->children().empty()) << "nothing is left behind";
}

TEST_F(ComposeBoard, WhatDependsOnAMissingDeviceIsNoFaultOfItsOwn) {
  compose(
      "  bridge: {type: test-brigde}\n"
      "  pic: {type: test-pik}\n"
      "  a: {type: test-isa-card, irq: 4, pic: pic, iobase: 0x100}\n"
      "  b: {type: test-isa-card, irq: pic.ir.0, bus: isa.0, iobase: 0x200}\n"
      "  c: {type: test-isa-card, irq: pit.0, iobase: 0x300}\n");
  EXPECT_EQ(
      messages(),
      "t.yaml:4:18: no such type: 'test-brigde'\n"
      "    4 |   bridge: {type: test-brigde}\n"
      "      |                  ^^^^^^^^^^^ did you mean 'test-bridge'? (machine-run -device help lists all types)\n"
      "t.yaml:5:15: no such type: 'test-pik'\n"
      "    5 |   pic: {type: test-pik}\n"
      "      |               ^^^^^^^^ did you mean 'test-pic'? (machine-run -device help lists all types)\n"
      "t.yaml:8:33: no such interrupt input: 'pit.0'\n"
      "    8 |   c: {type: test-isa-card, irq: pit.0, iobase: 0x300}\n"
      "      |                                 ^^^^^ write a line number of the bus, or ID.INDEX of an interrupt "
      "controller on the board\n");
}

TEST_F(ComposeBoard, BusesLinksAndPinsAreChecked) {
  compose(
      "  bridge: {type: test-bridge}\n"
      "  second: {type: test-bridge}\n"
      "  pic: {type: test-pic, bus: isa.0, out: cpu.intrr}\n"
      "  a: {type: test-isa-card, bus: isa.2, iobase: 0x100}\n"
      "  b: {type: test-pci-card}\n"
      "  c: {type: test-isa-card, irq: 16, iobase: 0x200}\n"
      "  d: {type: test-isa-card, irq: pic.8, iobase: 0x210}\n"
      "  e: {type: test-isa-card, irq: pci.1, iobase: 0x220}\n"
      "  f: {type: test-isa-card, pic: pik, chardev: nowhere, iobase: 0x230}\n"
      "  g: {type: test-isa-card, pic: bridge, iobase: 0x240}\n");
  EXPECT_EQ(messages(),
            "t.yaml:6:25: 'test-pic' plugs into no bus\n"
            "    6 |   pic: {type: test-pic, bus: isa.0, out: cpu.intrr}\n"
            "      |                         ^^^\n"
            "t.yaml:7:33: no such bus: 'isa.2'\n"
            "    7 |   a: {type: test-isa-card, bus: isa.2, iobase: 0x100}\n"
            "      |                                 ^^^^^ did you mean 'isa.0'?\n"
            "t.yaml:8:13: 'test-pci-card' needs a bus of type 'pci-bus'\n"
            "    8 |   b: {type: test-pci-card}\n"
            "      |             ^^^^^^^^^^^^^ no device of this board brings one\n"
            "t.yaml:12:33: no such object: 'pik'\n"
            "   12 |   f: {type: test-isa-card, pic: pik, chardev: nowhere, iobase: 0x230}\n"
            "      |                                 ^^^ did you mean 'pic'?\n"
            "t.yaml:12:47: no such object: 'nowhere'\n"
            "   12 |   f: {type: test-isa-card, pic: pik, chardev: nowhere, iobase: 0x230}\n"
            "      |                                               ^^^^^^^ expected the id or path of a 'chardev'\n"
            "t.yaml:13:33: property 'pic' links to a 'test-pic', but '/machine/bridge' is a 'test-bridge'\n"
            "   13 |   g: {type: test-isa-card, pic: bridge, iobase: 0x240}\n"
            "      |                                 ^^^^^^\n"
            "t.yaml:6:42: no such interrupt input: 'cpu.intrr'\n"
            "    6 |   pic: {type: test-pic, bus: isa.0, out: cpu.intrr}\n"
            "      |                                          ^^^^^^^^^ inputs of a CPU: intr, nmi, smi, a20\n"
            "t.yaml:9:33: no such interrupt line: 16\n"
            "    9 |   c: {type: test-isa-card, irq: 16, iobase: 0x200}\n"
            "      |                                 ^^ 'isa.0' has lines 0 to 15\n"
            "t.yaml:10:33: no such interrupt input: 'pic.8'\n"
            "   10 |   d: {type: test-isa-card, irq: pic.8, iobase: 0x210}\n"
            "      |                                 ^^^^^ inputs of 'pic': ir (0 to 7)\n"
            "t.yaml:11:33: no such interrupt input: 'pci.1'\n"
            "   11 |   e: {type: test-isa-card, irq: pci.1, iobase: 0x220}\n"
            "      |                                 ^^^^^ write a line number of the bus, or ID.INDEX of an interrupt "
            "controller on the board\n");
}

TEST_F(ComposeBoard, SlotsPortsAndLinesCannotBeTakenTwice) {
  device("test-pci-card,id=x,addr=2.0");
  compose(
      "  host: {type: test-pci-bridge}\n"
      "  bridge: {type: test-bridge}\n"
      "  vga: {type: test-pci-card, addr: 02.0}\n"
      "  net: {type: test-pci-card, addr: 3}\n"
      "  snd: {type: test-pci-card, addr: 3.1}\n"
      "  a: {type: test-isa-card, iobase: 0x3f8, irq: 4}\n"
      "  b: {type: test-isa-card, iobase: 1016, irq: 4}\n"
      "  c: {type: test-fast-isa-card, iobase: 0x2f8, irq: 4}\n");
  EXPECT_EQ(messages(),
            "-device test-pci-card,id=x,addr=2.0: slot 02.0 of pci.0 is taken\n"
            "                                ^^^ by 'vga' of t.yaml:6:36\n"
            "t.yaml:10:36: port 0x3f8 is taken\n"
            "   10 |   b: {type: test-isa-card, iobase: 1016, irq: 4}\n"
            "      |                                    ^^^^ by 'a' of t.yaml:9:36\n"
            "t.yaml:11:53: interrupt line 4 is taken\n"
            "   11 |   c: {type: test-fast-isa-card, iobase: 0x2f8, irq: 4}\n"
            "      |                                                     ^ by 'a' of t.yaml:9:48\n");
}

TEST_F(ComposeBoard, TheHostBridgesOwnFunctionIsTakenToo) {
  device("test-pci-card,addr=0");
  compose("  host: {type: i440FX-pcihost}\n");
  EXPECT_EQ(messages(),
            "-device test-pci-card,addr=0: slot 00.0 of pci.0 is taken\n"
            "                           ^ by 'host' of t.yaml:4:16\n");
}

TEST_F(ComposeBoard, PartsOfABoardAreNotForTheUserToAdd) {
  device("test-bridge");
  compose(kBridge);
  EXPECT_EQ(messages(),
            "-device test-bridge: 'test-bridge' cannot be added with -device: it is part of a board\n"
            "        ^^^^^^^^^^^ machine-run -device help lists the types that can\n");
}

TEST_F(ComposeBoard, PluginsAreLoadedBeforeTypesAreLookedUp) {
  std::vector<std::string> loaded;
  options_.load_plugin = [&](const std::string& file) {
    loaded.push_back(file);
    if (file == "bad.so") throw Error("not a plugin: 'bad.so'");
  };
  compose(kBridge, "plugins: [good.so, bad.so]\n");
  EXPECT_EQ(loaded, (std::vector<std::string>{"good.so", "bad.so"}));
  EXPECT_EQ(messages(),
            "t.yaml:3:20: not a plugin: 'bad.so'\n"
            "    3 | plugins: [good.so, bad.so]\n"
            "      |                    ^^^^^^\n");
}

TEST_F(ComposeBoard, PropertiesOfCpusAreCheckedAndSet) {
  compose("  pic: {type: test-pic}\n", "cpus: {max: 2, modle: x, pic: pc, index: no}\n");
  EXPECT_EQ(messages(),
            "t.yaml:3:16: type 'x86_64-cpu' has no property 'modle'\n"
            "    3 | cpus: {max: 2, modle: x, pic: pc, index: no}\n"
            "      |                ^^^^^ did you mean 'model'?\n"
            "t.yaml:3:31: no such object: 'pc'\n"
            "    3 | cpus: {max: 2, modle: x, pic: pc, index: no}\n"
            "      |                               ^^ expected the id or path of a 'interrupt-acknowledge'\n"
            "t.yaml:3:42: property 'index' does not take 'no': not a number: 'no'\n"
            "    3 | cpus: {max: 2, modle: x, pic: pc, index: no}\n"
            "      |                                          ^^ expected a number from 0 to 4294967295\n");
}

TEST_F(ComposeBoard, ConfiguredCpusHaveWhatTheBoardSays) {
  global("x86_64-cpu.apic-id=9");
  compose("  pic: {type: test-pic}\n", "cpus: {max: 2, index: 1}\n");
  ASSERT_EQ(messages(), "");
  machine_->add_new_child<X86Cpu>("cpu[0]");
  configure_cpus(board_, request_, *machine_);
  EXPECT_EQ(value("/machine/cpu[0]", "index"), "1");
  EXPECT_EQ(value("/machine/cpu[0]", "apic-id"), "9");
}

TEST_F(ComposeBoard, GlobalsNameTypesOfTheProgram) {
  global("test-isa-crad.baud=1");
  global("test-isa-card.baud=1");
  compose(kBridge);
  EXPECT_EQ(messages(),
            "-global test-isa-crad.baud=1: no such type: 'test-isa-crad'\n"
            "        ^^^^^^^^^^^^^ did you mean 'test-isa-card'?\n"
            "-global test-isa-card.baud=1: value of 'baud' is out of range: 1\n"
            "                           ^ expected a number from 300 to 115200\n")
      << "although the board has none of that type";
}

}  // namespace
}  // namespace machina
