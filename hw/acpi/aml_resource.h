#pragma once
/// Resource descriptors: what _CRS, _PRS and _SRS speak of. ACPI specification 6.4, 6.4.2 (small) and 6.4.3 (large).

#include <vector>

#include "hw/acpi/aml.h"

namespace machina::aml {

/// How an interrupt is signalled.
struct IrqMode {
  bool level = false;
  bool active_low = false;
  bool shared = false;
};
/// ISA's: a rising edge of a line that one device has.
inline constexpr IrqMode kIsaIrq{};
/// PCI's, behind a PC's interrupt router, which turns the low-active pins into high levels.
inline constexpr IrqMode kRoutedPciIrq{true, false, true};

/// Memory behind a bridge.
enum class Caching : std::uint8_t { None = 0, Cacheable = 1, WriteCombining = 2, Prefetchable = 3 };

/// Collects descriptors; code() is the buffer with an end tag.
class Resources {
 public:
  /// `length` ports from `base` on, fixed.
  Resources& io(std::uint16_t base, unsigned length);
  /// A line of the 8259 pair, 0 to 15.
  Resources& irq(unsigned line, IrqMode mode = kIsaIrq);
  /// A channel of the 8237 pair, 0 to 7; those from 4 on move words.
  Resources& dma(unsigned channel);
  Resources& memory32(std::uint32_t base, std::uint32_t length, bool writable = true);
  /// Global system interrupts, one of which is meant (_CRS: the only one).
  Resources& interrupt(const std::vector<std::uint32_t>& gsi, IrqMode mode);
  // What a bridge passes on, both ends included.
  Resources& bus_window(unsigned first, unsigned last);
  Resources& io_window(unsigned first, unsigned last);
  Resources& memory_window(std::uint64_t first, std::uint64_t last, Caching caching);

  std::vector<std::uint8_t> bytes() const;
  Code code() const { return buffer(bytes()); }

 private:
  Code descriptors_;
};

}  // namespace machina::aml
