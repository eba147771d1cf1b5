#include "accel/qtest/qtest_server.h"

#include "core/error.h"
#include "core/log.h"

namespace machina {

void QtestServer::class_init(qom::ObjectClass& c) {
  c.description = "qtest server: lets a test drive the devices of the machine";
  c.link("chardev", &QtestServer::chardev_).doc("character backend that the test speaks to").must_be_set();
}

void QtestServer::realize() {
  system_ = nullptr;
  qom::for_each<SystemHolder>(root(), [&](SystemHolder& h) {
    if (!system_) system_ = &h.system();
  });
  if (!system_) throw Error("a qtest server needs a machine").object(path());
  commands_ = std::make_unique<QtestCommands>(*system_, root(), [this](const std::string& line) {
    if (output_.size() > kOutputLimit) {
      log::warn_once("qtest-output", "a qtest client does not read: IRQ messages are dropped");
    } else {
      output_.push(line + "\n");
    }
  });
  output_.attach(chardev_.get());
  try {
    chardev_->attach(this);
  } catch (...) {
    output_.attach(nullptr);
    commands_.reset();
    throw;
  }
}

void QtestServer::unrealize() {
  chardev_->attach(nullptr);
  output_.attach(nullptr);
  commands_.reset();
  input_.clear();
  last_gone_ = false;
}

std::size_t QtestServer::can_receive() {
  if (output_.size() > kOutputHigh) return 0;
  return kMaxLine + 1 - std::min(kMaxLine + 1, input_.size());
}

void QtestServer::receive(std::span<const std::byte> bytes) {
  input_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  carry_out_lines();
  shut_down_when_answered();
}

void QtestServer::event(Event event) {
  if (event == Event::Break) return;
  if (event == Event::Closed && !chardev_->can_reopen()) {
    last_gone_ = true;  // what was asked before is still answered
    shut_down_when_answered();
    return;
  }
  ++connection_;
  input_.clear();
  searched_ = 0;
  skipping_ = false;
  output_.clear();
  // Not when the connection closes: that may be noticed while an interrupt is being reported.
  if (event == Event::Opened) commands_->release();
}

void QtestServer::writable() {
  output_.flush();
  carry_out_lines();
  if (chardev_ && can_receive() > 0) chardev_->accept_input();
  shut_down_when_answered();
}

void QtestServer::shut_down_when_answered() {
  if (last_gone_ && !busy_ && output_.size() == 0) system_->control.request_shutdown(ShutdownCause::HostUi);
}

void QtestServer::carry_out_lines() {
  if (busy_) return;  // a command may end in a report of the backend
  busy_ = true;
  const unsigned connection = connection_;
  std::size_t done = 0;
  while (output_.size() <= kOutputHigh) {
    const std::size_t end = input_.find('\n', std::max(done, searched_));
    if (end == std::string::npos) {
      searched_ = input_.size();
      break;
    }
    std::string line = input_.substr(done, end - done);  // a copy: a command may bring more input
    done = searched_ = end + 1;
    if (line.ends_with('\r')) line.pop_back();
    if (skipping_) {
      skipping_ = false;
    } else {
      answer(line);
    }
    if (connection_ != connection) {  // gone, and its input with it
      busy_ = false;
      return;
    }
  }
  busy_ = false;
  input_.erase(0, done);
  searched_ -= done;
  if (input_.size() > kMaxLine && searched_ == input_.size()) {
    if (!skipping_) output_.push("ERR the line is too long\n");
    skipping_ = true;
    input_.clear();
    searched_ = 0;
  }
  if (skipping_ && searched_ == input_.size()) {
    input_.clear();
    searched_ = 0;
  }
}

void QtestServer::answer(std::string_view line) {
  std::string text = commands_->run(line);
  if (text.empty()) return;
  text += '\n';
  output_.push(text);
}

MACHINA_TYPE(QtestServer, qom::Object);

}  // namespace machina
