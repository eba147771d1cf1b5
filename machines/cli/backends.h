#pragma once
/// The host's ends of a machine: character backends, disks and networks, made from options. Objects under /chardevs,
/// /blockdevs and /netdevs; those of -object under /objects. Making them touches nothing of the host; realizing them
/// opens files and sockets.

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/chardev/char_backend.h"
#include "core/clock.h"
#include "core/config/config_tree.h"
#include "core/event_loop.h"
#include "machines/cli/command_line.h"

namespace machina {

class CharMux;

class Backends {
 public:
  /// Adds the containers to `root`.
  Backends(qom::Object& root, EventLoop& loop, Clock& clock);

  /// All -chardev options. Throws Error at the option.
  void add_chardevs(const CommandLine& cl);
  /// -serial and its like: the backend that `spec` describes, made under `id`, or the one that chardev:ID names; null
  /// for "none". Throws Error.
  /// One that is shared (mux=on) gets a port for each user; `monitor`: a silent one, until it has the focus.
  CharBackend* add_character(const ConfigValue& spec, const std::string& id, bool monitor = false);
  /// Ports that a human monitor belongs to, since somebody asked for "mon:…"; with the place that asked.
  const std::vector<std::pair<CharBackend*, Origin>>& monitor_ports() const { return monitor_ports_; }
  bool has_stdio() const;
  /// The option that asked for the backend at `path`; unknown when it is none.
  Origin origin_of(const std::string& path) const;
  /// Names that boards use ("serial0") for backends that have another (chardev:ID).
  const std::map<std::string, std::string>& aliases() const { return aliases_; }
  /// All -drive options; those of interface "ide" are appended to `devices` as options of -device, those of "floppy"
  /// are for the drives of the board, which links to "floppy0" and "floppy1". Throws Error.
  void add_drives(const CommandLine& cl, ConfigTree& groups);

  /// The option that asked for floppy drive 0 (A) or 1 (B), with a disk in it or without.
  std::optional<Origin> floppy(unsigned unit) const { return floppies_.at(unit); }
  /// After add_drives(): the user leaves room for the CD drive that a board has by default, and names no other drives.
  bool default_cdrom() const { return default_cdrom_; }

  /// All -netdev and -nic options; the cards of -nic are appended to `devices` as options of -device. Throws Error.
  void add_networks(const CommandLine& cl, ConfigTree& groups);
  /// The network of the card that a board has by default, under kDefaultNetwork.
  void add_default_network();
  static constexpr const char* kDefaultNetwork = "nic0";
  /// All -object options, after everything that they may refer to. Throws Error.
  void add_objects(const CommandLine& cl);
  /// Tells of networks that no card is connected to. Once the machine is powered on.
  void warn_of_loose_ends() const;

  /// Null when there is none of that name.
  CharBackend* find_character(const std::string& id) const;

  /// Opens everything. All or nothing. Throws Error at the option that asked for it.
  void open();
  /// Waits a second at the most for those who read what character backends still hold.
  void close();

 private:
  void remember(qom::Object& object, const Origin& origin);
  /// The image of a -drive option, named `id`.
  void add_disk(const ConfigNode& option, const std::string& id, bool cdrom, bool snapshot);
  void add_floppy(const ConfigNode& option, bool snapshot);
  void add_network(const ConfigNode& option, const std::string& id, const std::vector<std::string>& not_its_own);
  /// Puts a backend under `id` that several can share, with a first port of that name.
  void share(const std::string& id, qom::Ref<CharBackend> base, const Origin& id_at, const Origin& origin);
  CharBackend& add_port(const std::string& id, const std::string& shared, bool monitor, const Origin& origin);

  qom::Object& root_;
  EventLoop& loop_;
  Clock& clock_;
  qom::Object& chardevs_;
  qom::Object& blockdevs_;
  qom::Object& netdevs_;
  std::vector<std::pair<qom::Ref<qom::Object>, Origin>> origins_;  ///< held: a monitor may remove any of them
  std::map<std::string, std::string> aliases_;
  std::array<std::optional<Origin>, 2> floppies_;
  bool default_cdrom_ = false;
  std::map<std::string, CharMux*> shared_;  ///< by the id that users know
  std::vector<std::pair<CharBackend*, Origin>> monitor_ports_;
};

/// -chardev help.
std::string chardevs_help();
/// -netdev help, -nic model=help, -object help.
std::string netdevs_help();
std::string nic_models_help();
std::string objects_help();

}  // namespace machina
