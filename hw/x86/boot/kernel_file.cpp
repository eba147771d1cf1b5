#include "hw/x86/boot/kernel_file.h"

#include <fmt/format.h>

#include "core/read_file.h"
#include "core/units.h"
#include "hw/x86/boot/bzimage.h"
#include "hw/x86/boot/multiboot.h"
#include "hw/x86/boot/pvh.h"

namespace machina::boot {

namespace {

/// All kinds load below 4 GiB.
constexpr std::uint64_t kMaxFile = 4 * GiB;

std::vector<std::uint8_t> read_at(const std::string& path, const Origin& at) {
  try {
    return read_file(path, kMaxFile);
  } catch (Error& e) {
    throw e.at(at);
  }
}

/// "file arguments,file arguments", a comma in one written twice.
std::vector<std::string> split_modules(const std::string& text) {
  std::vector<std::string> modules(1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != ',') {
      modules.back() += text[i];
    } else if (i + 1 < text.size() && text[i + 1] == ',') {
      modules.back() += text[i++];
    } else {
      modules.emplace_back();
    }
  }
  return modules;
}

std::vector<MultibootModule> read_modules(const KernelRequest& request) {
  std::vector<MultibootModule> modules;
  if (!request.initrd) return modules;
  for (const std::string& text : split_modules(*request.initrd)) {
    const std::string path = text.substr(0, text.find(' '));
    if (path.empty()) {
      throw Error(fmt::format("module {} of '{}' has no file name", modules.size() + 1, *request.initrd))
          .at(request.initrd_at)
          .hint("write 'FILE ARGUMENTS,FILE ARGUMENTS', and a comma in one of them twice");
    }
    modules.push_back({read_at(path, request.initrd_at), text});
  }
  return modules;
}

KernelExtras read_extras(const KernelRequest& request) {
  KernelExtras extras;
  extras.cmdline = request.cmdline;
  extras.cmdline_at = request.cmdline_at;
  extras.initrd_at = request.initrd_at;
  if (!request.initrd) return extras;
  if (request.initrd->empty()) throw Error("the initrd has no file name").at(request.initrd_at);
  extras.initrd_name = *request.initrd;
  extras.initrd = read_at(*request.initrd, request.initrd_at);
  return extras;
}

void refuse_entry_choice(const KernelRequest& request) {
  if (request.entry == KernelEntry::Auto) return;
  throw Error(fmt::format("'{}' has no choice of entries", request.kernel))
      .why("only Linux's bzImage has several")
      .hint("leave kernel-entry out");
}

BootPlan plan_any(const KernelRequest& request, const Target& target) {
  const std::string& name = request.kernel;
  std::vector<std::uint8_t> kernel = read_at(name, request.kernel_at);
  if (is_bzimage(kernel))
    return plan_linux(parse_bzimage(std::move(kernel), name), name, read_extras(request), request.entry, target);
  if (is_multiboot(kernel)) {
    refuse_entry_choice(request);
    const KernelExtras extras{{}, {}, request.cmdline, request.initrd_at, request.cmdline_at};
    return plan_multiboot(kernel, name, extras, read_modules(request), target);
  }
  if (is_elf(kernel)) {
    refuse_entry_choice(request);
    const ElfImage elf = parse_elf(kernel, name);
    if (pvh_entry(elf)) return plan_pvh(elf, kernel, name, read_extras(request), target);
    throw Error(fmt::format("'{}' does not say how it wants to be started", name))
        .why(
            "this ELF file has neither a PVH note (XEN_ELFNOTE_PHYS32_ENTRY) nor a multiboot header in its first 8 KiB")
        .hint("of Linux, build vmlinux with CONFIG_PVH, or take the bzImage");
  }
  throw Error(fmt::format("'{}' is no kernel that can be started", name))
      .why("it is neither a Linux bzImage (no \"HdrS\" at 0x202) nor a multiboot nor an ELF file")
      .hint("firmware images are started with -bios, disks with -hda");
}

}  // namespace

BootPlan plan_kernel(const KernelRequest& request, const Target& target) {
  try {
    return plan_any(request, target);
  } catch (Error& e) {
    throw e.at(request.kernel_at);
  }
}

}  // namespace machina::boot
