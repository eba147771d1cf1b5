#pragma once
/// What it takes to start a kernel: what goes where in guest memory, and how the bootstrap processor enters it. Made
/// once from the kernel's file; carried out at each reset of the machine, by DirectBoot on a board without firmware, or
/// by the option ROM that the firmware runs (boot_rom.h).

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hw/x86/boot/memory_map.h"
#include "hw/x86/x86_state.h"

namespace machina::boot {

/// Named as fw_cfg names them: each has an address, a size and data.
enum class Part : std::uint8_t { Kernel, Initrd, Cmdline, Setup };
inline constexpr std::array kParts{Part::Kernel, Part::Initrd, Part::Cmdline, Part::Setup};
const char* part_name(Part part);

struct Blob {
  Part part = Part::Kernel;
  std::uint64_t address = 0;  ///< guest-physical
  std::vector<std::uint8_t> file;
  std::size_t skip = 0;  ///< bytes of `file` before the first that is loaded
  std::span<const std::uint8_t> bytes() const { return std::span(file).subspan(skip); }
};

enum class EntryMode : std::uint8_t {
  Real16,       ///< CS:IP; the other segment registers are `data_segment`, SP is `esp`
  Protected32,  ///< flat segments, paging off
  Long64,       ///< flat segments, the page tables at `page_table`
};

/// Selectors of the flat segments in the GDT at `gdt`: those of Linux's boot protocol (__BOOT_CS, __BOOT_DS), which no
/// other protocol forbids.
inline constexpr std::uint16_t kCodeSelector = 0x10, kDataSelector = 0x18;

struct Entry {
  EntryMode mode = EntryMode::Protected32;
  std::uint16_t segment = 0, data_segment = 0;  ///< Real16
  std::uint64_t ip = 0;
  std::uint32_t eax = 0, ebx = 0, esi = 0, esp = 0;  ///< all other general registers are 0
  std::uint32_t gdt = 0;                             ///< address of kGdtEntries descriptors
  std::uint32_t page_table = 0;                      ///< CR3
};
inline constexpr std::size_t kGdtEntries = 4;

/// Where the guest wants the memory map. It is filled in when the kernel starts: only then is it known what firmware or
/// tables have taken.
struct MapSlot {
  enum class Format : std::uint8_t {
    E820,       ///< Linux, boot_params.e820_table: address, size, type: 20 bytes; the count in entries
    Pvh,        ///< hvm_memmap_table_entry: the same and 4 zero bytes; the count in entries
    Multiboot,  ///< the entry's size (20) before it: 24 bytes; the count in bytes
  };
  Format format = Format::E820;
  std::uint32_t table = 0;     ///< address of the first entry; 0: no map is wanted
  std::uint32_t capacity = 0;  ///< entries
  std::uint32_t count = 0;     ///< address of the 32-bit count
};
/// The map in that form, as much as there is room for.
std::vector<std::uint8_t> map_bytes(const MapSlot& slot, const MemoryMap& map);
/// What the count becomes for a map of so many bytes.
std::uint32_t map_count(const MapSlot& slot, std::size_t bytes);

struct BootPlan {
  std::string kernel;  ///< file name, for messages
  std::string kind;    ///< "Linux 6.1.0, 64-bit entry"
  std::vector<Blob> blobs;
  Entry entry;
  MapSlot map;
  std::uint32_t rsdp_slot = 0;  ///< address of a 64-bit field for ACPI's RSDP; 0: none

  const Blob* blob(Part part) const;
};

/// The machine that a plan is for.
struct Target {
  std::uint64_t ram_below_4g = 0;
  bool firmware = false;  ///< the plan is carried out by the option ROM
};

/// Throws Error unless RAM of `target` that a plan may use has these bytes; to be asked before they are made, since
/// what a file says of its size in memory costs the file nothing.
void check_room(const std::string& kernel, Part part, std::uint64_t address, std::uint64_t size, const Target& target);

/// Throws Error unless each part lies in RAM of `target` below what is left to tables (low_layout.h), apart from the
/// others and from the places below 1 MiB that a PC or the loader has other uses for.
void check_places(const BootPlan& plan, const Target& target);

/// The bootstrap processor's state at the entry, from its state after reset.
void enter(const Entry& entry, X86State& state);

/// kGdtEntries descriptors: null, null, flat code for `mode`, flat data.
std::array<std::uint8_t, kGdtEntries * 8> flat_gdt(EntryMode mode);

/// Page tables that map the first 4 GiB to themselves in pages of 2 MiB, for `address` (page aligned), where CR3 points
/// to: PML4, one PDPT, four page directories.
inline constexpr std::size_t kIdentityPages = 6;
std::vector<std::uint8_t> identity_page_tables(std::uint32_t address);

}  // namespace machina::boot
