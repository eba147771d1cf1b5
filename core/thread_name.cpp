#include "core/thread_name.h"

#include <pthread.h>

#include <atomic>
#include <string>

namespace machina {
namespace {

constexpr std::size_t kMaxBytes = 15;  // TASK_COMM_LEN of Linux, less its final zero
std::atomic<bool> names_wanted{true};

void give(pthread_t thread, std::string_view name) {
  if (names_wanted.load()) pthread_setname_np(thread, std::string(name.substr(0, kMaxBytes)).c_str());
}

}  // namespace

void set_thread_names(bool on) { names_wanted.store(on); }

void name_thread(std::thread& thread, std::string_view name) { give(thread.native_handle(), name); }

void name_this_thread(std::string_view name) { give(pthread_self(), name); }

}  // namespace machina
