#pragma once
/// The system calls that KVM is made of, as an interface: a test puts a fake in its place that refuses what it likes.

#include <cstddef>
#include <cstdint>

namespace machina::kvm {

class Calls {
 public:
  virtual ~Calls() = default;
  /// As ioctl(2): -1 with errno set on failure. Any thread.
  virtual int ioctl(int fd, unsigned long request, void* argument) = 0;
  int ioctl(int fd, unsigned long request, std::uintptr_t argument = 0) {
    return ioctl(fd, request, reinterpret_cast<void*>(argument));
  }
  virtual int open_device() = 0;                    ///< /dev/kvm; -1 with errno
  virtual void* map(int fd, std::size_t size) = 0;  ///< shared, read and write; MAP_FAILED with errno
  virtual void unmap(void* address, std::size_t size) = 0;
  virtual void close(int fd) = 0;

  /// The real ones.
  static Calls& system();
};

/// A descriptor of KVM that is closed with its owner.
class Fd {
 public:
  Fd() = default;
  Fd(Calls& calls, int fd) : calls_(&calls), fd_(fd) {}
  ~Fd() { reset(); }
  Fd(Fd&& o) noexcept : calls_(o.calls_), fd_(o.fd_) { o.fd_ = -1; }
  Fd& operator=(Fd&& o) noexcept {
    if (this != &o) {
      reset();
      calls_ = o.calls_;
      fd_ = o.fd_;
      o.fd_ = -1;
    }
    return *this;
  }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void reset() {
    if (fd_ >= 0) calls_->close(fd_);
    fd_ = -1;
  }

  /// -1 with errno set on failure.
  int call(unsigned long request, void* argument) const { return calls_->ioctl(fd_, request, argument); }
  int call(unsigned long request, std::uintptr_t argument = 0) const {
    return calls_->ioctl(fd_, request, reinterpret_cast<void*>(argument));
  }
  /// Throws Error naming `what` ("KVM_CREATE_VM") and the reason.
  int must(unsigned long request, void* argument, const char* what) const;
  int must(unsigned long request, std::uintptr_t argument, const char* what) const {
    return must(request, reinterpret_cast<void*>(argument), what);
  }
  Calls& calls() const { return *calls_; }

 private:
  Calls* calls_ = nullptr;
  int fd_ = -1;
};

}  // namespace machina::kvm
