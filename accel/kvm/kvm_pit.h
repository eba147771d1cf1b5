#pragma once
/// The 8254 in the kernel, which raises GSI 0 there, and port 61h with it (KVM_PIT_SPEAKER_DUMMY): firmware and kernels
/// time their loops with counter 2 and port 61h, and KVM changes a gate only by loading all three counters anew, so a
/// port 61h of our own would disturb counter 0 with each write. The board's isa-pcspk is behind it: its own register is
/// only reached through reset and state.
///
/// Limits of KVM_SET_PIT2: each counter starts its count anew, so a counter that had run out counts once more, and the
/// phase is lost; BCD counts as binary. While the machine is paused, the kernel's timer goes on. After a pause that was
/// longer than a period of counter 0 the state of the beginning of the pause is loaded, so no tick of the pause is
/// delivered late; a shorter one leaves the timer alone, so that many short pauses do not starve the guest of ticks.

#include <cstdint>

#include "hw/timer/i8254_common.h"

struct kvm_pit_channel_state;

namespace machina {

/// What becomes of ticks that come while the guest has not taken the one before; QEMU's names.
enum class LostTicks { Discard, Delay };

namespace qom {
template <>
struct EnumNames<LostTicks> {
  static constexpr const char* name = "LostTickPolicy";
  static constexpr std::pair<LostTicks, const char*> values[] = {{LostTicks::Delay, "delay"},
                                                                 {LostTicks::Discard, "discard"}};
};
}  // namespace qom

namespace kvm {
class Irqchip;
/// `elapsed_ns`: how long ago the count was loaded; `now_clk`: CLK pulses of the virtual clock now.
I8254Counter from_kvm(const kvm_pit_channel_state& state, std::int64_t elapsed_ns, std::uint64_t now_clk);
kvm_pit_channel_state to_kvm(const I8254Counter& counter);
}  // namespace kvm

class KvmPit final : public I8254Common {
 public:
  static constexpr const char* kType = "kvm-i8254";
  static void class_init(DeviceClass& c);

  bool reinject() const { return lost_ticks_ == LostTicks::Delay; }
  void clock_running(bool running);
  /// Its interrupt belongs to somebody else (legacy replacement of an HPET): counter 0 counts and raises nothing.
  void mute(bool on);

  void set_gate(unsigned counter, bool level) override;
  bool gate(unsigned counter) override { return get_state().counters.at(counter).gate; }
  bool out(unsigned counter) override { return get_state().counters.at(counter).out; }

  void reset_enter() override;

 protected:
  void realize() override;
  void unrealize() override;
  void pull_state() override;
  void push_state() override;

 private:
  // configuration
  LostTicks lost_ticks_ = LostTicks::Delay;
  // dependencies
  kvm::Irqchip* irqchip_ = nullptr;
  // bookkeeping
  bool stopped_ = true;          ///< state_ is that of the moment the machine stopped
  bool replaced_ = false;        ///< and was changed since
  std::int64_t stopped_at_ = 0;  ///< host's monotonic time
  bool muted_ = false;
  std::uint32_t flags_ = 0;  ///< of kvm_pit_state2: bit 1 of port 61h
};

}  // namespace machina
