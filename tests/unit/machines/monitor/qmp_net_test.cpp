// Networks in the monitor, on the PC board: backends that come and go, cables, what cards let in.

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "hw/net/e1000_regs.h"
#include "machines/cli/launch.h"
#include "machines/monitor/human_command.h"
#include "machines/monitor/json_value.h"

namespace machina::test {
namespace {

using qom::Value;
using qom::ValueList;

class Session final : public MonitorSession {
 public:
  explicit Session(Machine& machine) : machine_(machine) {}
  Machine& machine() override { return machine_; }
  void later(std::int64_t, std::function<void()>) override {}

 private:
  Machine& machine_;
};

class QmpNetTest : public testing::Test {
 protected:
  QmpNetTest()
      : launch_(CommandLine::parse({"-M", "pc", "-accel", "qtest", "-S", "-nodefaults", "-display", "none", "-m", "8",
                                    "-netdev", "user,id=n0", "-device",
                                    "e1000,netdev=n0,id=c0,mac=52:54:00:00:00:01,addr=5", "-device",
                                    "ne2k_isa,id=c1,iobase=0x300,irq=9,mac=52:54:00:00:00:02"})),
        session_(launch_.machine()) {}

  Machine& machine() { return launch_.machine(); }
  /// The answer as JSON, or "Class: description".
  std::string run(std::string_view command, const std::string& arguments = "{}") {
    const MachineLock::Guard guard(machine().system().lock);
    const QmpCommand* declared = monitor_table().find(command);
    if (!declared) return "no such command";
    try {
      const Value answer = run_command(*declared, session_, parse_json(arguments));
      EXPECT_NO_THROW(check_value(*declared->return_type, answer, "return")) << to_json(answer);
      return to_json(answer);
    } catch (const QmpError& e) {
      return fmt::format("{}: {}", qmp_error_class_name(e.error_class), e.description);
    } catch (const Error& e) {
      return one_line(e);
    }
  }
  std::string type(std::string_view line) {
    const MachineLock::Guard guard(machine().system().lock);
    return run_human_command(session_, line);
  }
  Value filter_of(const std::string& card) {
    return std::get<ValueList>(parse_json(run("query-rx-filter", R"({"name": ")" + card + "\"}")).get()).at(0);
  }
  static std::string text(const Value& filter, std::string_view name) { return to_json(*member(filter, name)); }
  void out(unsigned port, unsigned width, std::uint32_t value) {
    const MachineLock::Guard guard(machine().system().lock);
    machine().system().io.store(port, width, value);
  }
  /// A register of the e1000, through the two ports that its second BAR has (IOADDR, IODATA).
  void e1000(unsigned offset, std::uint32_t value) {
    constexpr std::uint32_t kFunction = 0x80000000 | 5 << 11;
    out(0xcf8, 4, kFunction | 0x14), out(0xcfc, 4, 0xc000);
    out(0xcf8, 4, kFunction | 0x04), out(0xcfc, 2, 7);
    out(0xc000, 4, offset), out(0xc004, 4, value);
  }

  Launch launch_;
  Session session_;
};

TEST_F(QmpNetTest, BackendsComeAndGo) {
  EXPECT_EQ(run("netdev_add", R"({"type": "user", "id": "n1", "net": "10.7.0.0/24"})"), "{}");
  EXPECT_EQ(run("netdev_add", R"({"type": "user", "id": "n1"})"), "GenericError: Duplicate ID 'n1'");
  EXPECT_EQ(run("netdev_add", R"({"type": "foo", "id": "n2"})"),
            "GenericError: Parameter 'type' does not accept value 'foo'");
  EXPECT_EQ(run("netdev_add", R"({"id": "n2"})"), "GenericError: Parameter 'type' is missing");
  EXPECT_EQ(run("netdev_add", R"({"type": "user", "id": "n4", "foo": 1})"),
            "GenericError: Parameter 'foo' is unexpected");
  EXPECT_EQ(run("netdev_add", R"({"type": "user", "id": "n4", "net": "nonsense"})").find("no"), 0U);
  EXPECT_NE(type("info network").find("n1: index=0,type=user,net=10.7.0.0/24\n"), std::string::npos);
  EXPECT_EQ(type("info network").find("n4"), std::string::npos) << "what fails leaves nothing";
  EXPECT_EQ(run("netdev_del", R"({"id": "n1"})"), "{}");
  EXPECT_EQ(run("netdev_del", R"({"id": "n1"})"), "DeviceNotFound: Device 'n1' not found");
  EXPECT_EQ(run("netdev_del", R"({"id": "c0"})"), "DeviceNotFound: Device 'c0' not found");
}

TEST_F(QmpNetTest, PortsOfTheHostAreForwarded) {
  EXPECT_EQ(run("netdev_add", R"({"type": "user", "id": "n1", "hostfwd": [{"str": "tcp:127.0.0.1:0-:22"},
                                  {"str": "udp:127.0.0.1:0-:53"}]})"),
            "{}");
  const std::string connections = type("info usernet");
  EXPECT_NE(connections.find("n1:\n"), std::string::npos) << connections;
  EXPECT_NE(connections.find("TCP[HOST_FORWARD]"), std::string::npos) << connections;
  EXPECT_NE(connections.find("UDP[HOST_FORWARD]"), std::string::npos) << connections;
}

