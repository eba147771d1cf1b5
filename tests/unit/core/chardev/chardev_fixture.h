#pragma once
/// What the tests of character backends share: a loop, a front end that notes what happens to it, a temporary folder.

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/chardev/char_backend.h"
#include "core/event_loop.h"
#include "core/log.h"
#include "core/machine_lock.h"
#include "core/units.h"
#include "qom/error.h"
#include "qom/object.h"

namespace machina::test {

// Generous: reached only by a failing test.
inline constexpr std::int64_t kLimit = 30 * kNsPerSecond;

class NotingFrontend final : public CharFrontend {
 public:
  std::size_t can_receive() override { return capacity - std::min(capacity, got.size()); }
  void receive(std::span<const std::byte> bytes) override {
    EXPECT_LE(bytes.size(), can_receive());
    got.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  void event(Event e) override {
    constexpr const char* kNames[] = {"opened", "closed", "break"};
    events.emplace_back(kNames[static_cast<int>(e)]);
  }
  void writable() override { ++writables; }

  std::size_t capacity = std::numeric_limits<std::size_t>::max();
  std::string got;
  std::vector<std::string> events;
  int writables = 0;
};

struct ChardevTest : testing::Test {
  ChardevTest() {
    log::reset();
    log::set_sink([this](log::Level, bool, std::string_view line) { logged.emplace_back(line); });
    char name[] = "/tmp/machina-chr-XXXXXX";
    dir = mkdtemp(name);
  }
  ~ChardevTest() override {
    std::filesystem::remove_all(dir);
    log::set_sink({});
    log::reset();
  }

  using Properties = std::vector<std::pair<std::string, std::string>>;
  template <class T = CharBackend>
  qom::Ref<T> make(std::string_view type, const Properties& properties = {}) {
    auto made = qom::TypeRegistry::global().create_as<T>(type);
    made->set_event_loop(loop);
    for (const auto& [name, value] : properties) made->set_text(name, value);
    return made;
  }
  template <class T = CharBackend>
  qom::Ref<T> realize(std::string_view type, const Properties& properties = {}) {
    auto made = make<T>(type, properties);
    qom::realize_tree(*made);
    return made;
  }
  std::string refusal(std::string_view type, const Properties& properties) {
    try {
      const auto made = realize(type, properties);
      qom::unrealize_tree(*made);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  }

  static std::size_t write(CharBackend& chr, std::string_view text) {
    return chr.write(std::as_bytes(std::span(text)));
  }
  template <class F>
  void expect_soon(F&& done) {
    EXPECT_TRUE(loop.run_until(done, kLimit));
  }
  std::string path(const std::string& name) const { return dir + "/" + name; }
  static std::string content(const std::string& file) {
    std::ostringstream out;
    out << std::ifstream(file, std::ios::binary).rdbuf();
    return out.str();
  }

  MachineLock lock;
  EventLoop loop{lock};
  std::string dir;
  std::vector<std::string> logged;
  NotingFrontend front;
};

}  // namespace machina::test
