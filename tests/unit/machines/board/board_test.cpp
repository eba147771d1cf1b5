#include "machines/board/board.h"

#include <gtest/gtest.h>

#include "core/config/ini.h"
#include "core/config/option_groups.h"

namespace machina {
namespace {

constexpr const char* kBoard =
    "schema: 1\n"
    "board: t\n"
    "firmware: bios.bin\n"
    "plugins: [./fan.so, other.so]\n"
    "options:\n"
    "  irq: {type: int, default: 4, doc: line}\n"
    "  graphics: {type: bool, default: on}\n"
    "  speed: {type: enum, values: [slow, fast], default: slow}\n"
    "  low: {type: size, default: 2G}\n"
    "cpus: {type: x86_64-cpu, model: kvm64, max: 8, default-count: 2, pic: pic}\n"
    "ram: {default: 64M, min: 1M, max: 4G, below-4g: \"${low}\"}\n"
    "devices:\n"
    "  pic: {type: i8259}\n"
    "  com: {type: isa-serial, irq: \"pic.${irq}\", bus: isa.0, label: \"$${irq}\"}\n"
    "  vga: {type: VGA, default: true, when: \"${graphics}\"}\n"
    "  rom: {type: rom, file: \"${firmware}\", dirs: [a, b]}\n";

class ResolveBoard : public testing::Test {
 protected:
  Board resolve(const std::string& text = kBoard) {
    const auto file = read_board_text(text, "dir/t.yaml", BoardCatalog({}), faults_);
    return file ? resolve_board(*file, request_, faults_) : Board();
  }
  void option(const char* name, const char* text) {
    const bool machine = std::string_view(name) == "-M";
    add_option(request_.groups, machine ? "machine" : "device",
               parse_option(name, text, machine ? "type" : "driver").root());
  }
  static std::string ids(const Board& board) {
    std::string all;
    for (const BoardDevice& d : board.devices) all += d.id + " ";
    return all;
  }
  static std::string value(const Board& board, const std::string& id, const std::string& name) {
    for (const BoardDevice& d : board.devices)
      for (const Setting& s : d.settings)
        if (d.id == id && s.name == name) return s.text;
    return "(none)";
  }
  std::string messages() const {
    std::string all;
    for (const Error& e : faults_.list()) all += std::string(e.what()) + "\n";
    return all;
  }

