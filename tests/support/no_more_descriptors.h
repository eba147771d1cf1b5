#pragma once
/// A host that has no descriptor left.

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/chardev/fd_stream.h"

namespace machina::test {

/// Leaves this process as many descriptors as it has, until the end.
class NoMoreDescriptors {
 public:
  NoMoreDescriptors() {
    getrlimit(RLIMIT_NOFILE, &before_);
    const OwnedFd next(dup(STDIN_FILENO));
    rlimit now = before_;
    now.rlim_cur = static_cast<rlim_t>(next.get());
    setrlimit(RLIMIT_NOFILE, &now);
  }
  ~NoMoreDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }
  NoMoreDescriptors(const NoMoreDescriptors&) = delete;
  NoMoreDescriptors& operator=(const NoMoreDescriptors&) = delete;

 private:
  rlimit before_{};
};

}  // namespace machina::test

/// UndefinedBehaviorSanitizer (preset asan) checks the type of an object by way of a pipe, which it cannot have then
/// either: it would call objects wrong whose type it has not seen before.
#ifdef __SANITIZE_ADDRESS__
#define SKIP_WHERE_CHECKS_NEED_DESCRIPTORS() GTEST_SKIP() << "the sanitizer needs descriptors itself"
#else
#define SKIP_WHERE_CHECKS_NEED_DESCRIPTORS() (void)0
#endif
