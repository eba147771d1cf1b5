#include "qom/object.h"

#include <gtest/gtest.h>

#include <thread>

namespace machina {
namespace {

using qom::Object;
using qom::ObjectClass;
using qom::Ref;
using qom::TypeRegistry;
using qom::Value;

std::vector<std::string>& journal() {
  static std::vector<std::string> lines;
  return lines;
}

class Node : public Object {
 public:
  static constexpr const char* kType = "test-node";
  static void class_init(ObjectClass& c) {
    c.description = "node";
    c.property("number", &Node::number_, 7).range(0, 100).doc("a number");
    c.property("live", &Node::live_, false).may_change();
    c.property("fail", &Node::fail_, "");
    c.link("peer", &Node::peer_);
    c.computed<std::string>("upper", &Node::upper);
  }
  std::string upper() const { return "U" + std::to_string(number_); }

  std::uint16_t number_ = 0;
  bool live_ = false;
  std::string fail_;
  qom::Link<Node> peer_;

 protected:
  void pre_realize() override { say("pre"); }
  void realize() override {
    if (fail_ == "realize") throw Error("cannot");
    say("realize");
  }
  void realized_subtree() override {
    if (fail_ == "subtree") throw Error("cannot");
  }
  void unrealize() override { say("unrealize"); }
  void post_unrealize() override { say("post"); }