  BoardRequest request_;
  Faults faults_;
};

TEST_F(ResolveBoard, DefaultsAreWorkedIn) {
  const Board board = resolve();
  EXPECT_EQ(messages(), "");
  EXPECT_EQ(board.name, "t");
  EXPECT_EQ(ids(board), "pic com vga rom ");
  EXPECT_EQ(value(board, "com", "irq"), "pic.4");
  EXPECT_EQ(value(board, "com", "label"), "${irq}") << "a doubled dollar is a dollar";
  EXPECT_EQ(board.devices[1].bus->text, "isa.0");
  EXPECT_EQ(value(board, "rom", "file"), "bios.bin");
  EXPECT_EQ(value(board, "rom", "dirs"), "a:b");
  EXPECT_EQ(board.cpus.model, "kvm64");
  EXPECT_EQ(board.cpus.max, 8u);
  EXPECT_EQ(board.cpus.default_count, 2u);
  ASSERT_EQ(board.cpus.settings.size(), 1u);
  EXPECT_EQ(board.cpus.settings[0].name, "pic");
  EXPECT_EQ(board.ram.default_size, 64u << 20);
  EXPECT_EQ(board.ram.below_4g, 2ull << 30);
  EXPECT_EQ(board.plugins[0].text, "dir/fan.so") << "beside the board file";
  EXPECT_EQ(board.plugins[1].text, "other.so");
}

TEST_F(ResolveBoard, OptionsOfTheMachineAreTypedAndSubstituted) {
  option("-M", "t,irq=0xb,graphics=no,speed=fast,accel=qtest");
  option("-M", "irq=7");
  const Board board = resolve();
  EXPECT_EQ(messages(), "");
  EXPECT_EQ(value(board, "com", "irq"), "pic.7") << "later wins";
  EXPECT_EQ(ids(board), "pic com rom ") << "when: off";
  EXPECT_EQ(board.options[2].value, "fast");
  ASSERT_EQ(board.machine.size(), 1u);
  EXPECT_EQ(board.machine[0].name, "accel");
  EXPECT_EQ(board.machine[0].text, "qtest");
}

TEST_F(ResolveBoard, WrongValuesOfOptionsArePointedAt) {
  option("-M", "t,irq=four,speed=fats,low=much");
  resolve();
  EXPECT_EQ(messages(),
            "-M t,irq=four,speed=fats,low=much: not a number: 'four'\n"
            "         ^^^^\n"
            "-M t,irq=four,speed=fats,low=much: property 'speed' has no value 'fats'\n"
            "                    ^^^^ did you mean 'fast'? (one of slow, fast)\n"
            "-M t,irq=four,speed=fats,low=much: not a size: 'much'\n"
            "                             ^^^^ sizes are written as 4096, 640K, 64M, 1.5G or 1T\n");
}

TEST_F(ResolveBoard, NodefaultsDropsWhatIsMarked) {
  request_.no_defaults = true;
  EXPECT_EQ(ids(resolve()), "pic com rom ");
}

TEST_F(ResolveBoard, FirmwareCanBeReplaced) {
  request_.firmware = config_scalar("my ${x}.bin", option_origin("-bios", "my ${x}.bin"));
  const Board board = resolve();
  EXPECT_EQ(messages(), "") << "what the user typed is not substituted";
  EXPECT_EQ(value(board, "rom", "file"), "my ${x}.bin");
  request_.firmware = config_scalar("none", {});
  EXPECT_EQ(resolve().firmware, "");
}

TEST_F(ResolveBoard, DevicesOfTheUserComeAfterTheBoards) {
  option("-device", "isa-serial,id=com2,irq=3,bus=isa.0");
  option("-device", "isa-debugcon");
  option("-device", "isa-debugcon");
  const Board board = resolve();
  EXPECT_EQ(messages(), "");
  EXPECT_EQ(ids(board), "pic com vga rom com2 device[0] device[1] ");
  EXPECT_EQ(board.devices[4].place, BoardDevice::Place::Peripheral);
  EXPECT_EQ(board.devices[5].place, BoardDevice::Place::Anonymous);
  EXPECT_EQ(board.devices[4].bus->text, "isa.0");
  EXPECT_EQ(value(board, "com2", "irq"), "3");
}

TEST_F(ResolveBoard, ADeviceIsTracedBackToWhereItWasAskedFor) {
  option("-device", "isa-serial,id=com2");
  option("-device", "isa-debugcon");
  const Board board = resolve();
  EXPECT_EQ(device_origin(board, "/machine/com").brief(), "dir/t.yaml:14:15");
  EXPECT_EQ(device_origin(board, "/machine/com/part/of/it").brief(), "dir/t.yaml:14:15");
  EXPECT_EQ(device_origin(board, "/machine/peripheral/com2").place, "-device isa-serial,id=com2");
  EXPECT_EQ(device_origin(board, "/machine/peripheral-anon/device[0]").place, "-device isa-debugcon");
  EXPECT_FALSE(device_origin(board, "/machine/comm").known());
  EXPECT_FALSE(device_origin(board, "/machine").known());
  EXPECT_FALSE(device_origin(board, "").known());
}

TEST_F(ResolveBoard, FilesOfReadconfigBringDevicesToo) {
  add_options(request_.groups, parse_ini("[device \"com2\"]\n driver = \"isa-serial\"\n irq = \"3\"\n", "vm.cfg"));
  const Board board = resolve();
  EXPECT_EQ(value(board, "com2", "irq"), "3");
}

TEST_F(ResolveBoard, SetChangesDevicesOfTheBoardAndOfTheUser) {
  option("-device", "isa-serial,id=com2,irq=3");
  request_.sets.push_back(parse_set_option("device.com.irq=5"));
  request_.sets.push_back(parse_set_option("device.com2.irq=6"));
  request_.sets.push_back(parse_set_option("device.vga.when=off"));
  request_.sets.push_back(parse_set_option("drive.d0.file=x"));
  const Board board = resolve();
  EXPECT_EQ(messages(), "") << "other groups are others' business";
  EXPECT_EQ(value(board, "com", "irq"), "5");
  EXPECT_EQ(value(board, "com2", "irq"), "6");
  EXPECT_EQ(ids(board), "pic com rom com2 ");
}

TEST_F(ResolveBoard, FaultsOfTheCommandLineArePointedAt) {
  option("-device", "isa-serial,id=com");
  option("-device", "id=x");
  option("-device", "isa-serial,id=9x");
  request_.sets.push_back(parse_set_option("device.comm.irq=5"));
  resolve();
  EXPECT_EQ(messages(),
            "-set device.comm.irq=5: no such device: 'comm'\n"
            "            ^^^^ did you mean 'com'?\n"
            "-device isa-serial,id=com: the id 'com' is taken\n"
            "                      ^^^ by the device of dir/t.yaml:14:3\n"
            "-device id=x: the device has no type\n"
            "        ^^^^ write -device TYPE,property=value\n"
            "-device isa-serial,id=9x: a device cannot be called '9x'\n"
            "                      ^^ names start with a letter; letters, digits, '-', '_' and '.' follow\n");
}

TEST_F(ResolveBoard, SizesOfRamAreWholePages) {
  resolve("schema: 1\nboard: t\nram: {default: 4097b, min: 2049b, max: 1048577b, below-4g: 4095b}\n");
  EXPECT_EQ(messages(),
            "dir/t.yaml:3:16: 4097b of RAM is not a whole number of pages\n"
            "    3 | ram: {default: 4097b, min: 2049b, max: 1048577b, below-4g: 4095b}\n"
            "      |                ^^^^^ a page has 4096 bytes\n"
            "dir/t.yaml:3:28: 2049b of RAM is not a whole number of pages\n"
            "    3 | ram: {default: 4097b, min: 2049b, max: 1048577b, below-4g: 4095b}\n"
            "      |                            ^^^^^ a page has 4096 bytes\n"
            "dir/t.yaml:3:40: 1048577b of RAM is not a whole number of pages\n"
            "    3 | ram: {default: 4097b, min: 2049b, max: 1048577b, below-4g: 4095b}\n"
            "      |                                        ^^^^^^^^ a page has 4096 bytes\n"
            "dir/t.yaml:3:60: 4095b of RAM is not a whole number of pages\n"
            "    3 | ram: {default: 4097b, min: 2049b, max: 1048577b, below-4g: 4095b}\n"
            "      |                                                            ^^^^^ a page has 4096 bytes\n");
}

TEST_F(ResolveBoard, FaultsOfTheBoardArePointedAt) {
  resolve(
      "schema: 1\n"
      "board: t\n"
      "options: {irq: {type: int, default: many}}\n"
      "cpus: {max: 2, default-count: 4}\n"
      "ram: {default: 8G, max: 4G, below-4g: 5G}\n"
      "devices:\n"
      "  pic: {base: 3}\n"
      "  com: {type: isa-serial, irq: \"${irk}\", a: \"${irq\"}\n");
  EXPECT_EQ(messages(),
            "dir/t.yaml:3:37: not a number: 'many'\n"
            "    3 | options: {irq: {type: int, default: many}}\n"
            "      |                                     ^^^^\n"
            "dir/t.yaml:8:32: no such option: 'irk'\n"
            "    8 |   com: {type: isa-serial, irq: \"${irk}\", a: \"${irq\"}\n"
            "      |                                ^^^^^^^^ did you mean 'irq'?\n"
            "dir/t.yaml:8:45: '}' is missing after '${irq'\n"
            "    8 |   com: {type: isa-serial, irq: \"${irk}\", a: \"${irq\"}\n"
            "      |                                             ^^^^^^^\n"
            "dir/t.yaml:4:31: 4 CPUs by default, but 2 at most\n"
            "    4 | cpus: {max: 2, default-count: 4}\n"
            "      |                               ^\n"
            "dir/t.yaml:5:16: the default size of RAM is 8G, outside of 0 to 4G\n"
            "    5 | ram: {default: 8G, max: 4G, below-4g: 5G}\n"
            "      |                ^^\n"
            "dir/t.yaml:5:39: 5G of RAM cannot lie below 4 GiB\n"
            "    5 | ram: {default: 8G, max: 4G, below-4g: 5G}\n"
            "      |                                       ^^ expected a size from 4K to 4G\n"
            "dir/t.yaml:7:3: device 'pic' has no type\n"
            "    7 |   pic: {base: 3}\n"
            "      |   ^^^ add type: TYPE\n");
}

TEST_F(ResolveBoard, TheBoardIsNamedByTheMachineOption) {
  Faults faults;
  option("-M", "pcc");
  EXPECT_FALSE(load_board(request_, BoardCatalog({}), faults));
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_STREQ(faults.list()[0].what(),
               "-M pcc: no such board: 'pcc'\n"
               "   ^^^ there are no board files in ");
}

}  // namespace
}  // namespace machina
