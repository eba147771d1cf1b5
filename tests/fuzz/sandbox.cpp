#include "tests/fuzz/sandbox.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

#include "core/error.h"

namespace machina::fuzz {

namespace {

constexpr unsigned kWriting = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;
constexpr unsigned kRefuse = SECCOMP_RET_ERRNO | EACCES;

class Filter {
 public:
  Filter() { load(offsetof(seccomp_data, nr)); }

  void refuse(unsigned call) { jump_unless(BPF_JEQ, call, 1), add(BPF_RET | BPF_K, kRefuse); }
  /// An open with the flags in argument `n`, when they say both 'for writing' and 'close on exec'.
  void refuse_writing(unsigned call, unsigned n) {
    jump_unless(BPF_JEQ, call, 5);
    load(static_cast<unsigned>(offsetof(seccomp_data, args)) + 8 * n);
    jump_unless(BPF_JSET, O_CLOEXEC, 2);
    jump_unless(BPF_JSET, kWriting, 1);
    add(BPF_RET | BPF_K, kRefuse);
    add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  }
  void enter() {
    add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const sock_fprog program{static_cast<unsigned short>(code_.size()), code_.data()};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
      throw Error("cannot keep this process from writing files").why(std::strerror(errno));
  }

 private:
  void add(unsigned code, unsigned k) { code_.push_back({static_cast<unsigned short>(code), 0, 0, k}); }
  void load(unsigned at) { add(BPF_LD | BPF_W | BPF_ABS, at); }
  void jump_unless(unsigned test, unsigned k, std::uint8_t distance) {
    code_.push_back({static_cast<unsigned short>(BPF_JMP | test | BPF_K), 0, distance, k});
  }

  std::vector<sock_filter> code_;
};

}  // namespace

void enter_sandbox() {
  static const bool entered = [] {
    Filter filter;
    for (const unsigned call :
         {SYS_connect, SYS_bind,    SYS_listen,    SYS_execve,   SYS_execveat, SYS_creat,     SYS_mkdir,
          SYS_mkdirat, SYS_mknod,   SYS_mknodat,   SYS_rename,   SYS_renameat, SYS_renameat2, SYS_link,
          SYS_linkat,  SYS_symlink, SYS_symlinkat, SYS_truncate, SYS_chmod,    SYS_chown})
      filter.refuse(call);
    filter.refuse_writing(SYS_open, 1);
    filter.refuse_writing(SYS_openat, 2);
    filter.enter();
    return true;
  }();
  (void)entered;
}

}  // namespace machina::fuzz
