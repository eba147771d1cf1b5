#include "hw/nvram/fw_cfg.h"

#include "core/trace/trace_event.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

namespace machina {
namespace {

const TraceEvent<unsigned, bool, std::uint64_t> fw_cfg_select{"fw_cfg_select", "key={:#06x} found={:d} bytes={}"};
const TraceEvent<unsigned, std::uint64_t, unsigned> fw_cfg_read{"fw_cfg_read", "key={:#06x} offset={} value={:#04x}"};
const TraceEvent<unsigned, unsigned, std::uint64_t, bool> fw_cfg_dma{"fw_cfg_dma",
                                                                     "control={:#x} bytes={} addr={:#x} ok={:d}"};

constexpr std::uint16_t kWriteChannel = 1U << 14;  // of a key: has had no meaning since only DMA writes
constexpr char kSignature[] = "QEMU";
constexpr char kDmaSignature[] = "QEMU CFG";
constexpr std::uint32_t kIdTraditional = 1U << 0, kIdDma = 1U << 1;

// The control word of a DMA descriptor; a selector is in its upper half.
constexpr std::uint32_t kDmaError = 1U << 0;
constexpr std::uint32_t kDmaRead = 1U << 1;
constexpr std::uint32_t kDmaSkip = 1U << 2;
constexpr std::uint32_t kDmaSelect = 1U << 3;
constexpr std::uint32_t kDmaWrite = 1U << 4;

// Descriptor: control (32 bits), length (32), address (64), all big-endian.
constexpr std::size_t kDescriptorSize = 16;

template <class T>
void append_be(std::vector<std::uint8_t>& out, T value) {
  for (int shift = static_cast<int>(sizeof(T)) * 8 - 8; shift >= 0; shift -= 8)
    out.push_back(static_cast<std::uint8_t>(value >> shift));
}

template <class T>
T load_be(const std::uint8_t* p) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) value = static_cast<T>(value << 8 | p[i]);
  return value;
}

std::vector<std::uint8_t> little_endian(std::uint64_t value, std::size_t size) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i < size; ++i) bytes.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  return bytes;
}

}  // namespace

void FwCfg::class_init(DeviceClass& c) {
  c.description = "Firmware configuration";
  c.category = Category::Misc;
  c.user_creatable = false;  // Its content is the machine's.
  c.property("iobase", &FwCfg::iobase_, 0x510).doc("first I/O port");
  c.property("dma_enabled", &FwCfg::dma_enabled_, true).doc("offer the DMA interface");
  c.property("file-slots", &FwCfg::file_slots_, 0x20).doc("how many files there may be").range(0x10, 0x1000);
}

void FwCfg::realize() {
  map_ports(iobase_, ports_);
  if (dma_enabled_) map_ports(static_cast<std::uint16_t>(iobase_ + 4), dma_ports_);
  add_bytes(FwCfgKey::Signature, {kSignature, kSignature + 4});
  add_i32(FwCfgKey::Id, kIdTraditional | (dma_enabled_ ? kIdDma : 0));
}

void FwCfg::add_bytes(FwCfgKey key, std::vector<std::uint8_t> bytes) {
  items_[static_cast<std::uint16_t>(key)] = Item{std::move(bytes), false, {}, {}};
}

void FwCfg::add_i16(FwCfgKey key, std::uint16_t value) { add_bytes(key, little_endian(value, 2)); }
void FwCfg::add_i32(FwCfgKey key, std::uint32_t value) { add_bytes(key, little_endian(value, 4)); }
void FwCfg::add_i64(FwCfgKey key, std::uint64_t value) { add_bytes(key, little_endian(value, 8)); }

void FwCfg::add_string(FwCfgKey key, std::string_view text) {
  std::vector<std::uint8_t> bytes(text.begin(), text.end());
  bytes.push_back(0);
  add_bytes(key, std::move(bytes));
}

