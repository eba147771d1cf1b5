#pragma once
/// An ATA disk: ATA/ATAPI-6 (T13/1410D), the general feature set for devices without PACKET, with 48-bit addresses.
///
/// Not modelled: the SMART, security, HPA, power-up-in-standby, advanced power management and queued feature sets, READ
/// and WRITE BUFFER, READ and WRITE LONG (all are aborted and not advertised), and standby timers: the drive spins
/// until told not to.

#include <memory>
#include <string>

#include "core/block/block_backend.h"
#include "hw/ide/ata_identify.h"
#include "hw/ide/ide_device.h"

namespace machina {

class IdeDisk final : public IdeDevice {
 public:
  static constexpr const char* kType = "ide-hd";
  static void class_init(DeviceClass& c);

  static constexpr unsigned kMaxMultiple = 16;
  static constexpr std::uint64_t kPioChunk = 256;   ///< sectors read ahead of the data register
  static constexpr std::uint64_t kDmaChunk = 2048;  ///< sectors between two looks at the PRD table

  std::uint64_t sectors() const { return sectors_; }
  const DiskGeometry& geometry() const { return native_; }

  void bus_master_started() override;

 private:
  enum class Transfer { None, PioIn, PioOut, Verify, DmaIn, DmaOut };
  void realize() override;
  void execute(ata::Command command) override;
  void abandon() override;
  void reset_settings(bool power_on) override;
  void block_done() override;

  // --- ide_disk.cpp: commands without data, settings, identity ---
  void choose_geometry();
  void identify();
  void set_features();
  void set_multiple();
  void initialize_parameters();
  void flush(bool then_standby);
  void flushed(Request& request, int error);
  void check_power_mode();

  // --- ide_disk_transfer.cpp: sectors ---
  /// The registers' address and count; false after the command was refused.
  bool decode_address(bool ext);
  void set_address(std::uint64_t lba);
  void start_transfer(Transfer kind, bool ext, unsigned block);
  void go_on();
  void next_read();
  void read_done(Request& request, int error);
  void begin_write_blocks(bool interrupt);
  void write_buffer();
  void write_done(Request& request, int error);
  void advance(std::uint64_t sectors);
  void finish_transfer();
  void give_dma();
  void take_dma();
  void dma_failed();
  void transfer_failed(std::uint8_t error);
  void submit_read(std::uint64_t sectors);
  void submit_write(std::vector<std::uint8_t> data);

  // configuration
  std::string serial_, model_, version_;
  std::uint32_t logical_block_size_ = ata::kSectorSize;
  std::uint32_t cyls_ = 0, heads_ = 0, secs_ = 0;
  std::uint64_t sectors_ = 0;
  DiskGeometry native_;
  // dependencies
  qom::Link<BlockBackend> drive_;

  struct State {
    // Settings.
    DiskGeometry current;
    unsigned multiple = 0;
    bool write_cache = true;
    bool look_ahead = true;
    bool keep_settings = false;
    bool standby = false;
    // The command that is going on.
    Transfer transfer = Transfer::None;
    bool ext = false;
    bool chs = false;
    std::uint64_t lba = 0;    ///< of the next sector
    std::uint64_t left = 0;   ///< sectors
    std::uint64_t block = 1;  ///< sectors between two interrupts
    std::uint64_t chunk = 0;  ///< sectors in the buffer
    bool identifying = false;
    bool stopped = false;  ///< the PRD table ended too early: nothing moves until reset
  };
  State state_;
};

}  // namespace machina
