#include "machines/board/board_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace machina {
namespace {

/// Board files in a directory of their own.
class BoardFiles : public testing::Test {
 protected:
  BoardFiles() {
    directory_ =
        std::filesystem::temp_directory_path() / ("machina-boards-" + std::to_string(::getpid()) + "-" +
                                                  testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(directory_);
  }
  ~BoardFiles() override { std::filesystem::remove_all(directory_); }

  void write(const std::string& name, const std::string& text) { std::ofstream(directory_ / name) << text; }
  BoardCatalog catalog() const { return BoardCatalog({directory_.string()}); }
  std::optional<BoardFile> read(const std::string& name) {
    return read_board((directory_ / name).string(), catalog(), faults_);
  }
  /// What the user sees, with the directory's name left out.
  std::string messages() const {
    std::string all;
    for (const Error& e : faults_.list()) all += std::string(e.what()) + "\n";
    const std::string directory = directory_.string() + "/";
    for (std::size_t i = all.find(directory); i != std::string::npos; i = all.find(directory))
      all.erase(i, directory.size());
    return all;
  }

  std::filesystem::path directory_;
  Faults faults_;
};

TEST_F(BoardFiles, AMinimalBoardIsWell) {
  write("a.yaml", "schema: 1\nboard: a\n");
  const auto file = read("a.yaml");
  ASSERT_TRUE(file);
  EXPECT_EQ(messages(), "");
  EXPECT_EQ(file->tree["board"].text(), "a");
}

TEST_F(BoardFiles, AllFaultsOfShapeAreReportedAtOnce) {
  write("a.yaml",
        "board: a\n"
        "cpu: {max: 4}\n"
        "ram: {default: lots}\n"
        "devices:\n"
        "  pit: i8254\n"
        "  9pic: {type: x}\n"
        "  rtc: {type: [a, b], default: maybe}\n"
        "options:\n"
        "  n: {type: integer, default: 4}\n"
        "  m: {type: int}\n");
  const auto file = read("a.yaml");
  ASSERT_TRUE(file);
  EXPECT_EQ(messages(),
            "a.yaml:2:1: a board file has no key 'cpu'\n"
            "    2 | cpu: {max: 4}\n"
            "      | ^^^ did you mean 'cpus'?\n"
            "a.yaml:1:1: a board file needs the key 'schema'\n"
            "    1 | board: a\n"
            "      | ^ version of this format: 1\n"
            "a.yaml:3:16: not a size: 'lots'\n"
            "    3 | ram: {default: lots}\n"
            "      |                ^^^^ sizes are written as 4096, 640K, 64M, 1.5G or 1T\n"
            "a.yaml:9:13: no such type of option: 'integer'\n"
            "    9 |   n: {type: integer, default: 4}\n"
            "      |             ^^^^^^^ types are bool, int, size, str, enum\n"
            "a.yaml:10:3: option 'm' needs the key 'default'\n"
            "   10 |   m: {type: int}\n"
            "      |   ^ value when -M does not set it\n"
            "a.yaml:5:8: device 'pit' is a value\n"
            "    5 |   pit: i8254\n"
            "      |        ^^^^^ write {type: TYPE, property: value}\n"
            "a.yaml:6:3: a device cannot be called '9pic'\n"
            "    6 |   9pic: {type: x}\n"
            "      |   ^^^^ names start with a letter; letters, digits, '-', '_' and '.' follow\n"
            "a.yaml:7:15: 'type' is a list\n"
            "    7 |   rtc: {type: [a, b], default: maybe}\n"
            "      |               ^ expected a word\n"
            "a.yaml:7:32: not a switch: 'maybe'\n"
            "    7 |   rtc: {type: [a, b], default: maybe}\n"
            "      |                                ^^^^^ write on or off\n");
  EXPECT_EQ(file->tree["devices"].keys(), std::vector<std::string>{"rtc"}) << "what is wrong is left out";
  EXPECT_EQ(file->tree["options"].size(), 0u);
}

TEST_F(BoardFiles, ABoardOfAnotherSchemaIsRefused) {
  write("a.yaml", "schema: 2\nboard: a\n");
  read("a.yaml");
  EXPECT_EQ(messages(),
            "a.yaml:1:9: schema 2 is not known\n"
            "    1 | schema: 2\n"
            "      |         ^ this program reads schema 1\n");
}

TEST_F(BoardFiles, AnExtensionAddsChangesAndRemovesById) {
  write("base.yaml",
        "schema: 1\nboard: base\nalias: [b]\nsummary: base\n"
        "ram: {default: 64M, max: 1G}\n"
        "options: {irq: {type: int, default: 4}, gone: {type: bool, default: on}}\n"
        "devices:\n  pit: {type: i8254, freq: 1}\n  rtc: {type: rtc, irq: 8}\n  vga: {type: VGA}\n");
  write("a.yaml",
        "schema: 1\nboard: a\nextends: base\nram: {default: 128M}\n"
        "options: {irq: {default: 5}, gone: null}\n"
        "devices:\n  vga: null\n  rtc: {irq: null, base_year: 1980}\n  com: {type: serial}\n");
  const auto file = read("a.yaml");
  ASSERT_TRUE(file);
  EXPECT_EQ(messages(), "");
  const ConfigTree& tree = file->tree;
  EXPECT_EQ(file->files.size(), 2u);
  EXPECT_EQ(tree["board"].text(), "a");
  EXPECT_FALSE(tree["summary"]) << "names are a board's own";
  EXPECT_FALSE(tree["alias"]);
  EXPECT_EQ(tree["ram"]["default"].text(), "128M");
  EXPECT_EQ(tree["ram"]["max"].text(), "1G");
  EXPECT_EQ(tree["options"].keys(), std::vector<std::string>{"irq"});
  EXPECT_EQ(tree["options"]["irq"]["default"].text(), "5");
  EXPECT_EQ(tree["options"]["irq"]["type"].text(), "int");
  EXPECT_EQ(tree["devices"].keys(), (std::vector<std::string>{"pit", "rtc", "com"}));
  EXPECT_EQ(tree["devices"]["rtc"].keys(), (std::vector<std::string>{"type", "base_year"}));
  EXPECT_EQ(std::filesystem::path(tree["devices"]["pit"]["freq"].origin().place).filename(), "base.yaml");
}

TEST_F(BoardFiles, RemovingWhatIsNotThereIsAFault) {
  write("base.yaml", "schema: 1\nboard: base\ndevices:\n  vga: {type: VGA}\n");
  write("a.yaml", "schema: 1\nboard: a\nextends: base\ndevices:\n  vgaa: null\n");
  read("a.yaml");
  EXPECT_EQ(messages(),
            "a.yaml:5:3: there is no device 'vgaa' to remove\n"
            "    5 |   vgaa: null\n"
            "      |   ^^^^ did you mean 'vga'?\n");
}

TEST_F(BoardFiles, ExtendingSomethingUnknownOrOneselfIsAFault) {
  write("a.yaml", "schema: 1\nboard: a\nextends: bb\n");
  write("b.yaml", "schema: 1\nboard: b\nextends: c\n");
  write("c.yaml", "schema: 1\nboard: c\nextends: b.yaml\n");
  EXPECT_FALSE(read("a.yaml"));
  EXPECT_FALSE(read("b.yaml"));
  EXPECT_EQ(messages(),
            "a.yaml:3:10: no such board: 'bb'\n"
            "    3 | extends: bb\n"
            "      |          ^^ did you mean 'b'? boards are a, b, c\n"
            "c.yaml:3:10: 'b.yaml' extends itself\n"
            "    3 | extends: b.yaml\n"
            "      |          ^^^^^^\n");
}

TEST_F(BoardFiles, AFaultInWhatIsExtendedIsShownThere) {
  write("base.yaml", "schema: 1\nboard: base\nramm: {}\n");
  write("a.yaml", "schema: 1\nboard: a\nextends: base\n");
  EXPECT_TRUE(read("a.yaml"));
  EXPECT_EQ(messages(),
            "base.yaml:3:1: a board file has no key 'ramm'\n"
            "    3 | ramm: {}\n"
            "      | ^^^^ did you mean 'ram'?\n");
}

TEST_F(BoardFiles, BoardsAreFoundByNameAliasAndPath) {
  write("pc.yaml", "schema: 1\nboard: pc\nalias: [pc-i440fx-1.0]\nsummary: A PC\n");
  write("broken.yaml", "a: [\n");
  const BoardCatalog boards = catalog();
  const std::string pc = (directory_ / "pc.yaml").string();
  EXPECT_EQ(boards.find("pc", {}), pc);
  EXPECT_EQ(boards.find("pc-i440fx-1.0", {}), pc);
  EXPECT_EQ(boards.find(pc, {}), pc);
  EXPECT_THROW(boards.find("/nonexistent/pc.yaml", {}), Error);
  EXPECT_THROW(boards.find("", {}), Error);
  Faults faults;
  const auto entries = boards.list(faults);
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].name, "pc");
  EXPECT_EQ(entries[0].aliases, std::vector<std::string>{"pc-i440fx-1.0"});
  EXPECT_EQ(entries[0].summary, "A PC");
  EXPECT_EQ(faults.size(), 1u) << "the broken one";
}

TEST_F(BoardFiles, AnEarlierDirectoryHidesALaterOne) {
  std::filesystem::create_directories(directory_ / "mine");
  write("pc.yaml", "schema: 1\nboard: pc\nsummary: theirs\n");
  write("mine/pc.yaml", "schema: 1\nboard: pc\nsummary: mine\n");
  const BoardCatalog boards({(directory_ / "mine").string(), directory_.string(), "/nonexistent"});
  Faults faults;
  ASSERT_EQ(boards.list(faults).size(), 1u);
  EXPECT_EQ(boards.list(faults)[0].summary, "mine");
  EXPECT_EQ(boards.find("pc", {}), (directory_ / "mine/pc.yaml").string());
}

TEST_F(BoardFiles, NotAMapIsNoBoard) {
  write("a.yaml", "- a\n- b\n");
  read("a.yaml");
  EXPECT_EQ(messages(),
            "a.yaml:1:1: a board file is a map\n"
            "    1 | - a\n"
            "      | ^ see docs/boards.md\n");
}

}  // namespace
}  // namespace machina
