#pragma once
/// Starts a kernel on a board without firmware: at each reset it does what firmware and boot loader would have done.
/// Memory gets what the plan says, as if from ROM; the bootstrap processor is put at the kernel's entry.
///
/// Of firmware's other work only this is done: all processors cache memory (MTRRs: write-back by default). What the
/// machine's tables say about the machine comes from objects with the interface GuestTables.
///
/// Not modelled: the way back from ACPI's S3, which needs firmware; the reset that ends it starts the kernel afresh.

#include "hw/base/device.h"
#include "hw/x86/boot/boot_plan.h"

namespace machina {

class DirectBoot final : public Device {
 public:
  static constexpr const char* kType = "direct-boot";
  static void class_init(DeviceClass& c);

  /// Before realize. The CPUs are the children of its parent.
  void set_plan(boot::BootPlan plan) { plan_ = std::move(plan); }
  const boot::BootPlan& plan() const { return plan_; }

  /// Behind all devices' and CPUs' own reset.
  void reset_exit() override;

 private:
  void load_memory();
  void start_cpus();

  boot::BootPlan plan_;
};

}  // namespace machina
