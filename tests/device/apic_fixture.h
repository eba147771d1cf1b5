#pragma once
/// What the tests of the local APIC stand on.

#include <set>
#include <vector>

#include "core/units.h"
#include "hw/intc/apic.h"
#include "hw/intc/i8259.h"
#include "hw/intc/ioapic.h"
#include "tests/support/test_machine.h"

namespace machina::test {

/// Counts what the APIC asks of it. Its TSC is the virtual clock's time at 2.5 GHz.
struct FakeCpu final : ApicCpu {
  void apic_intr(bool level) override { intr = level; }
  void apic_held() override { ++helds; }
  void apic_nmi() override { ++nmis; }
  void apic_smi() override { ++smis; }
  void apic_init() override { ++inits; }
  void apic_sipi(std::uint8_t vector) override { sipis.push_back(vector); }
  std::uint64_t apic_tsc() const override {
    return mul_div(static_cast<std::uint64_t>(clock->now_ns()), hz, kNsPerSecond) + tsc_offset;
  }
  std::uint64_t apic_tsc_frequency() const override { return hz; }
  bool apic_has_x2apic() const override { return has_x2apic; }
  unsigned apic_physical_bits() const override { return physical_bits; }

  bool intr = false;
  int nmis = 0, smis = 0, inits = 0, helds = 0;
  std::vector<std::uint8_t> sipis;
  std::uint64_t hz = 2'500'000'000;
  std::uint64_t tsc_offset = 0;
  bool has_x2apic = true;
  unsigned physical_bits = 40;
  Clock* clock = nullptr;
};

/// Up to five CPUs with their APICs, an IOAPIC and a pair of 8259.
class ApicTest : public testing::Test {
 protected:
  void start(unsigned cpus = 1, TestMachine::Properties properties = {}) {
    machine_.add_isa_bus();
    pic_ = &machine_.add<I8259>("pic");
    bus_ = &machine_.add<ApicBus>("apic-bus", {{"pic", "pic"}});
    ioapic_ = &machine_.add<Ioapic>("ioapic");
    bus_->add_eoi_listener(*ioapic_);
    for (unsigned n = 0; n < cpus; ++n) {
      Apic& a = machine_.add<Apic>(names_[n], {{"bus", "apic-bus"}});
      a.set("id", std::uint64_t{n});
      a.set("bootstrap", n == 0);
      for (const auto& [name, value] : properties) a.set_text(name, value);
      cpus_[n].clock = &machine_.system().clock;
      a.connect(cpus_[n]);
      apics_.push_back(&a);
    }
    machine_.start();
    for (Apic* a : apics_) put(*a, apic::Svr, 0x1ff);
  }
  ~ApicTest() override {
    if (bus_) bus_->remove_eoi_listener(*ioapic_);
  }

  std::uint32_t get(Apic& a, std::uint32_t offset) { return static_cast<std::uint32_t>(a.mmio_read(offset, 4)); }
  void put(Apic& a, std::uint32_t offset, std::uint32_t value) { a.mmio_write(offset, 4, value); }
  Apic& apic(unsigned n = 0) { return *apics_.at(n); }
  void msi(std::uint64_t address, std::uint32_t data) { machine_.write(address, 4, data); }
  void ipi(unsigned from, std::uint32_t low, std::uint32_t destination = 0) {
    put(apic(from), apic::IcrHigh, destination << 24);
    put(apic(from), apic::IcrLow, low);
  }
  bool requested(unsigned n, unsigned vector) { return get(apic(n), apic::Irr + vector / 32 * 16) >> vector % 32 & 1; }
  std::set<unsigned> who(unsigned vector) {
    std::set<unsigned> all;
    for (unsigned n = 0; n < apics_.size(); ++n)
      if (requested(n, vector)) all.insert(n);
    return all;
  }
  void eoi(unsigned n = 0) { put(apic(n), apic::Eoi, 0); }
  void enter_x2apic(unsigned n = 0) {
    std::uint64_t base = 0;
    ASSERT_TRUE(apic(n).msr_read(0x1b, base));
    ASSERT_TRUE(apic(n).msr_write(0x1b, base | apic::kBaseExtended));
  }

  static constexpr const char* names_[] = {"apic0", "apic1", "apic2", "apic3", "apic4"};
  FakeCpu cpus_[5];
  TestMachine machine_;
  I8259* pic_ = nullptr;
  ApicBus* bus_ = nullptr;
  Ioapic* ioapic_ = nullptr;
  std::vector<Apic*> apics_;
  IrqOut lint0_, lint1_;
};

}  // namespace machina::test
