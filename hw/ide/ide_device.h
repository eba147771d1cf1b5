#pragma once
/// A drive on an IDE channel: its task file, the BSY/DRQ protocol and the data register (ATA/ATAPI-6, 7 and 9). What
/// commands do is the subclass's.
///
/// Every request goes to the block backend and is answered later; the drive is BSY until then and the machine runs on.
/// A request that is going on when the drive is reset is waited for under BSY, and its data goes nowhere: a write
/// that was under way cannot overtake one that comes after the reset.

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "core/block/block_backend.h"
#include "hw/ide/ide_bus.h"

namespace machina {

class IdeDevice : public Device {
 public:
  static constexpr const char* kType = "ide-device";
  static void class_init(DeviceClass& c);

  IdeBus& ide_bus() const { return static_cast<IdeBus&>(*parent_bus()); }
  /// 0 or 1 once plugged in; before, what the user wants, or -1 for the free one.
  int unit() const { return unit_; }

  // --- for the channel ---
  /// Does it implement the PACKET feature set? It then has a signature of its own and hears DEVICE RESET while busy.
  virtual bool takes_packets() const { return false; }
  std::uint8_t status() const { return state_.status; }
  bool busy() const { return state_.status & ata::kBsy; }
  bool intrq() const { return state_.intrq; }
  void clear_intrq() { state_.intrq = false; }
  /// A register of the task file, ata::kError to kLbaHigh. `previous` is the HOB bit.
  std::uint8_t read_register(unsigned reg, bool previous) const;
  void write_register(unsigned reg, std::uint8_t value);
  void start_command(std::uint8_t opcode);
  void diagnose();          ///< EXECUTE DEVICE DIAGNOSTIC, which goes to both drives
  void enter_soft_reset();  ///< SRST is set
  void leave_soft_reset();  ///< SRST is cleared
  bool data_ready() const { return state_.status & ata::kDrq && state_.data_at < state_.data_end; }
  std::uint32_t read_data(Width width);
  void write_data(Width width, std::uint32_t value);
  /// The channel's bus master runs: a drive with a DMA command goes on.
  virtual void bus_master_started() {}

  void reset_enter() override;

 protected:
  /// Text that a field of the identify data holds.
  static qom::Property& limit(qom::Property& p, std::size_t characters);

  virtual void execute(ata::Command command) = 0;
  /// Reset or a new command: what was going on is over, and must not be heard of again.
  virtual void abandon() = 0;
  /// Settings back to power-on; after a soft reset, those that software did not ask to keep.
  virtual void reset_settings(bool /*power_on*/) {}
  /// The guest has taken, or given, all of a block of data.
  virtual void block_done() = 0;

  void go_busy() { state_.status = ata::kBsy; }
  void go_ready() { state_.status = ata::kDrdy | ata::kDsc; }
  /// The command has ended well: ready, with an interrupt.
  void succeed();
  /// The command has ended with these bits in the error register, with an interrupt.
  void fail(std::uint8_t error);
  /// Shows `bytes` of the buffer, from `at` on, in the data register.
  void begin_block(bool to_host, std::size_t at, std::size_t bytes, bool interrupt);
  void raise_intrq();
  /// DEVICE RESET: the signature, once the medium is not at work any more, and no interrupt.
  void reset_device();
  void put_signature();

  /// SET FEATURES, set transfer mode: takes it, or aborts the command.
  void set_transfer_mode(std::uint8_t mode);
  /// As SET FEATURES says it: 20h + MWDMA mode or 40h + UDMA mode; 0 on a channel without DMA.
  std::uint8_t transfer_mode() const { return state_.transfer_mode; }

  /// What the backend has been asked for; at most one thing at a time.
  struct Request {
    IdeDevice* drive = nullptr;  ///< null once that is gone
    bool cancelled = false;
    std::vector<std::uint8_t> data;
  };
  std::shared_ptr<Request> make_request();
  /// For the backend: calls `done` unless the request has been abandoned meanwhile.
  BlockBackend::Completion completion(const std::shared_ptr<Request>& request,
                                      std::function<void(Request& request, int error)> done);
  bool request_pending() const { return request_ != nullptr; }

  void unrealize() override;

  struct Register {
    std::uint8_t current = 0;
    std::uint8_t previous = 0;  ///< what was written before: the high half of 48-bit commands
  };
  Register& reg(unsigned n) { return state_.file[n]; }
  std::vector<std::uint8_t>& buffer() { return state_.buffer; }
  std::size_t block_end() const { return state_.data_end; }

 private:
  friend class IdeBus;
  void stop_work();
  void settle();

  // configuration
  int unit_ = -1;
  // bookkeeping
  std::shared_ptr<Request> request_;  // that the backend has

  struct State {
    std::array<Register, 6> file{};  ///< features, sector count, LBA low, mid, high at their offsets; 0 is unused
    std::uint8_t status = 0;
    std::uint8_t error = 0;
    bool intrq = false;
    bool soft_reset = false;  ///< SRST is set
    bool resetting = false;   ///< a reset is not over
    // What passes through the data register, and how far it is.
    std::vector<std::uint8_t> buffer;
    std::size_t data_at = 0, data_end = 0;
    bool to_host = true;
    std::uint8_t transfer_mode = 0;
  };
  State state_;
};

}  // namespace machina
