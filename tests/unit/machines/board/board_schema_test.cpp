#include "machines/board/board_schema.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/config/yaml.h"
#include "hw/base/device.h"
#include "machines/board/board_catalog.h"
#include "tests/support/test_paths.h"

namespace machina {
namespace {

using Json = nlohmann::ordered_json;

Json schema() { return Json::parse(board_schema()); }

TEST(BoardSchema, DescribesTheTopOfABoard) {
  const Json s = schema();
  EXPECT_EQ(s["$schema"], "https://json-schema.org/draft/2020-12/schema");
  EXPECT_EQ(s["required"], (Json{"schema", "board"}));
  EXPECT_EQ(s["additionalProperties"], false);
  EXPECT_EQ(s["properties"]["schema"]["const"], 1);
  EXPECT_EQ(s["properties"]["ram"]["additionalProperties"], false);
  EXPECT_EQ(s["properties"]["cpus"]["additionalProperties"], true) << "properties of the CPU type";
}

TEST(BoardSchema, KnowsEveryTypeOfDeviceWithItsProperties) {
  const Json s = schema();
  qom::TypeRegistry& registry = qom::TypeRegistry::global();
  for (const std::string& type : registry.names(Device::kType)) {
    const qom::ObjectClass& c = registry.class_of(type);
    if (static_cast<const DeviceClass&>(c).category == Category::Cpu) continue;
    ASSERT_TRUE(s["$defs"].contains(type)) << type;
    const Json& definition = s["$defs"][type];
    EXPECT_EQ(definition["properties"]["type"]["const"], type);
    EXPECT_EQ(definition["additionalProperties"], false);
    for (const qom::Property& p : c.properties())
      EXPECT_EQ(definition["properties"].contains(p.name), !p.read_only && (p.set || p.set_link)) << type << p.name;
  }
}

TEST(BoardSchema, LimitsNumbersAndWordsAsThePropertyDoes) {
  const Json rtc = schema()["$defs"]["mc146818rtc"]["properties"];
  EXPECT_EQ(rtc["clock"]["anyOf"][0]["anyOf"][0]["enum"], (Json{"host", "vm"}));
  EXPECT_EQ(rtc["iobase"]["anyOf"][0]["anyOf"][0]["maximum"], 65535);
}

/// Every key of the boards that we ship is one that the schema knows: an editor would mark the others.
TEST(BoardSchema, CoversTheBoardsThatWeShip) {
  const Json s = schema();
  Faults faults;
  std::size_t devices = 0;
  for (const auto& entry : BoardCatalog({(test::source_dir() / "configs").string()}).list(faults)) {
    const ConfigTree tree = load_yaml(entry.file);
    for (const std::string& key : tree.root().keys()) EXPECT_TRUE(s["properties"].contains(key)) << key;
    for (const auto& [id, device] : tree["devices"].children()) {
      ++devices;
      const std::string type = device["type"].text();
      ASSERT_TRUE(s["$defs"].contains(type)) << entry.name << " " << id << " " << type;
      const Json& definition = s["$defs"][type];
      for (const std::string& key : device.keys())
        EXPECT_TRUE(definition["properties"].contains(key)) << entry.name << " " << id << " " << key;
    }
  }
  EXPECT_GT(devices, 20u);
  EXPECT_TRUE(faults.empty());
}

}  // namespace
}  // namespace machina
