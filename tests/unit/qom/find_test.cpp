#include "qom/find.h"

#include <gtest/gtest.h>

namespace machina::qom {
namespace {

TEST(FirstOf, IsTheFirstOfItsKindParentsFirst) {
  const auto root = create<Container>();
  auto& a = root->add_new_child<Container>("a");
  auto& deep = a.add_new_child<Object>("deep", "container");
  root->add_new_child<Container>("b");
  EXPECT_EQ(first_of<Container>(*root), root.get());
  EXPECT_EQ(first_of<Container>(a), &a);
  EXPECT_EQ(first_of<Object>(deep), &deep);
  struct Nobody {
    virtual ~Nobody() = default;
  };
  EXPECT_EQ(first_of<Nobody>(*root), nullptr);
}

}  // namespace
}  // namespace machina::qom
