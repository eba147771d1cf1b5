#include "hw/pci/msi.h"

#include <algorithm>
#include <bit>
#include <cassert>

#include "core/trace/trace_event.h"
#include "hw/pci/pci_device.h"

namespace machina {

using namespace pci;
namespace {

const TraceEvent<std::string_view, unsigned, std::uint64_t, std::uint64_t> msi_notify{
    "msi_notify", "dev={} vector={} addr={:#x} data={:#x}"};
const TraceEvent<std::string_view, unsigned> msi_pending{"msi_pending", "dev={} vector={}"};

}  // namespace

void MsiCapability::add(unsigned vectors, bool address64, bool maskable) {
  assert(std::has_single_bit(vectors) && vectors <= 32);
  vectors_ = vectors;
  address64_ = address64;
  maskable_ = maskable;
  const unsigned length = (address64 ? 14U : 10U) + (maskable ? 10U : 0U);  // figure 6-9
  offset_ = function_.add_capability(kCapabilityMsi, length);
  std::uint32_t control = static_cast<std::uint32_t>(std::countr_zero(vectors)) << kMsiCapableShift;
  if (address64) control |= kMsi64Bit;
  if (maskable) control |= kMsiMaskable;
  function_.define_config(offset_ + kMsiControl, 2, control, kMsiEnable | kMsiEnabledMask);
  function_.define_config(offset_ + kMsiAddressLow, 4, 0, 0xfffffffc);
  if (address64) function_.define_config(offset_ + kMsiAddressLow + 4, 4, 0, 0xffffffff);
  function_.define_config(data_offset(), 2, 0, 0xffff);
  if (maskable) {
    function_.define_config(mask_offset(), 4, 0, vectors == 32 ? ~0U : (1U << vectors) - 1);
    function_.define_config(pending_offset(), 4, 0);
    function_.layout_.volatile_bits(pending_offset(), 4, ~0U);
  }
  function_.msi_.push_back(this);
}

bool MsiCapability::enabled() const { return offset_ && function_.config(offset_ + kMsiControl, 2) & kMsiEnable; }

unsigned MsiCapability::granted() const {
  const unsigned log2 = (function_.config(offset_ + kMsiControl, 2) & kMsiEnabledMask) >> kMsiEnabledShift;
  return std::min(1U << log2, vectors_);  // software may write more than there are, or a reserved encoding
}

bool MsiCapability::masked(unsigned vector) const {
  return maskable_ && function_.config(mask_offset(), 4) >> vector & 1;
}

MsiMessage MsiCapability::message(unsigned vector) const {
  MsiMessage m;
  m.address = function_.config(offset_ + kMsiAddressLow, 4);
  if (address64_) m.address |= std::uint64_t{function_.config(offset_ + kMsiAddressLow + 4, 4)} << 32;
  // The function changes the low bits of the data to tell its vectors apart.
  m.data = (function_.config(data_offset(), 2) & ~(granted() - 1)) | vector;
  return m;
}

void MsiCapability::notify(unsigned vector) {
  if (!enabled()) return;
  vector &= granted() - 1;
  if (masked(vector)) {
    const std::uint32_t pending = function_.config(pending_offset(), 4);
    function_.put_config(pending_offset(), 4, pending | 1U << vector);
    msi_pending([this] { return function_.path(); }, vector);
    return;
  }
  const MsiMessage m = message(vector);
  msi_notify([this] { return function_.path(); }, vector, m.address, m.data);
  function_.dma().store(m.address, 4, m.data);
}

void MsiCapability::apply() {
  if (!maskable_ || !enabled()) return;
  const std::uint32_t pending = function_.config(pending_offset(), 4);
  const std::uint32_t ready = pending & ~function_.config(mask_offset(), 4);
  function_.put_config(pending_offset(), 4, pending & ~ready);
  for (unsigned vector = 0; vector < vectors_; ++vector)
    if (ready >> vector & 1) notify(vector);
}

}  // namespace machina
