#include "tests/support/qtest_client.h"

#include <fmt/format.h>

namespace machina::test {

QtestClient::QtestClient(qom::Object& parent, System& system) : parent_(parent), system_(system) {
  const MachineLock::Guard guard(system_.lock);
  chardev_ = &parent_.add_new_child<TestChardev>("qtest-chardev");
  chardev_->set_event_loop(system_.loop);
  server_ = &parent_.add_new_child<QtestServer>("qtest");
  server_->set_link("chardev", chardev_);
  qom::realize_tree(*chardev_);
  qom::realize_tree(*server_);
}

QtestClient::~QtestClient() {
  const MachineLock::Guard guard(system_.lock);
  parent_.remove_child(*server_);
  parent_.remove_child(*chardev_);
}

std::string QtestClient::take_output() { return std::exchange(chardev_->written, {}); }

std::string QtestClient::command(std::string_view line) {
  {
    const MachineLock::Guard guard(system_.lock);
    chardev_->send(std::string(line) + "\n");
  }
  const std::string output = take_output();
  std::string answer;
  for (std::size_t at = 0; at < output.size();) {
    const std::size_t end = output.find('\n', at);
    if (end == std::string::npos) {
      ADD_FAILURE() << "a line without an end: " << output.substr(at, 80);
      break;
    }
    const std::string_view said = std::string_view(output).substr(at, end - at);
    at = end + 1;
    if (said.starts_with("IRQ ")) {
      irqs.emplace_back(said.substr(4));
    } else {
      EXPECT_EQ(answer, "") << "one answer to one command";
      answer = said;
    }
  }
  return answer;
}

std::uint64_t QtestClient::value(std::string_view line) {
  const std::string answer = command(line);
  if (!answer.starts_with("OK ")) {
    ADD_FAILURE() << line << " is answered by: " << answer;
    return 0;
  }
  return std::stoull(answer.substr(3), nullptr, 0);
}

void QtestClient::expect_ok(std::string_view name, unsigned port, unsigned v) {
  EXPECT_EQ(command(fmt::format("{} {:#x} {:#x}", name, port, v)), "OK");
}

}  // namespace machina::test
