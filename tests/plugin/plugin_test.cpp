// Plugins, built here as a stranger would build them: outside of the source tree, with a compiler and the headers.

#include "qom/plugin.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/support/test_machine.h"
#include "tests/support/test_paths.h"

namespace machina {
namespace {

namespace fs = std::filesystem;

class PluginTest : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() / ("machina-plugin-" + std::to_string(::getpid()));
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }

  fs::path build(const std::string& name, const std::string& source, const std::string& flags = {}) {
    const fs::path cpp = dir_ / (name + ".cpp"), so = dir_ / (name + ".so");
    std::ofstream(cpp) << source;
#if defined(__SANITIZE_ADDRESS__)
    const std::string sanitizer = " -fsanitize=address,undefined";
#elif defined(__SANITIZE_THREAD__)
    const std::string sanitizer = " -fsanitize=thread";
#else
    const std::string sanitizer;
#endif
    const std::string command = "g++ -std=c++20 -Wall -Wextra -Werror -O0 -fPIC -shared -I" +
                                test::source_dir().string() + sanitizer + " " + flags + " -o " + so.string() + " " +
                                cpp.string();
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
    return so;
  }
  static std::string read_file(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static std::string error_of(const std::string& file) {
    try {
      qom::load_plugin(file);
    } catch (const Error& e) {
      return e.what();
    }
    return "loaded";
  }

  fs::path dir_;
};

TEST_F(PluginTest, AddsADeviceThatWorks) {
  const fs::path so = build("fan", read_file(test::source_dir() / "tests/plugin/fan/fan_sensor.cpp"));
  const qom::Plugin& plugin = qom::load_plugin(so.string());
  EXPECT_EQ(plugin.name, "fan");
  EXPECT_EQ(plugin.version, "0.1");
  EXPECT_EQ(plugin.types, std::vector<std::string>{"fan-sensor"});
  EXPECT_EQ(&qom::load_plugin(so.string()), &plugin) << "a second time does nothing";
  EXPECT_EQ(qom::TypeRegistry::global().find("fan-sensor")->origin, so.string());

  test::TestMachine m;
  m.add_isa_bus();
  m.add("fan-sensor", "fan", {{"iobase", "0x300"}, {"max-rpm", "6000"}});
  m.start();
  EXPECT_EQ(m.inb(0x300), 6000 * 128 / 255 / 60);
  m.outb(0x301, 255);
  EXPECT_EQ(m.inb(0x301), 255);
  EXPECT_EQ(m.inb(0x300), 100);
  m.reset();
  EXPECT_EQ(m.inb(0x301), 128);
}

// Runs when it is loaded: proof that a refused plugin is not.
constexpr const char* kLoud = R"(
#include <cstdlib>
#include <fstream>
#include "qom/plugin.h"
namespace { const bool ran = [] { std::ofstream(std::getenv("MACHINA_TEST_MARK")) << "ran"; return true; }(); }
MACHINA_PLUGIN("loud", "1");
)";

TEST_F(PluginTest, OfAnotherAbiIsRefusedBeforeItRuns) {
  const fs::path mark = dir_ / "mark";
  ::setenv("MACHINA_TEST_MARK", mark.c_str(), 1);
  const fs::path so = build("loud", kLoud);
  std::string bytes = read_file(so);
  const std::size_t at = bytes.find("MACHPLUG");
  ASSERT_NE(at, std::string::npos);
  bytes[at + 8] = 99;  // the ABI number stands behind the magic
  std::ofstream(so, std::ios::binary) << bytes;
  const std::string text = error_of(so.string());
  EXPECT_NE(text.find("built for another Machina"), std::string::npos) << text;
  EXPECT_NE(text.find("ABI 99, expected 1"), std::string::npos) << text;
  EXPECT_FALSE(fs::exists(mark));
  bytes[at + 8] = 1;
  std::ofstream(so, std::ios::binary | std::ios::trunc) << bytes;
  EXPECT_EQ(error_of(so.string()), "loaded");
  EXPECT_TRUE(fs::exists(mark));
}

TEST_F(PluginTest, WithATypeThatExistsIsRefusedWhole) {
  const fs::path so = build("thief", R"(
#include "hw/isa/isa_bus.h"
#include "qom/plugin.h"
namespace thief {
class Good : public machina::IsaDevice { public: static constexpr const char* kType = "thief-good"; };
class Bad : public machina::IsaDevice { public: static constexpr const char* kType = "isa-bus"; };
MACHINA_TYPE(Good, machina::IsaDevice);
MACHINA_TYPE(Bad, machina::IsaDevice);
}
MACHINA_PLUGIN("thief", "1");
)");
  const std::string text = error_of(so.string());
  EXPECT_NE(text.find("'isa-bus'"), std::string::npos) << text;
  EXPECT_NE(text.find("registered already, by built-in"), std::string::npos) << text;
  EXPECT_EQ(qom::TypeRegistry::global().find("thief-good"), nullptr);
}

TEST_F(PluginTest, WithAnUndefinedSymbolIsAMessage) {
  const fs::path so = build("undefined", R"(
#include "qom/plugin.h"
extern int nobody_has_this();
int use = nobody_has_this();
MACHINA_PLUGIN("undefined", "1");
)");
  const std::string text = error_of(so.string());
  EXPECT_NE(text.find("cannot load plugin"), std::string::npos) << text;
  EXPECT_NE(text.find("nobody_has_this"), std::string::npos) << text;
}

TEST_F(PluginTest, WhatIsNoPluginIsSaidSo) {
  EXPECT_NE(error_of((dir_ / "missing.so").string()).find("no such plugin"), std::string::npos);
  EXPECT_NE(error_of(dir_.string()).find("not a regular file"), std::string::npos);
  std::ofstream(dir_ / "text.so") << "hello";
  EXPECT_NE(error_of((dir_ / "text.so").string()).find("not an ELF file"), std::string::npos);
  const fs::path plain = build("plain", "int x;");
  EXPECT_NE(error_of(plain.string()).find("it has no stamp"), std::string::npos);
}

TEST_F(PluginTest, DamagedFilesAreRefused) {
  const fs::path so = build("whole", kLoud);
  const std::string bytes = read_file(so);
  for (const std::size_t size : {std::size_t{10}, std::size_t{63}, bytes.size() / 2, bytes.size() - 1}) {
    const fs::path cut = dir_ / "cut.so";
    std::ofstream(cut, std::ios::binary | std::ios::trunc) << bytes.substr(0, size);
    EXPECT_NE(error_of(cut.string()).find("not a plugin"), std::string::npos) << size;
  }
  // Section offsets that point anywhere.
  for (std::size_t i = 0; i < 8; ++i) {
    std::string broken = bytes;
    broken[40 + i] = static_cast<char>(0xff);  // e_shoff
    const fs::path file = dir_ / "broken.so";
    std::ofstream(file, std::ios::binary | std::ios::trunc) << broken;
    EXPECT_NE(error_of(file.string()).find("not a plugin"), std::string::npos) << i;
  }
}

}  // namespace
}  // namespace machina
