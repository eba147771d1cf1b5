// x-cpu-state-save and x-cpu-state-load: all of a state or nothing of it.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/fd_sets.h"
#include "hw/x86/x86_state_blob.h"
#include "tests/support/monitor_fixture.h"

namespace machina::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class CpuStateTest : public MonitorTest {
 protected:
  CpuStateTest() : folder_(testing::TempDir() + "machina-cpu-state-" + std::to_string(::getpid())) {
    fs::remove_all(folder_);
    fs::create_directory(folder_);
    negotiate();
  }
  ~CpuStateTest() override { fs::remove_all(folder_); }

  X86Cpu& cpu(unsigned n) { return *machine_->cpus().cpus().at(n); }
  std::string file(const char* name) const { return folder_ + "/" + name; }
  static std::vector<std::uint8_t> content(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    const std::string bytes = text.str();
    return {bytes.begin(), bytes.end()};
  }
  void put(const char* name, const std::vector<std::uint8_t>& bytes) const {
    std::ofstream(file(name), std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  std::string arguments(const std::string& path, int index) const {
    return to_json(ValueMap{{"filename", path}, {"cpu-index", index}});
  }
  std::string load_refusal(const char* name, int index = 0) {
    return refusal_of("x-cpu-state-load", arguments(file(name), index));
  }
  std::string hmp(const std::string& line, unsigned index = 0) {
    return run("human-monitor-command", to_json(ValueMap{{"command-line", line}, {"cpu-index", index}})).to_string();
  }

  std::string folder_;
};

TEST_F(CpuStateTest, ComesBackFromItsFile) {
  X86State wanted = cpu(1).state();
  wanted.gpr[kRbx] = 0x1122334455667788;
  wanted.rip = 0x1234;
  wanted.xsave[160] = 0x5a;
  cpu(1).set_state(wanted);
  run("x-cpu-state-save", arguments(file("one"), 1));
  EXPECT_EQ(read_x86_state(content(file("one"))), wanted);

  X86State other = wanted;
  other.gpr.fill(7);
  other.xsave[160] = 0;
  cpu(1).set_state(other);
  run("x-cpu-state-load", arguments(file("one"), 1));
  EXPECT_EQ(cpu(1).state(), wanted);

  // By name, and of the CPU that the human monitor is about.
  EXPECT_EQ(hmp("x-cpu-state-save " + file("two"), 1), "");
  EXPECT_EQ(content(file("two")), content(file("one")));
  EXPECT_EQ(hmp("x-cpu-state-load " + file("two") + " 1"), "");
}

TEST_F(CpuStateTest, ComesBackThroughADescriptorThatWasHandedIn) {
  // Each use takes the member that may do what it needs.
  OwnedFd to(::open(file("set").c_str(), O_WRONLY | O_CREAT, 0600)), from(::open(file("set").c_str(), O_RDONLY));
  ASSERT_TRUE(to && from);
  const std::int64_t set = FdSets::global().add(std::move(to), std::nullopt, "").first;
  FdSets::global().add(std::move(from), set, "");
  const std::string path = fmt::format("/dev/fdset/{}", set);
  run("x-cpu-state-save", arguments(path, 0));
  run("x-cpu-state-load", arguments(path, 0));
  EXPECT_EQ(read_x86_state(content(file("set"))), cpu(0).state());
  FdSets::global().remove(set, std::nullopt);
}

TEST_F(CpuStateTest, WhatIsWrongChangesNothingAndTheMachineGoesOn) {
  run("x-cpu-state-save", arguments(file("good"), 0));
  const X86State before = cpu(0).state();
  const std::vector<std::uint8_t> good = content(file("good"));

  put("short", {good.begin(), good.begin() + 200});
  EXPECT_THAT(load_refusal("short"), HasSubstr("GenericError: this is no CPU state"));
  std::vector<std::uint8_t> changed = good;
  changed[100] ^= 1;
  put("changed", changed);
  EXPECT_THAT(load_refusal("changed"), HasSubstr("its checksum is wrong"));
  put("empty", {});
  EXPECT_THAT(load_refusal("empty"), HasSubstr("it has 0 bytes"));
  put("huge", std::vector<std::uint8_t>(kMaxX86StateBlob + 1));
  EXPECT_THAT(load_refusal("huge"), HasSubstr("has more than 262144 bytes"));
  EXPECT_THAT(load_refusal("nowhere"), HasSubstr("No such file or directory"));

  X86State impossible = before;
  impossible.cr0 |= 1U << 31;
  impossible.rflags = 0;
  put("impossible", write_x86_state(impossible));
  const std::string refused = load_refusal("impossible");
  EXPECT_THAT(refused, HasSubstr("no CPU of this model can be in that state"));
  EXPECT_THAT(refused, HasSubstr("PG needs PE"));
  EXPECT_THAT(refused, HasSubstr("RFLAGS is 0x0"));
  EXPECT_THAT(load_refusal("good", 9), HasSubstr("expects a CPU number"));
  EXPECT_THAT(refusal_of("x-cpu-state-save", arguments(folder_ + "/no/where", 0)), HasSubstr("Could not open"));
  EXPECT_THAT(hmp("x-cpu-state-load " + file("impossible")), HasSubstr("Error: no CPU of this model"));

  EXPECT_EQ(cpu(0).state(), before);
  run("cont");
  EXPECT_EQ(machine_->run_state(), RunState::Running);
}

TEST_F(CpuStateTest, ARunningMachineIsLeftAlone) {
  run("x-cpu-state-save", arguments(file("good"), 0));
  run("cont");
  for (const char* command : {"x-cpu-state-save", "x-cpu-state-load"})
    EXPECT_EQ(refusal_of(command, arguments(file("good"), 0)), "GenericError: the machine runs: stop it first");
  run("stop");
  run("x-cpu-state-load", arguments(file("good"), 0));
}

}  // namespace
}  // namespace machina::test
