#include "accel/kvm/kvm_calls.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"
#include "core/trace/trace_event.h"

namespace machina::kvm {

namespace {

const TraceEvent<int, std::uint64_t, int> kvm_ioctl{"kvm_ioctl", "fd={} request={:#x} result={}"};

class SystemCalls final : public Calls {
 public:
  int ioctl(int fd, unsigned long request, void* argument) override {
    const int result = ::ioctl(fd, request, argument);
    const int error = errno;
    kvm_ioctl(fd, std::uint64_t{request}, result);
    errno = error;
    return result;
  }
  int open_device() override { return ::open("/dev/kvm", O_RDWR | O_CLOEXEC); }
  void* map(int fd, std::size_t size) override {
    return ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  }
  void unmap(void* address, std::size_t size) override { ::munmap(address, size); }
  void close(int fd) override { ::close(fd); }
};

}  // namespace

Calls& Calls::system() {
  static SystemCalls calls;
  return calls;
}

int Fd::must(unsigned long request, void* argument, const char* what) const {
  int result;
  do {
    result = calls_->ioctl(fd_, request, argument);
  } while (result < 0 && errno == EINTR);
  if (result < 0) throw Error(fmt::format("{} failed", what)).why(std::strerror(errno));
  return result;
}

}  // namespace machina::kvm
