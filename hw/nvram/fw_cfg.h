#pragma once
/// Firmware configuration device: numbered items and named files that the machine hands to its firmware.
///
/// Source: QEMU's published guest interface, "QEMU Firmware Configuration (fw_cfg) Device" (docs/specs/fw_cfg), the
/// port flavour: selector at `iobase` (16 bits, little-endian, write only), data at `iobase`+1 (bytes), DMA address at
/// `iobase`+4 (64 bits, big-endian; two doublewords, the second one starts the transfer). Writes to the data port are
/// ignored, as they have been there for years: a guest writes items by DMA, and only those that are declared writable.
/// Not modelled: the memory-mapped flavour of other architectures.

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hw/acpi/acpi_board.h"
#include "hw/isa/isa_bus.h"

namespace machina {

/// Keys of items. From kFileFirst on they are files, whose keys are found in the directory.
enum class FwCfgKey : std::uint16_t {
  Signature = 0x00,
  Id = 0x01,
  Uuid = 0x02,
  RamSize = 0x03,
  NoGraphic = 0x04,
  NbCpus = 0x05,
  MachineId = 0x06,
  KernelAddr = 0x07,
  KernelSize = 0x08,
  KernelCmdline = 0x09,
  InitrdAddr = 0x0a,
  InitrdSize = 0x0b,
  BootDevice = 0x0c,
  Numa = 0x0d,
  BootMenu = 0x0e,
  MaxCpus = 0x0f,
  KernelEntry = 0x10,
  KernelData = 0x11,
  InitrdData = 0x12,
  CmdlineAddr = 0x13,
  CmdlineSize = 0x14,
  CmdlineData = 0x15,
  SetupAddr = 0x16,
  SetupSize = 0x17,
  SetupData = 0x18,
  FileDir = 0x19,
  // Bit 15: items of the PC architecture.
  AcpiTables = 0x8000,
  SmbiosEntries = 0x8001,
  Irq0Override = 0x8002,
  E820Table = 0x8003,
  Hpet = 0x8004,
};

class FwCfg final : public IsaDevice, public AcpiContributor {
 public:
  static constexpr const char* kType = "fw_cfg";
  static void class_init(DeviceClass& c);

  static constexpr std::uint16_t kFileFirst = 0x20;
  static constexpr std::size_t kMaxFileName = 55;

  /// Called when the guest selects the item, which may then be changed; its offset is 0.
  using OnSelect = std::function<void(std::vector<std::uint8_t>& bytes)>;
  /// Called after the guest has written [offset, offset+length).
  using OnWrite = std::function<void(std::span<const std::uint8_t> bytes, std::size_t offset, std::size_t length)>;

  // Content; a key or name that is there already is replaced. Machine lock held, or before the machine runs. Adding a
  // file renumbers the files that sort behind it, so that must be over when the guest starts.
  void add_bytes(FwCfgKey key, std::vector<std::uint8_t> bytes);
  void add_i16(FwCfgKey key, std::uint16_t value);
  void add_i32(FwCfgKey key, std::uint32_t value);
  void add_i64(FwCfgKey key, std::uint64_t value);
  /// With a zero at the end.
  void add_string(FwCfgKey key, std::string_view text);
  /// Throws Error when the name is too long or all file slots are used.
  void add_file(const std::string& name, std::vector<std::uint8_t> bytes, OnSelect on_select = {});
  void add_writable_file(const std::string& name, std::vector<std::uint8_t> bytes, OnWrite on_write = {});
  void remove_file(const std::string& name);
  /// The bytes as they are now, with what the guest wrote; null when there is no such file.
  const std::vector<std::uint8_t>* file(const std::string& name) const;

  aml::Terms acpi_objects(AcpiBoard& board) override;

  void reset_enter() override { state_ = {}; }

 private:
  struct Item {
    std::vector<std::uint8_t> bytes;
    bool writable = false;
    OnSelect on_select;
    OnWrite on_write;
  };
  struct State {
    std::uint16_t key = 0;          // selected, with bits 14 and 15 as written
    std::uint64_t offset = 0;       // of the next byte; may be beyond the end
    std::uint64_t dma_address = 0;  // as far as it is written
  };

  void realize() override;

  void put_file(const std::string& name, Item item);
  std::vector<std::uint8_t> directory() const;
  Item* selected();
  void select(std::uint16_t key);
  std::uint8_t next_byte();

  IoResult read_port(Offset offset, Width width);
  IoResult write_port(Offset offset, Width width, std::uint64_t value);
  IoResult read_dma(Offset offset, Width width);
  IoResult write_dma(Offset offset, Width width, std::uint64_t value);
  void run_dma(std::uint64_t descriptor);
  bool dma_read(std::uint64_t address, std::uint32_t length);
  bool dma_write(std::uint64_t address, std::uint32_t length);

  // configuration
  std::uint16_t iobase_ = 0;
  std::uint16_t file_slots_ = 0x20;
  bool dma_enabled_ = true;
  std::map<std::uint16_t, Item> items_;  // by key without bit 14
  std::map<std::string, Item> files_;    // sorted: the n-th has key kFileFirst + n
  // regions
  IoRegion ports_{"fwcfg", 2, Widths{1, 2, false}, this, &FwCfg::read_port, &FwCfg::write_port};
  IoRegion dma_ports_{"fwcfg.dma", 8, Widths{1, 8, true}, this, &FwCfg::read_dma, &FwCfg::write_dma};
  // bookkeeping
  Item directory_;  // made when it is selected
  // state
  State state_;
};

}  // namespace machina
