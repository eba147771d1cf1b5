#include "hw/x86/mp_table.h"

#include "hw/base/byte_writer.h"
#include "hw/intc/apic_regs.h"

namespace machina {

namespace {

constexpr unsigned kVersion14 = 4;
constexpr std::size_t kFloatingPointer = 16, kHeader = 44;

// 4.3: types of entries.
constexpr unsigned kProcessor = 0, kBus = 1, kIoApic = 2, kIoInterrupt = 3, kLocalInterrupt = 4;
constexpr unsigned kEnabled = 1, kBootstrap = 2;
constexpr unsigned kLocalApicVersion = 0x14, kIoApicVersion = 0x11;
// 4.3.4: interrupt types and flags.
constexpr unsigned kInt = 0, kNmi = 1, kExtInt = 3;
constexpr unsigned kAsBusSays = 0, kActiveHighLevel = 0x0d;
constexpr unsigned kAllApics = 0xff;
constexpr std::uint32_t kMaxApicId = 0xfe;

class Entries {
 public:
  ByteWriter& add(unsigned type) { return ++count_, code_.u8(type); }
  ByteWriter& more() { return code_; }
  unsigned count() const { return count_; }
  const ByteWriter& code() const { return code_; }

 private:
  ByteWriter code_;
  unsigned count_ = 0;
};

void add_bus(Entries& entries, unsigned id, const char* name) {
  ByteWriter& code = entries.add(kBus).u8(id);
  code.text(name, 6);
}

}  // namespace

std::vector<std::uint8_t> make_mp_table(const MpFacts& facts, std::uint32_t address) {
  if (facts.interrupts.ioapics.empty()) return {};
  const AcpiInterrupts& interrupts = facts.interrupts;
  const std::uint8_t ioapic = interrupts.ioapics.front().id;
  const unsigned isa = facts.pci ? 1 : 0;
  constexpr unsigned kPci = 0;

  Entries entries;
  for (const MpFacts::Cpu& cpu : facts.cpus) {
    if (cpu.apic_id > kMaxApicId) continue;
    ByteWriter& code = entries.add(kProcessor);
    code.u8(cpu.apic_id).u8(kLocalApicVersion).u8(kEnabled | (cpu.bootstrap ? kBootstrap : 0U));
    code.u32(cpu.signature).u32(cpu.features).u64(0);
  }
  if (facts.pci) add_bus(entries, kPci, "PCI");
  add_bus(entries, isa, "ISA");
  for (const AcpiInterrupts::Ioapic& i : interrupts.ioapics)
    entries.add(kIoApic).u8(i.id).u8(kIoApicVersion).u8(kEnabled).u32(i.address);

  const auto pin_of = [&](unsigned line) {
    const auto moved = interrupts.moved.find(line);
    return moved == interrupts.moved.end() ? line : moved->second;
  };
  std::set<unsigned> taken;  // ISA lines that are PCI's, and inputs that another line moved to
  for (const auto& [line, pin] : interrupts.moved) taken.insert(pin);
  for (const MpFacts::PciPin& p : facts.pci_pins) {
    entries.add(kIoInterrupt)
        .u8(kInt)
        .u16(kActiveHighLevel)
        .u8(kPci)
        .u8(p.slot << 2 | p.pin)
        .u8(ioapic)
        .u8(pin_of(p.line));
    taken.insert(p.line);
  }
  constexpr unsigned kIsaLines = 16;
  for (unsigned line = 0; line < kIsaLines; ++line) {
    if (taken.count(line)) continue;
    entries.add(kIoInterrupt).u8(kInt).u16(interrupts.level.count(line) ? kActiveHighLevel : kAsBusSays);
    entries.more().u8(isa).u8(line).u8(ioapic).u8(pin_of(line));
  }
  entries.add(kLocalInterrupt).u8(kExtInt).u16(kAsBusSays).u8(isa).u8(0).u8(0).u8(0);
  entries.add(kLocalInterrupt).u8(kNmi).u16(kAsBusSays).u8(isa).u8(0).u8(kAllApics).u8(1);

  ByteWriter pointer;
  pointer.text("_MP_", 4);
  pointer.u32(static_cast<std::uint32_t>(address + kFloatingPointer)).u8(1).u8(kVersion14).u8(0);
  pointer.u8(0).u8(0).u8(0).u8(0).u8(0);  // a configuration table; PIC mode is virtual wire, there is no IMCR
  ByteWriter table;
  table.text("PCMP", 4);
  table.u16(static_cast<unsigned>(kHeader + entries.code().size())).u8(kVersion14).u8(0);
  table.text("MACHINA", 8);
  table.text("PC", 12);
  table.u32(0).u16(0).u16(entries.count()).u32(apic::kDefaultBase).u16(0).u8(0).u8(0).append(entries.code().bytes());

  constexpr std::size_t kPointerChecksum = 10, kTableChecksum = 7;
  std::vector<std::uint8_t> first = pointer.bytes(), second = table.bytes();
  first[kPointerChecksum] = checksum_of(first);
  second[kTableChecksum] = checksum_of(second);
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

}  // namespace machina
