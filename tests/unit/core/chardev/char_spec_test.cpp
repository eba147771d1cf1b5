#include "core/chardev/char_spec.h"

#include <gtest/gtest.h>

#include "qom/error.h"

namespace machina {
namespace {

using Kind = CharSpec::Kind;
using Properties = std::vector<std::pair<std::string, std::string>>;

TEST(CharSpec, PlainForms) {
  EXPECT_EQ(parse_char_spec("none").kind, Kind::None);
  for (const char* form : {"null", "stdio", "pty", "ringbuf"}) {
    const CharSpec s = parse_char_spec(form);
    EXPECT_EQ(s.kind, Kind::Create);
    EXPECT_EQ(s.type, std::string("chardev-") + form);
    EXPECT_TRUE(s.properties.empty());
  }
  const CharSpec existing = parse_char_spec("chardev:ser,0");
  EXPECT_EQ(existing.kind, Kind::Existing);
  EXPECT_EQ(existing.id, "ser,0");
}

TEST(CharSpec, Paths) {
  const CharSpec file = parse_char_spec("file:/tmp/a:b,,c,append=on");
  EXPECT_EQ(file.type, "chardev-file");
  EXPECT_EQ(file.properties, (Properties{{"path", "/tmp/a:b,c"}, {"append", "on"}}));
  const CharSpec pipe = parse_char_spec("pipe:/tmp/p");
  EXPECT_EQ(pipe.type, "chardev-pipe");
  EXPECT_EQ(pipe.properties, (Properties{{"path", "/tmp/p"}}));
}

TEST(CharSpec, Sockets) {
  EXPECT_EQ(parse_char_spec("unix:/tmp/q,server=on,wait=off").properties,
            (Properties{{"path", "/tmp/q"}, {"server", "on"}, {"wait", "off"}}));
  EXPECT_EQ(parse_char_spec("unix:/tmp/q,server,nowait").properties,
            (Properties{{"path", "/tmp/q"}, {"server", "on"}, {"wait", "off"}}));
  EXPECT_EQ(parse_char_spec("tcp:localhost:4444").properties, (Properties{{"host", "localhost"}, {"port", "4444"}}));
  EXPECT_EQ(parse_char_spec("tcp::4444,server").properties, (Properties{{"port", "4444"}, {"server", "on"}}));
  EXPECT_EQ(parse_char_spec("tcp:[::1]:0,server=on,nodelay").properties,
            (Properties{{"host", "::1"}, {"port", "0"}, {"server", "on"}, {"nodelay", "on"}}));
  EXPECT_EQ(parse_char_spec("tcp:h:1,reconnect=5").properties,
            (Properties{{"host", "h"}, {"port", "1"}, {"reconnect", "5"}}));
}

TEST(CharSpec, MistakesAreNamed) {
  const auto refusal = [](const char* text) -> std::string {
    try {
      parse_char_spec(text);
    } catch (const Error& e) {
      return e.what();
    }
    return "accepted";
  };
  const auto expect = [&](const char* text, const char* part) {
    EXPECT_NE(refusal(text).find(part), std::string::npos) << text << ": " << refusal(text);
  };
  expect("", "no such character backend");
  expect("stdoi", "stdio");
  expect("/dev/ttyS0", "file:PATH");
  expect("file:", "needs a path");
  expect("unix:", "needs a path");
  expect("unix:,server=on", "needs a path");
  expect("tcp:localhost", "has no port");
  expect("tcp:localhost:", "has no port");
  expect("tcp:[::1]", "has no port");
  expect("chardev:", "names no character backend");
  expect("mon:", "mon:stdio");
  expect("mon:none", "mon:stdio");
  expect("mon:mon:stdio", "mon:stdio");
  expect("null:x", "takes nothing after it");
  expect("unix:/tmp/q,sever=on", "server");
  expect("unix:/tmp/q,server=maybe", "maybe");
  expect("tcp:h:1,reconnect", "needs a value");
  expect("unix:/tmp/q,connected=on", "has no option");
  expect("stdio,append=on", "'stdio' has no option 'append'");
}

TEST(CharSpec, AMonitorMayShare) {
  const CharSpec plain = parse_char_spec("stdio");
  EXPECT_FALSE(plain.with_monitor);
  const CharSpec shared = parse_char_spec("mon:stdio");
  EXPECT_TRUE(shared.with_monitor);
  EXPECT_EQ(shared.type, "chardev-stdio");
  ASSERT_EQ(shared.properties.size(), 1U) << "Ctrl-C is for the guest";
  EXPECT_EQ(shared.properties[0].first, "signal");
  EXPECT_EQ(shared.properties[0].second, "off");
  EXPECT_EQ(parse_char_spec("mon:stdio,signal=on").properties.size(), 1U) << "unless it is said otherwise";
  const CharSpec existing = parse_char_spec("mon:chardev:c");
  EXPECT_TRUE(existing.with_monitor);
  EXPECT_EQ(existing.id, "c");
}

}  // namespace
}  // namespace machina
