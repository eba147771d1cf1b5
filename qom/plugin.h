#pragma once
/// Plugins: shared objects that add types. A plugin registers them as built-in types do, with MACHINA_TYPE, and carries
/// one MACHINA_PLUGIN("name", "version").
///
/// What the plugin was compiled against is stamped into a section of its file. The stamp is read from the file and
/// compared before the loader maps it, so no code of a plugin that does not fit ever runs.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "qom/object.h"

namespace machina::qom {

struct PluginStamp {
  std::array<char, 8> magic{'M', 'A', 'C', 'H', 'P', 'L', 'U', 'G'};
  std::uint32_t abi = 1;  ///< raised when the meaning of a shared class changes and its size does not
  std::uint32_t compiler = __GNUC__;
  std::uint32_t language = static_cast<std::uint32_t>(__cplusplus);
#if defined(__SANITIZE_ADDRESS__)
  std::uint32_t sanitizer = 1;
#elif defined(__SANITIZE_THREAD__)
  std::uint32_t sanitizer = 2;
#else
  std::uint32_t sanitizer = 0;
#endif
  std::uint32_t object_size = sizeof(Object);
  std::uint32_t class_size = sizeof(ObjectClass);
  std::uint32_t property_size = sizeof(Property);
  std::uint32_t type_info_size = sizeof(TypeInfo);
  std::array<char, 32> name{};
  std::array<char, 16> version{};
};

constexpr PluginStamp make_plugin_stamp(std::string_view name, std::string_view version) {
  PluginStamp stamp;
  for (std::size_t i = 0; i < name.size() && i + 1 < stamp.name.size(); ++i) stamp.name[i] = name[i];
  for (std::size_t i = 0; i < version.size() && i + 1 < stamp.version.size(); ++i) stamp.version[i] = version[i];
  return stamp;
}

struct Plugin {
  std::string file, name, version;
  std::vector<std::string> types;  ///< that it added
};

/// Loads a plugin; its types can be used at once. Loading a file again does nothing. Throws Error: no such file, not a
/// plugin, another ABI, a type that exists already, an undefined symbol. Main thread, before or between machines.
/// Plugins stay loaded: objects of their types may live to the end.
const Plugin& load_plugin(const std::string& file);
const std::vector<Plugin>& loaded_plugins();

/// The stamp in a plugin's file, without running any of it. Throws Error when it is no plugin.
PluginStamp read_plugin_stamp(const std::string& file);

}  // namespace machina::qom

#define MACHINA_PLUGIN(name, version)                                                                                  \
  extern const ::machina::qom::PluginStamp machina_plugin_stamp;                                                       \
  __attribute__((used, section(".machina.plugin"))) constinit const ::machina::qom::PluginStamp machina_plugin_stamp = \
      ::machina::qom::make_plugin_stamp(name, version)
