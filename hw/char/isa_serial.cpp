#include "hw/char/isa_serial.h"

#include "core/trace/trace_event.h"

#include <fmt/format.h>

#include <array>

namespace machina {
namespace {

const TraceEvent<unsigned, std::uint64_t, unsigned> serial_read{"serial_read", "port={:#x} addr={} value={:#04x}"};
const TraceEvent<unsigned, std::uint64_t, unsigned> serial_write{"serial_write", "port={:#x} addr={} value={:#04x}"};
const TraceEvent<unsigned, unsigned> serial_receive{"serial_receive", "port={:#x} bytes={}"};
const TraceEvent<unsigned, bool> serial_set_irq{"serial_set_irq", "port={:#x} level={:d}"};

/// Where software looks for COM1 to COM4.
struct Standard {
  std::uint16_t base;
  const char* irq;
};
constexpr std::array<Standard, 4> kStandard{{{0x3f8, "4"}, {0x2f8, "3"}, {0x3e8, "4"}, {0x2e8, "3"}}};

}  // namespace

void IsaSerial::class_init(DeviceClass& c) {
  c.description = "Serial port, 16550A";
  c.category = Category::Char;
  qom::Property& index = c.property("index", &IsaSerial::index_, -1).range(0, kStandard.size() - 1);
  index.min = -1;
  index.doc("0 to 3 for the ports and interrupt of COM1 to COM4; -1: the first of these whose ports are free");
  c.property("iobase", &IsaSerial::iobase_, 0).doc("first I/O port; 0: as index says");
  c.output("irq", &IsaSerial::irq_).doc("interrupt; empty: as index says");
  c.link("chardev", &IsaSerial::chardev_).doc("the other end of the line; none: bytes sent are lost");
  c.property("wakeup", &IsaSerial::wakeup_, false).doc("a received byte wakes a sleeping machine");
}

std::size_t IsaSerial::choose_index() {
  if (index_ >= 0) return static_cast<std::size_t>(index_);
  for (std::size_t i = 0; i < kStandard.size(); ++i)
    if (!port_user(kStandard[i].base, ports_.size())) return i;
  throw Error("the ports of COM1 to COM4 are all taken").hint("give this one its own iobase and irq");
}

void IsaSerial::realize() {
  // With both given there is nothing left to choose.
  if (iobase_ == 0 || !irq_.connected()) {
    if (iobase_ != 0 && index_ < 0) {
      for (std::size_t i = 0; i < kStandard.size(); ++i)
        if (kStandard[i].base == iobase_) index_ = static_cast<std::int32_t>(i);
      if (index_ < 0) {
        throw Error("which interrupt the serial port uses is not known")
            .why("iobase is not that of COM1 to COM4")
            .hint("set irq or index");
      }
    }
    const Standard& standard = kStandard[choose_index()];
    if (iobase_ == 0) iobase_ = standard.base;
    if (!irq_.connected()) irq_.connect(resolve_input(*this, standard.irq));
  }
  map_ports(iobase_, ports_);
  timeout_ = std::make_unique<Timer>(clock(), "isa-serial.timeout", [this] {
    uart_.tick(clock().now_ns());
    update();
  });
  if (chardev_) chardev_->attach(this);
  using namespace uart;  // NOLINT(google-build-using-namespace)
  uart_.set_modem_lines(kMsrCts | kMsrDsr | kMsrDcd);
}

void IsaSerial::unrealize() {
  if (chardev_) chardev_->attach(nullptr);
  timeout_.reset();
}

void IsaSerial::reset_exit() {
  // There is room again, and the other end waits to be told.
  if (chardev_) chardev_->accept_input();
}

IoResult IsaSerial::read(Offset offset, Width) {
  const bool was_full = uart_.can_receive() == 0;
  const std::uint8_t value = uart_.read(static_cast<UartReg>(offset), clock().now_ns());
  serial_read(iobase_, offset, value);
  update();
  if (was_full && chardev_ && uart_.can_receive()) chardev_->accept_input();
  return value;
}

IoResult IsaSerial::write(Offset offset, Width, std::uint64_t value) {
  serial_write(iobase_, offset, static_cast<std::uint8_t>(value));
  const bool was_full = uart_.can_receive() == 0;
  uart_.write(static_cast<UartReg>(offset), static_cast<std::uint8_t>(value), clock().now_ns());
  update();
  if (was_full && chardev_ && uart_.can_receive()) chardev_->accept_input();
  return io_ok();
}

void IsaSerial::receive(std::span<const std::byte> bytes) {
  serial_receive(iobase_, static_cast<unsigned>(bytes.size()));
  if (wakeup_) system().control.request_wakeup("other");
  for (const std::byte b : bytes) uart_.receive(static_cast<std::uint8_t>(b), 0, clock().now_ns());
  update();
}

void IsaSerial::event(Event event) {
  if (event == Event::Break) uart_.receive_break(clock().now_ns());
  update();
}

void IsaSerial::transmit() {
  const std::span<const std::uint8_t> queue = uart_.transmit_queue();
  if (queue.empty()) return;
  // Nobody at the other end: as on a cable that ends in the air, the bytes go nowhere.
  const bool line = chardev_ && chardev_->connected();
  uart_.transmitted(line ? chardev_->write(std::as_bytes(queue)) : queue.size());
}

void IsaSerial::update() {
  const auto drive = [this] {
    const bool level = uart_.interrupt() && uart_.out2();
    if (level != irq_.level()) serial_set_irq(iobase_, level);
    irq_.set(level);
  };
  // Before the byte leaves, too: a write to THR ends the THRE interrupt, and an edge-triggered controller must see
  // that before it comes again.
  drive();
  transmit();
  drive();
  if (uart_.deadline() == Uart16550::kNever) {
    timeout_->cancel();
  } else if (timeout_->deadline() != uart_.deadline()) {
    timeout_->arm(uart_.deadline());
  }
}

aml::Terms IsaSerial::acpi_objects(AcpiBoard& board) {
  const unsigned number = board.unique_id("PNP0501");
  aml::Resources resources;
  resources.io(iobase_, Uart16550::kRegisters);
  if (const auto line = isa_line(irq_)) resources.irq(*line);
  return {aml::device(fmt::format("CM{:02X}", number & 0xff),
                      {aml::name("_HID", aml::eisa_id("PNP0501")), aml::name("_UID", aml::integer(number)),
                       aml::name("_CRS", resources.code())})};
}

MACHINA_TYPE(IsaSerial, IsaDevice, AcpiContributor);

}  // namespace machina
