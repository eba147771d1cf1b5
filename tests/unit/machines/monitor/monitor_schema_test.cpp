#include "machines/monitor/monitor_schema.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "core/error.h"
#include "machines/monitor/json_value.h"
#include "machines/monitor/qmp_command.h"
#include "tests/support/test_paths.h"

namespace machina {
namespace {

using qom::Value;
using qom::ValueList;

/// What is wrong with a value, in the monitor's words; empty when nothing is.
std::string fault(const SchemaType& type, std::string_view json) {
  try {
    check_members(type, parse_json(json));
  } catch (const QmpError& e) {
    return e.description;
  }
  return {};
}

TEST(MonitorSchema, ChecksWhatIsDeclared) {
  MonitorSchema schema;
  schema.define(R"(
    enum Colour { red, green }
    struct Point { x: int, *y: int }
    union Shape { kind: ShapeKind, *name: str } by kind { dot: Point, none: Nothing }
    enum ShapeKind { dot, none, line }
    struct Nothing {}
    alternate PointOrName { Point, str, null }
  )");
  const SchemaType& t = schema.object("args",
                                      "*colour: Colour, *points: [[Point]], *shape: Shape, *size: uint64, "
                                      "*ratio: number, *on: bool, *where: PointOrName, *what: any");
  EXPECT_TRUE(schema.undefined().empty());
  EXPECT_EQ(fault(t, "{}"), "");
  EXPECT_EQ(fault(t, R"({"colour": "red", "points": [[], [{"x": -1}]], "size": 18446744073709551615})"), "");
  EXPECT_EQ(fault(t, R"({"colour": "blue"})"), "Parameter 'colour' does not accept value 'blue'");
  EXPECT_EQ(fault(t, R"({"colour": 1})"), "Invalid parameter type for 'colour', expected: string");
  EXPECT_EQ(fault(t, R"({"points": [[{"y": 1}]]})"), "Parameter 'points[0][0].x' is missing");
  EXPECT_EQ(fault(t, R"({"points": [[{"x": 1, "z": 1}]]})"), "Parameter 'points[0][0].z' is unexpected");
  EXPECT_EQ(fault(t, R"({"points": {}})"), "Invalid parameter type for 'points', expected: array");
  EXPECT_EQ(fault(t, R"({"points": [[{"x": 9223372036854775808}]]})"),
            "Invalid parameter type for 'points[0][0].x', expected: integer");
  EXPECT_EQ(fault(t, R"({"size": "1"})"), "Invalid parameter type for 'size', expected: uint64");
  EXPECT_EQ(fault(t, R"({"size": 1.0})"), "Invalid parameter type for 'size', expected: uint64");
  EXPECT_EQ(fault(t, R"({"ratio": 1, "on": false, "what": [null]})"), "");
  EXPECT_EQ(fault(t, R"({"on": 1})"), "Invalid parameter type for 'on', expected: boolean");
  EXPECT_EQ(fault(t, R"({"shape": {"kind": "dot", "x": 1, "name": "p"}})"), "");
  EXPECT_EQ(fault(t, R"({"shape": {"kind": "dot"}})"), "Parameter 'shape.x' is missing");
  EXPECT_EQ(fault(t, R"({"shape": {"kind": "none", "x": 1}})"), "Parameter 'shape.x' is unexpected");
  EXPECT_EQ(fault(t, R"({"shape": {"kind": "line"}})"), "") << "a case without members of its own";
  EXPECT_EQ(fault(t, R"({"shape": {}})"), "Parameter 'shape.kind' is missing");
  EXPECT_EQ(fault(t, R"({"where": null})"), "");
  EXPECT_EQ(fault(t, R"({"where": {"x": 1}})"), "");
  EXPECT_EQ(fault(t, R"({"where": {}})"), "Parameter 'where.x' is missing");
  EXPECT_EQ(fault(t, R"({"where": 1})"), "Invalid parameter type for 'where', expected: PointOrName");
}

TEST(MonitorSchema, OpenObjectsTakeMore) {
  MonitorSchema schema;
  const SchemaType& t = schema.object("args", "driver: str, ...");
  EXPECT_EQ(fault(t, R"({"driver": "x", "anything": [1]})"), "");
  EXPECT_EQ(fault(t, R"({"anything": 1})"), "Parameter 'driver' is missing");
}

TEST(MonitorSchema, MistakesInDefinitionsAreFound) {
  for (const char* text : {"enum", "enum A", "enum A { x", "struct A { x }", "struct A { x: }", "thing A { }",
                           "union A { x: int } { }", "struct A { x: int } }", "struct A { , x: int }"}) {
    MonitorSchema schema;
    EXPECT_THROW(schema.define(text), Error) << text;
  }
  MonitorSchema schema;
  schema.define("struct A { b: [B] }");
  EXPECT_EQ(schema.undefined(), std::vector<std::string>{"B"});
  EXPECT_THROW(schema.define("struct A { }"), Error) << "twice";
}

TEST(MonitorTable, EveryTypeIsDefinedAndEveryCommandExplained) {
  const MonitorTable& table = monitor_table();
  EXPECT_EQ(table.schema.undefined(), std::vector<std::string>{});
  EXPECT_GT(table.commands().size(), 60U);
  for (const QmpCommand& c : table.commands()) {
    EXPECT_TRUE(c.run) << c.name;
    EXPECT_FALSE(c.doc.empty()) << c.name;
    EXPECT_FALSE(c.family.empty()) << c.name;
  }
  for (const MonitorEvent& e : table.events()) EXPECT_FALSE(e.doc.empty()) << e.name;
}

/// Names that the introspection uses, all of which must be explained in it.
TEST(MonitorTable, IntrospectionIsClosed) {
  const Value schema = schema_introspection(monitor_table());
  EXPECT_NO_THROW(check_value(*monitor_table().find("query-qmp-schema")->return_type, schema, "return"));
  std::set<std::string> explained, used;
  for (const Value& info : std::get<ValueList>(schema.get())) {
    EXPECT_TRUE(explained.insert(member(info, "name")->to_string()).second) << to_json(info);
    for (const char* key : {"arg-type", "ret-type", "element-type"})
      if (const Value* name = member(info, key)) used.insert(name->to_string());
    const Value* members = member(info, "members");
    const bool has_types = members && member(info, "meta-type")->to_string() != "enum";
    if (has_types)
      for (const Value& m : std::get<ValueList>(members->get())) used.insert(member(m, "type")->to_string());
    if (const Value* variants = member(info, "variants"))
      for (const Value& v : std::get<ValueList>(variants->get())) used.insert(member(v, "type")->to_string());
  }
  for (const std::string& name : used) EXPECT_TRUE(explained.contains(name)) << name;
  EXPECT_FALSE(explained.contains("uint64")) << "clients know int alone";
}

/// With MACHINA_UPDATE_DOCS=1 the page is written anew instead.
TEST(MonitorDocs, ThePageIsTheDeclarations) {
  const auto page = test::source_dir() / "docs/monitor-commands.md";
  std::ostringstream text;
  text << std::ifstream(page).rdbuf();
  const std::string marker = "<!-- From here on this page is made from the declarations in machines/monitor/. -->\n";
  const std::size_t at = text.str().find(marker);
  ASSERT_NE(at, std::string::npos);
  const std::string whole = text.str().substr(0, at) + marker + monitor_commands_markdown(monitor_table());
  if (std::getenv("MACHINA_UPDATE_DOCS")) std::ofstream(page) << whole;
  EXPECT_TRUE(text.str() == whole || std::getenv("MACHINA_UPDATE_DOCS"))
      << "run this test with MACHINA_UPDATE_DOCS=1 to write docs/monitor-commands.md anew";
}

}  // namespace
}  // namespace machina
