// Every registered type, whoever added it: can be described, made, read, printed and destroyed, and leaves nothing
// behind.

#include <gtest/gtest.h>

#include "qom/object.h"

namespace machina::qom {
namespace {

class AllTypes : public testing::TestWithParam<std::string> {};

TEST_P(AllTypes, AreCreatedIntrospectedAndDestroyed) {
  TypeRegistry& registry = TypeRegistry::global();
  const ObjectClass& c = registry.class_of(GetParam());
  EXPECT_FALSE(c.description.empty()) << "a type says what it is";
  // A device may own other objects: nothing of any type may be left.
  const auto count_all = [&] {
    long n = 0;
    for (const std::string& name : registry.names()) n += registry.class_of(name).live_instances();
    return n;
  };
  const long before = count_all();
  for (int round = 0; round < 3; ++round) {
    const Ref<Object> object = registry.create(GetParam());
    EXPECT_EQ(object->type_name(), GetParam());
    EXPECT_TRUE(object->is_a("object"));
    for (const Property& p : c.properties()) {
      EXPECT_FALSE(p.name.empty());
      EXPECT_FALSE(p.type.empty()) << p.name;
      EXPECT_FALSE(p.expected().empty()) << p.name;
      const Value value = object->get(p.name);
      (void)value.to_string();
      if (p.set && !p.read_only && p.kind != PropertyKind::Link && !p.default_value.empty()) {
        EXPECT_NO_THROW(object->set(p.name, p.default_value)) << p.name << ": its own default must be legal";
      }
    }
    EXPECT_THROW(object->set("no-such-property", 1), Error);
    EXPECT_THROW((void)object->get("no-such-property"), Error);
  }
  EXPECT_EQ(count_all(), before) << "leaked instances";
}

std::vector<std::string> user_types() {
  std::vector<std::string> names;
  for (const std::string& name : TypeRegistry::global().names())
    if (name.rfind("test-", 0) != 0) names.push_back(name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Registry, AllTypes, testing::ValuesIn(user_types()), [](const auto& info) {
  std::string name = info.param;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
});

TEST(AllTypesHaveDocs, PropertiesSayWhatTheyAre) {
  TypeRegistry& registry = TypeRegistry::global();
  for (const std::string& name : user_types())
    for (const Property& p : registry.class_of(name).properties())
      EXPECT_FALSE(p.description.empty()) << name << "." << p.name;
}

}  // namespace
}  // namespace machina::qom
