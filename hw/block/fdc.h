#pragma once
/// The floppy disk controller Intel 82078, in PC/AT mode: registers, commands and data transfer. Its ports, interrupt
/// and DMA channel are the owner's (hw/block/isa_fdc.h), the drives those of a FloppyBus.
///
/// Source: Intel 82078 datasheet (290474-003); sections are cited where they decide something. What it leaves to the
/// drive is in hw/block/floppy_drive.h.
///
/// Time: the drive turns some fifty times faster than a real one, and its head moves as much faster. Nothing is done at
/// once, since drivers enter a command first and get ready for its interrupt then; the times below are the virtual
/// clock's. A disk waits for whoever is slow: data is never lost for want of DMA cycles or a CPU, so there is no
/// overrun. Where the real chip would wait for index pulses that never come, as without a disk or with the motor off,
/// the command ends after kNoIdTime as on a disk without address marks: firmware and drivers find an empty drive out
/// quickly.
///
/// Data cannot be read at another rate than that of the disk, nor in FM. Not modelled: FORMAT AND WRITE, tape drives,
/// power management (POWERDOWN MODE reads back), gaps, precompensation and perpendicular recording beyond the values
/// that DUMPREG shows. What an image cannot hold (FORMAT TRACK with other IDs or sector sizes, a write to a sector that
/// a short image lacks, a write that the host refuses) ends with the drive's fault signal, EC.

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/clock.h"
#include "core/memory/io_result.h"
#include "core/units.h"
#include "hw/block/fdc_regs.h"
#include "hw/block/floppy_drive.h"
#include "hw/isa/isa_dma.h"

namespace machina {

class Fdc final : private IsaDmaDevice {
 public:
  static constexpr std::int64_t kResetTime = 100 * kNsPerUs;  ///< from the end of reset to its interrupt
  static constexpr std::int64_t kAccessTime = 1 * kNsPerMs;   ///< until the first sector is under the head
  static constexpr std::int64_t kSectorTime = 200 * kNsPerUs;
  static constexpr std::int64_t kNoIdTime = 20 * kNsPerMs;  ///< two turns without finding what is looked for
  static constexpr std::int64_t kSeekTime = 1 * kNsPerMs;   ///< start and settling of the head
  static constexpr std::int64_t kStepTime = 100 * kNsPerUs;
  static constexpr std::int64_t kFifoTime = 10 * kNsPerUs;  ///< without DMA: until there is more for the CPU
  static constexpr unsigned kDrives = 4;

  /// `interrupt` gets the level of pin INT.
  Fdc(FloppyBus& drives, std::function<void(bool)> interrupt) : drives_(drives), interrupt_(std::move(interrupt)) {}
  ~Fdc() override { power_off(); }

  /// `dma` may be null: then there are transfers without DMA only. Throws Error when the channel is taken.
  void power_on(Clock& clock, IsaDmaChannel* dma);
  void power_off();
  void reset_enter();
  void reset_hold();

  /// Registers by their offset, fdc::kDor to kCcr.
  IoResult read(unsigned reg);
  IoResult write(unsigned reg, std::uint8_t value);

 private:
  IoResult read_register(unsigned reg);
  enum class Phase { Reset, Command, Execution, Result };
  enum class Flow { None, ToHost, FromHost };
  enum class Movement { Absolute, Relative, Recalibrate };
  /// What a data command does with the sectors that it comes to.
  enum class Kind { Read, ReadTrack, Write, Verify, Scan, Format, ReadId };
  struct CommandInfo {
    fdc::Command code;
    std::uint8_t mask;  // bits of the first byte that tell the command
    unsigned parameters;
    void (Fdc::*run)();
  };
  struct Request {
    Fdc* fdc = nullptr;  // null once the controller is gone
    bool cancelled = false;
    std::vector<std::uint8_t> data;
  };
  using Bytes = std::initializer_list<unsigned>;

  // --- fdc.cpp: registers and phases ---
  static const CommandInfo* find_command(std::uint8_t code);
  bool in_reset() const { return !(state_.dor & fdc::kDorNotReset); }
  std::uint8_t main_status() const;
  std::uint8_t input_register() const;
  void write_dor(std::uint8_t value);
  void write_dsr(std::uint8_t value);
  std::uint8_t read_fifo();
  void write_fifo(std::uint8_t value);
  void command_byte(std::uint8_t value);
  void software_reset();
  void reset_done();
  void abandon();
  void to_command_phase();
  void result(Bytes bytes);
  void set_transfer_interrupt(bool on);
  void set_attention(bool on);
  void update_pins();

  // --- fdc_commands.cpp: commands without data ---
  void specify();
  void sense_drive_status();
  void recalibrate();
  void sense_interrupt_status();
  void dump_registers();
  void seek();
  void relative_seek();
  void version();
  void perpendicular_mode();
  void configure();
  void lock();
  void powerdown_mode();
  void part_id();
  void save();
  void option();
  void restore();
  void drive_specification();
  void start_seek(unsigned unit, Movement movement, int steps, std::uint8_t cylinder);
  void seek_timer_expired();
  void arm_seek_timer();
  std::uint8_t lock_byte() const;

