#pragma once
/// What a CD or DVD drive with one tray answers to command packets: MMC-3 (T10/1363-D revision 10g). It knows neither
/// the cable that packets come by nor where the medium's data is: it says which blocks are wanted.
///
/// Media are data discs with one session and one track: a CD-ROM, or a DVD-ROM where the image is longer than a CD can
/// be. Not modelled: audio, CD-TEXT and the sub-channel's other data, writing, changers, power conditions, speeds (SET
/// CD SPEED is taken and changes nothing), copy protection and regions.

#include <array>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hw/block/mmc_regs.h"

namespace machina {

class MmcDrive {
 public:
  struct Identity {
    std::string vendor;    ///< up to 8 characters
    std::string product;   ///< up to 16
    std::string revision;  ///< up to 4
    std::string serial;
  };
  /// Parts of a sector that READ CD asks for: MMC-3, 6.15, in the order of the medium.
  struct Fields {
    bool sync = false;
    bool header = false;
    bool user_data = true;
    bool edc_ecc = false;
    bool plain() const { return !sync && !header && user_data && !edc_ecc; }
    unsigned size() const;  ///< bytes of one block
    /// Of a block's 2048 bytes what is asked for, appended to `out`.
    void append(std::uint64_t lba, std::span<const std::uint8_t> user_data_of_block,
                std::vector<std::uint8_t>& out) const;
  };
  /// What a packet leads to.
  struct Outcome {
    enum class Kind {
      Good,        ///< done, without data
      Reply,       ///< done, with these bytes to the host; they may be none
      Read,        ///< blocks of the medium to the host
      Parameters,  ///< the host sends `length` bytes, which go to take_parameters()
      Failed,      ///< CHECK CONDITION: sense() says why
    };
    Kind kind = Kind::Good;
    std::vector<std::uint8_t> reply;
    std::uint64_t lba = 0, blocks = 0;
    Fields fields;
    std::size_t length = 0;
  };
  using Cdb = std::span<const std::uint8_t, mmc::kCdbSize>;

  explicit MmcDrive(std::function<void(bool open)> tray_moved) : tray_moved_(std::move(tray_moved)) {}
  void set_identity(Identity identity) { identity_ = std::move(identity); }

  // --- for the transport ---
  Outcome execute(Cdb cdb);
  /// The second half of a command that ended in Kind::Parameters.
  Outcome take_parameters(std::span<const std::uint8_t> parameters);
  /// Whether a command of this code moves data when its lengths are not zero.
  static bool moves_data(std::uint8_t opcode);
  /// The head is behind this block.
  void at_block(std::uint64_t lba) { state_.position = lba; }
  /// A command fails, with this sense.
  Outcome fail(mmc::SenseKey key, mmc::Asc asc);
  /// Block `lba` cannot be read: or the medium has gone, or been exchanged, since the command began.
  Outcome read_failed(std::uint64_t lba);
  const mmc::Sense& sense() const { return state_.sense; }
  /// Power-on, or a reset that the host is to hear of: settings and locks go back, the tray stays as it is.
  void reset();

  // --- for whoever stands in front of it ---
  std::uint64_t blocks() const { return blocks_; }
  bool has_medium() const { return blocks_ != 0; }
  bool tray_open() const { return tray_open_; }
  bool locked() const { return state_.prevented || state_.persistently_prevented; }
  /// Puts a medium of so many blocks in, or takes it out (0). In a closed tray it is there at once.
  void set_medium(std::uint64_t blocks);
  /// The medium that is there when power comes on: nobody needs to be told.
  void set_first_medium(std::uint64_t blocks) { blocks_ = blocks; }
  void open_tray();
  void close_tray() { load(false); }
  /// The button was pressed on a locked drive: the host hears of it by GET EVENT STATUS NOTIFICATION.
  void request_eject() { state_.event = mmc::MediaEvent::EjectRequest; }

 private:
  using Reply = std::vector<std::uint8_t>;
  struct Command;
  static const Command* find(std::uint8_t opcode);

  bool ready() const { return has_medium() && !tray_open_; }
  bool is_dvd() const;
  std::optional<mmc::Asc> take_attention();
  void medium_arrived(bool attention);
  void load(bool by_host);
  Outcome not_ready();
  Outcome invalid_field() { return fail(mmc::SenseKey::IllegalRequest, mmc::kInvalidFieldInCdb); }
  /// No more than the host has room for.
  static Outcome reply(Reply bytes, std::size_t allocation);
  static Outcome good() { return {}; }

  // --- mmc_drive.cpp ---
  Outcome test_unit_ready(Cdb);
  Outcome request_sense(Cdb);
  Outcome inquiry(Cdb);
  Outcome start_stop_unit(Cdb);
  Outcome prevent_allow(Cdb);
  Outcome mechanism_status(Cdb);
  Outcome event_status(Cdb);
  Outcome set_speed(Cdb);
  Outcome read_capacity(Cdb);
  Outcome read10(Cdb);
  Outcome read12(Cdb);
  Outcome read_cd(Cdb);
  Outcome read_cd_msf(Cdb);
  Outcome seek(Cdb);
  Outcome read(std::uint64_t lba, std::uint64_t blocks, const Fields& fields);
  Outcome read_fields(Cdb cdb, std::uint64_t lba, std::uint64_t blocks);

  // --- mmc_disc_info.cpp: what the disc says of itself, and of what the drive can do ---
  Outcome read_toc(Cdb);
  Outcome read_sub_channel(Cdb);
  Outcome read_disc_information(Cdb);
  Outcome read_dvd_structure(Cdb);
  Outcome get_configuration(Cdb);
  void append_address(Reply& out, std::uint64_t lba, bool msf) const;
  void append_toc_entry(Reply& out, std::uint8_t track, std::uint64_t lba, bool msf) const;
  void append_full_toc(Reply& out) const;

  // --- mmc_mode_pages.cpp ---
  Outcome mode_sense(Cdb);
  Outcome mode_select(Cdb);
  Reply mode_page(mmc::ModePage page, unsigned control) const;
  std::uint8_t medium_type() const;

  // configuration
  Identity identity_;
  // dependencies
  std::function<void(bool)> tray_moved_;
  // the medium and the tray, which no reset changes
  std::uint64_t blocks_ = 0;
  bool tray_open_ = false;
  bool other_medium_ = false;  ///< in the tray, than the one that the host has heard of

  struct State {
    mmc::Sense sense;
    std::optional<std::uint32_t> sense_block;  ///< the sense's information
    bool reset_attention = true;
    bool medium_attention = false;
    mmc::MediaEvent event = mmc::MediaEvent::NoChange;
    bool prevented = false;
    bool persistently_prevented = false;
    std::uint64_t position = 0;
    // Mode parameters that may be changed.
    std::uint8_t error_recovery = 0;
    std::uint8_t read_retries = 5;
    std::uint8_t inactivity_timer = 0;
  };
  State state_;
};

}  // namespace machina
