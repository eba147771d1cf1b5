#pragma once
/// The last passes of the board loader: types and properties are looked up, objects made, put into the tree, on buses
/// and into the order in which they are realized. Every fault of the board is found before the first realize().
///
/// Main thread. Making an object and setting its properties touches nothing outside of it (qom/object.h), so composing
/// a board opens no file of the host and can be undone.

#include <functional>
#include <string>
#include <vector>

#include "machines/board/board.h"
#include "machines/board/faults.h"
#include "qom/object.h"

namespace machina {

class Device;

struct ComposeOptions {
  /// The type that implements a model here, so that an accelerator may replace "i8259" by "kvm-i8259". Empty: itself.
  std::function<std::string(const std::string& model)> implementation_of;
  /// Loads a plugin. Throws Error. Empty: a board that needs plugins is at fault.
  std::function<void(const std::string& file)> load_plugin;
  /// False when the back ends that the command line names (-chardev, -drive, -netdev) are not there: a board file on
  /// its own is being checked, and a link to one of them cannot be.
  bool backends_known = true;
};

/// Back ends that a board may name although not every command line makes them; a link to one that is not there stays
/// empty. They are QEMU's names for what -serial and -debugcon make.
const std::vector<std::string>& conventional_backends();

/// Puts all devices of a board below `machine`: at <id>, peripheral/<id> or peripheral-anon/device[N]. Returns them in
/// the order of realizing: the owner of a bus before what plugs into it, the target of a link before who links.
/// Types are looked up in the global registry. With a fault, added to `faults`, nothing stays in the tree.
std::vector<Device*> compose_board(const Board& board, const BoardRequest& request, qom::Object& machine,
                                   const ComposeOptions& options, Faults& faults);

/// Sets what the board and -global say about CPUs on the CPUs of a machine. After compose_board() and the making of the
/// CPUs, before realize. Throws Error.
void configure_cpus(const Board& board, const BoardRequest& request, qom::Object& machine);

}  // namespace machina