 private:
  void say(const char* what) { journal().push_back(what + (" " + name())); }
};

class Special final : public Node {
 public:
  static constexpr const char* kType = "test-special";
  static void class_init(ObjectClass& c) { c.set_default("number", 42); }
};

/// Has no class_init of its own: its parent's must not run again for it.
class Plain final : public Node {
 public:
  static constexpr const char* kType = "test-plain";
};

class Speaker {
 public:
  static constexpr const char* kType = "test-speaker";
  virtual ~Speaker() = default;
  virtual std::string speak() = 0;
};

class Dog final : public Object, public Speaker {
 public:
  static constexpr const char* kType = "test-dog";
  std::string speak() override { return "wuff"; }
};

MACHINA_TYPE(Node, Object);
MACHINA_TYPE(Special, Node);
MACHINA_TYPE(Plain, Node);
MACHINA_INTERFACE(Speaker);
MACHINA_TYPE(Dog, Object, Speaker);

class ObjectTest : public testing::Test {
 protected:
  void SetUp() override { journal().clear(); }
  Ref<qom::Container> root = qom::create<qom::Container>();
};

template <class F>
Error error_of(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    return e;
  }
  ADD_FAILURE() << "no error";
  return Error("none");
}

TEST_F(ObjectTest, DefaultsAreInheritedAndOverridden) {
  EXPECT_EQ(qom::create<Node>()->number_, 7);
  EXPECT_EQ(qom::create<Special>()->number_, 42);
  EXPECT_EQ(qom::create<Plain>()->number_, 7);
  EXPECT_EQ(TypeRegistry::global().class_of("test-plain").properties().size(),
            TypeRegistry::global().class_of("test-node").properties().size());
}

TEST_F(ObjectTest, InterfacesAreFoundAtRunTime) {
  Ref<Object> dog = TypeRegistry::global().create("test-dog");
  EXPECT_TRUE(dog->is_a("test-speaker"));
  ASSERT_NE(qom::cast<Speaker>(dog), nullptr);
  EXPECT_EQ(qom::cast<Speaker>(dog)->speak(), "wuff");
  EXPECT_EQ(qom::cast<Speaker>(qom::create<Node>()), nullptr);
  EXPECT_EQ(TypeRegistry::global().names("test-speaker"), std::vector<std::string>{"test-dog"});
}

TEST_F(ObjectTest, PathsAreCanonicalAndPartial) {
  auto& machine = root->add_new_child<qom::Container>("machine");
  auto& peripheral = machine.add_new_child<qom::Container>("peripheral");
  auto& net0 = peripheral.add_new_child<Node>("net0");
  EXPECT_EQ(net0.path(), "/machine/peripheral/net0");
  EXPECT_EQ(qom::resolve_path(*root, "/machine/peripheral/net0"), &net0);
  EXPECT_EQ(qom::resolve_path(*root, "net0"), &net0);
  EXPECT_EQ(qom::resolve_path(*root, "peripheral/net0"), &net0);
  EXPECT_EQ(qom::resolve_path(*root, "/machine/net0"), nullptr);
  machine.add_new_child<Node>("net0");
  bool ambiguous = false;
  EXPECT_EQ(qom::resolve_path(*root, "net0", &ambiguous), nullptr);
  EXPECT_TRUE(ambiguous);
}

TEST_F(ObjectTest, NamesAreUniqueAndParentsSingle) {
  auto& a = root->add_new_child<Node>("a");
  EXPECT_NE(std::string(error_of([&] { root->add_new_child<Node>("a"); }).what()).find("already"), std::string::npos);
  EXPECT_NE(std::string(error_of([&] { root->add_child("b", Ref<Object>(&a)); }).what()).find("parent"),
            std::string::npos);
}

TEST_F(ObjectTest, UnknownPropertyNamesTheNearest) {
  const Error e = error_of([] { qom::create<Node>()->set("nummer", 1); });
  EXPECT_EQ(e.message(), "type 'test-node' has no property 'nummer'");
  EXPECT_EQ(e.advice(), "did you mean 'number'?");
}

TEST_F(ObjectTest, PropertiesFreezeWhenRealized) {
  auto& n = root->add_new_child<Node>("n");
  n.set_text("number", "9");
  qom::realize_tree(*root);
  EXPECT_EQ(error_of([&] { n.set("number", 1); }).cause(), "the object is realized");
  n.set("live", true);
  EXPECT_TRUE(n.live_);
  error_of([&] { n.set("upper", "x"); });
  EXPECT_EQ(n.get("upper"), Value("U9"));
}

TEST_F(ObjectTest, LinksKeepTheirTargetAliveAndAreTyped) {
  auto& a = root->add_new_child<Node>("a");
  auto& b = root->add_new_child<Node>("b");
  root->add_new_child<Dog>("dog");
  a.set("peer", "b");
  EXPECT_EQ(a.peer_.get(), &b);
  EXPECT_EQ(a.get("peer"), Value("/b"));
  EXPECT_NE(error_of([&] { a.set("peer", "dog"); }).message().find("links to a 'test-node'"), std::string::npos);
  error_of([&] { a.set("peer", "nobody"); });
  root->remove_child(b);
  EXPECT_EQ(a.peer_->number_, 7) << "the link holds it";
  a.set("peer", "");
  EXPECT_EQ(a.peer_.get(), nullptr);
}

TEST_F(ObjectTest, CyclesOfLinksAreFreedWithTheTree) {
  const ObjectClass& c = TypeRegistry::global().class_of("test-node");
  const long before = c.live_instances();
  auto& box = root->add_new_child<qom::Container>("box");
  auto& a = box.add_new_child<Node>("a");
  auto& b = box.add_new_child<Node>("b");
  a.set("peer", "b");
  b.set("peer", "a");
  EXPECT_EQ(c.live_instances(), before + 2);
  root->remove_child(box);
  EXPECT_EQ(c.live_instances(), before);
}

TEST_F(ObjectTest, RealizeIsAllOrNothing) {
  auto& a = root->add_new_child<Node>("a");
  a.add_new_child<Node>("a1");
  auto& b = root->add_new_child<Node>("b");
  b.set("fail", "realize");
  const Error e = error_of([&] { qom::realize_tree(*root); });
  EXPECT_EQ(e.object_path(), "/b");
  const std::vector<std::string> expected{"pre a",  "realize a",    "pre a1",  "realize a1",  "pre b",
                                          "post b", "unrealize a1", "post a1", "unrealize a", "post a"};
  EXPECT_EQ(journal(), expected);
  EXPECT_FALSE(a.realized());
  EXPECT_FALSE(root->realized());
}

TEST_F(ObjectTest, FailureAfterTheChildrenUnwindsThemToo) {
  auto& a = root->add_new_child<Node>("a");
  a.add_new_child<Node>("a1");
  a.set("fail", "subtree");
  const Error e = error_of([&] { qom::realize_tree(*root); });
  EXPECT_EQ(e.object_path(), "/a");
  const std::vector<std::string> expected{"pre a",        "realize a", "pre a1",      "realize a1",
                                          "unrealize a1", "post a1",   "unrealize a", "post a"};
  EXPECT_EQ(journal(), expected);
}

TEST_F(ObjectTest, RealizeTwiceDoesNothing) {
  root->add_new_child<Node>("a");
  qom::realize_tree(*root);
  const auto once = journal();
  qom::realize_tree(*root);
  EXPECT_EQ(journal(), once);
  root->add_new_child<Node>("late");
  qom::realize_tree(*root);
  EXPECT_EQ(journal().back(), "realize late");
}

TEST_F(ObjectTest, TraceIsAnIndentedCallTree) {
  qom::create<Node>();  // the class is there already: its making is not part of what is expected
  std::vector<std::string> lines;
  qom::LifecycleTrace::set_sink([&](std::string_view line) { lines.emplace_back(line); });
  auto& a = root->add_new_child<Node>("a");
  a.add_new_child<Node>("b");
  qom::realize_tree(a);
  qom::LifecycleTrace::set_sink({});
  const std::vector<std::string> expected{"instance_init test-node", "instance_init test-node",
                                          "realize /a (test-node)", "  realize /a/b (test-node)"};
  EXPECT_EQ(lines, expected);
}

TEST(TypeRegistry, ReportsEveryFaultTogether) {
  TypeRegistry r;
  const auto make = [](const char* name, const char* parent) {
    qom::TypeInfo t;
    t.name = name;
    t.parent = parent;
    t.abstract = true;
    return t;
  };
  r.add(make("a", "missing"));
  r.add(make("b", ""));
  r.add(make("b", ""));
  r.add(make("c", "d"));
  r.add(make("d", "c"));
  qom::TypeInfo e = make("e", "b");
  e.interfaces = {"nothing", "b"};
  r.add(e);
  const std::string text = error_of([&] { r.finalize(); }).what();
  for (const char* part : {"'a' has an unknown parent 'missing'", "'b' of built-in is registered already",
                           "'c' is its own ancestor", "unknown interface 'nothing'", "'b', which is not an interface"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  EXPECT_EQ(r.find("b"), nullptr) << "the whole batch is forgotten";
}

TEST(TypeRegistry, UnknownTypeNamesTheNearest) {
  EXPECT_EQ(error_of([] { TypeRegistry::global().create("test-nod"); }).advice(), "did you mean 'test-node'?");
  EXPECT_NE(error_of([] { TypeRegistry::global().create("object"); }).message().find("abstract"), std::string::npos);
}

TEST(TypeRegistry, ThreadsMayLookUpAtOnce) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([] {
      for (int n = 0; n < 200; ++n) EXPECT_EQ(TypeRegistry::global().create("test-special")->get("number"), Value(42));
    });
  for (auto& t : threads) t.join();
}

}  // namespace
}  // namespace machina
