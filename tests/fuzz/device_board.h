#pragma once
/// The smallest board that a device type can be tried on: the device, and of a board file that has it (or of the pc)
/// what it cannot do without: the bus that it plugs into, what it links to, where its interrupts end. Composed as a
/// user's board is.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "machines/board/board.h"
#include "machines/machine.h"

namespace machina::fuzz {

/// The name of a file with this content, which lasts as long as the process. Throws Error.
std::string memory_file(const char* name, const std::vector<std::uint8_t>& bytes);

/// A board composed, powered on and running, with one CPU that executes nothing. Virtual and host time stand still
/// until they are stepped.
class FuzzMachine {
 public:
  static constexpr std::uint64_t kRam = 2 * 1024 * 1024;

  /// `more` is added before the machine is powered on. Throws Error.
  FuzzMachine(const Board& board, const BoardRequest& request, const std::function<void(Machine&)>& more = {});
  ~FuzzMachine();
  FuzzMachine(const FuzzMachine&) = delete;
  FuzzMachine& operator=(const FuzzMachine&) = delete;

  Machine& machine() { return *machine_; }
  System& system() { return machine_->system(); }
  qom::Object& root() { return *root_; }
  Device* device(const std::string& id);
  /// In the order in which they were realized.
  const std::vector<Device*>& devices() const { return devices_; }
  /// What firmware does after a reset: the chipset, and a place for each base address register. Machine lock held.
  void set_up();

 private:
  void build(const Board& board, const BoardRequest& request, const std::function<void(Machine&)>& more);
  void add_backends(Board& board);

  qom::Ref<qom::Object> root_;
  Machine* machine_ = nullptr;
  std::vector<Device*> devices_;
};

class DeviceBoard {
 public:
  /// Throws Error when there is none.
  explicit DeviceBoard(const std::string& type);
  /// A board for more than one device: these of a board file, and these that -device would add.
  DeviceBoard(const std::string& board, const std::vector<std::string>& ids, const std::vector<std::string>& added);

  const Board& board() const { return board_; }
  const std::string& id() const { return id_; }  ///< of the device
  /// One more; `setting` turns switches of the device and picks from its enumerations, 0 leaves all as the board says.
  /// Null when the device refuses such a setting.
  std::unique_ptr<FuzzMachine> make(std::uint32_t setting, const std::function<void(Machine&)>& more = {}) const;

 private:
  void finish();

  Board board_;
  BoardRequest request_;
  std::string id_;
};

}  // namespace machina::fuzz
