// Wrong boards and wrong options of boards, and the one message that each of them gives.
//
// tests/bad-input/boards/NAME.yaml is a board with a fault, NAME.txt all that `board check` says about it.
// tests/bad-input/board-options.yaml lists options that do not fit the board, and what is said about them.
// With MACHINA_WRITE_EXPECTED=1 in the environment what is expected is written instead of compared: read the
// difference.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "core/config/yaml.h"
#include "machines/board/board_command.h"
#include "machines/board/board_composer.h"
#include "machines/cli/command_line.h"
#include "machines/machine.h"
#include "qom/plugin.h"
#include "tests/support/test_paths.h"

namespace machina {
namespace {

namespace fs = std::filesystem;

fs::path cases() { return test::source_dir() / "tests/bad-input"; }
BoardCatalog shipped() { return BoardCatalog({(test::source_dir() / "configs").string()}); }

/// Messages with the directories of this source tree left out.
std::string text_of(const Faults& faults) {
  std::string all;
  for (const Error& fault : faults.list()) all += std::string(fault.what()) + "\n";
  for (const fs::path& directory : {cases() / "boards", test::source_dir()}) {
    const std::string prefix = directory.string() + "/";
    for (std::size_t at = all.find(prefix); at != std::string::npos; at = all.find(prefix))
      all.erase(at, prefix.size());
  }
  // Where the other party stands in a board that we ship is not what a case is about.
  return std::regex_replace(all, std::regex("(of|is) (configs/[a-z]+\\.yaml):[0-9]+:[0-9]+"), "$1 $2");
}

class BadBoard : public testing::TestWithParam<std::string> {};

TEST_P(BadBoard, IsRefusedWithItsMessages) {
  const fs::path file = cases() / "boards" / (GetParam() + ".yaml");
  const std::string said = text_of(check_board(file.string(), shipped()));
  EXPECT_NE(said, "") << "a case without a fault";
  fs::path expected = file;
  expected.replace_extension(".txt");
  if (std::getenv("MACHINA_WRITE_EXPECTED")) {
    std::ofstream(expected) << said;
    return;
  }
  EXPECT_EQ(said, read_text_file(expected.string(), "expected text"));
}

std::vector<std::string> board_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(cases() / "boards"))
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem());
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(Boards, BadBoard, testing::ValuesIn(board_names()), [](const auto& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(BadBoards, AreMany) { EXPECT_GE(board_names().size(), 50u); }

/// What a command line is told before its machine is started.
std::string said_about(const std::vector<std::string>& arguments) {
  Faults faults;
  faults.guard({}, [&] {
    const CommandLine cl = CommandLine::parse(arguments);
    BoardRequest request;
    request.groups = cl.groups;
    request.globals = cl.globals;
    request.sets = cl.sets;
    request.no_defaults = cl.nodefaults;
    const auto board = load_board(request, shipped(), faults);
    if (!board) return;
    const auto root = qom::create<qom::Container>();
    compose_board(*board, request, root->add_new_child<Machine>("machine"), {}, faults);
  });
  return text_of(faults);
}

void write_options(const std::string& file, const ConfigTree& table) {
  std::ofstream out(file);
  out << "# Options that do not fit the board, and what is said about them before anything is started.\ncases:\n";
  for (const ConfigNode& item : table["cases"].items()) {
    std::string list;
    std::vector<std::string> arguments;
    for (const ConfigNode& argument : item["args"].items()) {
      arguments.push_back(argument.text());
      list += (list.empty() ? "\"" : ", \"") + argument.text() + "\"";
    }
    out << "  - args: [" << list << "]\n    says: |\n";
    std::istringstream lines(said_about(arguments));
    for (std::string line; std::getline(lines, line);) out << "      " << line << '\n';
  }
}

TEST(BadBoardOptions, GetTheirMessages) {
  const std::string file = (cases() / "board-options.yaml").string();
  const ConfigTree table = load_yaml(file);
  if (std::getenv("MACHINA_WRITE_EXPECTED")) return write_options(file, table);
  std::size_t checked = 0;
  for (const ConfigNode& item : table["cases"].items()) {
    std::vector<std::string> arguments;
    for (const ConfigNode& argument : item["args"].items()) arguments.push_back(argument.text());
    EXPECT_EQ(said_about(arguments), item["says"].text()) << item.origin().brief();
    ++checked;
  }
  EXPECT_GE(checked, 20u);
}

TEST(BadBoardOptions, GoodOnesAreTaken) {
  EXPECT_EQ(said_about({"-M", "pc,timer-pin=0", "-device", "isa-serial,id=com2,iobase=0x2f8,irq=3", "-set",
                        "device.com2.wakeup=on", "-global", "isa-debugcon.readback=0"}),
            "");
}

}  // namespace
}  // namespace machina
