#include "core/config/config_tree.h"

#include <gtest/gtest.h>

namespace machina {
namespace {

Origin place(const char* name) {
  Origin origin;
  origin.place = name;
  return origin;
}

TEST(ConfigTree, PutsValuesAndMakesTheMapsOnTheWay) {
  ConfigTree tree;
  tree.put({"devices", "pit", "type"}, config_scalar("i8254", place("a")));
  EXPECT_TRUE(tree["devices"].is(ConfigKind::Map));
  EXPECT_EQ(tree.find({"devices", "pit", "type"}).text(), "i8254");
  EXPECT_FALSE(tree.find({"devices", "pic", "type"}));
  EXPECT_FALSE(tree.find({"devices", "pit", "type", "deeper"}));
}

TEST(ConfigTree, KeysAreLiteralSoADotHasNoMeaning) {
  ConfigTree tree;
  tree.put({"pci.0"}, config_scalar("x", {}));
  EXPECT_EQ(tree["pci.0"].text(), "x");
  EXPECT_FALSE(tree.find({"pci", "0"}));
}

TEST(ConfigTree, MergingReplacesValuesInPlaceAndKeepsWhereEachCameFrom) {
  ConfigTree base, overlay;
  base.put({"ram", "default"}, config_scalar("64M", place("base.yaml")));
  base.put({"ram", "max"}, config_scalar("1G", place("base.yaml")));
  base.put({"cpus"}, config_scalar("1", place("base.yaml")));
  overlay.put({"ram", "default"}, config_scalar("2G", place("-m 2G")));
  overlay.put({"name"}, config_scalar("vm", place("-name vm")));
  base.merge(overlay.root());
  EXPECT_EQ(base.root().keys(), (std::vector<std::string>{"ram", "cpus", "name"}));
  EXPECT_EQ(base["ram"].keys(), (std::vector<std::string>{"default", "max"}));
  EXPECT_EQ(base["ram"]["default"].text(), "2G");
  EXPECT_EQ(base["ram"]["default"].origin().place, "-m 2G");
  EXPECT_EQ(base["ram"]["max"].origin().place, "base.yaml");
}

TEST(ConfigTree, MergingAListOrAScalarReplacesTheWholeNode) {
  ConfigTree base, overlay;
  base.put({"a", "b"}, config_scalar("1", {}));
  overlay.put({"a"}, config_scalar("2", {}));
  base.merge(overlay.root());
  EXPECT_TRUE(base["a"].is(ConfigKind::Scalar));
  EXPECT_EQ(base["a"].size(), 0u);

  ConfigTree item;
  ConfigTree lists;
  lists.append({"l"}, item.root());
  lists.append({"l"}, item.root());
  ConfigTree shorter;
  shorter.append({"l"}, item.root());
  lists.merge(shorter.root());
  EXPECT_EQ(lists["l"].size(), 1u);
}

TEST(ConfigTree, MergesBelowAPath) {
  ConfigTree tree, device;
  device.put({"type"}, config_scalar("VGA", {}));
  tree.merge(device.root(), {"devices", "vga"});
  EXPECT_EQ(tree.find({"devices", "vga", "type"}).text(), "VGA");
}

TEST(ConfigTree, RemovesANodeAndSaysWhetherThereWasOne) {
  ConfigTree tree;
  tree.put({"a", "b"}, config_scalar("1", {}));
  EXPECT_TRUE(tree.remove({"a", "b"}));
  EXPECT_FALSE(tree.remove({"a", "b"}));
  EXPECT_FALSE(tree.remove({"x", "y"}));
  EXPECT_TRUE(tree["a"]);
}

TEST(ConfigTree, CopiesAreIndependent) {
  ConfigTree tree;
  tree.put({"a"}, config_scalar("1", {}));
  ConfigTree copy = tree;
  copy.put({"a"}, config_scalar("2", {}));
  EXPECT_EQ(tree["a"].text(), "1");
  tree = copy;
  EXPECT_EQ(tree["a"].text(), "2");
}

TEST(ConfigTree, ASubtreeOfItselfCanBePutElsewhere) {
  ConfigTree tree;
  tree.put({"a", "b"}, config_scalar("1", {}));
  tree.put({"a", "c"}, tree["a"]);
  EXPECT_EQ(tree.find({"a", "c", "b"}).text(), "1");
}

TEST(ConfigTree, EveryScalarCanBeEdited) {
  ConfigTree tree;
  tree.put({"a", "b"}, config_scalar("1", {}));
  tree.put({"c"}, config_scalar("2", {}));
  tree.for_each_scalar([](ConfigValue& v) { v.text += "!"; });
  EXPECT_EQ(tree.find({"a", "b"}).text(), "1!");
  EXPECT_EQ(tree["c"].text(), "2!");
}

TEST(ConfigTree, ANodeThatWasNotFoundHasNoChildren) {
  const ConfigNode none;
  EXPECT_FALSE(none);
  EXPECT_EQ(none.size(), 0u);
  EXPECT_TRUE(none.children().empty());
  EXPECT_FALSE(none["x"]);
}

}  // namespace
}  // namespace machina
