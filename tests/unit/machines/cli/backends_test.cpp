#include "machines/cli/backends.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>

#include "core/machine_lock.h"

namespace machina {
namespace {

struct BackendsTest : testing::Test {
  BackendsTest() {
    char name[] = "/tmp/machina-backends-XXXXXX";
    dir = mkdtemp(name);
  }
  ~BackendsTest() override { std::filesystem::remove_all(dir); }

  MachineLock lock;
  EventLoop loop{lock};
  qom::Ref<qom::Container> root = qom::create<qom::Container>();
  Clock clock{ClockKind::Virtual};
  Backends backends{*root, loop, clock};
  std::string dir;
};

/// The devices that drives became, in order: "ide-cd ide.1 0 ide1-cd0".
std::vector<std::string> devices_of(const CommandLine& cl) {
  std::vector<std::string> found;
  const ConfigNode list = cl.groups["device"];
  if (!list) return found;
  for (const ConfigNode& d : list.items()) {
    found.push_back(d["driver"].text());
    for (const char* key : {"bus", "unit", "drive"}) found.back() += d[key] ? " " + d[key].text() : "";
  }
  return found;
}

TEST_F(BackendsTest, DiscsAreDrivesOfTheirOwnKind) {
  CommandLine cl = CommandLine::parse({"-cdrom", "a.iso", "-hda", "b.img", "-drive", "media=cdrom", "-drive",
                                       "file=c.iso,media=cdrom,id=mine", "-drive", "file=d.iso,media=cdrom,if=none"});
  backends.add_drives(cl, cl.groups);
  EXPECT_EQ(devices_of(cl), (std::vector<std::string>{"ide-cd ide.1 0 ide1-cd0", "ide-hd ide.0 0 ide0-hd0",
                                                      "ide-cd ide.0 1", "ide-cd ide.1 1 mine"}));
  for (const char* disc : {"ide1-cd0", "mine", "drive0"}) {
    const qom::Object* backend = qom::resolve_path(*root, std::string("/blockdevs/") + disc);
    ASSERT_NE(backend, nullptr) << disc;
    EXPECT_EQ(backend->get("readonly"), qom::Value(true)) << disc;
  }
}

TEST_F(BackendsTest, DiscsAreNotPartOfASnapshot) {
  CommandLine cl = CommandLine::parse({"-snapshot", "-cdrom", "a.iso", "-hda", "b.img"});
  backends.add_drives(cl, cl.groups);
  EXPECT_EQ(qom::resolve_path(*root, "/blockdevs/ide1-cd0")->get("snapshot"), qom::Value(false));
  EXPECT_EQ(qom::resolve_path(*root, "/blockdevs/ide0-hd0")->get("snapshot"), qom::Value(true));
}

TEST_F(BackendsTest, TheBoardsOwnCdDriveGivesWay) {
  const auto there = [](const std::vector<std::string>& arguments) {
    MachineLock lock;
    EventLoop loop{lock};
    Clock clock{ClockKind::Virtual};
    const auto root = qom::create<qom::Container>();
    Backends backends{*root, loop, clock};
    CommandLine cl = CommandLine::parse(arguments);
    backends.add_drives(cl, cl.groups);
    return backends.default_cdrom();
  };
  EXPECT_TRUE(there({}));
  EXPECT_TRUE(there({"-hda", "a", "-hdb", "b", "-hdd", "d"}));
  EXPECT_FALSE(there({"-hdc", "c"}));
  EXPECT_FALSE(there({"-cdrom", "c"}));
  EXPECT_FALSE(there({"-hda", "a", "-hdb", "b", "-drive", "file=c"})) << "the third is the next that is free";
  EXPECT_FALSE(there({"-device", "ide-hd,drive=x"}));
  EXPECT_FALSE(there({"-device", "ide-cd"}));
  EXPECT_TRUE(there({"-device", "e1000"}));
}

TEST_F(BackendsTest, WhatSlowReadersHaveNotTakenYetGetsToThem) {
  const std::string path = dir + "/fifo";
  ASSERT_EQ(mkfifo((path + ".in").c_str(), 0600), 0);
  ASSERT_EQ(mkfifo((path + ".out").c_str(), 0600), 0);
  CharBackend* const chr = backends.add_character(config_scalar("pipe:" + path, {}), "serial0");
  backends.open();
  const int reader = open((path + ".out").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  ASSERT_GE(reader, 0);
  // More than a pipe holds: the rest waits in the backend.
  const std::string text(100 * 1024, 'x');
  ASSERT_EQ(chr->write(std::as_bytes(std::span(text))), text.size());
  std::size_t got = 0;
  std::thread slow([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    char some[4096];
    for (ssize_t n = 0; (n = read(reader, some, sizeof some)) != 0;) {
      if (n > 0) got += static_cast<std::size_t>(n);
      if (n < 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      if (got == text.size()) break;
    }
  });
  backends.close();
  slow.join();
  close(reader);
  EXPECT_EQ(got, text.size());
}

TEST_F(BackendsTest, OneWhoDoesNotReadIsNotWaitedForLong) {
  const std::string path = dir + "/fifo";
  ASSERT_EQ(mkfifo((path + ".in").c_str(), 0600), 0);
  ASSERT_EQ(mkfifo((path + ".out").c_str(), 0600), 0);
  CharBackend* const chr = backends.add_character(config_scalar("pipe:" + path, {}), "serial0");
  backends.open();
  const std::string text(100 * 1024, 'x');
  ASSERT_EQ(chr->write(std::as_bytes(std::span(text))), text.size());
  const auto before = std::chrono::steady_clock::now();
  backends.close();
  const auto took = std::chrono::steady_clock::now() - before;
  EXPECT_GE(took, std::chrono::milliseconds(900));
  EXPECT_LT(took, std::chrono::seconds(30)) << "generous: reached only by a failure";
}

TEST_F(BackendsTest, TheFormatOfADriveIsForTheDisk) {
  CommandLine cl = CommandLine::parse(
      {"-drive", "file=a.img,format=raw,if=none,id=a", "-drive", "file=b.img,if=none,id=b", "-hda", "c.img"});
  backends.add_drives(cl, cl.groups);
  const auto format = [&](const char* id) { return root->child("blockdevs")->child(id)->get("format").to_string(); };
  EXPECT_EQ(format("a"), "raw") << "taken as it is, whatever it looks like";
  EXPECT_EQ(format("b"), "");
  EXPECT_EQ(format("ide0-hd0"), "");
}

}  // namespace
}  // namespace machina