  // --- fdc_transfer.cpp: commands with data ---
  void read_data();
  void read_deleted_data();
  void read_track();
  void write_data();
  void write_deleted_data();
  void verify();
  void scan();
  void read_id();
  void format_track();
  void start_transfer(Kind kind);
  /// The head is where it shall be, the disk turns.
  void access();
  void next_sector();
  bool find_sector();
  void sector_found();
  void read_done(Request& request, int error);
  void write_sector();
  void write_done(Request& request, int error);
  void format_id();
  void offer(Flow flow, std::size_t bytes);
  void data_moved();
  void refill();
  void moved_all();
  void scan_compare();
  void sector_done();
  void advance_id();
  /// Ends after `delay` with these bits in the three status bytes.
  void end_transfer(unsigned st0, unsigned st1 = 0, unsigned st2 = 0, std::int64_t delay = 0);
  void transfer_ended();
  std::shared_ptr<Request> make_request(std::vector<std::uint8_t> data);
  using Done = void (Fdc::*)(Request& request, int error);
  static BlockBackend::Completion completion(const std::shared_ptr<Request>& request, Done done);
  void after(std::int64_t delay, void (Fdc::*step)());
  FloppyDrive* selected() const { return drives_.drive(state_.transfer.unit); }

  // IsaDmaDevice
  std::size_t dma_to_memory(std::span<std::uint8_t> data, bool terminal) override;
  std::size_t dma_from_memory(std::span<const std::uint8_t> data, bool terminal) override;
  std::size_t dma_verify(std::size_t length, bool terminal) override;
  void dma_went(std::size_t bytes, bool terminal);
  bool non_dma() const { return (state_.specify[1] & fdc::kSpecifyNonDma) != 0; }
  std::size_t fifo_chunk() const;

  // dependencies
  FloppyBus& drives_;
  std::function<void(bool)> interrupt_;
  Clock* clock_ = nullptr;
  IsaDmaChannel* dma_ = nullptr;
  // sub-parts
  std::optional<Timer> timer_;  // of the command that is executed, and of reset
  std::optional<Timer> seek_timer_;
  // bookkeeping
  void (Fdc::*step_)() = nullptr;     // what timer_ is for
  std::shared_ptr<Request> request_;  // that the disk has; at most one
  bool interrupt_level_ = false, request_level_ = false;

  struct Seek {
    bool moving = false;
    std::int64_t done = 0;  // when, on the clock
    Movement movement = Movement::Absolute;
    int steps = 0;                       // positive: towards the spindle
    std::uint8_t cylinder = 0;           // what the controller believes to have reached then
    std::optional<std::uint8_t> status;  // byte 0 that SENSE INTERRUPT STATUS has not told yet
  };
  struct Transfer {
    Kind kind = Kind::Read;
    unsigned unit = 0;
    std::uint8_t c = 0, h = 0, r = 0, n = 0, eot = 0, dtl = 0;
    unsigned head = 0;       // the one in use
    unsigned last_head = 0;  // with which the last sector was found
    bool multi_track = false;
    bool deleted = false;   // address marks looked for, or written
    bool terminal = false;  // TC has come
    bool implied_seek = false;
    bool other_mark = false;  // the sector has not the address mark looked for
    std::uint32_t sector = 0;
    unsigned left = 0;  // sectors to format, to verify, or of the track to read
    std::uint8_t st0 = 0, st1 = 0, st2 = 0;
    // The sector, and how far it is.
    Flow flow = Flow::None;
    bool ready = false;  // the host may take or give
    std::vector<std::uint8_t> buffer;
    std::vector<std::uint8_t> host;  // of SCAN: what the sector is compared with
    std::size_t at = 0, end = 0;
    std::size_t chunk = 0;  // without DMA: bytes until the CPU has to wait
  };
  struct State {
    Phase phase = Phase::Reset;
    std::uint8_t dor = 0;
    std::uint8_t tdr = 0;
    std::uint8_t dsr = fdc::kRateAfterReset;
    std::array<std::uint8_t, 20> fifo{};  // command and parameters, then the result
    std::size_t at = 0, end = 0;
    bool transfer_interrupt = false;  // data without DMA, or a result that nobody has read yet
    bool attention = false;           // SENSE INTERRUPT STATUS has something to tell
    std::array<std::uint8_t, 2> specify{};
    std::uint8_t configure = fdc::kFifoOff;
    std::uint8_t precompensation_track = 0;
    std::uint8_t last_count = 0;  // SC or EOT of the last command that had one
    std::uint8_t perpendicular = 0;
    std::uint8_t powerdown = 0;
    std::uint8_t option = 0;
    bool locked = false;
    std::array<std::uint8_t, kDrives> specification{};
    std::array<std::uint8_t, kDrives> cylinder{};  // PCN
    std::array<Seek, kDrives> seeks{};
    Transfer transfer;
  };
  State state_;
};

}  // namespace machina
