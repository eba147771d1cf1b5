#pragma once
/// The table of global system interrupts (GSIs) that KVM keeps: what each number means when an irqfd or KVM_IRQ_LINE
/// raises it.
///
///   0 to 23    the board's interrupts: with the controllers in the kernel, PIC pin n and IOAPIC pin n (interrupt 0 at
///              the pin that the board says); with a user-space IOAPIC, the message that its pin n sends
///   24 to 39   pins of the in-kernel PIC alone, for what is wired to it directly
///   40 to 63   pins of the in-kernel IOAPIC alone
///   64 and up  messages (MSI) of irqfds
///
/// KVM takes the table as a whole. Each call costs 20 us to 350 us, so changes only mark it and flush() writes it when
/// something is about to depend on it.
///
/// Source: Documentation/virt/kvm/api.rst of Linux, KVM_SET_GSI_ROUTING. Main thread or vCPU threads, under the machine
/// lock.

#include <array>
#include <cstdint>
#include <map>
#include <optional>

#include "accel/kvm/kvm_calls.h"
#include "hw/pci/msi.h"

namespace machina::kvm {

class GsiRoutes {
 public:
  static constexpr unsigned kPins = 24;  ///< of the IOAPIC
  static constexpr unsigned kPicDirect = 24, kIoapicDirect = 40, kFirstMessage = 64;

  /// `capacity` as KVM_CAP_IRQ_ROUTING says: numbers are below it.
  GsiRoutes(const Fd& vm, unsigned capacity) : vm_(vm), capacity_(capacity) {}
  GsiRoutes(const GsiRoutes&) = delete;
  GsiRoutes& operator=(const GsiRoutes&) = delete;

  /// Numbers 0 to 63 go to the controllers in the kernel; interrupt 0 to the IOAPIC's `timer_pin`.
  void use_kernel_chips(unsigned timer_pin);
  /// What pin `n` of a user-space IOAPIC sends; none when it is masked or sends nothing a local APIC takes. Level
  /// triggered messages are how KVM knows which EOIs to report.
  void set_pin(unsigned pin, std::optional<MsiMessage> message);

  /// A number of its own for one message, until the object dies.
  class Message {
   public:
    Message() = default;
    ~Message() { release(); }
    Message(Message&& o) noexcept : routes_(o.routes_), gsi_(o.gsi_) { o.routes_ = nullptr; }
    Message& operator=(Message&& o) noexcept;
    explicit operator bool() const { return routes_ != nullptr; }
    unsigned gsi() const { return gsi_; }
    void change(const MsiMessage& message);

   private:
    friend class GsiRoutes;
    Message(GsiRoutes& routes, unsigned gsi) : routes_(&routes), gsi_(gsi) {}
    void release();
    GsiRoutes* routes_ = nullptr;
    unsigned gsi_ = 0;
  };
  /// Throws Error when all numbers are taken.
  Message add(const MsiMessage& message);

  /// Writes the table when it changed since the last time. Throws Error.
  void flush();
  unsigned writes() const { return writes_; }  ///< how often it was written
  std::size_t size() const;                    ///< entries that flush() writes

 private:
  const Fd& vm_;
  unsigned capacity_;
  bool kernel_chips_ = false;
  unsigned timer_pin_ = 2;
  std::array<std::optional<MsiMessage>, kPins> pins_{};
  std::map<unsigned, MsiMessage> messages_;
  bool changed_ = false;
  unsigned writes_ = 0;
};

}  // namespace machina::kvm
