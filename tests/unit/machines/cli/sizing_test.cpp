#include "machines/cli/sizing.h"

#include <gtest/gtest.h>

#include "core/units.h"

namespace machina {
namespace {

Board board() {
  Board b;
  b.name = "t";
  b.cpus.max = 255;
  b.ram.min = MiB;
  return b;
}

RamConfig ram(const std::vector<std::string>& arguments) { return ram_of(CommandLine::parse(arguments), board()); }
CpuConfig cpus(const std::vector<std::string>& arguments) { return cpus_of(CommandLine::parse(arguments), board()); }

std::string packing(const std::string& smp) {
  const CpuConfig c = cpus({"-smp", smp});
  return std::to_string(c.count) + "/" + std::to_string(c.max) + " " + std::to_string(c.topology.sockets) + "x" +
         std::to_string(c.topology.cores) + "x" + std::to_string(c.topology.threads);
}

TEST(Sizing, MemoryIsMebibytesWithoutASuffix) {
  EXPECT_EQ(ram({}).size, 128 * MiB);
  EXPECT_EQ(ram({"-m", "512"}).size, 512 * MiB);
  EXPECT_EQ(ram({"-m", "size=2G"}).size, 2 * GiB);
  EXPECT_EQ(ram({"-m", "1.5G"}).size, 1536 * MiB);
  EXPECT_EQ(ram({"-m", "1T"}).size, 1024 * GiB);
  EXPECT_EQ(ram({"-m", "1048576b"}).size, MiB);
}

TEST(Sizing, MemoryHasLimits) {
  for (const char* wrong : {"0", "1023K", "1025G", "2T", "1048577b", "x", "-1", "", "99999999999T"})
    EXPECT_THROW(ram({"-m", wrong}), Error) << wrong;
}

TEST(Sizing, WhatSmpDoesNotSayIsSockets) {
  EXPECT_EQ(packing("1"), "1/1 1x1x1");
  EXPECT_EQ(packing("4"), "4/4 4x1x1");
  EXPECT_EQ(packing("4,sockets=1"), "4/4 1x4x1");
  EXPECT_EQ(packing("8,cores=2,threads=2"), "8/8 2x2x2");
  EXPECT_EQ(packing("sockets=2,cores=2,threads=2"), "8/8 2x2x2");
  EXPECT_EQ(packing("2,maxcpus=4"), "2/4 4x1x1");
  EXPECT_EQ(packing("maxcpus=4"), "4/4 4x1x1");
  EXPECT_EQ(packing("2,maxcpus=8,cores=4"), "2/8 2x4x1");
}

TEST(Sizing, CpusHaveLimits) {
  for (const char* wrong : {"0", "256", "65536", "x", "-1", "4,maxcpus=2", "4,sockets=3", "2,dies=2",
                            "sockets=65535,cores=65535,threads=65535"})
    EXPECT_THROW(cpus({"-smp", wrong}), Error) << wrong;
}

TEST(Sizing, CpuModelsAreCheckedBeforeAnythingIsMade) {
  EXPECT_EQ(cpus({"-cpu", "qemu64,+avx"}).model, "qemu64,+avx");
  try {
    cpus({"-cpu", "qemu46"});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.origin().place, "-cpu qemu46");
  }
}

}  // namespace
}  // namespace machina
