#pragma once
/// A CD or DVD drive on an IDE cable: the PACKET feature set of ATA/ATAPI-6 (T13/1410D), 8.23, 9.8 and 9.9, in front of
/// what MMC-3 says of the drive (hw/block/mmc_drive.h).
///
/// Not modelled: overlapped and queued packets (refused, not advertised), removable media status notification (systems
/// ask with GET EVENT STATUS NOTIFICATION), standby timers.

#include <string>

#include "core/block/medium_slot.h"
#include "hw/block/mmc_drive.h"
#include "hw/ide/ide_device.h"

namespace machina {

class IdeCd final : public IdeDevice, public RemovableMedia {
 public:
  static constexpr const char* kType = "ide-cd";
  static void class_init(DeviceClass& c);

  static constexpr std::uint64_t kPioChunk = 32;   ///< blocks read ahead of the data register
  static constexpr std::uint64_t kDmaChunk = 512;  ///< blocks between two looks at the PRD table

  IdeCd();

  bool takes_packets() const override { return true; }
  void bus_master_started() override;

  // --- RemovableMedia ---
  std::string drive_name() const override { return slot_.name(); }
  bool has_medium() const override { return mmc_.has_medium(); }
  bool tray_open() const override { return mmc_.tray_open(); }
  bool tray_locked() const override { return mmc_.locked(); }
  void eject(bool force) override;
  void open_tray(bool force) override;
  void close_tray() override;
  void remove_medium() override;
  void change_medium(const Change& change) override;

 private:
  enum class Phase { Idle, Identify, Packet, PioIn, PioOut, DmaIn, DmaOut };

  void realize() override;
  void execute(ata::Command command) override;
  void abandon() override;
  void reset_settings(bool power_on) override;
  void block_done() override;

  void identify();
  void set_features();
  void refuse_as_disk();

  // --- ide_cd_packet.cpp: packets and their data ---
  void take_packet();
  void run_packet();
  void finish(MmcDrive::Outcome outcome);
  void complete();
  void check_condition();
  void refuse_byte_count();
  std::size_t block_size(std::size_t left) const;
  void begin_data(Phase phase, std::size_t bytes);
  void show_block(bool to_host, std::size_t at, std::size_t bytes);
  void next_pio_in();
  void next_pio_out();
  void give_dma();
  void take_dma();
  void read_blocks(std::uint64_t count);
  void blocks_read(Request& request, int error);
  void dma_failed();
  void set_reason(std::uint8_t reason) { reg(ata::kInterruptReason).current = reason; }
  void press_button(bool force);

  // configuration
  std::string serial_, model_, version_;
  // dependencies
  qom::Link<BlockBackend> drive_;
  MediumSlot slot_{drive_};
  // sub-devices
  MmcDrive mmc_;

  struct State {
    bool standby = false;
    Phase phase = Phase::Idle;
    bool dma = false;
    std::size_t limit = 0;  ///< most bytes of a block in the data register
    // Data of the packet that is going on.
    std::size_t left = 0;  ///< bytes that have not been moved
    std::size_t at = 0;    ///< of the next one in the buffer
    std::uint64_t lba = 0, blocks_left = 0;
    MmcDrive::Fields fields;
    bool one_by_one = false;  ///< a read of several blocks has failed: which of them is it?
    bool disc_gone = false;   ///< since the command began, though there may be another
    bool stopped = false;     ///< the PRD table ended too early: nothing moves until reset
  };
  State state_;
};

}  // namespace machina
