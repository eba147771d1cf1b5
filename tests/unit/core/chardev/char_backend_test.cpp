#include "core/chardev/char_backend.h"

#include "core/chardev/char_ringbuf.h"
#include "tests/unit/core/chardev/chardev_fixture.h"

namespace machina {
namespace {

using test::ChardevTest;
using test::NotingFrontend;

TEST_F(ChardevTest, EveryBackendTypeIsDocumentedAndUserCreatable) {
  const auto names = qom::TypeRegistry::global().names(CharBackend::kType);
  for (const char* type : {"chardev-null", "chardev-file", "chardev-pipe", "chardev-stdio", "chardev-pty",
                           "chardev-socket", "chardev-ringbuf"})
    EXPECT_NE(std::find(names.begin(), names.end(), type), names.end()) << type;
  for (const auto& name : names) {
    const qom::ObjectClass& c = qom::TypeRegistry::global().class_of(name);
    EXPECT_EQ(c.user_creatable, name != "chardev-mux-port") << name;  // a port is made by its mux
    EXPECT_FALSE(c.description.empty()) << name;
    for (const auto& p : c.properties()) EXPECT_FALSE(p.description.empty()) << name << "." << p.name;
  }
}

TEST_F(ChardevTest, OneFrontEndAtATime) {
  const auto chr = realize("chardev-null");
  NotingFrontend other;
  chr->attach(&front);
  EXPECT_EQ(front.events, (std::vector<std::string>{"opened"}));
  chr->attach(&front);  // the same one again is no change
  EXPECT_EQ(front.events.size(), 1U);
  EXPECT_THROW(chr->attach(&other), Error);
  EXPECT_EQ(chr->frontend(), &front);
  chr->attach(nullptr);
  chr->attach(&other);
  EXPECT_EQ(chr->frontend(), &other);
}

TEST_F(ChardevTest, NullTakesAll) {
  const auto chr = realize("chardev-null");
  EXPECT_EQ(write(*chr, std::string(1'000'000, 'x')), 1'000'000U);
  EXPECT_EQ(chr->description(), "null");
}

TEST_F(ChardevTest, LogfileGetsWhatIsWrittenAndReceived) {
  {
    std::ofstream(path("in")) << "from host";
    const auto chr =
        realize("chardev-file", {{"path", path("out")}, {"input-path", path("in")}, {"logfile", path("log")}});
    chr->attach(&front);
    write(*chr, "from guest ");
    expect_soon([&] { return front.got == "from host"; });
    qom::unrealize_tree(*chr);
  }
  EXPECT_EQ(content(path("log")), "from guest from host");
  const auto again = realize("chardev-null", {{"logfile", path("log")}, {"logappend", "on"}});
  write(*again, "!");
  EXPECT_EQ(content(path("log")), "from guest from host!");
  const std::string refused = refusal("chardev-null", {{"logfile", dir}});
  EXPECT_NE(refused.find("cannot write logfile"), std::string::npos) << refused;
}

TEST_F(ChardevTest, RingbufKeepsTheLastBytes) {
  const auto chr = realize<CharRingbuf>("chardev-ringbuf", {{"size", "8"}});
  EXPECT_EQ(write(*chr, "abc"), 3U);
  EXPECT_EQ(chr->count(), 3U);
  EXPECT_EQ(write(*chr, "defghijkl"), 9U);
  EXPECT_EQ(chr->count(), 8U);
  const auto text = [](const std::vector<std::byte>& v) {
    return std::string(reinterpret_cast<const char*>(v.data()), v.size());
  };
  EXPECT_EQ(text(chr->read(3)), "efg");
  write(*chr, "m");
  EXPECT_EQ(text(chr->read(100)), "hijklm");
  EXPECT_EQ(chr->read(100).size(), 0U);
}

TEST_F(ChardevTest, RingbufSizeMustBeAPowerOfTwo) {
  const std::string refused = refusal("chardev-ringbuf", {{"size", "1000"}});
  EXPECT_NE(refused.find("power of two"), std::string::npos) << refused;
  EXPECT_NE(refused.find("1K"), std::string::npos) << refused;
  EXPECT_NE(refusal("chardev-ringbuf", {{"size", "0"}}), "");
}

}  // namespace
}  // namespace machina
