// docs/boards.md is true: its example works, and it names every key.

#include <gtest/gtest.h>

#include "core/config/option_groups.h"
#include "core/config/yaml.h"
#include "machines/board/board_composer.h"
#include "machines/machine.h"
#include "tests/support/test_paths.h"

namespace machina {
namespace {

std::string page() { return read_text_file((test::source_dir() / "docs/boards.md").string(), "page"); }

/// The first block of that language in the page.
std::string block(const std::string& language) {
  const std::string text = page();
  const std::string head = "```" + language + "\n";
  const std::size_t start = text.find(head) + head.size();
  return text.substr(start, text.find("```", start) - start);
}

/// The example with options of a command line, composed.
class Example : public testing::Test {
 protected:
  void compose(const char* machine_option, const char* set = nullptr) {
    BoardRequest request;
    request.firmware = config_scalar("kernel.bin", {});
    add_option(request.groups, "machine", parse_option("-M", machine_option, "type").root());
    if (set) request.sets.push_back(parse_set_option(set));
    Faults faults;
    const BoardCatalog catalog({(test::source_dir() / "configs").string()});
    const auto file = read_board_text(block("yaml"), "boards.md", catalog, faults);
    ASSERT_TRUE(file);
    board_ = resolve_board(*file, request, faults);
    compose_board(board_, request, root_->add_new_child<Machine>("machine"), {}, faults);
    for (const Error& fault : faults.list()) ADD_FAILURE() << fault.what();
  }
  std::string value(const char* path, const char* property) {
    qom::Object* o = qom::resolve_path(*root_, path);
    return o ? o->get(property).to_string() : "(none)";
  }

  Board board_;
  qom::Ref<qom::Container> root_ = qom::create<qom::Container>();
};

TEST_F(Example, IsWhatThePageSays) {
  compose("classroom");
  EXPECT_EQ(value("/machine/serial", "irq"), "3") << "another default";
  EXPECT_EQ(value("/machine/serial", "iobase"), "1016") << "inherited";
  EXPECT_EQ(value("/machine/serial", "wakeup"), qom::Value(true).to_string());
  EXPECT_EQ(value("/machine/rtc", "irq"), "8");
  EXPECT_EQ(value("/machine/exit", "iobase"), "(none)");
  EXPECT_EQ(value("/machine/rom", "file"), "kernel.bin");
}

TEST_F(Example, TakesTheOptionsThatThePageGives) {
  compose("classroom,serial-irq=5", "device.rtc.base=localtime");
  EXPECT_EQ(value("/machine/serial", "irq"), "5");
  EXPECT_EQ(value("/machine/rtc", "base"), "localtime");
}

TEST_F(Example, CanLeaveTheClockOut) {
  compose("classroom,clock=off");
  EXPECT_EQ(value("/machine/rtc", "irq"), "(none)");
}

TEST(BoardsPage, NamesEveryKey) {
  const std::string text = page();
  for (const auto* keys : {&board_keys(), &cpus_keys(), &ram_keys(), &option_keys(), &device_keys()})
    for (const BoardKey& key : *keys)
      EXPECT_TRUE(text.find("`" + std::string(key.name) + "`") != std::string::npos ||
                  text.find(", " + std::string(key.name)) != std::string::npos)
          << key.name;
  for (const std::string& name : conventional_backends())
    EXPECT_TRUE(text.find("`" + name + "`") != std::string::npos || name == "serial1" || name == "serial2" ||
                name == "parallel1")
        << name;
}

}  // namespace
}  // namespace machina
