#include "hw/pci-host/i440fx.h"

#include <fmt/format.h>

#include <limits>

#include "core/trace/trace_event.h"
#include "core/units.h"

namespace machina {

using namespace i440fx;

namespace {

const TraceEvent<std::uint64_t, unsigned> i440fx_pam{"i440fx_pam", "addr={:#x} bits={}"};
const TraceEvent<unsigned> i440fx_smram{"i440fx_smram", "value={:#04x}"};

// Over the machine's RAM, which is mapped with priority 0.
constexpr int kOverRam = 1;
constexpr int kBelowRam = -1;

constexpr std::uint8_t kPamBits = kPamReadEnable | kPamWriteEnable;

}  // namespace

I440fx::Segment::Segment(const PamSegment& where, System& system, MemoryRegion& pci, AddressSpace& pci_space)
    : pci_window(fmt::format("pam-pci-{:x}", where.start), pci, where.start, where.size),
      write_protected(fmt::format("pam-rom-{:x}", where.start), system.ram, where.start, where.size),
      shadow(
          fmt::format("pam-shadow-{:x}", where.start), where.size, Widths{1, 8, true},
          [&pci_space, start = where.start](Offset offset, Width width) -> IoResult {
            return pci_space.load(start + offset, width);
          },
          [&system, start = where.start](Offset offset, Width width, std::uint64_t value) -> IoResult {
            std::uint8_t* to = system.ram->host() + start + offset;
            for (Width i = 0; i < width; ++i) to[i] = static_cast<std::uint8_t>(value >> (8 * i));
            system.ram->mark_dirty(start + offset, width);
            return io_ok();
          }) {
  write_protected.set_readonly(true);
}

void I440fx::class_init(PciDeviceClass& c) {
  c.description = "Intel 82441FX PCI and memory controller";
  c.category = Category::Bridge;
  c.user_creatable = false;  // part of i440FX-pcihost
  c.vendor_id = pci::kVendorIntel;
  c.device_id = pci::kDevice82441fx;
  c.revision = 0x02;
  c.class_code = pci::kClassBridgeHost;
}

void I440fx::realize() {
  // 3.2.3: memory accesses and bus mastering cannot be turned off; 3.2.4: DEVSEL# timing is medium.
  define_config(pci::kCommand, 2, pci::kCommandMemory | pci::kCommandBusMaster,
                pci::kCommandParity | pci::kCommandSerr);
  define_config(pci::kStatus, 2, pci::kStatusFastBackToBack | pci::kStatusDevselMedium, 0, pci::kStatusErrors);
  define_config(pci::kCacheLineSize, 1, 0);
  define_config(pci::kLatencyTimer, 1, 0, 0xf8);
  define_config(pci::kInterruptLine, 1, 0);

  define_config(kPmccfg, 2, 0, 0xffff);
  define_config(kDeturbo, 1, 0, 0xff);
  define_config(kDbc, 1, 0x80, 0xff);
  define_config(kAxc, 1, 0, 0xff);
  define_config(kDrt, 2, 0, 0xffff);
  define_config(kDramc, 1, 0x01, 0xff);
  define_config(kDramt, 1, 0, 0xff);
  define_config(kPam0, 1, 0, kPamBits << 4);
  for (unsigned i = 1; i < kPamCount; ++i) define_config(kPam0 + i, 1, 0, kPamBits << 4 | kPamBits);
  for (unsigned i = 0; i < 8; ++i) define_config(kDrb0 + i, 1, 0x01, 0xff);
  define_config(kFdhc, 1, 0, 0xc0);
  define_config(kMtt, 1, 0x20, 0xf8);
  define_config(kClt, 1, 0x10, 0x1f);
  define_config(kSmram, 1, kSmramBase, kSmramOpen | kSmramClose | kSmramLock | kSmramEnable);
  define_config(kErrcmd, 1, 0, 0xff);
  define_config(kErrsts, 1, 0, 0, 0x11);
  define_config(kTrc, 1, 0, kTrcHardReset | kTrcResetCpu | kTrcBist);

  System& s = system();
  if (!s.ram) return;  // a board without RAM: nothing is behind the segments
  if (s.ram_below_4g < 1 * MiB) {
    throw Error(fmt::format("{} bytes of RAM are too few", s.ram_below_4g))
        .why("the 440FX routes memory up to 1 MiB")
        .hint("give the machine 1M at least, with -m");
  }
  ContainerRegion& memory = s.memory_root;
  ContainerRegion& pci = pci_bus().memory();
  pci_space_ = std::make_unique<AddressSpace>("pci", pci, s.lock);
  const MemoryTransaction transaction;
  for (const PamSegment& where : kPamSegments) {
    auto segment = std::make_unique<Segment>(where, s, pci, *pci_space_);
    for (MemoryRegion* r :
         {static_cast<MemoryRegion*>(&segment->pci_window), static_cast<MemoryRegion*>(&segment->write_protected),
          static_cast<MemoryRegion*>(&segment->shadow)}) {
      r->set_enabled(false);
      map(memory, where.start, *r, kOverRam);
    }
    segments_.push_back(std::move(segment));
  }
  vga_window_ = std::make_unique<AliasRegion>("smram-closed", pci, kSmramStart, kSmramSize);
  map(memory, kSmramStart, *vga_window_, kOverRam);
  smram_ = std::make_unique<RamRegion>("smram", s.ram, kSmramStart, kSmramSize);
  smram_->set_enabled(false);
  map(s.smram_root, kSmramStart, *smram_);
  // As reset leaves it, so that the board's memory map is final once its devices are realized: an accelerator that
  // maps it then has nothing to change before the guest runs.
  apply_pam(true);
  apply_smram();
}

void I440fx::post_unrealize() {
  const MemoryTransaction transaction;
  PciDevice::post_unrealize();
  segments_.clear();
  vga_window_.reset();
  smram_.reset();
  pci_space_.reset();
}

void I440fx::reset_enter() {
  std::array<std::uint32_t, kPamCount> pam{};
  for (unsigned i = 0; i < kPamCount; ++i) pam[i] = config(kPam0 + i, 1);
  PciDevice::reset_enter();
  if (system().control.run_state() != RunState::Suspended) return;
  for (unsigned i = 0; i < kPamCount; ++i) put_config(kPam0 + i, 1, pam[i]);
}

void I440fx::adjust(const ConfigLayout::Bytes& before) {
  // 3.2.24: D_LCK closes SMRAM and stays, with D_OPEN, as it is until reset.
  std::uint32_t smram = config(kSmram, 1);
  if (before[kSmram] & kSmramLock) smram |= kSmramLock;
  if (smram & kSmramLock) smram &= ~std::uint32_t{kSmramOpen};
  put_config(kSmram, 1, smram);
  // 3.2.29. Reset of the CPU alone is the machine's whole reset here too.
  if (config(kTrc, 1) & ~std::uint32_t{before[kTrc]} & kTrcResetCpu)
    system().control.request_reset(ShutdownCause::GuestReset);
}

void I440fx::apply(bool force) {
  PciDevice::apply(force);
  if (segments_.empty()) return;
  const MemoryTransaction transaction;
  apply_pam(force);
  apply_smram();
}

void I440fx::apply_pam(bool force) {
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    const PamSegment& where = kPamSegments[i];
    Segment& segment = *segments_[i];
    const auto bits = static_cast<std::uint8_t>(config(where.reg, 1) >> where.shift & kPamBits);
    if (bits == segment.shown && !force) continue;
    i440fx_pam(where.start, bits);
    segment.shown = bits;
    segment.pci_window.set_enabled(bits == 0);
    segment.write_protected.set_enabled(bits == kPamReadEnable);
    segment.shadow.set_enabled(bits == kPamWriteEnable);
    // With both bits nothing covers the machine's RAM, which then stays in one piece.
  }
}

