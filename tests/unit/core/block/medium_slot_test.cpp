#include "core/block/medium_slot.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "core/event_loop.h"
#include "core/machine_lock.h"
#include "qom/error.h"

namespace machina {
namespace {

class MediumSlotTest : public testing::Test {
 protected:
  MediumSlotTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "machina-slot-XXXXXX").string();
    folder = mkdtemp(pattern.data());
    root = qom::create<qom::Container>();
    device = &root->add_new_child<qom::Container>("drive");
  }
  ~MediumSlotTest() override {
    slot.remove();
    qom::unrealize_tree(*root);
    std::filesystem::remove_all(folder);
  }

  std::string image(const char* name, std::size_t sectors) {
    const std::string path = (folder / name).string();
    std::ofstream(path) << std::string(sectors * 512, 'x');
    return path;
  }
  void insert(const std::string& file, bool read_only = false) {
    slot.insert({.filename = file, .format = "raw", .force = false, .read_only = {}}, read_only, check);
  }
  std::string failure_of(const std::string& file) {
    try {
      insert(file);
    } catch (const Error& e) {
      return e.message();
    }
    return "";
  }

  MachineLock lock;
  EventLoop loop{lock};
  MachineLock::Guard guard{lock};
  std::filesystem::path folder;
  qom::Ref<qom::Object> root;
  qom::Object* device = nullptr;
  qom::Link<BlockBackend> link;
  MediumSlot slot{link};
  MediumSlot::Check check = [](const BlockBackend& medium) {
    if (medium.size() > 8 * 512) throw Error("too large");
  };
};

TEST_F(MediumSlotTest, AnEmptyDriveTakesAnImageUnderItsName) {
  slot.set_up(*device, loop, "floppy0");
  EXPECT_EQ(slot.name(), "floppy0");
  EXPECT_EQ(slot.medium(), nullptr);
  insert(image("a", 4), true);
  ASSERT_NE(slot.medium(), nullptr);
  EXPECT_EQ(slot.medium()->path(), "/blockdevs/floppy0");
  EXPECT_EQ(slot.medium()->size(), 4U * 512);
  EXPECT_TRUE(slot.medium()->read_only());
  slot.remove();
  EXPECT_EQ(slot.medium(), nullptr);
  EXPECT_EQ(qom::resolve_path(*root, "/blockdevs/floppy0"), nullptr);
  slot.remove();
}

TEST_F(MediumSlotTest, AnotherImageKeepsNameAndSettings) {
  auto& first = root->add_new_child<qom::Container>("blockdevs").add_new_child<BlockBackend>("mine", "block-raw");
  first.set("filename", image("a", 4));
  first.set_text("cache", "unsafe");
  first.set_event_loop(loop);
  qom::realize_tree(first);
  link.set(&first);
  slot.set_up(*device, loop, "floppy0");
  EXPECT_EQ(slot.name(), "mine");
  insert(image("b", 2));
  EXPECT_EQ(slot.medium()->path(), "/blockdevs/mine");
  EXPECT_EQ(slot.medium()->size(), 2U * 512);
  EXPECT_TRUE(slot.medium()->caching().no_flush);
  // Also after the drive was empty for a while.
  slot.remove();
  insert(image("c", 3));
  EXPECT_TRUE(slot.medium()->caching().no_flush);
  EXPECT_EQ(slot.medium()->name(), "mine");
}

TEST_F(MediumSlotTest, WhatCannotBeTakenLeavesTheOldMedium) {
  slot.set_up(*device, loop, "floppy0");
  EXPECT_THAT(failure_of("/nowhere/at/all"), testing::HasSubstr("/nowhere/at/all"));
  EXPECT_EQ(slot.medium(), nullptr);
  const std::string a = image("a", 4);
  insert(a);
  EXPECT_EQ(failure_of(image("large", 9)), "too large");
  ASSERT_NE(slot.medium(), nullptr);
  EXPECT_EQ(slot.medium()->description(), a);
  EXPECT_EQ(slot.medium()->size(), 4U * 512) << "open again";
  // The same file once more: the lock on it is the slot's own.
  insert(a);
  EXPECT_EQ(slot.medium()->description(), a);
}

TEST_F(MediumSlotTest, AMediumThatIsGoneMeanwhileLeavesTheDriveEmpty) {
  slot.set_up(*device, loop, "floppy0");
  const std::string a = image("a", 4);
  insert(a);
  std::filesystem::remove(a);
  EXPECT_EQ(failure_of(image("large", 9)), "too large");
  EXPECT_EQ(slot.medium(), nullptr);
  EXPECT_EQ(qom::resolve_path(*root, "/blockdevs/floppy0"), nullptr);
}

TEST_F(MediumSlotTest, TheChangeDecidesWhetherItMayBeWritten) {
  slot.set_up(*device, loop, "floppy0");
  slot.insert({.filename = image("a", 4), .format = "raw", .force = false, .read_only = false}, true, check);
  EXPECT_FALSE(slot.medium()->read_only());
}

}  // namespace
}  // namespace machina
