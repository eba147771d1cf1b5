#include "hw/dma/i8237.h"

#include "core/trace/trace_event.h"

#include <fmt/format.h>

#include <algorithm>

namespace machina {

using namespace i8237;

namespace {

const TraceEvent<unsigned, std::uint64_t, unsigned> i8237_write{"i8237_write", "controller={} addr={} value={:#04x}"};
const TraceEvent<std::uint64_t, unsigned> i8237_write_page{"i8237_write_page", "addr={} value={:#04x}"};
const TraceEvent<unsigned, bool> i8237_set_request{"i8237_set_request", "channel={} level={:d}"};
const TraceEvent<unsigned, std::uint64_t, std::uint64_t, std::uint64_t, bool> i8237_transfer{
    "i8237_transfer", "channel={} addr={:#x} bytes={} moved={} terminal={:d}"};

constexpr unsigned kCascade = 4;              // the channel that the first controller's requests arrive on
constexpr std::size_t kMaxRun = 4096;         // bytes between two looks at a device
constexpr std::uint32_t kPageSize = 0x10000;  // transfers until an address counter wraps

}  // namespace

void I8237::class_init(DeviceClass& c) {
  c.description = "DMA controllers, a pair of 8237A";
  c.category = Category::Misc;
  c.user_creatable = false;
}

I8237::I8237() {
  for (unsigned n = 0; n < kChannels; ++n) {
    channels_[n].owner = this;
    channels_[n].number = n;
  }
}

void I8237::realize() {
  map_ports(kPorts8, ports8_);
  map_ports(kPorts16, ports16_);
  map_ports(kPagePorts, page_ports_);
  isa_bus().set_dma_controller(this);
}

void I8237::reset_enter() {
  for (I8237Controller& c : controllers_) c.reset();
  state_ = {};
}

void I8237::set_up_as_firmware() {
  I8237Controller& second = controllers_[1];
  (void)second.write(kMode, kModeCascade);
  (void)second.write(kSingleMask, 0);
}

void I8237::Channel::attach(IsaDmaDevice* new_device) {
  if (new_device && device && device != new_device) {
    throw Error(fmt::format("DMA channel {} is taken by another device", number)).hint("choose another channel");
  }
  if (!new_device) owner->set_request(number, false);
  device = new_device;
}

// --- registers ---

IoResult I8237::read8(Offset offset, Width) { return controllers_[0].read(static_cast<unsigned>(offset)); }

IoResult I8237::write8(Offset offset, Width, std::uint64_t value) {
  i8237_write(0U, offset, static_cast<std::uint8_t>(value));
  const IoResult result = controllers_[0].write(static_cast<unsigned>(offset), static_cast<std::uint8_t>(value));
  serve();
  return result;
}

// Address line 0 is not wired to the second controller.
IoResult I8237::read16(Offset offset, Width) { return controllers_[1].read(static_cast<unsigned>(offset / 2)); }

IoResult I8237::write16(Offset offset, Width, std::uint64_t value) {
  i8237_write(1U, offset / 2, static_cast<std::uint8_t>(value));
  const IoResult result = controllers_[1].write(static_cast<unsigned>(offset / 2), static_cast<std::uint8_t>(value));
  serve();
  return result;
}

IoResult I8237::read_page(Offset offset, Width) { return state_.pages[offset]; }

IoResult I8237::write_page(Offset offset, Width, std::uint64_t value) {
  i8237_write_page(offset, static_cast<std::uint8_t>(value));
  state_.pages[offset] = static_cast<std::uint8_t>(value);
  return io_ok();
}

// --- transfers ---

void I8237::set_request(unsigned channel, bool level) {
  i8237_set_request(channel, level);
  controller(channel).set_request(channel % I8237Controller::kChannels, level);
  if (level) serve();
}

bool I8237::cascade_open() const {
  const I8237Controller& second = controllers_[1];
  return second.enabled() && !second.masked(0) && second.service(0) == kModeCascade;
}

void I8237::serve() {
  // A device that is being served asks for more: the loop below sees it.
  if (serving_) return;
  serving_ = true;
  std::array<unsigned, 2> idle{};  // channels whose device had nothing, a bit each
  for (;;) {
    // The first controller stands in the place of channel 4, before the others of the second.
    std::optional<unsigned> channel = cascade_open() ? controllers_[0].next(idle[0]) : std::nullopt;
    if (channel == 0U && controllers_[0].memory_to_memory() && controllers_[0].software_request(0)) {
      copy_memory();
      continue;
    }
    if (!channel) {
      channel = controllers_[1].next(idle[1] | 1U << 0);
      if (!channel) break;
      *channel += kCascade;
    }
    const unsigned n = *channel % I8237Controller::kChannels;
    if (!serve_channel(*channel)) idle[*channel / I8237Controller::kChannels] |= 1U << n;
    controller(*channel).served(n);
  }
  serving_ = false;
}

bool I8237::serve_channel(unsigned channel) {
  I8237Controller& c = controller(channel);
  const unsigned n = channel % I8237Controller::kChannels;
  if (c.service(n) == kModeCascade) return false;  // the bus is for another master, of which there is none
  const std::size_t width = channel < kCascade ? 1 : 2;
  const Run run = next_run(channel);
  const std::size_t moved = move(channel, run) / width;
  i8237_transfer(channel, run.address, run.bytes, moved * width, run.terminal);
  if (moved == 0) return false;
  c.advance(n, static_cast<unsigned>(moved));
  return true;
}

std::uint64_t I8237::bus_address(unsigned channel, std::uint16_t address) const {
  const std::uint64_t page = state_.pages[kPageOfChannel[channel]];
  // Words: the counter drives lines 1 to 16, the page register 17 to 23.
  return channel < kCascade ? page << 16 | address : (page & 0xfe) << 16 | std::uint64_t{address} << 1;
}

I8237::Run I8237::next_run(unsigned channel) const {
  const I8237Controller& c = controller(channel);
  const unsigned n = channel % I8237Controller::kChannels;
  const std::size_t width = channel < kCascade ? 1 : 2;
  const std::uint16_t address = c.address(n);
  const std::uint32_t until_wrap = c.decrements(n) ? address + 1U : kPageSize - address;
  const std::size_t transfers = std::min({std::size_t{c.left(n)}, std::size_t{until_wrap}, kMaxRun / width});
  const auto back = static_cast<std::uint16_t>(c.decrements(n) ? transfers - 1 : 0);
  return {bus_address(channel, static_cast<std::uint16_t>(address - back)), transfers * width, transfers == c.left(n)};
}

std::size_t I8237::move(unsigned channel, const Run& run) {
  const I8237Controller& c = controller(channel);
  const unsigned n = channel % I8237Controller::kChannels;
  const std::size_t width = channel < kCascade ? 1 : 2;
  IsaDmaDevice* device = channels_[channel].device;
  std::array<std::uint8_t, kMaxRun> buffer;
  const std::span<std::uint8_t> data = std::span(buffer).first(run.bytes);
  // Downwards the transfers stand in memory in reverse, each word by itself the right way round.
  const auto reverse = [&](std::span<std::uint8_t> bytes) {
    if (!c.decrements(n)) return;
    std::reverse(bytes.begin(), bytes.end());
    for (std::size_t i = 0; width == 2 && i < bytes.size(); i += 2) std::swap(bytes[i], bytes[i + 1]);
  };
  switch (c.transfer(n)) {
    case kModeToMemory: {
      std::fill(data.begin(), data.end(), std::uint8_t{0xff});
      const bool downwards = c.decrements(n);
      std::size_t moved = device ? device->dma_to_memory(data, run.terminal) : data.size();
      moved = std::min(moved, data.size()) & ~(width - 1);
      reverse(data.first(moved));
      // Bytes beyond memory go nowhere, as on the bus.
      (void)dma().write(run.address + (downwards ? data.size() - moved : 0), data.first(moved));
      return moved;
    }
    case kModeFromMemory: {
      (void)dma().read(run.address, data);
      reverse(data);
      const std::size_t moved = device ? device->dma_from_memory(data, run.terminal) : data.size();
      return std::min(moved, data.size()) & ~(width - 1);
    }
    case kModeVerify: {
      const std::size_t moved = device ? device->dma_verify(data.size(), run.terminal) : data.size();
      return std::min(moved, data.size()) & ~(width - 1);
    }
    default:  // both bits: illegal, nothing moves
      return 0;
  }
}

void I8237::copy_memory() {
  I8237Controller& c = controllers_[0];
  for (bool terminal = false; !terminal;) {
    terminal = c.left(1) == 1;
    (void)dma().read(bus_address(0, c.address(0)), {&c.temporary(), 1});
    (void)dma().write(bus_address(1, c.address(1)), {&c.temporary(), 1});
    c.advance_source();
    c.advance(1, 1);
  }
  // The end of channel 1 ends the request, which is channel 0's.
  (void)c.write(kRequest, 0);
  c.served(1);
}

aml::Terms I8237::acpi_objects(AcpiBoard&) {
  aml::Resources resources;
  resources.io(kPorts8, 16).io(kPagePorts, 16).io(kPorts16, 32).dma(kCascade);
  return {aml::device("DMAC", {aml::name("_HID", aml::eisa_id("PNP0200")), aml::name("_CRS", resources.code())})};
}

MACHINA_TYPE(I8237, IsaDevice, AcpiContributor, FirmwareSetup);

}  // namespace machina
