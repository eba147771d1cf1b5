#include "machines/monitor/human_monitor.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "core/error.h"
#include "qom/find.h"

namespace machina {
namespace {

/// QEMU's, since scripts wait for it.
constexpr const char* kPrompt = "(qemu) ";
constexpr int kDrainMs = 1000;
/// What the keys of one input show is passed on in pieces of this size.
constexpr std::size_t kEcho = 4096;

}  // namespace

HumanMonitor::HumanMonitor()
    : editor_(kPrompt, [this](std::string_view line) { return complete_human_command(*this, line); }) {}

HumanMonitor::~HumanMonitor() = default;

void HumanMonitor::class_init(qom::ObjectClass& c) {
  c.description = "human monitor: lets a person look into the machine and control it";
  c.link("chardev", &HumanMonitor::chardev_).doc("character backend that the person sits at").must_be_set();
}

void HumanMonitor::realize() {
  machine_ = qom::first_of<Machine>(qom::Object::root());
  if (!machine_) throw Error("a monitor needs a machine").object(path());
  output_.attach(chardev_.get());
  try {
    chardev_->attach(this);
  } catch (...) {
    output_.attach(nullptr);
    throw;
  }
}

void HumanMonitor::unrealize() {
  trace_.reset();
  tasks_.finish();
  output_.drain(kDrainMs);
  chardev_->attach(nullptr);
  output_.attach(nullptr);
  input_.clear();
  editor_.reset();
  machine_ = nullptr;
}

std::size_t HumanMonitor::can_receive() {
  if (output_.size() > kOutputHigh) return 0;
  return kInputLimit - std::min(kInputLimit, input_.size());
}

void HumanMonitor::receive(std::span<const std::byte> bytes) {
  input_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  carry_out();
}

void HumanMonitor::event(Event event) {
  if (event == Event::Break) return;
  ++connection_;
  input_.clear();
  output_.clear();
  editor_.reset();
  trace_.reset();  // the next person has asked for nothing
  if (event == Event::Closed) {
    tasks_.finish();
    return;
  }
  print("Machina " MACHINA_VERSION " monitor - type 'help' for more information\n");
  editor_.show();
  output_.push(editor_.take_output());
}

void HumanMonitor::focused(bool here) {
  if (!here) return;
  output_.push("\r\n");
  editor_.show();
  output_.push(editor_.take_output());
}

void HumanMonitor::writable() {
  {
    std::optional<trace::Quiet> quiet;
    if (trace_) quiet.emplace();
    output_.flush();
  }
  if (trace_) trace_->retry();
  carry_out();
  if (chardev_ && can_receive() > 0) chardev_->accept_input();
}

MonitorTrace* HumanMonitor::trace() {
  if (!trace_)
    trace_ = std::make_unique<MonitorTrace>(machine_->system().loop,
                                            [this](std::string_view lines) { return show_trace(lines); });
  return trace_.get();
}

/// Above the line that is being typed.
bool HumanMonitor::show_trace(std::string_view lines) {
  if (busy_ || output_.size() > kOutputHigh) return false;
  editor_.hide();
  output_.push(editor_.take_output());
  print(lines);
  editor_.show();
  output_.push(editor_.take_output());
  return true;
}

void HumanMonitor::print(std::string_view text) {
  std::string lines;
  lines.reserve(text.size());
  for (const char c : text) {
    if (c == '\n') lines += '\r';
    lines += c;
  }
  output_.push(lines);
}

void HumanMonitor::carry_out() {
  if (busy_) return;  // what is said to the backend may come back as its answer
  busy_ = true;
  const unsigned connection = connection_;
  std::size_t done = 0;
  while (connection_ == connection && done < input_.size() && output_.size() <= kOutputHigh) {
    const auto line = editor_.take(input_[done++]);
    // One key may show a whole line anew: it counts as output before the next is taken.
    if (line || editor_.output_size() > kEcho) output_.push(editor_.take_output());
    if (!line) continue;
    const std::string text = run_human_command(*this, *line, &editor_.history());
    if (connection_ != connection) break;
    print(text);
    editor_.show();
  }
  if (connection_ == connection) {
    input_.erase(0, done);
    output_.push(editor_.take_output());
  }
  busy_ = false;
  if (trace_) trace_->retry();
}

MACHINA_TYPE(HumanMonitor, qom::Object);

}  // namespace machina
