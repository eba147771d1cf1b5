// The human monitor's commands, against what QEMU's monitor prints for the same lines.

#include "machines/monitor/human_command.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "machines/monitor/human_monitor.h"
#include "tests/support/monitor_fixture.h"

namespace machina::test {
namespace {

class HumanCommandTest : public MonitorTest {
 protected:
  HumanCommandTest() { negotiate(); }
  std::string hmp(const std::string& line, std::int64_t cpu = 0) {
    const Value answer = run("human-monitor-command", to_json(ValueMap{{"command-line", line}, {"cpu-index", cpu}}));
    std::string text;
    for (const char c : answer.to_string())
      if (c != '\r') text += c;
    return text;
  }
};

TEST_F(HumanCommandTest, AnswersAsQemuDoes) {
  const std::pair<const char*, const char*> kCases[] = {
      {"foo", "unknown command: 'foo'\n"},
      {"info foo", "unknown command: 'info foo'\n"},
      {"", ""},
      {"# a remark", ""},
      {"stop 1", "stop|s: extraneous characters at the end of line\nTry \"help stop\" for more information\n"},
      {"p 1/0", "division by zero\nTry \"help p\" for more information\n"},
      {"p $zz", "unknown register\nTry \"help p\" for more information\n"},
      {"p (1", "')' expected\nTry \"help p\" for more information\n"},
      {"x", "unexpected end of expression\nTry \"help x\" for more information\n"},
      {"p \"a", "invalid char '\"' in expression\nTry \"help p\" for more information\n"},
      {"screendump", "screendump: filename expected\nTry \"help screendump\" for more information\n"},
      {"p/x 12", "0xc\n"},
      {"p /d -1", "-1\n"},
      {"p /c 65", "'A'\n"},
      {"p /c 5", "'\\x05'\n"},
      {"p /o 8", "010\n"},
      {"p 5 + 5", "10\n"},
      {"cpu 9", "invalid CPU index\n"},
      {"device_del foo", "Error: Device 'foo' not found\n"},
      {"sendkey a-zz", "invalid parameter: zz\n"},
      {"info kvm", "kvm support: disabled\n"},
      {"info status", "VM status: paused (prelaunch)\n"},
      {"info name", ""},
      {"info balloon", "Error: No balloon device has been activated\n"},
      {"info tlb", "PG disabled\n"},
      {"info mem", "PG disabled\n"},
      {"info lapic 7", "No CPU available\n"},
      {"ringbuf_read nothing 1", "Error: Device 'nothing' not found\n"},
      {"qom-get panel speed", "7\n"},
      {"info uuid", "00000000-0000-0000-0000-000000000000\n"},
      {"info pci", "PCI devices not supported\n"},
      {"memsave 0 16 \"/nowhere/x\"", "Error: Could not open '/nowhere/x': No such file or directory\n"},
      {"p /s 3", "Error: invalid char in format: 's'\n"},
      {"sendkey \"a", "sendkey: unterminated string\nTry \"help sendkey\" for more information\n"},
      {"qom-get \"a\\q\" x", "unsupported escape code: '\\q'\nTry \"help qom-get\" for more information\n"},
  };
  for (const auto& [line, expected] : kCases) EXPECT_EQ(hmp(line), expected) << line;
}

TEST_F(HumanCommandTest, EveryCommandHasHelp) {
  const std::string all = hmp("help"), info = hmp("help info");
  EXPECT_EQ(hmp("info"), info);
  EXPECT_EQ(hmp("help p"), "print|p /fmt expr -- value of an expression; $NAME is a register\n");
  EXPECT_EQ(hmp("help stop"), hmp("help s"));
  EXPECT_NE(all.find("stop|s -- "), std::string::npos);
  EXPECT_NE(all.find("info [subcommand] -- "), std::string::npos);
  EXPECT_NE(info.find("info mtree [-f] -- "), std::string::npos);
  EXPECT_EQ(hmp("help nonsense"), "unknown command: 'nonsense'\n");
  for (const HumanCommand& c : monitor_table().human_commands()) {
    EXPECT_FALSE(c.doc.empty()) << c.name;
    EXPECT_TRUE(c.run) << c.name;
  }
}

/// None may throw or hang, whatever the machine lacks.
TEST_F(HumanCommandTest, EveryInfoAnswers) {
  for (const HumanCommand& c : monitor_table().human_commands()) {
    if (!c.name.starts_with("info ")) continue;
    const std::string text = hmp(std::string(c.name.substr(0, c.name.find('|'))));
    EXPECT_EQ(text.find("unknown command"), std::string::npos) << c.name;
  }
}

TEST_F(HumanCommandTest, RunControlIsTheSameAsQmps) {
  EXPECT_EQ(hmp("c"), "");
  EXPECT_EQ(machine_->run_state(), RunState::Running);
  EXPECT_EQ(hmp("info status"), "VM status: running\n");
  EXPECT_EQ(hmp("s"), "");
  EXPECT_EQ(hmp("info status"), "VM status: paused\n");
  EXPECT_EQ(client_->events, (std::vector<std::string>{"RESUME", "STOP"}));
  EXPECT_EQ(hmp("system_wakeup"), "Error: Unable to wake up: guest is not in suspended state\n");
}

TEST_F(HumanCommandTest, RegistersOfTheChosenCpu) {
  const std::string first = hmp("info registers");
  EXPECT_TRUE(first.starts_with("\nCPU#0\nEAX=00000000 EBX=")) << first;
  EXPECT_NE(first.find("EIP=0000fff0 EFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=0\n"), std::string::npos)
      << first;
  EXPECT_NE(first.find("CS =f000 ffff0000 0000ffff 00009b00"), std::string::npos) << first;
  EXPECT_NE(first.find("CR0=60000010 CR2=00000000"), std::string::npos) << first;
  EXPECT_TRUE(hmp("info registers", 1).starts_with("\nCPU#1\n"));
  const std::string both = hmp("info registers -a");
  EXPECT_NE(both.find("CPU#0"), std::string::npos);
  EXPECT_NE(both.find("CPU#1"), std::string::npos);
  EXPECT_EQ(hmp("info registers 7"), "CPU#7 not available\n");
  EXPECT_EQ(hmp("p/x $pc"), "0xfffffff0\n");
  EXPECT_EQ(hmp("info cpus"), "* CPU #0: thread_id=0\n  CPU #1: thread_id=0\n");
}

TEST_F(HumanCommandTest, ShowsTheObjects) {
  const std::string tree = hmp("info qom-tree");
  EXPECT_TRUE(tree.starts_with("/machine (machine)\n  /accel (qtest-accel)\n")) << tree;
  EXPECT_NE(tree.find("  /panel (test-front-panel)\n"), std::string::npos);
  EXPECT_EQ(hmp("info qom-tree /machine/panel"), "/panel (test-front-panel)\n");
  EXPECT_EQ(hmp("qom-list panel"), "type (string)\nspeed (uint32)\nserial (str)\n");
  EXPECT_EQ(hmp("qom-set panel speed 11"), "");
  EXPECT_EQ(hmp("qom-get panel speed"), "11\n");
  EXPECT_EQ(hmp("qom-set -j panel speed 12"), "");
  EXPECT_EQ(hmp("qom-get panel speed"), "12\n");
  EXPECT_TRUE(hmp("qom-set panel speed fast").starts_with("Error: "));
  EXPECT_NE(hmp("info qtree").find("dev: x86_64-cpu, id \"cpu[0]\""), std::string::npos);
}

TEST_F(HumanCommandTest, KeysAndBuffers) {
  hmp("sendkey ctrl-alt-delete 10");
  EXPECT_EQ(panel_->keys, "+ctrl +alt +delete ");
  panel_->keys.clear();
  hmp("sendkey 0x1e");
  EXPECT_EQ(panel_->keys, "+a ");
  EXPECT_EQ(hmp("ringbuf_write ring \"hi\\n\""), "");
  EXPECT_EQ(hmp("ringbuf_read ring 10"), "hi\n\n");
  EXPECT_NE(hmp("info chardev").find("ring: filename=ringbuf\n"), std::string::npos);
  EXPECT_EQ(hmp("chardev-add null,id=nothing"), "");
  EXPECT_NE(hmp("info chardev").find("nothing: filename=null\n"), std::string::npos);
  EXPECT_EQ(hmp("chardev-remove nothing"), "");
  EXPECT_EQ(hmp("info chardev").find("nothing"), std::string::npos);
}

TEST_F(HumanCommandTest, Completes) {
  struct Session final : MonitorSession {
    explicit Session(Machine& m) : m_(m) {}
    Machine& machine() override { return m_; }
    void later(std::int64_t, std::function<void()>) override {}
    Machine& m_;
  } session(*machine_);
  const auto complete = [&](std::string_view line) { return complete_human_command(session, line).candidates; };
  using Names = std::vector<std::string>;
  EXPECT_EQ(complete("system_"), (Names{"system_powerdown", "system_reset", "system_wakeup"}));
  EXPECT_EQ(complete("info reg"), Names{"registers"});
  EXPECT_EQ(complete("qom-get /machine/pan"), Names{"/machine/panel"});
  EXPECT_EQ(complete("sendkey caps"), Names{"caps_lock"});
  EXPECT_EQ(complete("ringbuf_read ri"), Names{"ring"});
  EXPECT_EQ(complete("help system_w"), Names{"system_wakeup"});
  EXPECT_EQ(complete("nonsense x"), Names{});
  EXPECT_EQ(complete("stop "), Names{});
  EXPECT_EQ(complete_human_command(session, "info reg").from, 5U);
  EXPECT_FALSE(complete("").empty());
}

// --- the monitor on a backend ---------------------------------------------------------------------------------------

TEST_F(HumanCommandTest, AMonitorOnABackend) {
  const MachineLock::Guard guard(system().lock);
  auto& chardev = root_->child("chardevs")->add_new_child<TestChardev>("person");
  chardev.set_event_loop(system().loop);
  auto& monitor = root_->add_new_child<HumanMonitor>("monitor0");
  monitor.set_link("chardev", &chardev);
  qom::realize_tree(chardev);
  qom::realize_tree(monitor);
  EXPECT_EQ(std::exchange(chardev.written, {}), "Machina 0.1.0 monitor - type 'help' for more information\r\n(qemu) ");
  chardev.send("info sta\t\n");
  EXPECT_EQ(std::exchange(chardev.written, {}), "info status \r\nVM status: paused (prelaunch)\r\n(qemu) ");
  chardev.send("cpu 1\ninfo cpus\np 1\ninfo history\n");
  EXPECT_NE(chardev.written.find("* CPU #1"), std::string::npos) << "the monitor remembers: " << chardev.written;
  EXPECT_NE(chardev.written.find("1: 'cpu 1'\r\n"), std::string::npos) << chardev.written;
  // Who does not read is not served, and nothing is lost.
  chardev.written.clear();
  chardev.allow(0);
  std::string many;
  for (int i = 0; i < 500; ++i) many += "help\n";
  chardev.send(many);
  chardev.allow(std::numeric_limits<std::size_t>::max());
  EXPECT_EQ(chardev.queued(), 0U);
  std::size_t prompts = 0;
  for (std::size_t at = 0; (at = chardev.written.find("(qemu) ", at)) != std::string::npos; ++at) ++prompts;
  EXPECT_EQ(prompts, 500U);
  chardev.written.clear();
  chardev.send("quit\n");
  qom::unrealize_tree(monitor);
  root_->remove_child(monitor);
}

}  // namespace
}  // namespace machina::test
