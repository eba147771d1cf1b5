#include "accel/kvm/kvm_eventfd.h"

#include "accel/kvm/kvm_api.h"
#include "core/trace/trace_event.h"

namespace machina::kvm {

namespace {

const TraceEvent<unsigned, int, bool, bool> kvm_set_irqfd{"kvm_set_irqfd", "gsi={} fd={} remove={:d} ok={:d}"};
const TraceEvent<std::uint64_t, unsigned, int, bool, bool> kvm_set_ioeventfd{
    "kvm_set_ioeventfd", "addr={:#x} size={} fd={} remove={:d} ok={:d}"};

bool irqfd(const Fd& vm, unsigned gsi, int fd, int resample_fd, bool remove) {
  kvm_irqfd request{};
  request.fd = static_cast<std::uint32_t>(fd);
  request.gsi = gsi;
  if (remove) {
    request.flags = KVM_IRQFD_FLAG_DEASSIGN;
  } else if (resample_fd >= 0) {
    request.flags = KVM_IRQFD_FLAG_RESAMPLE;
    request.resamplefd = static_cast<std::uint32_t>(resample_fd);
  }
  const bool taken = vm.call(KVM_IRQFD, &request) == 0;
  kvm_set_irqfd(gsi, fd, remove, taken);
  return taken;
}

}  // namespace

// --- irqfd ---

std::unique_ptr<LineEvent> LineEvent::create(const Fd& vm, unsigned gsi, int fd, int resample_fd) {
  if (!irqfd(vm, gsi, fd, resample_fd, false)) return nullptr;
  return std::unique_ptr<LineEvent>(new LineEvent(vm, gsi, fd));
}

LineEvent::~LineEvent() { irqfd(vm_, gsi_, fd_, -1, true); }

std::unique_ptr<MessageEvent> MessageEvent::create(const Fd& vm, GsiRoutes& routes, const MsiMessage& message, int fd) {
  GsiRoutes::Message route = routes.add(message);
  routes.flush();
  if (!irqfd(vm, route.gsi(), fd, -1, false)) return nullptr;
  return std::unique_ptr<MessageEvent>(new MessageEvent(vm, routes, std::move(route), fd));
}

MessageEvent::~MessageEvent() { irqfd(vm_, route_.gsi(), fd_, -1, true); }

void MessageEvent::change(const MsiMessage& message) {
  route_.change(message);
  routes_.flush();
}

// --- ioeventfd ---

bool IoEventFds::change(std::uint64_t address, const IoEventFd& event, bool remove) {
  // A width of 0 is any; KVM calls that length 0, and only newer kernels know it. The exit to user space that is left
  // then signals the descriptor as well, only slower (IoRegion does that).
  if (event.width == 0 && !any_width_) return false;
  kvm_ioeventfd request{};
  request.addr = address;
  request.len = event.width;
  request.fd = event.fd;
  request.datamatch = event.value;
  if (port_space_) request.flags |= KVM_IOEVENTFD_FLAG_PIO;
  if (event.match) request.flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
  if (remove) request.flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
  const bool taken = vm_.call(KVM_IOEVENTFD, &request) == 0;
  kvm_set_ioeventfd(address, event.width, event.fd, remove, taken);
  return taken;
}

void IoEventFds::eventfd_added(const FlatRange&, std::uint64_t address, const IoEventFd& event) {
  if (change(address, event, false)) ++active_;
}

void IoEventFds::eventfd_removed(const FlatRange&, std::uint64_t address, const IoEventFd& event) {
  if (change(address, event, true)) --active_;
}

}  // namespace machina::kvm