void FwCfg::put_file(const std::string& name, Item item) {
  if (name.empty() || name.size() > kMaxFileName) {
    throw Error(fmt::format("'{}' cannot be the name of a firmware file", name))
        .why(fmt::format("it has {} characters, and 1 to {} fit", name.size(), kMaxFileName));
  }
  if (files_.size() >= file_slots_ && !files_.contains(name)) {
    throw Error(fmt::format("no room for firmware file '{}'", name))
        .why(fmt::format("all {} slots are used", file_slots_))
        .hint("raise file-slots of fw_cfg");
  }
  files_[name] = std::move(item);
}

void FwCfg::add_file(const std::string& name, std::vector<std::uint8_t> bytes, OnSelect on_select) {
  put_file(name, {std::move(bytes), false, std::move(on_select), {}});
}

void FwCfg::add_writable_file(const std::string& name, std::vector<std::uint8_t> bytes, OnWrite on_write) {
  put_file(name, {std::move(bytes), true, {}, std::move(on_write)});
}

void FwCfg::remove_file(const std::string& name) { files_.erase(name); }

const std::vector<std::uint8_t>* FwCfg::file(const std::string& name) const {
  const auto found = files_.find(name);
  return found == files_.end() ? nullptr : &found->second.bytes;
}

std::vector<std::uint8_t> FwCfg::directory() const {
  std::vector<std::uint8_t> out;
  append_be(out, static_cast<std::uint32_t>(files_.size()));
  std::uint16_t key = kFileFirst;
  for (const auto& [name, item] : files_) {
    append_be(out, static_cast<std::uint32_t>(item.bytes.size()));
    append_be(out, key++);
    append_be(out, std::uint16_t{0});
    std::array<std::uint8_t, kMaxFileName + 1> field{};
    std::copy(name.begin(), name.end(), field.begin());
    out.insert(out.end(), field.begin(), field.end());
  }
  return out;
}

FwCfg::Item* FwCfg::selected() {
  const auto key = static_cast<std::uint16_t>(state_.key & ~kWriteChannel);
  if (key == static_cast<std::uint16_t>(FwCfgKey::FileDir)) return &directory_;
  if (key >= kFileFirst && key - kFileFirst < static_cast<int>(files_.size()))
    return &std::next(files_.begin(), key - kFileFirst)->second;
  const auto found = items_.find(key);
  return found == items_.end() ? nullptr : &found->second;
}

void FwCfg::select(std::uint16_t key) {
  state_.key = key;
  state_.offset = 0;
  Item* item = selected();
  if (item == &directory_) directory_.bytes = directory();
  if (item && item->on_select) item->on_select(item->bytes);
  fw_cfg_select(key, item != nullptr, item ? item->bytes.size() : 0U);
}

std::uint8_t FwCfg::next_byte() {
  // An item that does not exist is an endless row of zeros, and so is what comes after the end of one.
  const Item* item = selected();
  if (!item || state_.offset >= item->bytes.size()) return 0;
  const std::uint8_t value = item->bytes[state_.offset];
  fw_cfg_read(state_.key, state_.offset, value);
  ++state_.offset;
  return value;
}

IoResult FwCfg::read_port(Offset, Width width) {
  if (width != 1) return IoStatus::BadSize;
  return next_byte();
}

IoResult FwCfg::write_port(Offset offset, Width width, std::uint64_t value) {
  if (offset == 0 && width == 2) select(static_cast<std::uint16_t>(value));
  return io_ok();
}

IoResult FwCfg::read_dma(Offset offset, Width width) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < width && offset + i < 8; ++i)
    value |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(kDmaSignature[offset + i])) << (8 * i);
  return value;
}

