#include "accel/jit/msr.h"

#include <algorithm>

#include "accel/jit/environment.h"
#include "accel/jit/fault.h"
#include "accel/jit/features.h"
#include "accel/jit/kvmclock.h"
#include "accel/jit/msr_table.h"
#include "core/log.h"

namespace machina::jit {

namespace {

constexpr std::uint32_t kTsc = 0x10, kTscAdjust = 0x3b, kSmbase = 0x9e, kTscDeadline = 0x6e0;

const MsrRow* find_row(std::uint32_t index) {
  const std::span<const MsrRow> rows = msr_rows();
  const auto after =
      std::upper_bound(rows.begin(), rows.end(), index, [](std::uint32_t i, const MsrRow& r) { return i < r.first; });
  if (after == rows.begin()) return nullptr;
  const MsrRow& row = *(after - 1);
  return index - row.first < row.count ? &row : nullptr;
}

/// The local APIC's own: IA32_APIC_BASE, the deadline, the x2APIC's.
bool is_apic(std::uint32_t index) {
  return index == 0x1b || index == kTscDeadline || (index >= 0x800 && index <= 0x8ff);
}
bool apic_present(const Cpu& cpu, std::uint32_t index) {
  const FeatureBit needed = index == 0x1b           ? feature::kApic
                            : index == kTscDeadline ? feature::kTscDeadline
                                                    : feature::kX2apic;
  return has(cpu.features, needed);
}

std::uint64_t at_power_on(const MsrRow& row, std::uint32_t n) {
  static Msrs fresh;
  return row.slot(fresh, n);
}

}  // namespace

bool read_msr(Cpu& cpu, std::uint32_t index, std::uint64_t& value, MsrOrigin origin) {
  if (is_apic(index)) return apic_present(cpu, index) && cpu.environment.read_msr(index, value);
  const MsrRow* row = find_row(index);
  if (row && origin == MsrOrigin::Host && row->first == kSmbase) {
    value = cpu.smbase;
    return true;
  }
  if (row && row->read && row->present(cpu)) {
    value = row->read(cpu, index - row->first);
    return true;
  }
  if (origin == MsrOrigin::Guest) log::unimp("cpu", "RDMSR {:#x}: #GP(0)", index);
  return false;
}

bool write_msr(Cpu& cpu, std::uint32_t index, std::uint64_t value, MsrOrigin origin) {
  if (is_apic(index)) return apic_present(cpu, index) && cpu.environment.write_msr(index, value);
  const MsrRow* row = find_row(index);
  if (row && origin == MsrOrigin::Host) {
    if (row->first == kSmbase) {
      cpu.smbase = static_cast<std::uint32_t>(value);
      return true;
    }
    if (row->first == kTsc) {
      cpu.environment.set_tsc(value);  // TSC_ADJUST comes by itself
      return true;
    }
    if (!row->present(cpu)) return false;
    if (row->slot) {
      row->slot(cpu.msrs, index - row->first) = value;
      return true;
    }
  }
  if (row && row->write && row->present(cpu)) return row->write(cpu, index - row->first, value);
  if (origin == MsrOrigin::Guest) log::unimp("cpu", "WRMSR {:#x} = {:#x}: #GP(0)", index, value);
  return false;
}

std::vector<std::uint32_t> msr_indices(Cpu& cpu) {
  std::vector<std::uint32_t> all{kTsc};
  for (const MsrRow& row : msr_rows())
    if (row.slot && row.present(cpu))
      for (std::uint32_t n = 0; n < row.count; ++n) all.push_back(row.first + n);
  all.push_back(kSmbase);
  // Last: a deadline is armed against the TSC.
  if (std::uint64_t value = 0; apic_present(cpu, kTscDeadline) && cpu.environment.read_msr(kTscDeadline, value))
    all.push_back(kTscDeadline);
  return all;
}

std::vector<X86Msr> load_msrs(Cpu& cpu, const X86State& state) {
  std::vector<X86Msr> refused;
  for (const std::uint32_t index : msr_indices(cpu)) {
    const MsrRow* row = find_row(index);
    const std::uint64_t otherwise = index == kSmbase   ? 0x30000
                                    : row && row->slot ? at_power_on(*row, index - row->first)
                                                       : 0;
    const std::uint64_t value = state.msr(index, otherwise);
    if (!write_msr(cpu, index, value, MsrOrigin::Host)) refused.push_back({index, value});
  }
  update_kvmclock(cpu);
  return refused;
}

void store_msrs(Cpu& cpu, X86State& state) {
  state.msrs.clear();
  for (const std::uint32_t index : msr_indices(cpu))
    if (std::uint64_t value = 0; read_msr(cpu, index, value, MsrOrigin::Host)) state.set_msr(index, value);
}

}  // namespace machina::jit
