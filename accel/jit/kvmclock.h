#pragma once
/// KVM's paravirtual clock: Linux Documentation/virt/kvm/x86/msr.rst, MSR_KVM_SYSTEM_TIME_NEW and
/// MSR_KVM_WALL_CLOCK_NEW.
///
/// Its time is that of the TSC, in nanoseconds, counted from when the TSC was 0 but for what the guest added to it
/// (TSC_ADJUST). TSCs of all CPUs run alike, so all pages say the same and are written only when they are asked for or
/// when the guest changes its TSC; the guest may read one CPU's on another, which the flag TSC_STABLE tells.
///
/// Not modelled: the flag GUEST_STOPPED, since the TSC stands still while the machine is stopped.

#include <cstdint>

#include "accel/jit/cpu.h"

namespace machina::jit {

/// Nanoseconds = ((ticks << shift) * multiplier) >> 32, where a negative shift is one to the right.
struct KvmclockScale {
  std::uint32_t multiplier = 0;
  std::int8_t shift = 0;
};
/// `tsc_khz` is not 0. The multiplier has its highest bit set: the most exact there is.
KvmclockScale kvmclock_scale(std::uint64_t tsc_khz);

/// Writes the page that MSR_KVM_SYSTEM_TIME_NEW names, when it is enabled. After a change of the TSC by the guest, and
/// of the CPU's whole state.
void update_kvmclock(Cpu& cpu);
/// Nanoseconds of the clock now, as the guest computes them; 0 where there is none.
std::uint64_t kvmclock_now(Cpu& cpu);
/// Writes where MSR_KVM_WALL_CLOCK_NEW points to when the clock was 0, in seconds and nanoseconds since 1970.
void write_wall_clock(Cpu& cpu);

}  // namespace machina::jit
