#include "qom/plugin.h"

#include <dlfcn.h>
#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

namespace machina::qom {

namespace {

std::vector<Plugin>& plugins() {
  static std::vector<Plugin> list;
  return list;
}

/// Copies `size` bytes at `offset`; false when the file has not that many.
bool read_at(std::ifstream& in, std::uint64_t offset, void* to, std::size_t size) {
  in.clear();
  in.seekg(static_cast<std::streamoff>(offset));
  in.read(static_cast<char*>(to), static_cast<std::streamsize>(size));
  return in.gcount() == static_cast<std::streamsize>(size);
}

Error not_a_plugin(const std::string& file, const char* why) {
  Error e(fmt::format("not a plugin: '{}'", file));
  return e.why(why).hint("a plugin is a shared object with one MACHINA_PLUGIN(name, version)");
}

std::string text_of(const auto& chars) { return {chars.data(), ::strnlen(chars.data(), chars.size())}; }

}  // namespace

PluginStamp read_plugin_stamp(const std::string& file) {
  std::error_code error;
  if (!std::filesystem::exists(file, error)) {
    Error e(fmt::format("no such plugin: '{}'", file));
    throw e.why(error ? error.message() : std::strerror(ENOENT));
  }
  if (!std::filesystem::is_regular_file(file, error)) throw not_a_plugin(file, "it is not a regular file");
  std::ifstream in(file, std::ios::binary);
  if (!in) throw Error(fmt::format("cannot read plugin '{}'", file)).why(std::strerror(errno));
  Elf64_Ehdr header{};
  if (!read_at(in, 0, &header, sizeof header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
    throw not_a_plugin(file, "it is not an ELF file");
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != EM_X86_64 || header.e_type != ET_DYN)
    throw not_a_plugin(file, "it is not a shared object for x86-64");
  if (header.e_shentsize != sizeof(Elf64_Shdr)) throw not_a_plugin(file, "its section table is damaged");
  std::vector<Elf64_Shdr> sections(header.e_shnum);
  for (std::size_t i = 0; i < sections.size(); ++i) {
    if (!read_at(in, header.e_shoff + i * sizeof(Elf64_Shdr), &sections[i], sizeof(Elf64_Shdr)))
      throw not_a_plugin(file, "its section table is damaged");
  }
  if (header.e_shstrndx >= sections.size()) throw not_a_plugin(file, "its section table is damaged");
  static constexpr char kName[] = ".machina.plugin";
  for (const Elf64_Shdr& section : sections) {
    char name[sizeof kName] = {};
    if (!read_at(in, sections[header.e_shstrndx].sh_offset + section.sh_name, name, sizeof name)) continue;
    if (std::memcmp(name, kName, sizeof kName) != 0) continue;
    PluginStamp stamp;
    if (section.sh_size != sizeof stamp || !read_at(in, section.sh_offset, &stamp, sizeof stamp) ||
        stamp.magic != PluginStamp().magic) {
      throw not_a_plugin(file, "its stamp is of another layout: it was built for another version of Machina");
    }
    return stamp;
  }
  throw not_a_plugin(file, "it has no stamp");
}

const Plugin& load_plugin(const std::string& file) {
  std::error_code error;
  const std::string path = std::filesystem::weakly_canonical(file, error).string();
  for (const Plugin& p : plugins())
    if (p.file == path) return p;
  const PluginStamp stamp = read_plugin_stamp(file);
  const PluginStamp ours;
  std::string mismatch;
  const auto compare = [&](const char* what, std::uint32_t theirs, std::uint32_t expected) {
    if (theirs != expected)
      mismatch += fmt::format("{}{} {}, expected {}", mismatch.empty() ? "" : "; ", what, theirs, expected);
  };
  compare("ABI", stamp.abi, ours.abi);
  compare("compiler", stamp.compiler, ours.compiler);
  compare("language", stamp.language, ours.language);
  compare("sanitizer", stamp.sanitizer, ours.sanitizer);
  compare("sizeof(Object)", stamp.object_size, ours.object_size);
  compare("sizeof(ObjectClass)", stamp.class_size, ours.class_size);
  compare("sizeof(Property)", stamp.property_size, ours.property_size);
  compare("sizeof(TypeInfo)", stamp.type_info_size, ours.type_info_size);
  if (!mismatch.empty()) {
    Error e(fmt::format("plugin '{}' was built for another Machina", file));
    throw e.why(mismatch).hint("build it again with the headers and the compiler of this program");
  }

  TypeRegistry& registry = TypeRegistry::global();
  const std::vector<std::string> before_list = registry.names({}, true);
  const std::set<std::string> before(before_list.begin(), before_list.end());
  registry.set_origin(path);
  // RTLD_NOW: an undefined symbol is an error message here, not a crash later.
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  const char* reason = handle ? nullptr : ::dlerror();
  registry.set_origin("built-in");
  if (!handle) throw Error(fmt::format("cannot load plugin '{}'", file)).why(reason ? reason : "unknown");
  try {
    registry.finalize();
  } catch (Error& e) {
    ::dlclose(handle);  // its types were forgotten: nothing refers to its code
    throw Error(fmt::format("plugin '{}' does not fit in", file)).why(e.message());
  }
  Plugin plugin{path, text_of(stamp.name), text_of(stamp.version), {}};
  for (const std::string& name : registry.names({}, true))
    if (!before.count(name)) plugin.types.push_back(name);
  plugins().push_back(std::move(plugin));
  return plugins().back();
}

const std::vector<Plugin>& loaded_plugins() { return plugins(); }

}  // namespace machina::qom
