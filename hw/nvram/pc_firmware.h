#pragma once
/// The PC's firmware ROM: an image that ends at 4 GiB, where an x86 CPU fetches its first instruction (FFFFFFF0h, Intel
/// SDM volume 3, 10.1.4), and whose last 128 KiB show once more below 1 MiB, where real mode reaches them.
///
/// In which memory it appears is the board's to say: with `pci`, behind the host bridge, so that the bridge's PAM
/// registers choose between it and the RAM below 1 MiB; without, in system memory and over RAM (a PC without PAM).
///
/// `writable` is for a PC without PAM whose firmware expects to find itself in RAM: SeaBIOS keeps variables beside its
/// code, and has no bridge there that it could tell to shadow it. A reset brings the image back.

#include <memory>

#include "hw/pci/pci_bus.h"

namespace machina {

class PcFirmware final : public Device {
 public:
  static constexpr const char* kType = "pc-firmware";
  static void class_init(DeviceClass& c);

  static constexpr std::uint64_t kMaxSize = 16 * 1024 * 1024;
  static constexpr std::uint64_t kGranule = 64 * 1024;  ///< real mode's segment; images are padded to it
  static constexpr std::uint64_t kLowSize = 128 * 1024;

  const std::string& path() const { return path_; }  ///< of the image, once realized

  void reset_enter() override;

 private:
  void realize() override;
  void unrealize() override;

  // configuration
  std::string file_;
  std::vector<std::string> dirs_;
  bool writable_ = false;
  // dependencies
  qom::Link<PciBus> pci_;
  // regions
  std::unique_ptr<RamRegion> rom_;
  std::unique_ptr<AliasRegion> low_;
  // bookkeeping
  std::string path_;
  std::vector<std::uint8_t> image_;  // kept for reset while it is writable
};

}  // namespace machina