TEST_F(QmpNetTest, ACardOutlivesItsNetwork) {
  const std::string file = (std::filesystem::path(testing::TempDir()) / "qmp-net.pcap").string();
  EXPECT_EQ(run("object-add", R"({"qom-type": "filter-dump", "id": "d0", "netdev": "n0", "file": ")" + file + "\"}"),
            "{}");
  const std::string before = type("info network");
  EXPECT_NE(before.find("c0: index=0,type=nic,model=e1000,macaddr=52:54:00:00:00:01\n"
                        " \\ n0: index=0,type=user,net=10.0.2.0/24\n"),
            std::string::npos)
      << before;
  EXPECT_NE(before.find("filter d0: type=filter-dump,file=" + file + ",maxlen=65536\n"), std::string::npos) << before;
  EXPECT_NE(before.find("c1: index=0,type=nic,model=ne2k_isa,macaddr=52:54:00:00:00:02\n"), std::string::npos);

  EXPECT_EQ(run("netdev_del", R"({"id": "n0"})"), "{}");
  EXPECT_EQ(type("info network"),
            "c0: index=0,type=nic,model=e1000,macaddr=52:54:00:00:00:01\n"
            "c1: index=0,type=nic,model=ne2k_isa,macaddr=52:54:00:00:00:02\n");
  EXPECT_EQ(run("object-del", R"({"id": "d0"})"), "GenericError: object 'd0' not found") << "went with the backend";
  EXPECT_EQ(run("netdev_add", R"({"type": "user", "id": "n0"})"), "{}") << "its name is free";
  std::filesystem::remove(file);
}

TEST_F(QmpNetTest, CablesArePulled) {
  EXPECT_EQ(run("set_link", R"({"name": "c0", "up": false})"), "{}");
  EXPECT_NE(type("info network").find("net=10.0.2.0/24,link=off\n"), std::string::npos);
  EXPECT_EQ(run("set_link", R"({"name": "n0", "up": true})"), "{}");
  EXPECT_EQ(type("info network").find("link=off"), std::string::npos);
  EXPECT_EQ(type("set_link c0 off"), "");
  EXPECT_NE(type("info network").find("link=off"), std::string::npos);
  EXPECT_EQ(run("set_link", R"({"name": "nobody", "up": true})"), "DeviceNotFound: Device 'nobody' not found");
  EXPECT_EQ(run("set_link", R"({"name": "c1", "up": true})"), "GenericError: 'c1' is connected to no network");
}

