// The boards that come with the program are without faults, and are what they say.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "hw/base/bus.h"
#include "machines/board/board.h"
#include "machines/board/board_command.h"
#include "machines/board/board_composer.h"
#include "machines/board/board_schema.h"
#include "machines/help.h"
#include "machines/machine.h"
#include "tests/support/test_paths.h"

namespace machina {
namespace {

BoardCatalog shipped() { return BoardCatalog({(test::source_dir() / "configs").string()}); }

class ShippedBoard : public testing::TestWithParam<std::string> {};

TEST_P(ShippedBoard, HasNoFaults) {
  const Faults faults = check_board(GetParam(), shipped());
  for (const Error& fault : faults.list()) ADD_FAILURE() << fault.what();
}

std::vector<std::string> names() {
  Faults faults;
  std::vector<std::string> all;
  for (const auto& entry : shipped().list(faults)) all.push_back(entry.name);
  return all;
}

INSTANTIATE_TEST_SUITE_P(Configs, ShippedBoard, testing::ValuesIn(names()),
                         [](const auto& info) { return info.param; });

TEST(ShippedBoards, AreThere) {
  EXPECT_EQ(names(), (std::vector<std::string>{"isapc", "microvm", "none", "pc", "teaching"}));
  EXPECT_EQ(shipped().find("pc-i440fx-1.0", {}), shipped().find("pc", {}));
}

/// A shipped board with options of the command line, composed.
struct Composed {
  explicit Composed(BoardRequest request) {
    Faults faults;
    const auto board = load_board(request, shipped(), faults);
    faults.throw_if_any();
    machine = &root->add_new_child<Machine>("machine");
    order = compose_board(*board, request, *machine, {}, faults);
    faults.throw_if_any();
  }
  qom::Object* at(const char* path) { return qom::resolve_path(*root, path); }

