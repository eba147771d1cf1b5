#include "hw/acpi/acpi_cpus.h"

#include <fmt/format.h>

#include <algorithm>

#include "hw/acpi/acpi_sdt.h"
#include "hw/intc/apic_regs.h"

namespace machina {

namespace {

constexpr unsigned kMadtRevision = 3;         // ACPI 4.0, which brought the x2APIC
constexpr std::uint32_t kPcAtCompatible = 1;  // flags: there is an 8259 pair as well

// 5.2.12.1: types of entries.
constexpr unsigned kLocalApic = 0, kIoApic = 1, kSourceOverride = 2, kLocalApicNmi = 4, kLocalX2Apic = 9,
                   kLocalX2ApicNmi = 10;
constexpr std::uint32_t kEnabled = 1;
constexpr unsigned kAllCpus = 0xff;
constexpr std::uint32_t kAllX2Cpus = 0xffffffff;
constexpr unsigned kLint1 = 1;
// 5.2.12.5: MPS INTI flags.
constexpr unsigned kAsBusSays = 0;
constexpr unsigned kActiveHighLevel = 0x0d;

bool needs_x2apic(const AcpiConfig::Cpu& cpu) { return cpu.apic_id >= kFirstX2Apic; }

/// The entry of a CPU, which its _MAT gives as well.
aml::Code cpu_entry(const AcpiConfig& config, unsigned index, bool enabled) {
  const AcpiConfig::Cpu& cpu = config.cpus[index];
  aml::Code code;
  if (needs_x2apic(cpu)) return code.u8(kLocalX2Apic).u8(16).u16(0).u32(cpu.apic_id).u32(enabled).u32(index);
  return code.u8(kLocalApic).u8(8).u8(index).u8(cpu.apic_id).u32(enabled ? kEnabled : 0);
}

std::string device_name(unsigned index) { return fmt::format("C{:03X}", index); }

/// What the guest does with the registers of hw/acpi/cpu_hotplug.h. Their selector is shared, hence the mutex.
aml::Code hotplug_methods(std::uint16_t port, const AcpiConfig& config) {
  using namespace aml;
  constexpr unsigned kPresent = 0x0f;                                    // _STA
  constexpr unsigned kBusCheck = 1, kEjectRequest = 3;                   // 5.6.6: notifications
  constexpr unsigned kNextWithEvent = 0, kOstEvent = 1, kOstStatus = 2;  // commands
  const Code one = integer(1), zero = integer(0);
  Terms t{operation_region("PRST", Space::SystemIo, port, 12)};
  // Writing a bit of the status byte must not write the others: that would acknowledge events.
  t.push_back(field("PRST", Access::Byte, Update::WriteAsZeros,
                    {{"", 32}, {"CPEN", 1}, {"CINS", 1}, {"CRMV", 1}, {"CEJC", 1}, {"", 4}, {"CCMD", 8}}));
  t.push_back(field("PRST", Access::DWord, Update::Preserve, {{"CSEL", 32}, {"", 32}, {"CDAT", 32}}));
  t.push_back(mutex("CPLK"));
  const auto locked = [](Terms body) {
    body.insert(body.begin(), acquire("CPLK"));
    body.push_back(release("CPLK"));
    return body;
  };
  // CSTA(number): _STA.
  Terms status = locked({store(arg(0), path("CSEL")), store(zero, local(0)),
                         if_true(equal(path("CPEN"), one), {store(integer(kPresent), local(0))})});
  status.push_back(return_value(local(0)));
  t.push_back(method("CSTA", 1, Serialize::Yes, status));
  // CEJ0(number): _EJ0.
  t.push_back(method("CEJ0", 1, Serialize::Yes, locked({store(arg(0), path("CSEL")), store(one, path("CEJC"))})));
  // COST(number, event, status): _OST.
  t.push_back(
      method("COST", 3, Serialize::Yes,
             locked({store(arg(0), path("CSEL")), store(integer(kOstEvent), path("CCMD")), store(arg(1), path("CDAT")),
                     store(integer(kOstStatus), path("CCMD")), store(arg(2), path("CDAT"))})));
  // CTFY(number, notification).
  Terms notifications;
  for (unsigned i = 0; i < config.cpus.size(); ++i)
    notifications.push_back(if_true(equal(arg(0), integer(i)), {notify(device_name(i), arg(1))}));
  t.push_back(method("CTFY", 2, Serialize::No, notifications));
  // CSCN: tells of each CPU that has an event, until there is none.
  const auto handle = [&](const char* event, unsigned notification) {
    return Terms{call("CTFY", {path("CDAT"), integer(notification)}), store(one, path(event)), store(one, local(0))};
  };
  t.push_back(
      method("CSCN", 0, Serialize::Yes,
             locked({store(one, local(0)),
                     while_true(equal(local(0), one),
                                {store(zero, local(0)), store(integer(kNextWithEvent), path("CCMD")),
                                 if_true(equal(path("CINS"), one), handle("CINS", kBusCheck)),
                                 otherwise({if_true(equal(path("CRMV"), one), handle("CRMV", kEjectRequest))})})})));
  return join(t);
}

}  // namespace

std::vector<std::uint8_t> madt(const AcpiBoard& board, const AcpiConfig& config) {
  const AcpiInterrupts& interrupts = board.interrupts;
  Sdt t("APIC", kMadtRevision);
  t.u32(static_cast<std::uint32_t>(apic::kDefaultBase)).u32(interrupts.i8259 ? kPcAtCompatible : 0);
  // One that is not there, but may come, is not enabled.
  for (unsigned i = 0; i < config.cpus.size(); ++i)
    if (config.cpus[i].present || board.cpu_hotplug_port) t.append(cpu_entry(config, i, config.cpus[i].present));
  for (const AcpiInterrupts::Ioapic& ioapic : interrupts.ioapics)
    t.u8(kIoApic).u8(12).u8(ioapic.id).u8(0).u32(ioapic.address).u32(ioapic.gsi_base);
  for (const auto& [line, gsi] : interrupts.moved)
    t.u8(kSourceOverride)
        .u8(10)
        .u8(0)
        .u8(line)
        .u32(gsi)
        .u16(interrupts.level.count(line) ? kActiveHighLevel : kAsBusSays);
  for (const unsigned line : interrupts.level)
    if (!interrupts.moved.count(line)) t.u8(kSourceOverride).u8(10).u8(0).u8(line).u32(line).u16(kActiveHighLevel);
  t.u8(kLocalApicNmi).u8(6).u8(kAllCpus).u16(kAsBusSays).u8(kLint1);
  if (std::any_of(config.cpus.begin(), config.cpus.end(), needs_x2apic))
    t.u8(kLocalX2ApicNmi).u8(12).u16(kAsBusSays).u32(kAllX2Cpus).u8(kLint1).zeros(3);
  return t.finish();
}

aml::Terms cpu_objects(const AcpiBoard& board, const AcpiConfig& config) {
  using namespace aml;
  Terms cpus{name("_HID", string("ACPI0010"))};  // 8.4.2: processor container
  if (board.cpu_hotplug_port) cpus.push_back(hotplug_methods(*board.cpu_hotplug_port, config));
  for (unsigned i = 0; i < config.cpus.size(); ++i) {
    if (!config.cpus[i].present && !board.cpu_hotplug_port) continue;
    Terms objects{name("_HID", string("ACPI0007")), name("_UID", integer(i))};
    if (board.cpu_hotplug_port) {
      const Code number = integer(i);
      objects.push_back(method("_STA", 0, Serialize::Yes, {return_value(call("CSTA", {number}))}));
      objects.push_back(name("_MAT", buffer(cpu_entry(config, i, true).bytes())));
      // The first CPU started the machine and cannot go.
      if (i != 0) objects.push_back(method("_EJ0", 1, Serialize::No, {call("CEJ0", {number})}));
      objects.push_back(method("_OST", 3, Serialize::Yes, {call("COST", {number, arg(0), arg(1)})}));
    }
    cpus.push_back(device(device_name(i), objects));
  }
  return {device("CPUS", cpus)};
}

}  // namespace machina