TEST_F(QmpNetTest, FiltersAreTheDriversRegisters) {
  using namespace e1000;
  EXPECT_EQ(run("query-rx-filter", R"({"name": "n0"})"), "GenericError: net client(n0) isn't a NIC");
  EXPECT_EQ(run("query-rx-filter", R"({"name": "x"})"), "GenericError: invalid net client name: x");
  EXPECT_EQ(std::get<ValueList>(parse_json(run("query-rx-filter")).get()).size(), 2U);

  Value f = filter_of("c0");
  EXPECT_EQ(text(f, "main-mac"), R"("52:54:00:00:00:01")");
  EXPECT_EQ(text(f, "promiscuous"), "false");
  EXPECT_EQ(text(f, "multicast"), R"("none")");
  EXPECT_EQ(text(f, "vlan"), R"("all")");
  EXPECT_EQ(text(f, "unicast-table"), "[]");

  QmpNetTest::e1000(kRa + 8, 0x03020100 + 0x00010002), QmpNetTest::e1000(kRa + 12, 1U << 31 | 0x0504);
  QmpNetTest::e1000(kMta + 4, 1 << 3);
  QmpNetTest::e1000(kVfta, 1 << 7), QmpNetTest::e1000(kVfta + 4 * 127, 1U << 31);
  QmpNetTest::e1000(kRctl, kRctlBam | kRctlVfe);
  f = filter_of("c0");
  EXPECT_EQ(text(f, "unicast-table"), R"(["02:01:03:03:04:05"])");
  EXPECT_EQ(text(f, "unicast"), R"("normal")");
  EXPECT_EQ(text(f, "multicast"), R"("normal")");
  EXPECT_EQ(text(f, "multicast-overflow"), "true");
  EXPECT_EQ(text(f, "broadcast-allowed"), "true");
  EXPECT_EQ(text(f, "vlan"), R"("normal")");
  EXPECT_EQ(text(f, "vlan-table"), "[7, 4095]");
  QmpNetTest::e1000(kRctl, kRctlUpe | kRctlMpe);
  f = filter_of("c0");
  EXPECT_EQ(text(f, "promiscuous"), "true");
  EXPECT_EQ(text(f, "unicast"), R"("all")");
  EXPECT_EQ(text(f, "multicast"), R"("all")");
  EXPECT_EQ(text(f, "broadcast-allowed"), "false");

  // The NE2000: page 1 has the address and the hash, page 0 the receive configuration.
  out(0x300, 1, 0x61);
  for (unsigned i = 0; i < 6; ++i) out(0x301 + i, 1, 0x10 + 2 * i);
  out(0x308, 1, 0x80);
  out(0x300, 1, 0x21);
  out(0x30c, 1, 0x0c);
  f = filter_of("c1");
  EXPECT_EQ(text(f, "main-mac"), R"("10:12:14:16:18:1a")");
  EXPECT_EQ(text(f, "multicast"), R"("normal")");
  EXPECT_EQ(text(f, "broadcast-allowed"), "true");
  out(0x30c, 1, 0x10);
  f = filter_of("c1");
  EXPECT_EQ(text(f, "multicast"), R"("none")");
  EXPECT_EQ(text(f, "promiscuous"), "true");
}

TEST_F(QmpNetTest, DescriptorsAreNamed) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  const OwnedFd theirs(ends[1]);
  session_.named_fds()["peer"] = OwnedFd(ends[0]);
  EXPECT_EQ(run("netdev_add", R"({"type": "socket", "id": "s", "fd": "nobody"})"),
            "GenericError: File descriptor named 'nobody' has not been found");
  EXPECT_EQ(run("netdev_add", R"({"type": "socket", "id": "s", "fd": "peer"})"), "{}");
  EXPECT_TRUE(session_.named_fds().empty()) << "its backend has it";
  char byte;
  EXPECT_EQ(recv(theirs.get(), &byte, 1, MSG_DONTWAIT), -1) << "open";
  EXPECT_EQ(run("netdev_del", R"({"id": "s"})"), "{}");
  EXPECT_EQ(recv(theirs.get(), &byte, 1, MSG_DONTWAIT), 0) << "closed";
  EXPECT_EQ(run("netdev_add", R"({"type": "tap", "id": "t", "fds": "a:b"})"),
            "GenericError: a card here has one queue: give one descriptor");
}

TEST_F(QmpNetTest, PeopleTypeThemAsOptions) {
  EXPECT_EQ(type("netdev_add user,id=h1,net=10.8.0.0/24"), "");
  EXPECT_NE(type("info network").find("h1: index=0,type=user,net=10.8.0.0/24\n"), std::string::npos);
  EXPECT_NE(type("netdev_add user").find("Parameter 'id' is missing"), std::string::npos);
  EXPECT_EQ(type("netdev_del h1"), "");
  EXPECT_EQ(type("info network").find("h1"), std::string::npos);
}

}  // namespace
}  // namespace machina::test
