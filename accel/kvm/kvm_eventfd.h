#pragma once
/// Event descriptors on both sides of a vCPU: an irqfd raises an interrupt without user space, an ioeventfd turns a
/// write of the guest into a signal without leaving the kernel.
///
/// Source: Documentation/virt/kvm/api.rst of Linux, KVM_IRQFD and KVM_IOEVENTFD. Machine lock held.

#include <cstdint>
#include <memory>
#include <vector>

#include "accel/kvm/kvm_calls.h"
#include "accel/kvm/kvm_gsi_routes.h"
#include "core/memory/address_space.h"
#include "hw/x86/accelerator.h"

namespace machina::kvm {

/// An irqfd on a line. With a resample descriptor the line is level triggered: the signal raises it, the guest's EOI
/// lowers it and signals `resample_fd`. Without one, the signal is an edge.
class LineEvent final : public InterruptEvent {
 public:
  /// Null when KVM refuses.
  static std::unique_ptr<LineEvent> create(const Fd& vm, unsigned gsi, int fd, int resample_fd);
  ~LineEvent() override;

 private:
  LineEvent(const Fd& vm, unsigned gsi, int fd) : vm_(vm), gsi_(gsi), fd_(fd) {}
  const Fd& vm_;
  unsigned gsi_;
  int fd_;
};

/// An irqfd that sends a message.
class MessageEvent final : public InterruptEvent {
 public:
  static std::unique_ptr<MessageEvent> create(const Fd& vm, GsiRoutes& routes, const MsiMessage& message, int fd);
  ~MessageEvent() override;
  void change(const MsiMessage& message) override;

 private:
  MessageEvent(const Fd& vm, GsiRoutes& routes, GsiRoutes::Message route, int fd)
      : vm_(vm), routes_(routes), route_(std::move(route)), fd_(fd) {}
  const Fd& vm_;
  GsiRoutes& routes_;
  GsiRoutes::Message route_;
  int fd_;
};

/// The ioeventfds of one address space.
class IoEventFds final : public MemoryListener {
 public:
  /// `port_space`: addresses are ports. `any_width`: KVM_CAP_IOEVENTFD_ANY_LENGTH.
  IoEventFds(const Fd& vm, bool port_space, bool any_width) : vm_(vm), port_space_(port_space), any_width_(any_width) {}

  void eventfd_added(const FlatRange& range, std::uint64_t address, const IoEventFd& event) override;
  void eventfd_removed(const FlatRange& range, std::uint64_t address, const IoEventFd& event) override;
  std::size_t active() const { return active_; }

 private:
  bool change(std::uint64_t address, const IoEventFd& event, bool remove);
  const Fd& vm_;
  bool port_space_, any_width_;
  std::size_t active_ = 0;
};

}  // namespace machina::kvm
