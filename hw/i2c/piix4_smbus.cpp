#include "hw/i2c/piix4_smbus.h"

#include "core/trace/trace_event.h"

namespace machina {

using namespace piix4_smbus;  // NOLINT(google-build-using-namespace): the chip's own register names
namespace {

const TraceEvent<std::uint64_t, unsigned> smbus_ioport_writeb{"smbus_ioport_writeb", "addr={:#x} value={:#04x}"};
const TraceEvent<unsigned, unsigned, unsigned, unsigned> smbus_transaction{
    "smbus_transaction", "addr={:#04x} read={} protocol={} command={:#04x}"};
const TraceEvent<unsigned> smbus_done{"smbus_done", "status={:#04x}"};

}  // namespace

/// The bus while one transaction is on it. The first that is not acknowledged ends it; nothing is sent after that.
class Piix4Smbus::Transfer {
 public:
  Transfer(I2cBus& bus, std::uint8_t address) : bus_(bus), address_(address) {}
  ~Transfer() { bus_.stop(); }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  void start(bool read) {
    if (!ok_) return;
    bits_ += kCondition + kByte;
    ok_ = bus_.start(address_, read);
  }
  void send(std::uint8_t byte) {
    if (!ok_) return;
    bits_ += kByte;
    ok_ = bus_.send(byte);
  }
  std::uint8_t receive() {
    if (!ok_) return 0;
    bits_ += kByte;
    return bus_.receive();
  }
  void fail() { ok_ = false; }
  bool ok() const { return ok_; }
  unsigned bits() const { return bits_ + kCondition; }

 private:
  static constexpr unsigned kCondition = 1, kByte = 9;  // bits; a byte with its acknowledge
  I2cBus& bus_;
  std::uint8_t address_;
  bool ok_ = true;
  unsigned bits_ = 0;
};

void Piix4Smbus::attach(Clock& clock) {
  state_ = {};
  timer_ = std::make_unique<Timer>(clock, "piix4-smbus", [this] { finish(); });
}

void Piix4Smbus::reset() {
  state_ = {};
  timer_->cancel();
}

bool Piix4Smbus::interrupt() const { return state_.control & kInterEn && state_.status & kClearable; }

Piix4Smbus::Result Piix4Smbus::perform() {
  Result r;
  r.data0 = state_.data0, r.data1 = state_.data1, r.block = state_.block;
  const bool read = state_.address & 1;
  smbus_transaction(state_.address >> 1U, state_.address & 1U, (state_.control & kProtocol) >> kProtocolShift,
                    state_.command);
  Transfer t(bus_, static_cast<std::uint8_t>(state_.address >> 1));
  // SMBus 2.0, 5.5: all but the first two write a command byte, and then turn round to read.
  const auto command = [&] {
    t.start(false);
    t.send(state_.command);
    if (read) t.start(true);
  };
  switch (static_cast<Protocol>((state_.control & kProtocol) >> kProtocolShift)) {
    case Protocol::Quick:
      t.start(read);
      break;
    case Protocol::Byte:
      t.start(read);
      if (read) {
        r.data0 = t.receive();
      } else {
        t.send(state_.command);
      }
      break;
    case Protocol::ByteData:
      command();
      if (read) {
        r.data0 = t.receive();
      } else {
        t.send(state_.data0);
      }
      break;
    case Protocol::WordData:
      command();
      if (read) {
        r.data0 = t.receive();
        r.data1 = t.receive();
      } else {
        t.send(state_.data0);
        t.send(state_.data1);
      }
      break;
    case Protocol::Block: {
      // A count that is none is not sent, and not taken.
      const auto legal = [](unsigned count) { return count >= 1 && count <= kMaxBlock; };
      if (!read && !legal(state_.data0)) {
        t.fail();
        break;
      }
      command();
      if (read) {
        r.data0 = t.receive();
        if (!legal(r.data0)) t.fail();
        for (unsigned i = 0; i < r.data0 && t.ok(); ++i) r.block[i] = t.receive();
      } else {
        t.send(state_.data0);
        for (unsigned i = 0; i < state_.data0; ++i) t.send(state_.block[i]);
      }
      break;
    }
    default:
      t.fail();
      break;
  }
  r.status = t.ok() ? kInter : kDevErr;
  r.bits = t.bits();
  return r;
}

void Piix4Smbus::finish() {
  const Result& r = state_.pending;
  smbus_done(r.status);
  state_.status = static_cast<std::uint8_t>((state_.status & ~kHostBusy) | r.status);
  if (r.status == kInter) state_.data0 = r.data0, state_.data1 = r.data1, state_.block = r.block;
  changed_();
}

void Piix4Smbus::write_control(std::uint8_t value) {
  state_.control = value & (kInterEn | kKill | kProtocol);
  const bool busy = state_.status & kHostBusy;
  if (value & kKill) {
    // 7.3.3: what is on the bus ends; while the bit is set nothing begins.
    if (!busy) return;
    timer_->cancel();
    state_.pending = {};
    state_.pending.status = kFailed;
    finish();
  } else if (value & kStart && !busy) {
    state_.pending = perform();
    state_.status |= kHostBusy;
    timer_->arm(timer_->clock().now_ns() + state_.pending.bits * kBitNs);
  }
}

IoResult Piix4Smbus::read(Offset offset, Width) {
  switch (offset) {
    case kSmbHstSts:
      return state_.status;
    case kSmbHstCnt:
      state_.index = 0;  // 7.3.8
      return state_.control;
    case kSmbHstCmd:
      return state_.command;
    case kSmbHstAdd:
      return state_.address;
    case kSmbHstDat0:
      return state_.data0;
    case kSmbHstDat1:
      return state_.data1;
    case kSmbBlkDat: {
      const std::uint8_t value = state_.block[state_.index];
      state_.index = static_cast<std::uint8_t>((state_.index + 1U) % kMaxBlock);
      return value;
    }
    case kSmbSlvCnt:
      return state_.slave_control;
    case kSmbSlvEvt:
    case kSmbSlvEvt + 1:
      return state_.slave_event[offset - kSmbSlvEvt];
    default:
      return 0;
  }
}

IoResult Piix4Smbus::write(Offset offset, Width, std::uint64_t raw) {
  const auto value = static_cast<std::uint8_t>(raw);
  smbus_ioport_writeb(offset, value);
  switch (offset) {
    case kSmbHstSts:
      state_.status &= static_cast<std::uint8_t>(~(value & kClearable));
      break;
    case kSmbHstCnt:
      write_control(value);
      break;
    case kSmbHstCmd:
      state_.command = value;
      break;
    case kSmbHstAdd:
      state_.address = value;
      break;
    case kSmbHstDat0:
      state_.data0 = value;
      break;
    case kSmbHstDat1:
      state_.data1 = value;
      break;
    case kSmbBlkDat:
      state_.block[state_.index] = value;
      state_.index = static_cast<std::uint8_t>((state_.index + 1U) % kMaxBlock);
      break;
    case kSmbSlvCnt:
      state_.slave_control = value & 0x0f;
      break;
    case kSmbSlvEvt:
    case kSmbSlvEvt + 1:
      state_.slave_event[offset - kSmbSlvEvt] = value;
      break;
    default:
      return io_ok();  // read-only
  }
  changed_();
  return io_ok();
}

}  // namespace machina