  qom::Ref<qom::Container> root = qom::create<qom::Container>();
  Machine* machine = nullptr;
  std::vector<Device*> order;
};

TEST(ShippedBoards, PcHasItsChipsWhereSoftwareLooksForThem) {
  Composed pc({});
  for (const auto& [path, property, value] :
       std::vector<std::tuple<const char*, const char*, const char*>>{{"/machine/serial", "iobase", "1016"},
                                                                      {"/machine/serial", "irq", "4"},
                                                                      {"/machine/rtc", "irq", "8:pm.rtc-alarm"},
                                                                      {"/machine/pit", "irq", "0"},
                                                                      {"/machine/piix3", "addr", "01.0"},
                                                                      {"/machine/firmware", "file", "bios-256k.bin"},
                                                                      {"/machine/debugcon", "iobase", "1026"}}) {
    ASSERT_TRUE(pc.at(path)) << path;
    EXPECT_EQ(pc.at(path)->get(property).to_string(), value) << path;
  }
  EXPECT_TRUE(pc.at("/machine/pcihost/pci.0"));
  EXPECT_TRUE(pc.at("/machine/pcihost/i440FX"));
  EXPECT_EQ(pc.order[0]->name(), "pcihost");
}

TEST(ShippedBoards, NodefaultsLeavesThePlatformOfPc) {
  BoardRequest request;
  request.no_defaults = true;
  Composed pc(request);
  EXPECT_FALSE(pc.at("/machine/serial"));
  EXPECT_FALSE(pc.at("/machine/vga"));
  EXPECT_TRUE(pc.at("/machine/pit"));
}

/// Which of the conventional serial lines the devices of a board link to.
std::string serials_of(const char* name, std::vector<bool> given, bool no_defaults = false) {
  BoardRequest request;
  ConfigTree machine;
  machine.put({"type"}, config_scalar(name, {}));
  request.groups.append({"machine"}, machine.root());
  request.serials = std::move(given);
  request.no_defaults = no_defaults;
  Faults faults;
  const auto board = load_board(request, shipped(), faults);
  faults.throw_if_any();
  std::string all;
  for (const BoardDevice& d : board->devices)
    for (const Setting& s : d.settings)
      if (s.text.starts_with("serial")) all += s.text + " ";
  return all;
}

TEST(ShippedBoards, HaveASerialPortForEachLineUpToFour) {
  for (const char* name : {"pc", "isapc"}) {
    EXPECT_EQ(serials_of(name, {}), "serial0 ") << "one by default";
    EXPECT_EQ(serials_of(name, {}, true), "");
    EXPECT_EQ(serials_of(name, {true}, true), "serial0 ") << "what is asked for is no default";
    EXPECT_EQ(serials_of(name, {false}), "") << "-serial none";
    EXPECT_EQ(serials_of(name, {false, true}), "serial1 ");
    EXPECT_EQ(serials_of(name, {true, true, true, true, true}), "serial0 serial1 serial2 serial3 ");
  }
  EXPECT_EQ(serials_of("teaching", {true, true}), "serial0 ");
}

TEST(ShippedBoards, HaveThePrintersAndFloppiesThatAreAskedFor) {
  for (const char* name : {"pc", "isapc"}) {
    const auto has = [name](BoardRequest request, const char* device) {
      ConfigTree machine;
      machine.put({"type"}, config_scalar(name, {}));
      request.groups.append({"machine"}, machine.root());
      Faults faults;
      const auto board = load_board(request, shipped(), faults);
      faults.throw_if_any();
      return std::any_of(board->devices.begin(), board->devices.end(),
                         [device](const BoardDevice& d) { return d.id == device; });
    };
    BoardRequest nothing, defaults, given, none;
    defaults.default_floppy = true;
    given.floppies = {false, true};
    given.parallels = {false, true};
    none.default_floppy = none.no_defaults = true;
    EXPECT_TRUE(has(nothing, "fdc"));
    for (const char* device : {"fda", "fdb", "lpt1", "lpt2", "lpt3"}) EXPECT_FALSE(has(nothing, device)) << device;
    EXPECT_TRUE(has(defaults, "fda"));
    EXPECT_FALSE(has(defaults, "fdb"));
    EXPECT_FALSE(has(given, "fda"));
    EXPECT_TRUE(has(given, "fdb"));
    EXPECT_FALSE(has(given, "lpt1"));
    EXPECT_TRUE(has(given, "lpt2"));
    EXPECT_FALSE(has(none, "fda"));
    EXPECT_TRUE(has(none, "fdc"));
  }
}

TEST(ShippedBoards, PcHasItsSerialPortsWhereSoftwareLooksForThem) {
  BoardRequest request;
  request.serials = {true, true, true, true};
  Composed pc(request);
  for (const auto& [path, iobase, irq] :
       std::vector<std::tuple<const char*, int, const char*>>{{"/machine/serial", 0x3f8, "4"},
                                                              {"/machine/com2", 0x2f8, "3"},
                                                              {"/machine/com3", 0x3e8, "4"},
                                                              {"/machine/com4", 0x2e8, "3"}}) {
    ASSERT_TRUE(pc.at(path)) << path;
    EXPECT_EQ(pc.at(path)->get("iobase"), qom::Value(iobase)) << path;
    EXPECT_EQ(pc.at(path)->get("irq").to_string(), irq) << path;
  }
}

TEST(BoardCommand, ChecksListsAndDescribes) {
  std::ostringstream out, err;
  EXPECT_EQ(run_board_command({"check", "pc", "none"}, shipped(), out, err), 0) << err.str();
  EXPECT_EQ(out.str(), "pc: no faults\nnone: no faults\n");
  EXPECT_EQ(run_board_command({"check", "pcc", "nonne"}, shipped(), out, err), 1);
  EXPECT_NE(err.str().find("board check pcc: no such board: 'pcc'\n            ^^^ did you mean 'pc'?"),
            std::string::npos)
      << err.str();
  EXPECT_NE(err.str().find("did you mean 'none'?"), std::string::npos) << "all faults of all boards";
  EXPECT_NE(err.str().find("2 faults\n"), std::string::npos);

  std::ostringstream list;
  EXPECT_EQ(run_board_command({"list"}, shipped(), list, err), 0);
  EXPECT_NE(list.str().find("  pc             Standard PC (i440FX + PIIX3, 1996)\n  pc-i440fx-1.0  alias of pc\n"),
            std::string::npos)
      << list.str();

  for (const std::vector<std::string>& wrong : {std::vector<std::string>{"chekc"}, {"check"}}) {
    std::ostringstream usage;
    EXPECT_EQ(run_board_command(wrong, shipped(), out, usage), 1);
    EXPECT_NE(usage.str().find("check"), std::string::npos) << "says what is right";
  }
  EXPECT_EQ(run_board_command({}, shipped(), out, err), 0);
}

TEST(BoardHelp, ListsDevicesByCategoryAndTheirProperties) {
  const std::string devices = device_list_help();
  EXPECT_NE(devices.find("Serial and console devices:\n"), std::string::npos) << devices;
  EXPECT_NE(devices.find("isa-serial"), std::string::npos);
  EXPECT_EQ(devices.find("isabus-bridge"), std::string::npos) << "a part of boards only";
  const std::string serial = type_help("isa-serial");
  EXPECT_EQ(serial.find("isa-serial options (Serial port, 16550A):\n"), 0u) << serial;
  EXPECT_NE(serial.find("iobase=<uint16>"), std::string::npos) << serial;
  EXPECT_NE(serial.find("chardev=<link<chardev>>"), std::string::npos) << serial;
  EXPECT_NE(type_help("isa-debugcon").find("I/O port (default 233)"), std::string::npos);
  EXPECT_THROW(type_help("isa-seriall"), Error);
}

TEST(BoardHelp, ListsTheOptionsOfABoard) {
  BoardRequest request;
  Faults faults;
  const auto pc = load_board(request, shipped(), faults);
  ASSERT_TRUE(pc);
  EXPECT_NE(board_options_help(*pc).find("Options of board pc:\n  timer-pin=<int>"), std::string::npos);
  Board none;
  none.name = "none";
  EXPECT_EQ(board_options_help(none), "Board none has no options.\n");
}

}  // namespace
}  // namespace machina
