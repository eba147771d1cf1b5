// VNC by the monitor; the server itself has a test of its own.

#include "core/display/vnc_display.h"
#include "tests/support/monitor_fixture.h"

namespace machina::test {
namespace {

class QmpVncTest : public MonitorTest {
 protected:
  QmpVncTest() { negotiate(); }
  ~QmpVncTest() override {
    const MachineLock::Guard guard(system().lock);
    for (VncDisplay* d : open_) d->close();
  }
  VncDisplay& add(const char* id, bool password) {
    const MachineLock::Guard guard(system().lock);
    auto& display = root_->add_new_child<VncDisplay>(id);
    VncSpec spec;
    spec.host = "127.0.0.1";
    spec.password = password;
    display.open(
        {system().loop, system().realtime, spec, "test", [] { return nullptr; }, [] { return nullptr; }, {}, {}});
    open_.push_back(&display);
    return display;
  }
  std::vector<VncDisplay*> open_;
};

TEST_F(QmpVncTest, IsAbsentUnlessAskedFor) {
  EXPECT_EQ(to_json(run("query-vnc")), R"({"enabled": false})");
  EXPECT_EQ(to_json(run("query-vnc-servers")), "[]");
  EXPECT_EQ(refusal_of("change-vnc-password", R"({"password": "x"})"), "DeviceNotActive: No VNC display is present");
}

TEST_F(QmpVncTest, TellsWhereClientsFindTheScreen) {
  const std::string port = add("vnc0", false).address().service;
  EXPECT_EQ(to_json(run("query-vnc")), R"({"enabled": true, "host": "127.0.0.1", "family": "ipv4", "service": ")" +
                                           port + R"(", "auth": "none", "clients": []})");
  EXPECT_EQ(to_json(run("query-vnc-servers")),
            R"([{"id": "vnc0", "server": [{"host": "127.0.0.1", "service": ")" + port +
                R"(", "family": "ipv4", "websocket": false, "auth": "none"}], "clients": [], "auth": "none"}])");
  EXPECT_EQ(refusal_of("set_password", R"({"protocol": "vnc", "password": "x"})"),
            "GenericError: VNC clients are not asked for a password (start with -vnc …,password=on)");
}

TEST_F(QmpVncTest, SetsPasswordsAndTheirEnds) {
  add("vnc0", true);
  add("vnc1", true);
  EXPECT_EQ(member(run("query-vnc"), "auth")->to_string(), "vnc");
  run("change-vnc-password", R"({"password": "x"})");
  run("set_password", R"({"protocol": "vnc", "password": "x", "display": "vnc1", "connected": "keep"})");
  for (const char* time : {"now", "never", "+60", "1700000000"})
    run("expire_password", fmt::format(R"({{"protocol": "vnc", "time": "{}"}})", time));
  EXPECT_EQ(refusal_of("expire_password", R"({"protocol": "vnc", "time": "soon"})"),
            "GenericError: Parameter 'time' expects 'now', 'never', '+SECONDS' or SECONDS, not 'soon'");
  EXPECT_EQ(refusal_of("set_password", R"({"protocol": "vnc", "password": "x", "connected": "fail"})"),
            "GenericError: Invalid parameter 'connected'");
  EXPECT_EQ(refusal_of("set_password", R"({"protocol": "vnc", "password": "x", "display": "vnc2"})"),
            "GenericError: Could not set password: there is no VNC server 'vnc2'");
}

}  // namespace
}  // namespace machina::test
