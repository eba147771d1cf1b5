#pragma once
/// The SMBus host of the PIIX4: 16 ports that send one transaction at a time.
///
/// Source: Intel 82371AB datasheet (290562-001), 7.3 (SMBus I/O space), 8.5 (functional description); protocols of the
/// System Management Bus Specification 2.0, 5.5.
///
/// A transaction takes the time that its bits take at 100 kHz; HOST_BUSY is set meanwhile, and data and status come at
/// its end. KILL ends it at once.
///
/// Not modelled: the slave interface (its registers keep what is written, and nothing ever addresses the host), and
/// collisions, as there is one master.

#include <array>
#include <cstdint>
#include <functional>
#include <memory>

#include "core/clock.h"
#include "core/memory/memory_region.h"
#include "hw/i2c/i2c_bus.h"

namespace machina {

namespace piix4_smbus {

// 7.3.1 to 7.3.13.
inline constexpr unsigned kSmbHstSts = 0x00;
inline constexpr unsigned kSmbSlvSts = 0x01;
inline constexpr unsigned kSmbHstCnt = 0x02;
inline constexpr unsigned kSmbHstCmd = 0x03;
inline constexpr unsigned kSmbHstAdd = 0x04;
inline constexpr unsigned kSmbHstDat0 = 0x05;
inline constexpr unsigned kSmbHstDat1 = 0x06;
inline constexpr unsigned kSmbBlkDat = 0x07;
inline constexpr unsigned kSmbSlvCnt = 0x08;
inline constexpr unsigned kSmbShdwCmd = 0x09;
inline constexpr unsigned kSmbSlvEvt = 0x0a;  ///< 16 bits
inline constexpr unsigned kSmbSlvDat = 0x0c;  ///< 16 bits, read-only
inline constexpr unsigned kPorts = 0x10;

// SMBHSTSTS.
inline constexpr std::uint8_t kHostBusy = 1 << 0;
inline constexpr std::uint8_t kInter = 1 << 1;   ///< the transaction is complete
inline constexpr std::uint8_t kDevErr = 1 << 2;  ///< nobody answered, or there is no such command
inline constexpr std::uint8_t kBusErr = 1 << 3;
inline constexpr std::uint8_t kFailed = 1 << 4;  ///< killed
inline constexpr std::uint8_t kClearable = kInter | kDevErr | kBusErr | kFailed;

// SMBHSTCNT.
inline constexpr std::uint8_t kInterEn = 1 << 0;
inline constexpr std::uint8_t kKill = 1 << 1;
inline constexpr unsigned kProtocolShift = 2;
inline constexpr std::uint8_t kProtocol = 7 << kProtocolShift;
inline constexpr std::uint8_t kStart = 1 << 6;  ///< reads 0

enum class Protocol : std::uint8_t { Quick = 0, Byte = 1, ByteData = 2, WordData = 3, Block = 5 };

inline constexpr unsigned kMaxBlock = 32;
inline constexpr std::int64_t kBitNs = 10'000;  ///< 100 kHz

}  // namespace piix4_smbus

class Piix4Smbus {
 public:
  /// `changed` is called after whatever may change interrupt().
  Piix4Smbus(I2cBus& bus, std::function<void()> changed) : bus_(bus), changed_(std::move(changed)) {}

  /// To be mapped by the owner.
  IoRegion& ports() { return ports_; }
  void attach(Clock& clock);
  void detach() { timer_.reset(); }
  void reset();

  /// A transaction has ended, and its end shall interrupt.
  bool interrupt() const;

 private:
  /// What a transaction will have brought when it is over.
  struct Result {
    std::uint8_t status = 0;
    std::uint8_t data0 = 0, data1 = 0;
    std::array<std::uint8_t, piix4_smbus::kMaxBlock> block{};
    unsigned bits = 0;  ///< on the wire
  };
  class Transfer;

  IoResult read(Offset offset, Width width);
  IoResult write(Offset offset, Width width, std::uint64_t value);
  void write_control(std::uint8_t value);
  void finish();
  Result perform();

  I2cBus& bus_;
  std::function<void()> changed_;
  IoRegion ports_{"piix4-smbus", piix4_smbus::kPorts, Widths::only(1), this, &Piix4Smbus::read, &Piix4Smbus::write};
  std::unique_ptr<Timer> timer_;

  struct State {
    std::uint8_t status = 0, control = 0, command = 0, address = 0, data0 = 0, data1 = 0;
    std::array<std::uint8_t, piix4_smbus::kMaxBlock> block{};
    std::uint8_t index = 0;  ///< into block
    std::uint8_t slave_control = 0;
    std::array<std::uint8_t, 2> slave_event{};
    Result pending;
  };
  State state_;
};

}  // namespace machina
