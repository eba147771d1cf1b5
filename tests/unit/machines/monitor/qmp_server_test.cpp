// QMP, against QEMU's description of its machine protocol (qmp-spec) and of each command (its schema).

#include "machines/monitor/qmp_server.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "core/block/block_backend.h"
#include "tests/support/monitor_fixture.h"
#include "tests/support/test_paths.h"

namespace machina::test {
namespace {

class QmpServerTest : public MonitorTest {};

// --- the connection
// ---------------------------------------------------------------------------------------------------

TEST_F(QmpServerTest, GreetsAndNegotiates) {
  const std::vector<Value> greeting = client_->receive();
  ASSERT_EQ(greeting.size(), 1U);
  const Value* qmp = member(greeting[0], "QMP");
  ASSERT_TRUE(qmp);
  EXPECT_EQ(to_json(*member(*qmp, "capabilities")), "[]");
  for (const char* part : {"major", "minor", "micro"})
    EXPECT_TRUE(member(*member(*member(*qmp, "version"), "qemu"), part)->get_if<std::int64_t>());

  const std::string expecting = "CommandNotFound: Expecting capabilities negotiation with 'qmp_capabilities'";
  EXPECT_EQ(refusal(R"({"execute": "query-status"})"), expecting);
  EXPECT_EQ(refusal(R"({"execute": "no-such-command"})"), expecting);
  EXPECT_EQ(refusal_of("qmp_capabilities", R"({"enable": ["oob"]})"), "GenericError: Capability oob not available");
  EXPECT_EQ(refusal_of("qmp_capabilities", R"({"enable": ["x"]})"),
            "GenericError: Parameter 'null' does not accept value 'x'");
  EXPECT_EQ(refusal_of("qmp_capabilities", R"({"enable": [1]})"),
            "GenericError: Invalid parameter type for 'enable[0]', expected: string");
  EXPECT_EQ(to_json(client_->ask(R"({"execute": "qmp_capabilities", "arguments": {"enable": []}})")),
            R"({"return": {}})");
  EXPECT_EQ(refusal(R"({"execute": "qmp_capabilities"})"),
            "CommandNotFound: Capabilities negotiation is already complete, command ignored");
}

TEST_F(QmpServerTest, IdsComeBackWhateverTheyAre) {
  negotiate();
  for (const char* id : {"1", "\"x\"", "null", "[1, {\"a\": 2.5}]", "{}"}) {
    const Value answer = client_->ask(fmt::format(R"({{"execute": "query-kvm", "id": {}}})", id));
    ASSERT_TRUE(member(answer, "id"));
    EXPECT_EQ(to_json(*member(answer, "id")), id);
    EXPECT_TRUE(member(answer, "return"));
    const Value refused = client_->ask(fmt::format(R"({{"execute": "nonsense", "id": {}}})", id));
    EXPECT_EQ(to_json(*member(refused, "id")), id);
  }
  EXPECT_FALSE(member(client_->ask(R"({"execute": "query-kvm"})"), "id"));
}

TEST_F(QmpServerTest, MalformedRequestsSayWhatIsWrong) {
  negotiate();
  const std::pair<const char*, const char*> kCases[] = {
      {"[1]", "GenericError: QMP input must be a JSON object"},
      {"{}", "GenericError: QMP input lacks member 'execute'"},
      {R"({"execute": 1})", "GenericError: QMP input member 'execute' must be a string"},
      {R"({"execute": "stop", "arguments": []})", "GenericError: QMP input member 'arguments' must be an object"},
      {R"({"execute": "stop", "argument": {}})", "GenericError: QMP input member 'argument' is unexpected"},
      {R"({"exec-oob": "stop"})", "GenericError: QMP input member 'exec-oob' is unexpected"},
      {R"({"execute": "Stop"})", "CommandNotFound: The command Stop has not been found"},
      {R"({"execute": "stop", "execute": "stop"})", "GenericError: JSON parse error, duplicate key 'execute'"},
      {"nonsense\n", "GenericError: JSON parse error, expecting an object"},
      {R"({"execute": "stop", "arguments": {"x": 1}})", "GenericError: Parameter 'x' is unexpected"},
      {R"({"execute": "qom-get", "arguments": {"path": "/"}})", "GenericError: Parameter 'property' is missing"},
      {R"({"execute": "qom-get", "arguments": {"path": 1, "property": "x"}})",
       "GenericError: Invalid parameter type for 'path', expected: string"},
      {R"({"execute": "qom-list-types", "arguments": {"abstract": "x"}})",
       "GenericError: Invalid parameter type for 'abstract', expected: boolean"},
      {R"({"execute": "ringbuf-read", "arguments": {"device": "ring", "size": 1.5}})",
       "GenericError: Invalid parameter type for 'size', expected: integer"},
      {R"({"execute": "send-key", "arguments": {"keys": "ret"}})",
       "GenericError: Invalid parameter type for 'keys', expected: array"},
  };
  for (const auto& [message, expected] : kCases) EXPECT_EQ(refusal(message), expected) << message;
  EXPECT_TRUE(refusal(R"({"execute" "stop"})").starts_with("GenericError: JSON parse error at byte "));
  EXPECT_EQ(machine_->run_state(), RunState::Prelaunch);
}

TEST_F(QmpServerTest, CommandsMayBePipelinedAndCut) {
  client_->receive();
  const std::string_view all =
      R"({"execute": "qmp_capabilities"}{"execute": "query-status", "id": 1} {"execute": "nonsense", "id": 2})"
      "\r\n{\"execute\"\n: \"query-name\", \"id\": 3}";
  client_->send(all);
  EXPECT_EQ(client_->receive().size(), 4U);
  for (const char c : all.substr(all.find("}{") + 1)) client_->send({&c, 1});
  const std::vector<Value> answers = client_->receive();
  ASSERT_EQ(answers.size(), 3U);
  for (std::int64_t i = 0; i < 3; ++i) EXPECT_EQ(*member(answers[static_cast<std::size_t>(i)], "id"), Value(i + 1));
}

TEST_F(QmpServerTest, ANewClientStartsAnew) {
  negotiate();
  client_->send(R"({"execute": "query-st)");
  client_->chardev->frontend()->event(CharFrontend::Event::Closed);
  EXPECT_TRUE(client_->receive().empty());
  client_->chardev->frontend()->event(CharFrontend::Event::Opened);
  ASSERT_EQ(client_->receive().size(), 1U) << "the greeting";
  EXPECT_EQ(refusal(R"({"execute": "query-status"})"),
            "CommandNotFound: Expecting capabilities negotiation with 'qmp_capabilities'");
}

TEST_F(QmpServerTest, SeveralMonitorsAreIndependentAndAllHearEvents) {
  negotiate();
  Client other(*root_, system(), "qmp1");
  Client silent(*root_, system(), "qmp2");
  other.receive(), silent.receive();
  other.ask(R"({"execute": "qmp_capabilities"})");
  run("cont");
  other.receive_events(), silent.receive_events();
  EXPECT_EQ(client_->events, std::vector<std::string>{"RESUME"});
  EXPECT_EQ(other.events, std::vector<std::string>{"RESUME"});
  EXPECT_TRUE(silent.events.empty()) << "not negotiated";
  const MachineLock::Guard guard(system().lock);
  root_->remove_child(*other.server);
  root_->remove_child(*silent.server);
}

TEST_F(QmpServerTest, AClientThatDoesNotReadIsNotServed) {
  negotiate();
  client_->chardev->allow(0);
  std::string many;
  for (int i = 0; i < 2'000; ++i) many += R"({"execute": "qom-list-types"})" + std::string(60, ' ');
  client_->send(many);
  EXPECT_GT(client_->chardev->queued(), 0U) << "its commands wait at its own end";
  client_->chardev->allow(200'000);
  EXPECT_GT(client_->chardev->queued(), 0U);
  EXPECT_LE(client_->chardev->written.size(), 200'000U);
  client_->chardev->allow(std::numeric_limits<std::size_t>::max());
  EXPECT_EQ(client_->chardev->queued(), 0U);
  EXPECT_EQ(client_->receive().size(), 2'000U) << "none is lost";
}

TEST_F(QmpServerTest, EventsNobodyReadsAreDroppedAndCounted) {
  negotiate();
  client_->chardev->allow(0);
  const MachineLock::Guard guard(system().lock);
  for (int i = 0; i < 10'000; ++i) machine_->start(), machine_->stop();
  EXPECT_GT(client_->server->dropped_events(), 0U);
  EXPECT_EQ(client_->server->get("dropped-events"), Value(client_->server->dropped_events()));
  client_->chardev->allow(std::numeric_limits<std::size_t>::max());
  EXPECT_LE(client_->chardev->written.size(), QmpServer::kOutputLimit + 1024);
  EXPECT_EQ(client_->receive().size() + client_->server->dropped_events(), 20'000U);
  EXPECT_EQ(std::count_if(logged_.begin(), logged_.end(),
                          [](const std::string& l) { return l.find("events are dropped") != std::string::npos; }),
            1);
}

TEST_F(QmpServerTest, SurvivesAnything) {
  negotiate();
  std::mt19937 random(11);  // NOLINT: the same in each run
  const auto below = [&](std::size_t n) { return random() % n; };
  const std::string_view values[] = {
      "1",           "-1",           "null",      "\"\"",
      "\"/\"",       "\"/machine\"", "\"panel\"", "\"ring\"",
      "[]",          "{}",           "1e300",     "18446744073709551615",
      "true",        "\"device\"",   "\"speed\"", "[{\"type\": \"qcode\", \"data\": \"a\"}]",
      "\"\\u0000\"", "\"\xc3\"",     "@"};
  const auto& commands = monitor_table().commands();
  for (int round = 0; round < 20'000; ++round) {
    const QmpCommand& command = commands[below(commands.size())];
    if (command.argument_type->member("filename")) continue;  // writes where it is told to
    std::string arguments;
    for (const SchemaType::Member& a : command.argument_type->members) {
      if (below(4) == 0) continue;
      arguments += fmt::format("{}\"{}\": {}", arguments.empty() ? "" : ", ", a.name, values[below(std::size(values))]);
    }
    std::string message = fmt::format(R"({{"execute": "{}", "arguments": {{{}}}, "id": {}}})", command.name, arguments,
                                      values[below(std::size(values))]);
    if (below(5) == 0) message[below(message.size())] = static_cast<char>(below(256));
    client_->send(message + "\xff\n");
    for (const Value& m : client_->receive())
      EXPECT_TRUE(member(m, "return") || member(m, "error") || member(m, "event")) << message;
  }
  system().loop.poll();
  client_->receive();
  EXPECT_EQ(to_json(run("query-kvm")), R"({"enabled": false, "present": true})");
}

// --- the machine
// ------------------------------------------------------------------------------------------------------

TEST_F(QmpServerTest, RunStateFollowsStopAndCont) {
  negotiate();
  EXPECT_EQ(to_json(run("query-status")), R"({"running": false, "singlestep": false, "status": "prelaunch"})");
  run("stop");
  EXPECT_EQ(machine_->run_state(), RunState::Prelaunch) << "it did not run";
  run("cont"), run("cont");
  EXPECT_EQ(to_json(run("query-status")), R"({"running": true, "singlestep": false, "status": "running"})");
  run("stop"), run("stop");
  EXPECT_EQ(to_json(run("query-status")), R"({"running": false, "singlestep": false, "status": "paused"})");
  EXPECT_EQ(client_->events, (std::vector<std::string>{"RESUME", "STOP"}));
  const Value& stamp = *member(client_->event_messages[0], "timestamp");
  EXPECT_GT(std::get<std::int64_t>(member(stamp, "seconds")->get()), 1'700'000'000);
  EXPECT_LT(std::get<std::int64_t>(member(stamp, "microseconds")->get()), 1'000'000);
}

TEST_F(QmpServerTest, ContIsRefusedWhereOnlyAResetHelps) {
  negotiate();
  {
    const MachineLock::Guard guard(system().lock);
    machine_->start();
    machine_->stop(RunState::InternalError);
  }
  client_->receive();
  EXPECT_EQ(refusal_of("cont", "{}"),
            "GenericError: the machine must be reset before it can run: its state is internal-error");
  run("system_reset");
  settle();
  run("cont");
  EXPECT_EQ(machine_->run_state(), RunState::Running);
}

TEST_F(QmpServerTest, ResetPowerdownAndQuitAreEvents) {
  negotiate();
  run("system_reset");
  settle();
  run("system_powerdown");
  EXPECT_EQ(panel_->presses, 1);
  run("quit");
  settle();
  EXPECT_EQ(client_->events, (std::vector<std::string>{"RESET", "POWERDOWN", "SHUTDOWN"}));
  EXPECT_EQ(to_json(*member(client_->event_messages[0], "data")),
            R"({"guest": false, "reason": "host-qmp-system-reset"})");
  EXPECT_FALSE(member(client_->event_messages[1], "data"));
  EXPECT_EQ(to_json(*member(client_->event_messages[2], "data")), R"({"guest": false, "reason": "host-qmp-quit"})");
  EXPECT_EQ(machine_->run_state(), RunState::Shutdown);
}

TEST_F(QmpServerTest, TheGuestsOwnEventsAreToldToo) {
  negotiate();
  run("cont");
  client_->events.clear(), client_->event_messages.clear();
  const auto request = [&](auto&& ask) {
    {
      const MachineLock::Guard guard(system().lock);
      ask();
    }
    settle();
  };
  request([&] { machine_->request_suspend(); });
  EXPECT_EQ(to_json(*member(run("query-status"), "status")), "\"suspended\"");
  request([&] { machine_->request_wakeup("rtc"); });
  request([&] { machine_->request_reset(ShutdownCause::GuestReset); });
  request([&] { machine_->request_shutdown(ShutdownCause::GuestShutdown); });
  EXPECT_EQ(client_->events, (std::vector<std::string>{"SUSPEND", "WAKEUP", "RESET", "SHUTDOWN"}));
  EXPECT_EQ(to_json(*member(client_->event_messages[2], "data")), R"({"guest": true, "reason": "guest-reset"})");
  EXPECT_EQ(to_json(*member(client_->event_messages[3], "data")), R"({"guest": true, "reason": "guest-shutdown"})");
}

TEST_F(QmpServerTest, AWakeUpBeforeTheMachineSleepsIsNotLost) {
  negotiate();
  run("cont");
  client_->events.clear();
  {
    const MachineLock::Guard guard(system().lock);
    machine_->request_wakeup("other");  // nobody sleeps or will
    machine_->request_suspend();
    machine_->request_wakeup("rtc");
  }
  settle();
  EXPECT_EQ(client_->events, (std::vector<std::string>{"SUSPEND", "WAKEUP"}));
  EXPECT_EQ(machine_->run_state(), RunState::Running);
}

TEST_F(QmpServerTest, ASleepingMachineThatIsStoppedSleepsOn) {
  negotiate();
  run("cont");
  const auto request = [&](auto&& ask) {
    {
      const MachineLock::Guard guard(system().lock);
      ask();
    }
    settle();
  };
  request([&] { machine_->request_suspend(); });
  client_->events.clear();
  run("stop");
  EXPECT_EQ(machine_->run_state(), RunState::Paused);
  run("cont");
  EXPECT_EQ(machine_->run_state(), RunState::Suspended);
  run("stop");
  request([&] { machine_->request_wakeup("rtc"); });
  EXPECT_EQ(machine_->run_state(), RunState::Paused) << "the user's wish comes first";
  run("cont");
  settle();
  EXPECT_EQ(machine_->run_state(), RunState::Running) << "and the alarm is not lost";
  EXPECT_EQ(client_->events, (std::vector<std::string>{"STOP", "RESUME", "STOP", "RESUME", "WAKEUP"}));
}

TEST_F(QmpServerTest, AResetOfASleepingMachineIsNoWakeUp) {
  negotiate();
  run("cont");
  {
    const MachineLock::Guard guard(system().lock);
    machine_->request_suspend();
  }
  settle();
  client_->events.clear();
  run("system_reset");
  settle();
  EXPECT_EQ(to_json(*member(run("query-status"), "status")), "\"paused\"");
  run("cont");
  EXPECT_EQ(client_->events, (std::vector<std::string>{"RESET", "RESUME"}));
  EXPECT_EQ(machine_->run_state(), RunState::Running);
}

TEST_F(QmpServerTest, AMachineThatIsKeptStops) {
  negotiate();
  machine_->no_shutdown = true;
  run("cont");
  {
    const MachineLock::Guard guard(system().lock);
    machine_->request_shutdown(ShutdownCause::GuestShutdown);
  }
  settle();
  EXPECT_EQ(client_->events, (std::vector<std::string>{"RESUME", "SHUTDOWN", "STOP"}));
  EXPECT_EQ(to_json(*member(run("query-status"), "status")), "\"shutdown\"");
}

TEST_F(QmpServerTest, IdentityIsTold) {
  negotiate();
  EXPECT_EQ(to_json(run("query-name")), "{}");
  EXPECT_EQ(to_json(run("query-uuid")), R"({"UUID": "00000000-0000-0000-0000-000000000000"})");
  machine_->name = "box";
  machine_->uuid = "550e8400-e29b-41d4-a716-446655440000";
  EXPECT_EQ(to_json(run("query-name")), R"({"name": "box"})");
  EXPECT_EQ(to_json(run("query-uuid")), R"({"UUID": "550e8400-e29b-41d4-a716-446655440000"})");
  EXPECT_EQ(to_json(run("query-kvm")), R"({"enabled": false, "present": true})");
  EXPECT_EQ(to_json(run("query-version")), to_json(qmp_version()));
}

TEST_F(QmpServerTest, CpusAreListedAndGetNmis) {
  negotiate();
  EXPECT_EQ(to_json(run("query-cpus-fast")),
            R"([{"thread-id": 0, "props": {"core-id": 0, "thread-id": 0, "socket-id": 0}, )"
            R"("qom-path": "/machine/cpu[0]", "cpu-index": 0, "target": "x86_64"}, )"
            R"({"thread-id": 0, "props": {"core-id": 1, "thread-id": 0, "socket-id": 0}, )"
            R"("qom-path": "/machine/cpu[1]", "cpu-index": 1, "target": "x86_64"}])");
  run("inject-nmi");
  for (X86Cpu* cpu : machine_->cpus().cpus()) EXPECT_TRUE(cpu->take_nmi());
}

TEST_F(QmpServerTest, EveryCommandIsListedAndTested) {
  negotiate();
  std::set<std::string> known;
  for (const QmpCommand& c : monitor_table().commands())
    EXPECT_TRUE(known.insert(std::string(c.name)).second) << c.name;
  EXPECT_EQ(names(run("query-commands")), known);
  std::ostringstream source;
  for (const char* folder : {"tests/unit/machines", "tests/unit/machines/monitor", "tests/monitor"})
    for (const auto& entry : std::filesystem::directory_iterator(source_dir() / folder))
      if (entry.is_regular_file()) source << std::ifstream(entry.path()).rdbuf();
  for (const std::string& name : known)
    EXPECT_NE(source.str().find('"' + name + '"'), std::string::npos) << name << " has no test";
}

// --- objects
// ----------------------------------------------------------------------------------------------------------

TEST_F(QmpServerTest, ObjectsAreListed) {
  negotiate();
  const std::set<std::string> root = names(run("qom-list", R"({"path": "/"})"));
  EXPECT_TRUE(root.contains("machine") && root.contains("chardevs") && root.contains("type"));
  const std::string panel = to_json(run("qom-list", R"({"path": "/machine/panel"})"));
  EXPECT_EQ(panel, R"([{"name": "type", "type": "string"}, {"name": "speed", "type": "uint32"}, )"
                   R"({"name": "serial", "type": "str"}])");
  EXPECT_EQ(to_json(run("qom-list", R"({"path": "panel"})")), panel) << "a partial path";
  EXPECT_EQ(to_json(run("qom-list", R"({"path": "/chardevs"})")),
            R"([{"name": "type", "type": "string"}, {"name": "ring", "type": "child<chardev-ringbuf>"}, )"
            R"({"name": "qmp0-chardev", "type": "child<chardev-test>"}])");
  EXPECT_EQ(refusal_of("qom-list", R"({"path": "/nowhere"})"), "DeviceNotFound: Device '/nowhere' not found");
  const MachineLock::Guard guard(system().lock);
  root_->add_new_child<qom::Container>("a").add_new_child<qom::Container>("twin");
  root_->add_new_child<qom::Container>("b").add_new_child<qom::Container>("twin");
  EXPECT_EQ(refusal_of("qom-list", R"({"path": "twin"})"), "GenericError: Path 'twin' is ambiguous");
}

TEST_F(QmpServerTest, PropertiesAreReadAndWritten) {
  negotiate();
  const auto get = [&](const char* path, const char* property) {
    return to_json(run("qom-get", fmt::format(R"({{"path": "{}", "property": "{}"}})", path, property)));
  };
  EXPECT_EQ(get("/machine/panel", "speed"), "7");
  EXPECT_EQ(get("/machine/panel", "serial"), "\"s1\"");
  EXPECT_EQ(get("/machine/panel", "type"), "\"test-front-panel\"");
  EXPECT_EQ(get("/machine", "panel"), "\"/machine/panel\"") << "a child is its path";
  EXPECT_EQ(get("/qmp0", "chardev"), "\"/chardevs/qmp0-chardev\"") << "a link is the path of its target";

  EXPECT_EQ(to_json(run("qom-set", R"({"path": "panel", "property": "speed", "value": 9})")), "{}");
  EXPECT_EQ(panel_->speed, 9U);
  for (const char* wrong : {"-1", "4294967296", "\"fast\"", "null", "{}", "[1]"})
    EXPECT_TRUE(refusal_of("qom-set", fmt::format(R"({{"path": "panel", "property": "speed", "value": {}}})", wrong))
                    .starts_with("GenericError: "))
        << wrong;
  EXPECT_EQ(panel_->speed, 9U);
  EXPECT_TRUE(
      refusal_of("qom-set", R"({"path": "panel", "property": "serial", "value": "s2"})").starts_with("GenericError: "))
      << "not after realize";
  EXPECT_EQ(panel_->serial, "s1");
  EXPECT_EQ(refusal_of("qom-get", R"({"path": "panel", "property": "sped"})"),
            "GenericError: Property 'test-front-panel.sped' not found (did you mean 'speed'?)");
  EXPECT_EQ(refusal_of("qom-get", R"({"path": "/nowhere", "property": "x"})"),
            "DeviceNotFound: Device '/nowhere' not found");
  EXPECT_EQ(refusal_of("qom-set", R"({"path": "/machine", "property": "panel", "value": "x"})"),
            "GenericError: Property 'machine.panel' cannot be set");
  EXPECT_EQ(refusal_of("qom-set", R"({"path": "panel", "property": "type", "value": "x"})"),
            "GenericError: Property 'test-front-panel.type' cannot be set");
}

TEST_F(QmpServerTest, TypesAreListed) {
  negotiate();
  const std::set<std::string> all = names(run("qom-list-types"));
  EXPECT_TRUE(all.contains("i8254") && all.contains("x86_64-cpu"));
  EXPECT_FALSE(all.contains("device")) << "abstract";
  EXPECT_TRUE(names(run("qom-list-types", R"({"abstract": true})")).contains("device"));
  const std::set<std::string> backends = names(run("qom-list-types", R"({"implements": "chardev"})"));
  EXPECT_TRUE(backends.contains("chardev-ringbuf"));
  EXPECT_FALSE(backends.contains("i8254"));
  EXPECT_TRUE(names(run("qom-list-types", R"({"implements": "power-button"})")).contains("test-front-panel"))
      << "interfaces too";
  EXPECT_EQ(to_json(run("qom-list-types", R"({"implements": "nothing"})")), "[]");
}

TEST_F(QmpServerTest, PropertiesOfTypesAreListed) {
  negotiate();
  const std::string ring = to_json(run("qom-list-properties", R"({"typename": "chardev-ringbuf"})"));
  EXPECT_NE(ring.find(R"({"name": "size", "type": "size", "description": ")"), std::string::npos) << ring;
  EXPECT_NE(ring.find(R"("default-value": 65536)"), std::string::npos) << ring;
  EXPECT_TRUE(names(run("device-list-properties", R"({"typename": "mc146818rtc"})")).contains("base"));
  EXPECT_EQ(refusal_of("qom-list-properties", R"({"typename": "x"})"), "DeviceNotFound: Class 'x' not found");
  EXPECT_EQ(refusal_of("device-list-properties", R"({"typename": "x"})"), "DeviceNotFound: Device 'x' not found");
  for (const char* type : {"chardev-ringbuf", "device", "power-button"})
    EXPECT_EQ(refusal_of("device-list-properties", fmt::format(R"({{"typename": "{}"}})", type)),
              "GenericError: Parameter 'typename' expects a non-abstract device type");
}

TEST_F(QmpServerTest, EveryTypeCanBeDescribed) {
  negotiate();
  for (const std::string& name : names(run("qom-list-types", R"({"abstract": true})"))) {
    run("qom-list-properties", fmt::format(R"({{"typename": "{}"}})", name));
  }
}

// --- backends, screen, keyboard
// ---------------------------------------------------------------------------------------

TEST_F(QmpServerTest, CharacterBackendsAreListed) {
  negotiate();
  EXPECT_EQ(to_json(run("query-chardev")), R"([{"frontend-open": false, "filename": "ringbuf", "label": "ring"}, )"
                                           R"({"frontend-open": true, "filename": "test", "label": "qmp0-chardev"}])");
}

TEST_F(QmpServerTest, RingBuffersAreReadAndWritten) {
  negotiate();
  const auto read = [&](const char* rest) {
    return to_json(run("ringbuf-read", fmt::format(R"({{"device": "ring", {}}})", rest)));
  };
  run("ringbuf-write", R"({"device": "ring", "data": "hello"})");
  run("ringbuf-write", R"({"device": "ring", "data": "AP8=", "format": "base64"})");
  EXPECT_EQ(read(R"("size": 4)"), "\"hell\"");
  EXPECT_EQ(read(R"("size": 99, "format": "base64")"), "\"bwD/\"");
  EXPECT_EQ(read(R"("size": 9223372036854775807, "format": "utf8")"), "\"\"");
  EXPECT_EQ(refusal_of("ringbuf-read", R"({"device": "ring", "size": 0})"),
            "GenericError: size must be greater than zero");
  EXPECT_EQ(refusal_of("ringbuf-read", R"({"device": "x", "size": 1})"), "GenericError: Device 'x' not found");
  EXPECT_EQ(refusal_of("ringbuf-read", R"({"device": "qmp0-chardev", "size": 1})"),
            "GenericError: qmp0-chardev is not a ringbuf device");
  EXPECT_EQ(refusal_of("ringbuf-write", R"({"device": "ring", "data": "x", "format": "hex"})"),
            "GenericError: Parameter 'format' does not accept value 'hex'");
  EXPECT_EQ(refusal_of("ringbuf-write", R"({"device": "ring", "data": "x", "format": "base64"})"),
            "GenericError: Parameter 'data' is not base64");
}

TEST_F(QmpServerTest, DisksAreListed) {
  negotiate();
  EXPECT_EQ(to_json(run("query-block")), "[]");
  const std::string file = testing::TempDir() + "machina-qmp-disk.img";
  std::ofstream(file) << std::string(4096, 'x');
  {
    const MachineLock::Guard guard(system().lock);
    auto disk = qom::TypeRegistry::global().create_as<BlockBackend>("block-raw");
    disk->set_event_loop(system().loop);
    disk->set_text("filename", file);
    disk->set_text("cache", "unsafe");
    root_->add_new_child<qom::Container>("blockdevs").add_child("hd0", disk);
    qom::realize_tree(*disk);
  }
  const Value list = run("query-block");
  const Value& disk = std::get<ValueList>(list.get()).at(0);
  EXPECT_EQ(member(disk, "device")->to_string(), "hd0");
  const Value* inserted = member(disk, "inserted");
  EXPECT_NE(member(*inserted, "file")->to_string().find("machina-qmp-disk.img"), std::string::npos);
  EXPECT_EQ(*member(*inserted, "ro"), Value(false));
  EXPECT_EQ(*member(*inserted, "file"), Value(file)) << "as it was given";
  EXPECT_EQ(*member(*member(*inserted, "image"), "virtual-size"), Value(4096));
  EXPECT_EQ(to_json(*member(*inserted, "cache")), R"({"writeback": true, "direct": false, "no-flush": true})");
  EXPECT_FALSE(member(disk, "qdev")) << "no device uses it";
  std::filesystem::remove(file);
}

TEST_F(QmpServerTest, TheScreenIsWrittenToAFile) {
  negotiate();
  const std::string file = testing::TempDir() + "machina-qmp-screen";
  const auto content = [&] {
    std::ostringstream out;
    out << std::ifstream(file, std::ios::binary).rdbuf();
    return out.str();
  };
  run("screendump", fmt::format(R"({{"filename": "{}"}})", file));
  EXPECT_EQ(content(), "P6\n2 1\n255\n\x12\x34\x56\xff\x80" + std::string(1, '\0'));
  run("screendump", fmt::format(R"({{"filename": "{}", "format": "png", "device": "panel", "head": 0}})", file));
  EXPECT_EQ(content().substr(0, 8), "\x89PNG\r\n\x1a\n");
  EXPECT_EQ(refusal_of("screendump", R"({"filename": "/nowhere/x"})"),
            "GenericError: Could not open '/nowhere/x': No such file or directory");
  EXPECT_EQ(refusal_of("screendump", R"({"filename": "x", "format": "gif"})"),
            "GenericError: Parameter 'format' does not accept value 'gif'");
  EXPECT_EQ(refusal_of("screendump", R"({"filename": "x", "head": 1})"), "GenericError: a display has one head, 0");
  EXPECT_EQ(refusal_of("screendump", R"({"filename": "x", "device": "y"})"), "DeviceNotFound: Device 'y' not found");
  EXPECT_EQ(refusal_of("screendump", R"({"filename": "x", "device": "ring"})"),
            "GenericError: Device ring does not have a console");
  const MachineLock::Guard guard(system().lock);
  machine_->remove_child(*panel_);
  EXPECT_EQ(refusal_of("screendump", R"({"filename": "x"})"),
            "GenericError: There is no console to take a screendump from");
  std::filesystem::remove(file);
}

TEST_F(QmpServerTest, KeysArePressedAndLetGo) {
  negotiate();
  const auto step = [&](std::int64_t ms) {
    const MachineLock::Guard guard(system().lock);
    system().clock.step_to(system().clock.now_ns() + ms * 1'000'000);
  };
  run("send-key", R"({"keys": [{"type": "qcode", "data": "ctrl"}, {"type": "qcode", "data": "alt"},
                               {"type": "qcode", "data": "delete"}]})");
  EXPECT_EQ(panel_->keys, "+ctrl +alt +delete ");
  step(99);
  EXPECT_EQ(panel_->keys, "+ctrl +alt +delete ");
  step(1);
  EXPECT_EQ(panel_->keys, "+ctrl +alt +delete -delete -alt -ctrl ");
  panel_->keys.clear();
  run("send-key", R"({"keys": [{"type": "qcode", "data": "a"}], "hold-time": 1000})");
  client_->chardev->frontend()->event(CharFrontend::Event::Closed);
  EXPECT_EQ(panel_->keys, "+a -a ") << "no key stays down when the client goes";
  client_->chardev->frontend()->event(CharFrontend::Event::Opened);
  negotiate();
  EXPECT_EQ(refusal_of("send-key", R"({"keys": [{"type": "qcode", "data": "any"}]})"),
            "GenericError: Parameter 'data' does not accept value 'any'");
  EXPECT_EQ(refusal_of("send-key", R"({"keys": [{"type": "name", "data": 28}]})"),
            "GenericError: Parameter 'type' does not accept value 'name'");
  EXPECT_EQ(refusal_of("send-key", R"({"keys": [{"type": "number", "data": 9999}]})"),
            "GenericError: no key has the number 9999");
  EXPECT_EQ(refusal_of("send-key", R"({"keys": [1]})"),
            "GenericError: Invalid parameter type for 'keys[0]', expected: object");
  panel_->keys.clear();
  run("send-key", R"({"keys": [{"type": "number", "data": 28}, {"type": "number", "data": 203}]})");
  EXPECT_EQ(panel_->keys, "+ret +left ") << "1ch, and e0h 4bh";
  client_->chardev->frontend()->event(CharFrontend::Event::Closed);
  client_->chardev->frontend()->event(CharFrontend::Event::Opened);
  negotiate();
  EXPECT_EQ(refusal_of("send-key", R"({"keys": [], "hold-time": -1})"),
            "GenericError: Parameter 'hold-time' expects 0 to 60000 ms");
  const MachineLock::Guard guard(system().lock);
  machine_->remove_child(*panel_);
  EXPECT_EQ(refusal_of("send-key", R"({"keys": []})"), "GenericError: the machine has no keyboard");
}

}  // namespace
}  // namespace machina::test
