#include "core/read_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/error.h"

namespace machina {
namespace {

namespace fs = std::filesystem;

class ReadFile : public testing::Test {
 protected:
  ReadFile() { fs::create_directories(folder_); }
  ~ReadFile() override { fs::remove_all(folder_); }
  std::string path(const char* name) const { return (folder_ / name).string(); }
  static std::string message_of(const std::string& file, std::uint64_t max) {
    try {
      read_file(file, max);
    } catch (const Error& e) {
      return e.message() + (e.cause().empty() ? "" : ": " + e.cause());
    }
    return "accepted";
  }
  fs::path folder_ = fs::temp_directory_path() / ("read-file-" + std::to_string(::getpid()));
};

TEST_F(ReadFile, GivesAllBytes) {
  std::ofstream(path("f")) << std::string("a\0b", 3);
  EXPECT_EQ(read_file(path("f"), 3), (std::vector<std::uint8_t>{'a', 0, 'b'}));
}

TEST_F(ReadFile, SaysWhyNot) {
  std::ofstream(path("f")) << "1234";
  std::ofstream(path("empty"));
  ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(message_of(path("f"), 3), "'" + path("f") + "' is too large: it has 4 bytes, and at most 3 fit");
  EXPECT_EQ(message_of(path("empty"), 3), "'" + path("empty") + "' is empty");
  EXPECT_EQ(message_of(path("pipe"), 3), "'" + path("pipe") + "' is not a regular file") << "and nobody waits for it";
  EXPECT_EQ(message_of(folder_.string(), 3), "'" + folder_.string() + "' is not a regular file");
  EXPECT_EQ(message_of(path("no"), 3), "cannot open '" + path("no") + "': No such file or directory");
}

}  // namespace
}  // namespace machina
