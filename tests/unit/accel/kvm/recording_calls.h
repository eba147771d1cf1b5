#pragma once
/// System calls of KVM that succeed and are written down, for tests without a kernel.

#include <vector>

#include "accel/kvm/kvm_api.h"
#include "accel/kvm/kvm_calls.h"

namespace machina::kvm {

class RecordingCalls final : public Calls {
 public:
  struct Line {
    unsigned gsi, level;
  };
  std::vector<std::vector<kvm_irq_routing_entry>> tables;  ///< of KVM_SET_GSI_ROUTING
  std::vector<Line> lines;                                 ///< KVM_IRQ_LINE
  std::vector<kvm_msi> messages;                           ///< KVM_SIGNAL_MSI
  std::vector<kvm_irqfd> irqfds;
  std::vector<kvm_ioeventfd> ioeventfds;
  std::vector<unsigned long> order;  ///< all requests
  unsigned long refused = 0;         ///< this request fails with EINVAL

  int ioctl(int, unsigned long request, void* argument) override {
    order.push_back(request);
    if (request == refused) {
      errno = EINVAL;
      return -1;
    }
    switch (request) {
      case KVM_SET_GSI_ROUTING: {
        auto* table = static_cast<kvm_irq_routing*>(argument);
        const auto* first = reinterpret_cast<kvm_irq_routing_entry*>(table + 1);
        tables.emplace_back(first, first + table->nr);
        break;
      }
      case KVM_IRQ_LINE: {
        const auto* line = static_cast<kvm_irq_level*>(argument);
        lines.push_back({line->irq, line->level});
        break;
      }
      case KVM_SIGNAL_MSI:
        messages.push_back(*static_cast<kvm_msi*>(argument));
        return 1;
      case KVM_IRQFD:
        irqfds.push_back(*static_cast<kvm_irqfd*>(argument));
        break;
      case KVM_IOEVENTFD:
        ioeventfds.push_back(*static_cast<kvm_ioeventfd*>(argument));
        break;
      default:
        break;
    }
    return 0;
  }
  int open_device() override { return 3; }
  void* map(int, std::size_t) override { return nullptr; }
  void unmap(void*, std::size_t) override {}
  void close(int) override {}

  Fd vm() { return {*this, 100}; }
};

}  // namespace machina::kvm
