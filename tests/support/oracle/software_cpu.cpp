#include "tests/support/oracle/software_cpu.h"

#include "accel/jit/fetch.h"
#include "accel/jit/host_float.h"
#include "accel/jit/memory.h"

namespace machina::jit {

namespace {
constexpr std::uint64_t kUserPage = 5, kWritablePage = 7;  // of a page table's entry: present, user
}

SoftwareCpu::SoftwareCpu() {
  machine_.long_64(3);
  machine_.cpu().efer |= kEferNxe;
  constexpr std::uint64_t kDirectory = kTables + 0x2000;
  const auto map = [&](std::uint64_t linear, std::uint64_t physical, std::uint64_t size, std::uint64_t rights,
                       std::uint64_t table) {
    machine_.put<std::uint64_t>(kDirectory + (linear >> 21) * 8, table | kWritablePage);
    for (std::uint64_t done = 0; done < size; done += kPageSize)
      machine_.put<std::uint64_t>(table + (((linear + done) >> 12 & 511) * 8), (physical + done) | rights);
  };
  for (std::uint64_t i = 0; i < 512; ++i) machine_.put<std::uint64_t>(kDirectory + 8 * i, 0);
  map(UserLayout::kData, kDataAt, UserLayout::kDataSize, kWritablePage, kTables + 0x3000);
  map(UserLayout::kData + UserLayout::kDataSize, kDataAt + UserLayout::kDataSize, UserLayout::kReadOnlySize, kUserPage,
      kTables + 0x3000);
  map(UserLayout::kCode, kCodeAt, UserLayout::kCodeSize, kUserPage, kTables + 0x4000);
}

void SoftwareCpu::forget_code() {
  machine_.blocks().clear();
  machine_.cpu().flush_tlb();
}

void SoftwareCpu::run(UserState& state, bool compatibility) {
  Cpu& cpu = machine_.cpu();
  std::copy(state.gpr.begin(), state.gpr.end(), cpu.gpr.begin());
  cpu.set_eflags(state.eflags | kIf);
  cpu.x87.image.control = state.fx.control;
  cpu.x87.image.status = state.fx.status;
  cpu.x87.image.valid = state.fx.valid;
  cpu.x87.image.st = state.fx.st;
  cpu.vector.mxcsr = state.fx.mxcsr;
  for (unsigned i = 0; i < 16; ++i) {
    std::copy(state.fx.xmm[i].begin(), state.fx.xmm[i].end(), cpu.vector.ymm[i].begin());
    std::copy(state.ymm_high[i].begin(), state.ymm_high[i].end(), cpu.vector.ymm[i].begin() + 16);
  }
  cpu.set_segment(kCs, {.selector = 0x23,
                        .rights = static_cast<std::uint16_t>(compatibility ? 0xc0fb : 0xa0fb),
                        .limit = 0xffffffff,
                        .base = 0});
  cpu.update_mode();
  cpu.rip = state.rip;
  cpu.chain_slot = nullptr;
  {
    // What run_blocks() does, up to the first fault, which is wanted as it was raised.
    const GuestFloat guest_float(cpu);
    try {
      const Block* block = nullptr;
      for (;;) {
        if (!block) block = find_block(cpu);
        cpu.block = block;
        cpu.chain_slot = nullptr;
        cpu.gpr[kRipBase] = cpu.rip;
        block = block->ops.front().handler(cpu, block->ops.data());
      }
    } catch (const GuestFault& fault) {
      if (cpu.fault_op) cpu.rip = cpu.rip_of(cpu.fault_op);
      state.vector = static_cast<unsigned>(fault.vector);
      state.error = fault.error_code;
      state.address = fault.vector == Vector::PageFault ? fault.address : 0;
    }
  }
  std::copy(cpu.gpr.begin(), cpu.gpr.begin() + 16, state.gpr.begin());
  state.rip = cpu.rip;
  state.eflags = cpu.eflags() & (kArithmetic | kDf);
  state.fx.control = cpu.x87.image.control;
  state.fx.status = cpu.x87.image.status;
  state.fx.valid = cpu.x87.image.valid;
  state.fx.st = cpu.x87.image.st;
  state.fx.mxcsr = cpu.vector.mxcsr;
  for (unsigned i = 0; i < 16; ++i) {
    std::copy(cpu.vector.ymm[i].begin(), cpu.vector.ymm[i].begin() + 16, state.fx.xmm[i].begin());
    std::copy(cpu.vector.ymm[i].begin() + 16, cpu.vector.ymm[i].end(), state.ymm_high[i].begin());
  }
}

}  // namespace machina::jit
