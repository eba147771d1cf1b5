#include "accel/jit/cpu_log.h"

#include <fmt/format.h>

#include "accel/fault_text.h"
#include "accel/jit/cpu.h"
#include "accel/jit/environment.h"
#include "accel/x86_inspect.h"
#include "core/log.h"

namespace machina::jit {

using log::Category;

void log_event(const Cpu& cpu, const FaultRecord& event) {
  if (cpu.rehearses) return;
  const std::string name = cpu.environment.name();
  log::write(Category::Int, "{}: {}", name, describe_event(event));
  if (event.page_fault() && log::on(Category::Mmu))
    log::write(Category::Mmu, "{}: page fault at {:#x}: {} (CR3 {:#x})", name, event.address,
               describe_error_code(event), cpu.cr3);
}

void log_paging(const Cpu& cpu, std::string_view what, std::uint64_t value) {
  if (!cpu.rehearses) log::write(Category::Mmu, "{}: {} {:#x}", cpu.environment.name(), what, value);
}

void log_code(const Cpu& cpu, std::uint64_t linear, std::span<const std::uint8_t> bytes) {
  if (cpu.rehearses) return;
  X86State mode;  // as much of it as decides about decoding
  mode.cr0 = cpu.cr0;
  mode.efer = cpu.efer;
  mode.rflags = cpu.eflags();
  mode.segment[kCs].l = cpu.segment[kCs].long_mode();
  mode.segment[kCs].db = cpu.segment[kCs].big();
  std::string text = fmt::format("{}: code at {:04x}:{:x}", cpu.environment.name(), cpu.segment[kCs].selector, cpu.rip);
  for (std::size_t done = 0; done < bytes.size();) {
    const Instruction i = decode_instruction(mode, linear + done, bytes.subspan(done));
    const std::size_t length = i.length ? i.length : bytes.size() - done;
    text += fmt::format("\n{:#x}: ", linear + done);
    for (std::size_t k = 0; k < length; ++k) text += fmt::format(" {:02x}", bytes[done + k]);
    text += i.length ? "  " + i.text : "  (not an instruction)";
    done += length;
  }
  log::write(Category::InAsm, "{}", text);
}

}  // namespace machina::jit
