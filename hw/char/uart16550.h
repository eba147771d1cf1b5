#pragma once
/// 16550A UART, the register core: no bus, no clock, no host. Times are nanoseconds, given by the caller.
///
/// Source: National Semiconductor PC16550D data sheet (June 1995), section 8 "Registers"; the same chip as TI's
/// TL16C550.
///
/// What differs from the chip: a byte leaves the transmitter as soon as the other end takes it, not a character time
/// later, so the transmitter is empty (THRE, TEMT) right after a write unless the other end pushes back; the delayed
/// first THRE of section 8.4.1 B is thus not modelled. Received bytes are not paced either. The receiver's character
/// timeout does follow the programmed speed. DMA mode (FCR bit 3) only concerns the RXRDY and TXRDY pins, which a PC
/// does not wire.

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

namespace machina {

/// Registers by address; with DLAB (LCR bit 7) set, 0 and 1 are the divisor latch.
enum class UartReg : std::uint8_t {
  Data = 0,  // RBR (read), THR (write), DLL
  Ier = 1,   // interrupt enable; DLM
  Iir = 2,   // interrupt identification (read), FIFO control (write)
  Lcr = 3,   // line control
  Mcr = 4,   // modem control
  Lsr = 5,   // line status
  Msr = 6,   // modem status
  Scr = 7,   // scratch
};

namespace uart {

enum Ier : std::uint8_t { kIerRda = 1 << 0, kIerThre = 1 << 1, kIerLine = 1 << 2, kIerModem = 1 << 3, kIerMask = 0x0f };
/// The identification codes, in order of priority.
enum Iir : std::uint8_t {
  kIirLine = 0x06,
  kIirRda = 0x04,
  kIirTimeout = 0x0c,
  kIirThre = 0x02,
  kIirModem = 0x00,
  kIirNone = 0x01,
  kIirFifo = 0xc0
};
enum Fcr : std::uint8_t { kFcrEnable = 1 << 0, kFcrClearRx = 1 << 1, kFcrClearTx = 1 << 2, kFcrTrigger = 0xc0 };
enum Lcr : std::uint8_t {
  kLcrLength = 0x03,
  kLcrStop = 1 << 2,
  kLcrParity = 1 << 3,
  kLcrBreak = 1 << 6,
  kLcrDlab = 1 << 7
};
enum Mcr : std::uint8_t {
  kMcrDtr = 1 << 0,
  kMcrRts = 1 << 1,
  kMcrOut1 = 1 << 2,
  kMcrOut2 = 1 << 3,
  kMcrLoop = 1 << 4,
  kMcrMask = 0x1f
};
enum Lsr : std::uint8_t {
  kLsrDr = 1 << 0,
  kLsrOe = 1 << 1,
  kLsrPe = 1 << 2,
  kLsrFe = 1 << 3,
  kLsrBi = 1 << 4,
  kLsrThre = 1 << 5,
  kLsrTemt = 1 << 6,
  kLsrFifoError = 1 << 7,
  kLsrErrors = kLsrOe | kLsrPe | kLsrFe | kLsrBi
};
enum Msr : std::uint8_t {
  kMsrDcts = 1 << 0,
  kMsrDdsr = 1 << 1,
  kMsrTeri = 1 << 2,
  kMsrDdcd = 1 << 3,
  kMsrCts = 1 << 4,
  kMsrDsr = 1 << 5,
  kMsrRi = 1 << 6,
  kMsrDcd = 1 << 7,
  kMsrDeltas = 0x0f,
  kMsrLines = 0xf0
};

}  // namespace uart

class Uart16550 {
 public:
  static constexpr unsigned kRegisters = 8;
  static constexpr std::size_t kFifoSize = 16;
  static constexpr std::uint64_t kCrystalHz = 1'843'200;  ///< of the PC; divided by 16 and by the divisor latch
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

  /// Master reset. The modem inputs are pins: they keep their levels.
  void reset();

  std::uint8_t read(UartReg reg, std::int64_t now);
  void write(UartReg reg, std::uint8_t value, std::int64_t now);

  /// INTR pin.
  bool interrupt() const { return identify() != uart::kIirNone; }
  /// OUT2 pin, as asserted or not. A PC gates INTR with it.
  bool out2() const { return (state_.mcr & (uart::kMcrOut2 | uart::kMcrLoop)) == uart::kMcrOut2; }

  // --- the line ---
  /// How many bytes fit without an overrun. 0 in loopback, where the chip has cut the line.
  std::size_t can_receive() const;
  /// `errors` as in LSR: parity, framing, break. Without room it is an overrun.
  void receive(std::uint8_t byte, std::uint8_t errors, std::int64_t now);
  /// A break arrives: one zero byte, without stop bit.
  void receive_break(std::int64_t now) { receive(0, uart::kLsrBi | uart::kLsrFe, now); }
  /// What the transmitter wants to send, oldest first.
  std::span<const std::uint8_t> transmit_queue() const { return {state_.tx.data(), state_.tx_count}; }
  /// The first `n` bytes of the queue are gone.
  void transmitted(std::size_t n);
  /// Modem inputs: kMsrCts, kMsrDsr, kMsrRi, kMsrDcd.
  void set_modem_lines(std::uint8_t lines);

  /// When tick() has something to do (character timeout).
  std::int64_t deadline() const { return state_.timeout_at; }
  void tick(std::int64_t now);

  /// Time of a character on the line: start bit, data, parity, stop bits.
  std::int64_t character_ns() const;

 private:
  struct Received {
    std::uint8_t byte = 0;
    std::uint8_t errors = 0;
  };
  struct State {
    std::uint8_t ier = 0, fcr = 0, lcr = 0, mcr = 0, scr = 0;
    std::uint8_t line_errors = 0;   // LSR bits 4-1 that were not read yet
    std::uint8_t modem_deltas = 0;  // MSR bits 3-0
    std::uint16_t divisor = 12;     // undefined after reset; 9600 baud, as firmware likes it
    bool thre_pending = false;      // the THRE interrupt, until THR is written or IIR read
    bool timed_out = false;         // the character timeout interrupt, until RBR is read
    std::int64_t timeout_at = kNever;
    std::array<Received, kFifoSize> rx{};
    std::size_t rx_count = 0;
    std::array<std::uint8_t, kFifoSize> tx{};
    std::size_t tx_count = 0;
  };

  bool fifo() const { return (state_.fcr & uart::kFcrEnable) != 0; }
  bool loopback() const { return (state_.mcr & uart::kMcrLoop) != 0; }
  std::size_t rx_capacity() const { return fifo() ? kFifoSize : 1; }
  std::size_t trigger_level() const;
  std::uint8_t identify() const;
  std::uint8_t line_status() const;
  std::uint8_t modem_inputs() const;

  std::uint8_t read_data(std::int64_t now);
  void write_data(std::uint8_t value, std::int64_t now);
  void write_fifo_control(std::uint8_t value);
  void write_line_control(std::uint8_t value, std::int64_t now);
  void write_modem_control(std::uint8_t value, std::int64_t now);
  /// MSR bits 3-0, after the modem inputs were `before`.
  void note_modem_changes(std::uint8_t before);
  void clear_rx();
  void clear_tx();
  void push_rx(std::uint8_t byte, std::uint8_t errors, std::int64_t now);
  void loop_back(std::int64_t now);
  void restart_timeout(std::int64_t now);

  // bookkeeping: levels of input pins
  std::uint8_t modem_lines_ = 0;
  // state
  State state_;
};

}  // namespace machina
