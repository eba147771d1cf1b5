#include "core/thread_name.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <array>
#include <future>
#include <string>

namespace machina {
namespace {

/// The name that a new thread has once it was asked to take one.
std::string name_after(std::string_view wanted) {
  std::promise<void> end;
  std::thread thread([done = end.get_future()] { done.wait(); });
  name_thread(thread, wanted);
  std::array<char, 16> name{};
  pthread_getname_np(thread.native_handle(), name.data(), name.size());
  end.set_value();
  thread.join();
  return name.data();
}

TEST(NamesOfThread, AreGivenUnlessSwitchedOff) {
  std::array<char, 16> own{};
  pthread_getname_np(pthread_self(), own.data(), own.size());
  EXPECT_EQ(name_after("CPU 3/KVM"), "CPU 3/KVM");
  set_thread_names(false);
  EXPECT_EQ(name_after("CPU 3/KVM"), own.data()) << "that of who started it";
  set_thread_names(true);
  EXPECT_EQ(name_after("a name that is too long"), "a name that is ");
}

}  // namespace
}  // namespace machina
