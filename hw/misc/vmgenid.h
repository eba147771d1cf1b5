#pragma once
/// Virtual machine generation ID: 128 bits that are different after the machine was cloned or set back, so that a guest
/// knows that what it took for unique (random seeds, identifiers) may not be any more.
///
/// Source: Microsoft, "Virtual Machine Generation ID" (2012); the layout of the page and the names of the files are
/// those of QEMU's published interface (docs/specs/vmgenid). The hardware ID is not: QEMU's is none that ACPI allows.
///
/// Firmware, or whoever loads a kernel, sets a page aside; the ID lies at its byte 40, behind room that firmware of
/// UEFI may take for the header of a table. The guest finds it by the package that the method ADDR returns, and hears
/// of a new one by a notification. A new one is what `guid` is set to while the machine runs.

#include <string>

#include "core/uuid.h"
#include "hw/acpi/acpi_board.h"
#include "hw/acpi/acpi_events.h"
#include "hw/base/device.h"

namespace machina {

class VmGenId final : public Device, public AcpiContributor {
 public:
  static constexpr const char* kType = "vmgenid";
  static void class_init(DeviceClass& c);

  static constexpr std::uint32_t kPage = 4096;
  static constexpr std::uint32_t kGuidOffset = 40;
  static constexpr const char* kGuidFile = "etc/vmgenid_guid";
  static constexpr const char* kAddressFile = "etc/vmgenid_addr";

  const Uuid& guid() const { return guid_; }
  /// Where the guest has it; 0: nowhere yet.
  std::uint64_t address() const { return state_.address; }

  void acpi_facts(AcpiBoard& board) override;
  aml::Terms acpi_objects(AcpiBoard& board) override;

  void reset_enter() override { state_ = {}; }

 private:
  void realize() override;
  void unrealize() override { events_found_ = nullptr; }
  void set_guid(const Uuid& guid);
  void placed(std::uint64_t address);

  // configuration
  Uuid guid_{};
  // dependencies
  qom::Link<AcpiEvents> events_;
  AcpiEvents* events_found_ = nullptr;

  struct State {
    std::uint64_t address = 0;
  };
  State state_;
};

}  // namespace machina
