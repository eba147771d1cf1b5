// The pages of docs/ against the tree: links lead somewhere, files that are named exist, functions that are named are
// there.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "tests/support/test_paths.h"

namespace machina {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<fs::path> pages() {
  std::vector<fs::path> all{test::source_dir() / "README.md"};
  for (const auto& entry : fs::recursive_directory_iterator(test::source_dir() / "docs"))
    if (entry.path().extension() == ".md") all.push_back(entry.path());
  return all;
}

std::vector<std::string> matches(const std::string& text, const char* pattern) {
  const std::regex re(pattern);
  std::vector<std::string> found;
  for (auto it = std::sregex_iterator(text.begin(), text.end(), re); it != std::sregex_iterator(); ++it)
    found.push_back((*it)[1]);
  return found;
}

TEST(Docs, LinksLeadSomewhere) {
  for (const fs::path& page : pages()) {
    for (const std::string& target : matches(read(page), R"(\]\(([^)#:]+)(#[^)]*)?\))"))
      EXPECT_TRUE(fs::exists(page.parent_path() / target)) << page.filename() << " links to " << target;
  }
}

TEST(Docs, FilesThatAreNamedExist) {
  std::size_t count = 0;
  for (const fs::path& page : pages()) {
    // Folders too, and programs without an extension.
    for (const std::string& file :
         matches(read(page), R"(`((?:qom|core|hw|accel|machines|configs|tests|docs)/[A-Za-z0-9_/.-]+)`)")) {
      if (file.find("NAME") != std::string::npos || file.find("TARGET") != std::string::npos)
        continue;  // a pattern for files to come
      EXPECT_TRUE(fs::exists(test::source_dir() / file)) << page.filename() << " names " << file;
      ++count;
    }
  }
  EXPECT_GT(count, 50U);
}

TEST(Docs, FunctionsInTheLifeOfAVmExist) {
  std::string sources;
  for (const char* folder : {"qom", "core", "hw", "accel", "machines"})
    for (const auto& entry : fs::recursive_directory_iterator(test::source_dir() / folder))
      if (entry.path().extension() == ".h" || entry.path().extension() == ".cpp") sources += read(entry.path());
  const std::string page = read(test::source_dir() / "docs/life-of-a-vm.md");
  const std::vector<std::string> names = matches(page, R"(`([A-Z][A-Za-z0-9]+::[a-z_]+)`)");
  EXPECT_GT(names.size(), 20U);
  for (const std::string& name : std::set<std::string>(names.begin(), names.end())) {
    const std::size_t colon = name.find("::");
    const std::string owner = name.substr(0, colon), member = name.substr(colon + 2);
    EXPECT_TRUE(std::regex_search(sources, std::regex("(class|struct) " + owner + "\\b"))) << owner;
    EXPECT_TRUE(std::regex_search(sources, std::regex("\\b" + member + "\\("))) << name;
  }
}

}  // namespace
}  // namespace machina
