#include "hw/char/isa_parallel.h"

#include "core/trace/trace_event.h"

#include <fmt/format.h>

#include <array>

namespace machina {

namespace {

const TraceEvent<unsigned, std::uint64_t, unsigned> parallel_ioport_read{"parallel_ioport_read",
                                                                         "port={:#x} addr={} value={:#04x}"};
const TraceEvent<unsigned, std::uint64_t, unsigned> parallel_ioport_write{"parallel_ioport_write",
                                                                          "port={:#x} addr={} value={:#04x}"};
const TraceEvent<unsigned, unsigned> parallel_print{"parallel_print", "port={:#x} value={:#04x}"};

// Registers.
constexpr unsigned kData = 0, kStatus = 1, kControl = 2;

// Status register.
constexpr std::uint8_t kNotBusy = 0x80;
constexpr std::uint8_t kNotAcknowledge = 0x40;
constexpr std::uint8_t kPaperOut = 0x20;
constexpr std::uint8_t kSelected = 0x10;
constexpr std::uint8_t kNotError = 0x08;
constexpr std::uint8_t kNotInterrupt = 0x04;
constexpr std::uint8_t kStatusOnes = 0x03;

// Control register.
constexpr std::uint8_t kStrobe = 0x01;
constexpr std::uint8_t kNotInitialize = 0x04;
constexpr std::uint8_t kInterruptEnable = 0x10;
constexpr std::uint8_t kInput = 0x20;
constexpr std::uint8_t kControlOnes = 0xc0;

/// Where software looks for LPT1 to LPT3.
struct Standard {
  std::uint16_t base;
  const char* irq;
};
constexpr std::array<Standard, 3> kStandard{{{0x378, "7"}, {0x278, "5"}, {0x3bc, "7"}}};

}  // namespace

void IsaParallel::class_init(DeviceClass& c) {
  c.description = "Parallel port";
  c.category = Category::Char;
  qom::Property& index = c.property("index", &IsaParallel::index_, -1).range(0, kStandard.size() - 1);
  index.min = -1;
  index.doc("0 to 2 for the ports and interrupt of LPT1 to LPT3; -1: the first of these whose ports are free");
  c.property("iobase", &IsaParallel::iobase_, 0).doc("first I/O port; 0: as index says");
  c.output("irq", &IsaParallel::irq_).doc("interrupt; empty: as index says");
  c.link("chardev", &IsaParallel::chardev_).doc("the printer; none: nothing is plugged in");
}

std::size_t IsaParallel::choose_index() const {
  if (index_ >= 0) return static_cast<std::size_t>(index_);
  for (std::size_t i = 0; i < kStandard.size(); ++i)
    if (iobase_ != 0 ? iobase_ == kStandard[i].base : !port_user(kStandard[i].base, ports_.size())) return i;
  if (iobase_ != 0) {
    throw Error("which interrupt the parallel port uses is not known")
        .why("iobase is not that of LPT1 to LPT3")
        .hint("set irq or index");
  }
  throw Error("the ports of LPT1 to LPT3 are all taken").hint("give this one its own iobase and irq");
}

void IsaParallel::realize() {
  // With both given there is nothing left to choose.
  if (iobase_ == 0 || !irq_.connected()) {
    const Standard& standard = kStandard[choose_index()];
    if (iobase_ == 0) iobase_ = standard.base;
    if (!irq_.connected()) irq_.connect(resolve_input(*this, standard.irq));
  }
  map_ports(iobase_, ports_);
  ack_ = std::make_unique<Timer>(clock(), "isa-parallel.acknowledge", [this] { acknowledged(); });
  if (chardev_) chardev_->attach(this);
}

void IsaParallel::unrealize() {
  if (chardev_) chardev_->attach(nullptr);
  ack_.reset();
}

void IsaParallel::reset_enter() {
  // The printer hears of it by nINIT, which is low now: what it holds is gone.
  state_ = {};
  if (ack_) ack_->cancel();
}

std::uint8_t IsaParallel::status() {
  if (!chardev_) return kNotAcknowledge | kPaperOut | kSelected | kNotError | kNotInterrupt | kStatusOnes;
  std::uint8_t value = kSelected | kNotError | kStatusOnes;
  if (!state_.acknowledge) value |= kNotAcknowledge;
  if (!state_.busy && state_.control & kNotInitialize) value |= kNotBusy;
  if (!state_.interrupt) value |= kNotInterrupt;
  // Reading takes the interrupt back.
  state_.interrupt = false;
  update_irq();
  return value;
}

IoResult IsaParallel::read(Offset offset, Width) {
  unsigned value = static_cast<unsigned>(state_.control | kControlOnes);
  if (offset == kData) value = state_.control & kInput ? 0xffU : state_.data;
  if (offset == kStatus) value = status();
  parallel_ioport_read(iobase_, offset, value);
  return value;
}

IoResult IsaParallel::write(Offset offset, Width, std::uint64_t value) {
  parallel_ioport_write(iobase_, offset, static_cast<std::uint8_t>(value));
  switch (offset) {
    case kData:
      state_.data = static_cast<std::uint8_t>(value);
      return io_ok();
    case kControl:
      write_control(static_cast<std::uint8_t>(value & ~std::uint64_t{kControlOnes}));
      return io_ok();
    default:
      return IoStatus::BadRegister;
  }
}

void IsaParallel::write_control(std::uint8_t value) {
  const std::uint8_t before = state_.control;
  state_.control = value;
  if (!(value & kNotInitialize)) {
    state_.busy = state_.acknowledge = false;
    ack_->cancel();
  }
  update_irq();
  const bool strobe = value & kStrobe && !(before & kStrobe);
  if (!strobe || !(value & kNotInitialize) || !chardev_ || state_.busy) return;
  state_.held = value & kInput ? 0xff : state_.data;
  state_.busy = true;
  print();
}

void IsaParallel::print() {
  if (!state_.busy || state_.acknowledge) return;
  const std::byte byte{state_.held};
  // A printer that is switched off loses what is sent to it, as a serial line that ends in the air does.
  if (chardev_->connected() && chardev_->write({&byte, 1}) == 0) return;
  parallel_print(iobase_, state_.held);
  state_.acknowledge = true;
  ack_->arm(clock().now_ns() + kAckTime);
}

void IsaParallel::acknowledged() {
  state_.busy = state_.acknowledge = false;
  if (state_.control & kInterruptEnable) state_.interrupt = true;
  update_irq();
}

void IsaParallel::update_irq() {
  if (!(state_.control & kInterruptEnable)) state_.interrupt = false;
  irq_.set(state_.interrupt);
}

aml::Terms IsaParallel::acpi_objects(AcpiBoard& board) {
  const unsigned number = board.unique_id("PNP0400");
  aml::Resources resources;
  resources.io(iobase_, 4);
  if (const auto line = isa_line(irq_)) resources.irq(*line);
  return {aml::device(fmt::format("LP{:02X}", number & 0xff),
                      {aml::name("_HID", aml::eisa_id("PNP0400")), aml::name("_UID", aml::integer(number)),
                       aml::name("_CRS", resources.code())})};
}

MACHINA_TYPE(IsaParallel, IsaDevice, AcpiContributor);

}  // namespace machina