void I440fx::apply_smram() {
  const std::uint32_t smram = config(kSmram, 1);
  const bool enabled = smram & kSmramEnable;
  if (enabled != smram_->enabled()) i440fx_smram(smram);
  vga_window_->set_enabled(!(enabled && (smram & kSmramOpen)));
  smram_->set_enabled(enabled);
}

void I440fx::set_up_as_firmware() {
  config_write(kPam0, 1, kPamBits << 4);
  for (unsigned i = 1; i < kPamCount; ++i) config_write(kPam0 + i, 1, kPamBits << 4 | kPamBits);
}

void I440fxHost::class_init(DeviceClass& c) { c.description = "Intel 440FX host bridge"; }

I440fxHost::I440fxHost()
    : master_abort_(
          "pci-master-abort", 0x100000 - kSmramStart, Widths{1, 8, true},
          [](Offset, Width) -> IoResult { return IoStatus::NoResponse; },
          [](Offset, Width, std::uint64_t) -> IoResult { return IoStatus::NoResponse; }) {
  function_ = &add_new_child<I440fx>("i440FX");
  function_->set_parent_bus(bus());
  function_->set_text("addr", "0.0");
}

void I440fxHost::realize() {
  PciHost::realize();
  const MemoryTransaction transaction;
  map(pci_memory(), kSmramStart, master_abort_, std::numeric_limits<int>::min());
  map(system().memory_root, 0, pci_memory(), kBelowRam);
}

MACHINA_TYPE(I440fx, PciDevice, FirmwareSetup);
MACHINA_TYPE(I440fxHost, PciHost);

}  // namespace machina
