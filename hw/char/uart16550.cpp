#include "hw/char/uart16550.h"

#include <algorithm>

#include "core/units.h"

namespace machina {

using namespace uart;  // NOLINT(google-build-using-namespace): the bits of this one chip

void Uart16550::reset() { state_ = {}; }

std::int64_t Uart16550::character_ns() const {
  // In half bits, since five data bits go with one and a half stop bits (section 8.1, LCR bit 2).
  const unsigned data = 5 + (state_.lcr & kLcrLength);
  const unsigned stop = !(state_.lcr & kLcrStop) ? 2 : data == 5 ? 3 : 4;
  const unsigned half_bits = 2 + 2 * data + ((state_.lcr & kLcrParity) ? 2 : 0) + stop;
  // The data sheet does not say what a divisor of 0 does; it is taken as 1.
  const std::uint64_t divisor = std::max<std::uint64_t>(state_.divisor, 1);
  return static_cast<std::int64_t>(mul_div(half_bits * 8 * divisor, kNsPerSecond, kCrystalHz));
}

std::size_t Uart16550::trigger_level() const {
  static constexpr std::size_t kLevels[] = {1, 4, 8, 14};
  return kLevels[state_.fcr >> 6];
}

std::uint8_t Uart16550::identify() const {
  // Section 8.6, table IV: highest priority first.
  if ((state_.ier & kIerLine) && state_.line_errors) return kIirLine;
  if (state_.ier & kIerRda) {
    if (state_.rx_count >= (fifo() ? trigger_level() : 1)) return kIirRda;
    if (state_.timed_out) return kIirTimeout;
  }
  if ((state_.ier & kIerThre) && state_.thre_pending) return kIirThre;
  if ((state_.ier & kIerModem) && state_.modem_deltas) return kIirModem;
  return kIirNone;
}

std::uint8_t Uart16550::line_status() const {
  unsigned lsr = state_.line_errors;
  if (state_.rx_count) lsr |= kLsrDr;
  if (state_.tx_count == 0) lsr |= kLsrThre | kLsrTemt;
  const auto has_error = [](const Received& r) { return r.errors != 0; };
  if (fifo() &&
      std::any_of(state_.rx.begin(), state_.rx.begin() + static_cast<std::ptrdiff_t>(state_.rx_count), has_error))
    lsr |= kLsrFifoError;
  return static_cast<std::uint8_t>(lsr);
}

std::uint8_t Uart16550::modem_inputs() const {
  if (!loopback()) return modem_lines_;
  // Section 8.7, MCR bit 4: the four outputs are connected to the four inputs.
  unsigned lines = 0;
  if (state_.mcr & kMcrRts) lines |= kMsrCts;
  if (state_.mcr & kMcrDtr) lines |= kMsrDsr;
  if (state_.mcr & kMcrOut1) lines |= kMsrRi;
  if (state_.mcr & kMcrOut2) lines |= kMsrDcd;
  return static_cast<std::uint8_t>(lines);
}

std::uint8_t Uart16550::read(UartReg reg, std::int64_t now) {
  const bool dlab = (state_.lcr & kLcrDlab) != 0;
  switch (reg) {
    case UartReg::Data:
      return dlab ? static_cast<std::uint8_t>(state_.divisor) : read_data(now);
    case UartReg::Ier:
      return dlab ? static_cast<std::uint8_t>(state_.divisor >> 8) : state_.ier;
    case UartReg::Iir: {
      const std::uint8_t id = identify();
      // Only when it is what is reported, else a driver would lose it behind one of higher priority.
      if (id == kIirThre) state_.thre_pending = false;
      return static_cast<std::uint8_t>(id | (fifo() ? kIirFifo : 0));
    }
    case UartReg::Lcr:
      return state_.lcr;
    case UartReg::Mcr:
      return state_.mcr;
    case UartReg::Lsr: {
      const std::uint8_t lsr = line_status();
      state_.line_errors = 0;
      if (state_.rx_count) state_.rx[0].errors = 0;
      return lsr;
    }
    case UartReg::Msr: {
      const auto msr = static_cast<std::uint8_t>(modem_inputs() | state_.modem_deltas);
      state_.modem_deltas = 0;
      return msr;
    }
    case UartReg::Scr:
      return state_.scr;
  }
  return 0;
}

void Uart16550::write(UartReg reg, std::uint8_t value, std::int64_t now) {
  const bool dlab = (state_.lcr & kLcrDlab) != 0;
  switch (reg) {
    case UartReg::Data:
      if (dlab) {
        state_.divisor = static_cast<std::uint16_t>((state_.divisor & 0xff00) | value);
      } else {
        write_data(value, now);
      }
      break;
    case UartReg::Ier:
      if (dlab) {
        state_.divisor = static_cast<std::uint16_t>((state_.divisor & 0x00ff) | value << 8);
        break;
      }
      // Enabling the interrupt while the transmitter is empty raises it, each time: drivers start sending that way.
      if ((value & kIerThre) && !(state_.ier & kIerThre) && state_.tx_count == 0) state_.thre_pending = true;
      state_.ier = value & kIerMask;
      break;
    case UartReg::Iir:
      write_fifo_control(value);
      break;
    case UartReg::Lcr:
      write_line_control(value, now);
      break;
    case UartReg::Mcr:
      write_modem_control(value, now);
      break;
    case UartReg::Lsr:  // "intended for read operations only" (8.4): a factory test writes it
    case UartReg::Msr:
      break;
    case UartReg::Scr:
      state_.scr = value;
      break;
  }
}

std::uint8_t Uart16550::read_data(std::int64_t now) {
  const std::uint8_t byte = state_.rx[0].byte;
  if (state_.rx_count == 0) return byte;  // the last one again
  // The first entry keeps the byte when the FIFO runs empty, so that it reads back.
  --state_.rx_count;
  std::copy_n(state_.rx.begin() + 1, state_.rx_count, state_.rx.begin());
  if (state_.rx_count) {
    state_.line_errors |= state_.rx[0].errors;  // now at the top, and so revealed (8.4)
  } else {
    state_.rx[0] = {byte, 0};
  }
  state_.timed_out = false;
  restart_timeout(now);
  return byte;
}

void Uart16550::write_data(std::uint8_t value, std::int64_t now) {
  state_.thre_pending = false;
  if (!fifo()) {
    state_.tx[0] = value;  // a second byte overwrites the holding register
    state_.tx_count = 1;
  } else if (state_.tx_count < kFifoSize) {
    state_.tx[state_.tx_count++] = value;
  }  // else: lost, as on the chip
  loop_back(now);
}

void Uart16550::transmitted(std::size_t n) {
  n = std::min(n, state_.tx_count);
  if (n == 0) return;
  state_.tx_count -= n;
  std::copy_n(state_.tx.begin() + static_cast<std::ptrdiff_t>(n), state_.tx_count, state_.tx.begin());
  if (state_.tx_count == 0) state_.thre_pending = true;
}

void Uart16550::clear_rx() {
  state_.rx_count = 0;
  state_.timed_out = false;
  state_.timeout_at = kNever;
}

void Uart16550::clear_tx() {
  if (state_.tx_count) state_.thre_pending = true;
  state_.tx_count = 0;
}

void Uart16550::write_fifo_control(std::uint8_t value) {
  const bool enable = (value & kFcrEnable) != 0;
  if (enable != fifo()) {
    // Section 8.5: a change of bit 0 clears both FIFOs; the transmitter interrupt after it is immediate (8.4.1).
    clear_rx();
    clear_tx();
    state_.thre_pending = true;
  }
  // The other bits are programmed only while bit 0 is written as 1.
  if (!enable) {
    state_.fcr = 0;
    return;
  }
  if (value & kFcrClearRx) clear_rx();
  if (value & kFcrClearTx) clear_tx();
  state_.fcr = value & (kFcrEnable | kFcrTrigger);
}

void Uart16550::write_line_control(std::uint8_t value, std::int64_t now) {
  const bool break_starts = (value & kLcrBreak) && !(state_.lcr & kLcrBreak);
  state_.lcr = value;
  if (break_starts && loopback()) push_rx(0, kLsrBi | kLsrFe, now);
}

void Uart16550::write_modem_control(std::uint8_t value, std::int64_t now) {
  const std::uint8_t before = modem_inputs();
  state_.mcr = value & kMcrMask;
  note_modem_changes(before);
  loop_back(now);
}

void Uart16550::set_modem_lines(std::uint8_t lines) {
  const std::uint8_t before = modem_inputs();
  modem_lines_ = lines & kMsrLines;
  note_modem_changes(before);
}

void Uart16550::note_modem_changes(std::uint8_t before) {
  const std::uint8_t after = modem_inputs();
  const unsigned changed = before ^ after;
  state_.modem_deltas =
      static_cast<std::uint8_t>(state_.modem_deltas | ((changed >> 4) & (kMsrDcts | kMsrDdsr | kMsrDdcd)));
  if (before & ~after & kMsrRi) state_.modem_deltas |= kMsrTeri;  // trailing edge only
}

std::size_t Uart16550::can_receive() const {
  if (loopback() || state_.rx_count >= rx_capacity()) return 0;
  return rx_capacity() - state_.rx_count;
}

void Uart16550::receive(std::uint8_t byte, std::uint8_t errors, std::int64_t now) {
  if (!loopback()) push_rx(byte, errors, now);
}

void Uart16550::push_rx(std::uint8_t byte, std::uint8_t errors, std::int64_t now) {
  if (state_.rx_count >= rx_capacity()) {
    // Section 8.4, bit 1: with FIFOs the byte in the shift register is lost, without the one in the buffer.
    state_.line_errors |= kLsrOe;
    if (fifo()) return;
    state_.rx_count = 0;
  }
  state_.rx[state_.rx_count++] = {byte, errors};
  if (state_.rx_count == 1) state_.line_errors |= errors;
  restart_timeout(now);
}

void Uart16550::loop_back(std::int64_t now) {
  if (!loopback() || state_.tx_count == 0) return;
  for (std::size_t i = 0; i < state_.tx_count; ++i) push_rx(state_.tx[i], 0, now);
  transmitted(state_.tx_count);
}

void Uart16550::restart_timeout(std::int64_t now) {
  // Section 8.4.1: data in the FIFO, and for four character times neither a new one nor a read.
  state_.timeout_at = fifo() && state_.rx_count && !state_.timed_out ? now + 4 * character_ns() : kNever;
}

void Uart16550::tick(std::int64_t now) {
  if (now < state_.timeout_at) return;
  state_.timeout_at = kNever;
  state_.timed_out = true;
}

}  // namespace machina
