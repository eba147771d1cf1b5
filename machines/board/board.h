#pragma once
/// A board with all choices made: what a board file says, once inheritance, options and the command line are worked in.
/// Plain data; no type has been looked at yet.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/config/config_tree.h"
#include "core/config/option_string.h"
#include "machines/board/board_file.h"
#include "machines/board/faults.h"

namespace machina {

/// `name: value` of a device, and where it was said.
struct Setting {
  std::string name;
  std::string text;                ///< the value; of a list, the items joined by ':'
  std::vector<std::string> items;  ///< of a list
  bool is_list = false;
  bool by_user = false;  ///< from the command line rather than from the board file
  Origin name_at, at;

  Setting() = default;
  Setting(std::string setting_name, ConfigNode node, bool from_user);
};

struct BoardDevice {
  std::string id;  ///< "device[0]" where the user gave none
  Origin id_at;
  std::string type;
  Origin type_at;
  std::optional<Setting> bus;
  std::vector<Setting> settings;
  /// Decides where in the tree the device goes: /machine, /machine/peripheral or /machine/peripheral-anon.
  enum class Place { Board, Peripheral, Anonymous } place = Place::Board;
};

struct BoardOption {
  std::string name, type, doc;
  std::vector<std::string> values;  ///< legal ones, of an enum
  std::string default_value;
  std::string value;
};

struct Board {
  std::string name, summary;
  std::vector<std::string> files;  ///< the board file, then those that it extends
  std::vector<Setting> plugins;    ///< paths, made relative to the board file where they have a '/'
  std::vector<BoardOption> options;

  struct Cpus {
    std::string type = "x86_64-cpu";
    std::string model = "qemu64";
    unsigned max = 1, default_count = 1;
    std::vector<Setting> settings;  ///< properties of each CPU
    Origin type_at, at;
  } cpus;
  struct Ram {  // bytes
    std::uint64_t default_size = std::uint64_t{128} << 20;
    std::uint64_t min = 0;
    std::uint64_t max = std::uint64_t{1} << 40;
    std::uint64_t below_4g = std::uint64_t{3584} << 20;
    Origin at;
  } ram;
  /// What `${firmware}` stands for; empty for none, and then `${has-firmware}` is off.
  std::string firmware;
  Origin firmware_at;

  std::vector<BoardDevice> devices;
  /// -M key=value that is no option of the board: a property of the machine.
  std::vector<Setting> machine;
};

/// Where the device at `path` ("/machine/peripheral/net0"), or of which that is a part, was asked for; unknown when it
/// is no device of the board. For what a device finds out when it is realized.
Origin device_origin(const Board& board, std::string_view path);

/// What the command line asks of the board.
struct BoardRequest {
  /// Option groups (core/config/option_groups.h). Read here: "machine", whose key `type` names the board, and "device".
  ConfigTree groups;
  std::vector<GlobalOption> globals;
  std::vector<SetOption> sets;  ///< those of group "device" are applied here
  bool no_defaults = false;     ///< -nodefaults
  /// For each -serial, whether it is something other than none. Without any, the first line is one of the defaults.
  std::vector<bool> serials;
  std::vector<bool> parallels;  ///< as those, of -parallel; none is a default
  /// Whether drives A and B are asked for by -drive if=floppy or -fda and -fdb.
  std::array<bool, 2> floppies{};
  bool default_floppy = false;          ///< nothing was said of floppies: the board's own empty drive is there
  std::optional<ConfigValue> firmware;  ///< -bios
  bool default_cdrom = false;           ///< third IDE drive: the board's own CD drive is there
  bool default_nic = false;             ///< nothing was said of networks: the board's own card is there
};

/// The board that the request names ("pc" when it names none), with everything worked in. Faults of the text are added
/// to `faults`; what is well is in the board all the same, so that later passes find their faults too. Nothing when
/// there is no board to speak of.
std::optional<Board> load_board(const BoardRequest& request, const BoardCatalog& catalog, Faults& faults);
/// As load_board(), of a file that has been read.
Board resolve_board(const BoardFile& file, const BoardRequest& request, Faults& faults);

}  // namespace machina