IoResult FwCfg::write_dma(Offset offset, Width width, std::uint64_t value) {
  if (width == 4 && offset == 0) {
    state_.dma_address = static_cast<std::uint64_t>(__builtin_bswap32(static_cast<std::uint32_t>(value))) << 32;
    return io_ok();
  }
  if (width == 4 && offset == 4) {
    state_.dma_address |= __builtin_bswap32(static_cast<std::uint32_t>(value));
  } else if (width == 8 && offset == 0) {
    state_.dma_address = __builtin_bswap64(value);
  } else {
    return IoStatus::BadSize;
  }
  // The upper half is used once: a guest below 4 GiB writes the lower one only.
  run_dma(std::exchange(state_.dma_address, 0));
  return io_ok();
}

void FwCfg::run_dma(std::uint64_t descriptor) {
  std::array<std::uint8_t, kDescriptorSize> raw{};
  std::uint32_t result = kDmaError;
  if (dma().read(descriptor, raw) == MemTxResult::Ok) {
    const auto control = load_be<std::uint32_t>(&raw[0]);
    const auto length = load_be<std::uint32_t>(&raw[4]);
    const auto address = load_be<std::uint64_t>(&raw[8]);
    if (control & kDmaSelect) select(static_cast<std::uint16_t>(control >> 16));
    bool ok = true;
    if (control & kDmaRead) {
      ok = dma_read(address, length);
    } else if (control & kDmaWrite) {
      ok = dma_write(address, length);
    } else if (control & kDmaSkip) {
      state_.offset += length;  // 64 bits: more than a guest can add up
    }
    fw_cfg_dma(control, length, address, ok);
    result = ok ? 0 : kDmaError;
  }
  std::vector<std::uint8_t> answer;
  append_be(answer, result);
  (void)dma().write(descriptor, answer);  // if that fails too there is nobody to tell
}

bool FwCfg::dma_read(std::uint64_t address, std::uint32_t length) {
  // In pieces, and up to the first that memory refuses: the length is the guest's, and may be 4 GiB of nothing.
  static constexpr std::array<std::uint8_t, 4096> kZeros{};
  while (length > 0) {
    const Item* item = selected();
    const std::uint64_t left = item && state_.offset < item->bytes.size() ? item->bytes.size() - state_.offset : 0;
    const std::uint64_t n = std::min<std::uint64_t>(length, left ? left : kZeros.size());
    const std::uint8_t* from = left ? item->bytes.data() + state_.offset : kZeros.data();
    if (address + n - 1 < address) return false;  // around the end of the address space
    if (dma().write(address, {from, n}) != MemTxResult::Ok) return false;
    if (left) state_.offset += n;
    address += n;
    length -= static_cast<std::uint32_t>(n);
  }
  return true;
}

bool FwCfg::dma_write(std::uint64_t address, std::uint32_t length) {
  Item* item = selected();
  // All or nothing: a write beyond the end changes nothing.
  if (!item || !item->writable || state_.offset > item->bytes.size() || length > item->bytes.size() - state_.offset)
    return false;
  std::vector<std::uint8_t> bytes(length);
  if (dma().read(address, bytes) != MemTxResult::Ok) return false;
  const auto offset = static_cast<std::size_t>(state_.offset);
  std::copy(bytes.begin(), bytes.end(), item->bytes.begin() + static_cast<std::ptrdiff_t>(offset));
  state_.offset += length;
  if (item->on_write) item->on_write(item->bytes, offset, length);
  return true;
}

aml::Terms FwCfg::acpi_objects(AcpiBoard&) {
  constexpr unsigned kWithDma = 12, kWithoutDma = 2;
  constexpr unsigned kPresentNotShown = 0x0b;  // _STA: present, decoding, working, but nothing for a user's eyes
  aml::Resources resources;
  resources.io(iobase_, dma_enabled_ ? kWithDma : kWithoutDma);
  return {
      aml::device("FWCF", {aml::name("_HID", aml::string("QEMU0002")),
                           aml::name("_STA", aml::integer(kPresentNotShown)), aml::name("_CRS", resources.code())})};
}

MACHINA_TYPE(FwCfg, IsaDevice, AcpiContributor);

}  // namespace machina
