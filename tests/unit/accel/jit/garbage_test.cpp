/// Guests that make no sense: random code, page tables, descriptor tables, control registers and MSRs. Whatever they do
/// ends in what the architecture has for it. The test is that nothing else happens, which the address sanitizer sees,
/// and that a kick ends every run.
///
/// MACHINA_GARBAGE_SEED and MACHINA_GARBAGE_GUESTS ask for others, and for more.

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>

#include "accel/jit/jit_cpuid.h"
#include "hw/x86/cpu_model.h"
#include "tests/unit/accel/jit/bare_machine.h"

namespace machina::jit {
namespace {

using Random = std::mt19937_64;

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::stoull(text) : otherwise;
}

/// Kicks a CPU again and again, as whoever wants a guest out of its code does.
class Kicker {
 public:
  explicit Kicker(Cpu& cpu)
      : thread_([this, &cpu] {
          while (!done_.load()) {
            std::this_thread::sleep_for(std::chrono::microseconds(500));
            cpu.request(kRequestKick);
          }
        }) {}
  ~Kicker() {
    done_ = true;
    thread_.join();
  }
  Kicker(const Kicker&) = delete;
  Kicker& operator=(const Kicker&) = delete;

 private:
  std::atomic<bool> done_{false};
  std::thread thread_;
};

/// Instructions that random bytes seldom are, and that reach what ordinary code does not.
constexpr std::array<const char*, 40> kSystemCode = {"\x0f\x22\xc0", "\x0f\x22\xd8", "\x0f\x22\xe0",
                                                     "\x0f\x20\xc0", "\x0f\x30",     "\x0f\x32",
                                                     "\x0f\x01\x10", "\x0f\x01\x18", "\x0f\x00\xd8",
                                                     "\x0f\x00\xd0", "\x8e\xd8",     "\x8e\xd0",
                                                     "\x8e\xc0",     "\x8e\xe0",     "\xcf",
                                                     "\x48\xcf",     "\xcb",         "\xff\x28",
                                                     "\xff\x18",     "\xcd\x80",     "\x0f\x05",
                                                     "\x0f\x07",     "\x0f\x34",     "\x0f\x35",
                                                     "\x0f\xae\x00", "\x0f\xae\x08", "\x0f\xae\x20",
                                                     "\x0f\xae\x28", "\x0f\xc7\x20", "\x0f\xc7\x18",
                                                     "\x0f\x01\xf8", "\x0f\x01\x38", "\x66\x0f\x38\x82\x00",
                                                     "\xf3\xa4",     "\xf3\xab",     "\xf3\x6c",
                                                     "\x0f\xaa",     "\x0f\x01\xd1", "\x9d",
                                                     "\x0f\x23\xf8"};

void put_code(BareMachine& m, Random& random, std::uint64_t at, unsigned size) {
  for (unsigned i = 0; i < size;) {
    if (random() % 4 == 0) {
      for (const char* c = kSystemCode[random() % kSystemCode.size()]; *c && i < size; ++c, ++i)
        m.put<std::uint8_t>(at + i, static_cast<std::uint8_t>(*c));
    } else {
      m.put<std::uint8_t>(at + i++, static_cast<std::uint8_t>(random()));
    }
  }
}

/// Page tables, descriptors and whatever else random addresses lead to: entries of which many are present.
void put_tables(BareMachine& m, Random& random) {
  for (std::uint64_t at = 0x100000; at < 0x110000; at += 8) {
    std::uint64_t entry = random() % BareMachine::kRamSize;
    if (random() % 8) entry |= 7;
    if (random() % 4 == 0) entry |= 0x80;
    if (random() % 16 == 0) entry ^= std::uint64_t{1} << random() % 64;
    m.put(at, entry);
  }
  for (std::uint64_t at = 0x1000; at < 0x3000; at += 8) {
    std::uint64_t descriptor = random();
    if (random() % 4) descriptor |= std::uint64_t{0x80} << 40;  // present
    if (random() % 2) descriptor &= ~(std::uint64_t{0xff00} << 48);
    m.put(at, descriptor);
  }
}

void spoil_registers(BareMachine& m, Random& random) {
  Cpu& cpu = m.cpu();
  for (unsigned i = 0; i < 16; ++i) {
    const std::uint64_t value = random();
    cpu.gpr[i] = random() % 4 ? value % BareMachine::kRamSize : value >> random() % 64;
  }
  cpu.gdt = {0x1000, static_cast<std::uint16_t>(random() % 0x2000)};
  cpu.idt = {0x2000, static_cast<std::uint16_t>(random() % 0x1000)};
  cpu.ldt = {8, 0x82, 0xfff, 0x1800};
  cpu.tr = {16, 0x8b, static_cast<std::uint32_t>(random() % 0x200), 0x2800};
  cpu.set_eflags(static_cast<std::uint32_t>(random()) & 0x3f7fd7 & ~kVm);
  if (random() % 4 == 0) cpu.dr7 = random() & 0xffff27ff;
  for (std::uint64_t& address : cpu.dr) address = random() % BareMachine::kRamSize;
  if (random() % 4 == 0) cpu.cr4 ^= std::uint64_t{1} << random() % 24;
  if (random() % 4 == 0) cpu.cr3 = 0x100000 + random() % 8 * 0x1000;
  m.interrupt_vector = random() % 2 ? static_cast<int>(random() % 256) : -1;
  m.nmi = random() % 8 == 0;
  m.smi = random() % 16 == 0;
  cpu.flush_tlb();
  cpu.update_mode();
}

TEST(JitGarbage, EndsInWhatTheArchitectureHasForIt) {
  const std::uint64_t seed = from_environment("MACHINA_GARBAGE_SEED", 20261122);
  const std::uint64_t guests = from_environment("MACHINA_GARBAGE_GUESTS", 1500);
  BareMachine m;
  const CpuidTable supported = supported_cpuid();
  m.cpu().cpuid = &supported;
  m.cpu().features = features_of(supported);
  const Kicker kicker(m.cpu());
  std::uint64_t instructions = 0, shutdowns = 0;
  for (std::uint64_t guest = 0; guest < guests; ++guest) {
    SCOPED_TRACE("seed " + std::to_string(seed) + " guest " + std::to_string(guest));
    Random random(seed + guest);
    put_tables(m, random);
    put_code(m, random, BareMachine::kCode, 512);
    switch (random() % 4) {
      case 0:
        m.real_mode();
        break;
      case 1:
        m.protected_32();
        break;
      case 2:
        m.long_64(0);
        break;
      default:
        m.long_64(3);
        break;
    }
    spoil_registers(m, random);
    m.cpu().exit = VcpuExit::Interrupted;
    m.cpu().smm = false;
    m.cpu().nmi_masked = false;
    m.cpu().rip = BareMachine::kCode + random() % 64;
    m.port_writes.clear();
    // A kick ends each of them, so the loop ends whatever the guest does.
    for (unsigned run = 0; run < 3 && m.cpu().exit != VcpuExit::Shutdown; ++run) run_blocks(m.cpu());
    shutdowns += m.cpu().exit == VcpuExit::Shutdown;
    instructions += std::exchange(m.cpu().instructions, std::uint64_t{0});
  }
  RecordProperty("instructions", std::to_string(instructions));
  // Enough of them got somewhere, and enough of them were lost.
  EXPECT_GT(instructions, 20 * guests);
  EXPECT_GT(shutdowns, guests / 10);
}

}  // namespace
}  // namespace machina::jit
