#pragma once
/// DMA on the ISA bus as the two ends of a channel see it.
///
/// A device asks for service with DREQ and gets DACK# cycles from whoever masters the bus: each moves a byte (channels
/// 0 to 3) or a word (5 to 7), and TC comes with the last one. Here a callback stands for a run of cycles. Machine lock
/// held throughout.

#include <cstddef>
#include <cstdint>
#include <span>

namespace machina {

/// The device's end. The callbacks may come while request(true) is being called, and when the guest programs the
/// controller. A device that runs out of bytes, or of room, lets DREQ go or returns less than it was asked for; it has
/// only so much before a timer or a back end gives it more. On channels 5 to 7 all numbers are even.
class IsaDmaDevice {
 public:
  virtual ~IsaDmaDevice() = default;
  /// Cycles with IOR#: fills `data` from its start and returns how many bytes it had. With `terminal`, TC comes with
  /// the last byte of `data`, that is only when all of it is filled.
  virtual std::size_t dma_to_memory(std::span<std::uint8_t> data, bool terminal) = 0;
  /// Cycles with IOW#: returns how many bytes it took, from the start. `terminal` as above.
  virtual std::size_t dma_from_memory(std::span<const std::uint8_t> data, bool terminal) = 0;
  /// Cycles of a verify transfer, without either: the device goes on by up to `length` bytes that nobody sees.
  virtual std::size_t dma_verify(std::size_t length, bool terminal) = 0;
};

/// The controller's end of one channel.
class IsaDmaChannel {
 public:
  /// Null detaches. Throws Error when another device is there.
  virtual void attach(IsaDmaDevice* device) = 0;
  /// Level of DREQ.
  virtual void request(bool level) = 0;

 protected:
  ~IsaDmaChannel() = default;
};

/// What gives a bus its channels.
class IsaDmaController {
 public:
  /// 0 to 3 for bytes, 5 to 7 for words.
  virtual IsaDmaChannel& dma_channel(unsigned n) = 0;

 protected:
  ~IsaDmaController() = default;
};

}  // namespace machina
