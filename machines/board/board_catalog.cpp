#include "machines/board/board_catalog.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "core/config/yaml.h"

namespace machina {

namespace fs = std::filesystem;

BoardCatalog BoardCatalog::standard(std::vector<std::string> first) {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
  if (!error) {
    first.push_back(program / "configs");
    first.push_back(program / "../../configs");  // build/release/machine-run in the source tree
    first.push_back(program / "../share/machina/configs");
  }
  return BoardCatalog(std::move(first));
}

std::vector<std::string> BoardCatalog::files() const {
  std::vector<std::string> found;
  std::set<std::string> names;
  for (const std::string& directory : directories_) {
    std::vector<std::string> here;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(directory, error))
      if (entry.path().extension() == ".yaml" && names.insert(entry.path().filename()).second)
        here.push_back(entry.path().lexically_normal());
    std::sort(here.begin(), here.end());
    found.insert(found.end(), here.begin(), here.end());
  }
  return found;
}

std::vector<BoardCatalog::Entry> BoardCatalog::list(Faults& faults) const {
  std::vector<Entry> entries;
  for (const std::string& file : files()) {
    faults.guard({}, [&] {
      const ConfigTree tree = load_yaml(file);
      Entry entry;
      entry.file = file;
      if (const ConfigNode name = tree["board"]) entry.name = name.text();
      if (entry.name.empty()) entry.name = fs::path(file).stem();
      if (const ConfigNode summary = tree["summary"]) entry.summary = summary.text();
      const ConfigNode alias = tree["alias"];
      if (alias && alias.is(ConfigKind::Scalar)) entry.aliases.push_back(alias.text());
      for (const ConfigNode& item : alias.items()) entry.aliases.push_back(item.text());
      entries.push_back(std::move(entry));
    });
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.name < b.name; });
  return entries;
}

std::string BoardCatalog::find(const std::string& name, const Origin& asked_at) const {
  std::error_code error;
  const bool is_path = name.find('/') != std::string::npos || fs::path(name).extension() == ".yaml";
  if (is_path) {
    if (fs::exists(name, error)) return name;
    throw Error(fmt::format("no such board file: '{}'", name)).at(asked_at);
  }
  for (const std::string& directory : directories_) {
    const fs::path file = fs::path(directory) / (name + ".yaml");
    if (!name.empty() && fs::exists(file, error)) return file.lexically_normal();
  }
  Faults unreadable;  // a broken file elsewhere is not what was asked for
  std::vector<std::string> names;
  for (const Entry& entry : list(unreadable)) {
    if (entry.name == name) return entry.file;
    names.push_back(entry.name);
    for (const std::string& alias : entry.aliases) {
      if (alias == name) return entry.file;
      names.push_back(alias);
    }
  }
  Error e(fmt::format("no such board: '{}'", name));
  const std::string near = did_you_mean(name, names);
  if (names.empty()) {
    e.hint(fmt::format("there are no board files in {}", fmt::join(directories_, ", ")));
  } else {
    e.hint(fmt::format("{}{}boards are {}", near, near.empty() ? "" : " ", fmt::join(names, ", ")));
  }
  throw e.at(asked_at);
}

}  // namespace machina
