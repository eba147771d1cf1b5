#include "accel/jit/xsave.h"

#include <algorithm>
#include <cstring>

#include "accel/jit/host_avx512.h"
#include "accel/jit/host_float.h"
#include "accel/jit/x87_environment.h"

namespace machina::jit {

namespace {

constexpr unsigned kMxcsrOffset = 24, kStOffset = 32, kXmmOffset = 160, kStSize = 10;
constexpr unsigned kIpOffset = 8, kDpOffset = 16;
constexpr unsigned kAvxSize = 256, kPkruSize = 8;  // PKRU and four reserved bytes: SDM vol. 1, 13.5.7
constexpr std::uint32_t kXsaveLeaf = 0xd, kAvxIndex = 2, kPkruIndex = 9;
/// Ascending, as the compacted form has them.
constexpr std::uint64_t kExtended[] = {kStateAvx, kStateMasks, kStateZmmHigh, kStateZmm16, kStatePkru};
constexpr std::uint32_t kMxcsrInitial = 0x1f80;

template <class T>
void put(std::uint8_t* area, unsigned offset, T value) {
  std::memcpy(area + offset, &value, sizeof value);
}
template <class T>
T get(const std::uint8_t* area, unsigned offset) {
  T value;
  std::memcpy(&value, area + offset, sizeof value);
  return value;
}

bool all_zero(const std::uint8_t* bytes, std::size_t size) {
  return std::all_of(bytes, bytes + size, [](std::uint8_t b) { return b == 0; });
}

void put_x87(const Cpu& cpu, PointerFormat format, std::uint8_t* area) {
  const FloatState& x87 = cpu.x87;
  put(area, 0, x87.image.control);
  put(area, 2, x87.image.status);
  put<std::uint16_t>(area, 4, x87.image.valid);
  put(area, 6, x87.opcode);
  if (format == PointerFormat::Wide) {
    put(area, kIpOffset, x87.last_ip);
    put(area, kDpOffset, x87.last_dp);
  } else {
    put(area, kIpOffset, static_cast<std::uint32_t>(x87.last_ip));
    put<std::uint32_t>(area, kIpOffset + 4, x87.last_cs);
    put(area, kDpOffset, static_cast<std::uint32_t>(x87.last_dp));
    put<std::uint32_t>(area, kDpOffset + 4, x87.last_ds);
  }
  for (unsigned i = 0; i < 8; ++i) {
    std::uint8_t* to = area + kStOffset + 16 * i;
    std::memcpy(to, x87.image.st[i].data(), kStSize);
    std::memset(to + kStSize, 0, 16 - kStSize);
  }
}

void take_x87(Cpu& cpu, PointerFormat format, const std::uint8_t* area) {
  constexpr std::uint16_t kOpcodeBits = 0x7ff;
  FloatState& x87 = cpu.x87;
  x87.image.control = x87_control_word(get<std::uint16_t>(area, 0));
  x87.image.status = get<std::uint16_t>(area, 2);
  x87.image.valid = area[4];
  x87.opcode = get<std::uint16_t>(area, 6) & kOpcodeBits;
  if (format == PointerFormat::Wide) {
    x87.last_ip = get<std::uint64_t>(area, kIpOffset);
    x87.last_dp = get<std::uint64_t>(area, kDpOffset);
    x87.last_cs = x87.last_ds = 0;
  } else {
    x87.last_ip = get<std::uint32_t>(area, kIpOffset);
    x87.last_cs = get<std::uint16_t>(area, kIpOffset + 4);
    x87.last_dp = get<std::uint32_t>(area, kDpOffset);
    x87.last_ds = get<std::uint16_t>(area, kDpOffset + 4);
  }
  for (unsigned i = 0; i < 8; ++i) std::memcpy(x87.image.st[i].data(), area + kStOffset + 16 * i, kStSize);
  update_error_summary(cpu);
}

/// Outside of 64-bit code the upper halves of ZMM8 and above, and ZMM16 and above, are left alone.
std::size_t high_size(XsaveForm form) { return std::size_t{32} * form.registers; }

}  // namespace

XsaveLayout::Place XsaveLayout::place(std::uint64_t component) const {
  switch (component) {
    case kStateAvx:
      return {avx, kAvxSize};
    case kStateMasks:
      return {masks, sizeof(Avx512State::masks)};
    case kStateZmmHigh:
      return {zmm_high, sizeof(Avx512State::high)};
    case kStateZmm16:
      return {zmm16, sizeof(Avx512State::zmm16)};
    case kStatePkru:
      return {pkru, kPkruSize};
    default:
      return {};
  }
}

unsigned XsaveLayout::end(std::uint64_t components) const {
  unsigned last = kExtendedRegion;
  for (const std::uint64_t component : kExtended)
    if (components & component) last = std::max(last, place(component).offset + place(component).size);
  return last;
}

XsaveLayout standard_layout(const Cpu& cpu) {
  if (cpu.avx512) return host_layout();
  XsaveLayout layout;
  if (!cpu.cpuid) return layout;
  if (const CpuidLeaf whole = cpu.cpuid->find(kXsaveLeaf, 0); whole.ecx != 0) {
    if (const CpuidLeaf avx = cpu.cpuid->find(kXsaveLeaf, kAvxIndex); avx.eax != 0) layout.avx = avx.ebx;
    const CpuidLeaf pkru = cpu.cpuid->find(kXsaveLeaf, kPkruIndex);
    if (pkru.eax != 0) layout.pkru = pkru.ebx;
    layout.size = std::max({whole.ecx, layout.avx + kAvxSize, pkru.eax != 0 ? layout.pkru + kPkruSize : 0});
  }
  return layout;
}

XsaveLayout compacted_layout(std::uint64_t components) {
  XsaveLayout layout;
  unsigned* const offsets[] = {&layout.avx, &layout.masks, &layout.zmm_high, &layout.zmm16, &layout.pkru};
  layout.size = kExtendedRegion;
  for (unsigned i = 0; i < std::size(kExtended); ++i) {
    *offsets[i] = layout.size;
    if (components & kExtended[i]) layout.size += layout.place(kExtended[i]).size;
  }
  return layout;
}

std::uint64_t components_in_use(const Cpu& cpu) {
  std::uint64_t used = 0;
  const FloatState& x87 = cpu.x87;
  const FxImage& image = x87.image;
  if (image.control != 0x37f || image.status != 0 || image.valid != 0 || x87.opcode != 0 || x87.last_ip != 0 ||
      x87.last_dp != 0 || x87.last_cs != 0 || x87.last_ds != 0)
    used |= kStateX87;
  for (const auto& st : image.st)
    if (!all_zero(st.data(), kStSize)) used |= kStateX87;
  for (const auto& ymm : cpu.vector.ymm) {
    if (!all_zero(ymm.data(), 16)) used |= kStateSse;
    if (!all_zero(ymm.data() + 16, 16)) used |= kStateAvx;
  }
  if (cpu.pkru != 0) used |= kStatePkru;
  if (const Avx512State* wide = cpu.avx512.get()) {
    if (!all_zero(wide->masks.data(), wide->masks.size())) used |= kStateMasks;
    if (!all_zero(wide->high.data(), wide->high.size())) used |= kStateZmmHigh;
    if (!all_zero(wide->zmm16.data(), wide->zmm16.size())) used |= kStateZmm16;
  }
  return used;
}

void put_components(const Cpu& cpu, std::uint64_t components, const XsaveLayout& layout, XsaveForm form,
                    std::uint8_t* area) {
  if (components & kStateX87) put_x87(cpu, form.pointers, area);
  if (components & kStateSse) {
    put(area, kMxcsrOffset, cpu.vector.mxcsr);
    put(area, kMxcsrOffset + 4, kMxcsrMask);
  }
  for (unsigned i = 0; i < form.registers; ++i) {
    const std::uint8_t* ymm = cpu.vector.ymm[i].data();
    if (components & kStateSse) std::memcpy(area + kXmmOffset + 16 * i, ymm, 16);
    if (components & kStateAvx) std::memcpy(area + layout.avx + 16 * i, ymm + 16, 16);
  }
  if (components & kStatePkru) put(area, layout.pkru, std::uint64_t{cpu.pkru});
  if (const Avx512State* wide = cpu.avx512.get()) {
    if (components & kStateMasks) std::memcpy(area + layout.masks, wide->masks.data(), wide->masks.size());
    if (components & kStateZmmHigh) std::memcpy(area + layout.zmm_high, wide->high.data(), high_size(form));
    if ((components & kStateZmm16) && form.registers == 16)
      std::memcpy(area + layout.zmm16, wide->zmm16.data(), wide->zmm16.size());
  }
}

void take_components(Cpu& cpu, std::uint64_t components, const XsaveLayout& layout, XsaveForm form,
                     const std::uint8_t* area) {
  if (components & kStateX87) take_x87(cpu, form.pointers, area);
  for (unsigned i = 0; i < form.registers; ++i) {
    std::uint8_t* ymm = cpu.vector.ymm[i].data();
    if (components & kStateSse) std::memcpy(ymm, area + kXmmOffset + 16 * i, 16);
    if (components & kStateAvx) std::memcpy(ymm + 16, area + layout.avx + 16 * i, 16);
  }
  if (components & kStatePkru) {
    const auto pkru = get<std::uint32_t>(area, layout.pkru);
    if (pkru != cpu.pkru) {
      cpu.pkru = pkru;
      cpu.flush_tlb();  // rights are remembered there
    }
  }
  if (Avx512State* wide = cpu.avx512.get()) {
    if (components & kStateMasks) std::memcpy(wide->masks.data(), area + layout.masks, wide->masks.size());
    if (components & kStateZmmHigh) std::memcpy(wide->high.data(), area + layout.zmm_high, high_size(form));
    if ((components & kStateZmm16) && form.registers == 16)
      std::memcpy(wide->zmm16.data(), area + layout.zmm16, wide->zmm16.size());
  }
}

void initialize_components(Cpu& cpu, std::uint64_t components, XsaveForm form) {
  if (components & kStateX87) cpu.x87 = {};
  for (unsigned i = 0; i < form.registers; ++i) {
    auto& ymm = cpu.vector.ymm[i];
    if (components & kStateSse) std::fill_n(ymm.begin(), 16, std::uint8_t{0});
    if (components & kStateAvx) std::fill_n(ymm.begin() + 16, 16, std::uint8_t{0});
  }
  if ((components & kStatePkru) && cpu.pkru != 0) {
    cpu.pkru = 0;
    cpu.flush_tlb();
  }
  if (Avx512State* wide = cpu.avx512.get()) {
    if (components & kStateMasks) wide->masks = {};
    if (components & kStateZmmHigh) std::fill_n(wide->high.begin(), high_size(form), std::uint8_t{0});
    if ((components & kStateZmm16) && form.registers == 16) wide->zmm16 = {};
  }
}

void store_xsave(const Cpu& cpu, std::vector<std::uint8_t>& area) {
  const XsaveLayout layout = standard_layout(cpu);
  area.assign(std::max(layout.size, kExtendedRegion), 0);
  std::uint64_t components = components_in_use(cpu) | kStateX87 | kStateSse;
  if (layout.pkru + kPkruSize > area.size()) components &= ~kStatePkru;
  put_components(cpu, components, layout, {}, area.data());
  put(area.data(), kLegacyRegion, components);
}

void load_xsave(Cpu& cpu, std::span<const std::uint8_t> area) {
  cpu.x87.window = cpu.vector.window = 0;
  initialize_components(cpu, known_components(cpu), {});
  cpu.vector.mxcsr = kMxcsrInitial;
  if (area.size() < kLegacyRegion) return;
  const XsaveLayout layout = standard_layout(cpu);
  std::uint64_t components = kStateX87 | kStateSse;
  if (area.size() >= kExtendedRegion)
    components = get<std::uint64_t>(area.data(), kLegacyRegion) & known_components(cpu);
  for (const std::uint64_t component : kExtended)
    if (area.size() < layout.end(component)) components &= ~component;
  take_components(cpu, components, layout, {}, area.data());
  if (components & (kStateSse | kStateAvx))
    cpu.vector.mxcsr = get<std::uint32_t>(area.data(), kMxcsrOffset) & kMxcsrMask;
}

}  // namespace machina::jit
