#include "hw/intc/i8259.h"

#include "core/trace/trace_event.h"
#include "hw/intc/i8259_regs.h"

namespace machina {

using namespace i8259;  // NOLINT(google-build-using-namespace): the chip's own register names

namespace {

const TraceEvent<bool, std::uint64_t, unsigned> pic_ioport_read{"pic_ioport_read", "master={:d} addr={} value={:#04x}"};
const TraceEvent<bool, std::uint64_t, unsigned> pic_ioport_write{"pic_ioport_write",
                                                                 "master={:d} addr={} value={:#04x}"};
const TraceEvent<unsigned, bool> pic_set_irq{"pic_set_irq", "irq={} level={:d}"};
const TraceEvent<unsigned, int> pic_interrupt{"pic_interrupt", "irq={} vector={:#x}"};
const TraceEvent<bool> pic_update_irq{"pic_update_irq", "level={:d}"};
const TraceEvent<std::uint64_t, unsigned> pic_elcr_write{"pic_elcr_write", "chip={} value={:#04x}"};

constexpr std::uint8_t bit(unsigned level) { return static_cast<std::uint8_t>(1U << level); }
void set_bits(std::uint8_t& reg, std::uint8_t bits) { reg = static_cast<std::uint8_t>(reg | bits); }
void clear_bits(std::uint8_t& reg, std::uint8_t bits) { reg = static_cast<std::uint8_t>(reg & ~bits); }

/// The set bit with the highest priority: the one that follows the lowest, going up and around. -1: none is set.
int highest(const I8259Chip& chip, std::uint8_t bits) {
  for (unsigned i = 1; i <= 8; ++i) {
    const unsigned level = (chip.lowest_priority + i) % 8;
    if (bits & bit(level)) return static_cast<int>(level);
  }
  return -1;
}

/// 0 is the highest priority.
unsigned rank(const I8259Chip& chip, unsigned level) { return (level + 7 - chip.lowest_priority) % 8; }

}  // namespace

void I8259::class_init(DeviceClass& c) { c.description = "Pair of 8259A interrupt controllers (user space)"; }

void I8259::realize() {
  map_ports(kMasterPort, master_ports_);
  map_ports(kSlavePort, slave_ports_);
  map_ports(kElcrPort, elcr_ports_);
}

// --- inputs and priorities ---

void I8259::set_line(I8259Chip& chip, unsigned level, bool high) {
  const std::uint8_t mask = bit(level);
  const bool was_high = chip.lines & mask;
  if (high) {
    set_bits(chip.lines, mask);
    if (!was_high || (chip.elcr & mask)) set_bits(chip.irr, mask);
  } else {
    clear_bits(chip.lines, mask);
    clear_bits(chip.irr, mask);
  }
}

void I8259::ir_changed(unsigned n, bool level) {
  if (n == kCascade) return;  // the pin is taken by the slave
  pic_set_irq(n, level);
  set_line(state_.chips[n / 8], n % 8, level);
  apply();
}

int I8259::pending(Which which) const {
  const I8259Chip& chip = state_.chips[which];
  const int request = highest(chip, static_cast<std::uint8_t>(chip.irr & ~chip.imr));
  if (request < 0) return -1;
  std::uint8_t in_service = chip.isr;
  if (chip.special_mask) clear_bits(in_service, chip.imr);
  const int serviced = highest(chip, in_service);
  if (serviced < 0) return request;
  // Special fully nested: a slave in service does not lock out its own more urgent requests.
  if (chip.special_fully_nested && which == Master && serviced == request && request == int{kCascade}) return request;
  if (rank(chip, static_cast<unsigned>(serviced)) <= rank(chip, static_cast<unsigned>(request))) return -1;
  return request;
}

unsigned I8259::acknowledge(Which which) {
  I8259Chip& chip = state_.chips[which];
  const int level = pending(which);
  if (level < 0) return kSpurious;
  const auto n = static_cast<unsigned>(level);
  if (!(chip.elcr & bit(n))) clear_bits(chip.irr, bit(n));
  if (chip.auto_eoi) {
    if (chip.rotate_in_auto_eoi) chip.lowest_priority = static_cast<std::uint8_t>(n);
    if (chip.elcr & bit(n)) ir_[which * 8 + n].resample();
  } else {
    set_bits(chip.isr, bit(n));
  }
  // A slave lets go of INT in the cycle, so that what it asks for next is an edge at the master.
  if (which == Slave) clear_bits(state_.chips[Master].lines, bit(kCascade));
  return n;
}

int I8259::acknowledge() {
  unsigned level = acknowledge(Master);
  unsigned vector = state_.chips[Master].vector_base + level;
  unsigned irq = level;
  // By IR2 being in service, not by the slave asking: the slave may have lost its request.
  if (level == kCascade) {
    level = acknowledge(Slave);
    vector = state_.chips[Slave].vector_base + level;
    irq = 8 + level;
  }
  pic_interrupt(irq, static_cast<int>(vector & 0xff));
  apply();
  return static_cast<int>(vector & 0xff);
}

void I8259::apply() {
  I8259Chip& master = state_.chips[Master];
  const bool slave_int = pending(Slave) >= 0;
  const bool was_high = master.lines & bit(kCascade);
  if (slave_int && !was_high) {
    set_line(master, kCascade, true);
  } else if (!slave_int) {
    clear_bits(master.lines, bit(kCascade));  // IRR stays: see the header
  }
  const bool level = pending(Master) >= 0;
  if (level != out_.level()) pic_update_irq(level);
  out_.set(level);
}

// --- registers ---

IoResult I8259::read(Which which, Offset a0) {
  I8259Chip& chip = state_.chips[which];
  if (chip.poll) {
    chip.poll = false;
    std::uint8_t answer = 0;
    if (pending(which) >= 0) answer = static_cast<std::uint8_t>(kPollInterrupt | acknowledge(which));
    apply();
    pic_ioport_read(which == Master, a0, answer);
    return answer;
  }
  const std::uint8_t value = a0 ? chip.imr : chip.read_isr ? chip.isr : chip.irr;
  pic_ioport_read(which == Master, a0, value);
  return value;
}

IoResult I8259::write(Which which, Offset a0, std::uint8_t value) {
  pic_ioport_write(which == Master, a0, value);
  I8259Chip& chip = state_.chips[which];
  if (a0) {
    write_data(chip, value);
  } else if (value & kIcw1) {
    write_icw1(chip, value);
  } else if (value & kOcw3) {
    write_ocw3(chip, value);
  } else {
    write_ocw2(which, value);
  }
  apply();
  return io_ok();
}

void I8259::write_icw1(I8259Chip& chip, std::uint8_t value) {
  // The edge sense circuit is reset: a line that is high must fall before it can ask again. Levels ask at once.
  I8259Chip fresh;
  fresh.lines = chip.lines;
  fresh.elcr = chip.elcr;
  fresh.irr = chip.lines & chip.elcr;
  fresh.vector_base = chip.vector_base;
  fresh.icw4_needed = value & kIcw1Icw4;
  fresh.single = value & kIcw1Single;
  fresh.next_icw = 2;
  chip = fresh;
  // Whichever chip it was, INT of the slave falls, and what it asks for afterwards is a new edge for the master.
  clear_bits(state_.chips[Master].lines, bit(kCascade));
  clear_bits(state_.chips[Master].irr, bit(kCascade));
}

void I8259::write_data(I8259Chip& chip, std::uint8_t value) {
  switch (chip.next_icw) {
    case 2:
      chip.vector_base = value & kIcw2Vector;
      chip.next_icw = !chip.single ? 3 : chip.icw4_needed ? 4 : 0;
      break;
    case 3:
      chip.next_icw = chip.icw4_needed ? 4 : 0;
      break;
    case 4:
      chip.auto_eoi = value & kIcw4AutoEoi;
      chip.special_fully_nested = value & kIcw4Sfnm;
      chip.next_icw = 0;
      break;
    default:
      chip.imr = value;  // OCW1
  }
}

void I8259::end_of_interrupt(Which which, unsigned level) {
  I8259Chip& chip = state_.chips[which];
  clear_bits(chip.isr, bit(level));
  const unsigned n = which * 8 + level;
  if ((chip.elcr & bit(level)) && n != kCascade) ir_[n].resample();
}

void I8259::write_ocw2(Which which, std::uint8_t value) {
  I8259Chip& chip = state_.chips[which];
  const unsigned level = value & 7;
  const auto command = static_cast<Ocw2>(value >> 5);
  switch (command) {
    case Ocw2::SetRotateInAeoi:
    case Ocw2::ClearRotateInAeoi:
      chip.rotate_in_auto_eoi = command == Ocw2::SetRotateInAeoi;
      break;
    case Ocw2::NonSpecificEoi:
    case Ocw2::RotateOnNonSpecificEoi: {
      // "An IS bit that is masked by an IMR bit will not be cleared by a non-specific EOI in special mask mode."
      const auto candidates = static_cast<std::uint8_t>(chip.special_mask ? chip.isr & ~chip.imr : chip.isr);
      const int serviced = highest(chip, candidates);
      if (serviced < 0) break;
      if (command == Ocw2::RotateOnNonSpecificEoi) chip.lowest_priority = static_cast<std::uint8_t>(serviced);
      end_of_interrupt(which, static_cast<unsigned>(serviced));
      break;
    }
    case Ocw2::SpecificEoi:
    case Ocw2::RotateOnSpecificEoi:
      if (command == Ocw2::RotateOnSpecificEoi) chip.lowest_priority = static_cast<std::uint8_t>(level);
      end_of_interrupt(which, level);
      break;
    case Ocw2::SetPriority:
      chip.lowest_priority = static_cast<std::uint8_t>(level);
      break;
    case Ocw2::NoOperation:
      break;
  }
}

void I8259::write_ocw3(I8259Chip& chip, std::uint8_t value) {
  if (value & kOcw3Poll) chip.poll = true;
  if (value & kOcw3ReadEnable) chip.read_isr = value & kOcw3ReadIsr;
  if (value & kOcw3SpecialMaskEnable) chip.special_mask = value & kOcw3SpecialMask;
}

IoResult I8259::write_elcr(Offset index, Width, std::uint64_t value) {
  pic_elcr_write(index, static_cast<std::uint8_t>(value));
  I8259Chip& chip = state_.chips[index];
  chip.elcr = static_cast<std::uint8_t>(value & (index == Master ? kMasterElcrMask : kSlaveElcrMask));
  // A line that has become level triggered asks for as long as it is high.
  chip.irr = static_cast<std::uint8_t>((chip.irr & ~chip.elcr) | (chip.lines & chip.elcr));
  apply();
  return io_ok();
}

MACHINA_TYPE(I8259, I8259Common);

}  // namespace machina
