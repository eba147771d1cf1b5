#include "core/chardev/char_mux.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "core/log.h"
#include "qom/error.h"

namespace machina {
namespace {

constexpr std::size_t kPiece = 4096;  // of input at a time

constexpr std::string_view kHelp =
    "\r\n"
    "Ctrl-a h       this help\r\n"
    "Ctrl-a x       quit\r\n"
    "Ctrl-a b       send a break\r\n"
    "Ctrl-a c       switch between console and monitor\r\n"
    "Ctrl-a Ctrl-a  send Ctrl-a\r\n";

}  // namespace

void CharMux::class_init(qom::ObjectClass& c) {
  c.description = "lets several front ends share one character backend";
  c.link("chardev", &CharMux::chardev_).doc("the backend that is shared").must_be_set();
}

void CharMux::realize() { chardev_->attach(this); }

void CharMux::unrealize() {
  chardev_->attach(nullptr);
  after_escape_ = false;
}

std::size_t CharMux::can_receive() {
  if (focus_ && focus_->typed_.size() >= kTypeAhead) return 0;
  return kPiece;
}

void CharMux::receive(std::span<const std::byte> bytes) {
  const qom::Ref<CharMux> keep(this);
  for (const std::byte b : bytes) {
    if (std::exchange(after_escape_, false)) {
      command(b);
    } else if (b == kEscape) {
      after_escape_ = true;
    } else if (focus_) {
      focus_->typed_.push_back(b);
    }
  }
  if (focus_) focus_->accept_input();
}

void CharMux::command(std::byte key) {
  switch (static_cast<char>(key)) {
    case '\x01':
      if (focus_) focus_->typed_.push_back(kEscape);
      break;
    case 'x':
      if (quit_) quit_();
      break;
    case 'b':
      if (!focus_) break;
      focus_->accept_input();  // a break comes after what was typed before it
      if (focus_) focus_->report(Event::Break);
      break;
    case 'c':
      if (focus_) focus_->accept_input();
      next_focus();
      break;
    case 'h':
    case '?':
      (void)chardev_->write(std::as_bytes(std::span(kHelp)));
      break;
    default:  // as other programs with this key do: nothing
      break;
  }
}

void CharMux::next_focus() {
  const auto at = std::find(ports_.begin(), ports_.end(), focus_);
  const std::size_t from = at == ports_.end() ? 0 : static_cast<std::size_t>(at - ports_.begin()) + 1;
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    CharMuxPort* port = ports_[(from + i) % ports_.size()];
    if (port->frontend()) return set_focus(port);
  }
  set_focus(nullptr);
}

void CharMux::set_focus(CharMuxPort* port) {
  if (port == focus_) return;
  if (focus_ && focus_->frontend()) focus_->frontend()->focused(false);
  focus_ = port;
  if (port) port->give_focus();
}

void CharMux::event(Event event) {
  if (event == Event::Break) {
    if (focus_) focus_->report(event);
    return;
  }
  after_escape_ = false;
  const auto ports = ports_;
  for (CharMuxPort* port : ports) {
    port->typed_.clear();
    if (event == Event::Closed || port->connected()) port->report(event);
  }
}

void CharMux::writable() {
  const auto ports = ports_;
  for (CharMuxPort* port : ports) port->report_writable();
}

// --- a port ---

void CharMuxPort::class_init(qom::ObjectClass& c) {
  c.description = "a front end's share of a multiplexer";
  c.link("mux", &CharMuxPort::mux_).doc("the multiplexer").must_be_set();
  c.property("on-focus", &CharMuxPort::on_focus_, false)
      .doc("the front end is not told of a connection before it has had the focus once: a monitor stays silent");
}

void CharMuxPort::realize() {
  CharBackend::realize();
  mux_->ports_.push_back(this);
}

void CharMuxPort::unrealize() {
  std::erase(mux_->ports_, this);
  if (mux_->focus_ == this) {
    mux_->focus_ = nullptr;
    mux_->next_focus();
  }
  typed_.clear();
  was_focused_ = false;
  CharBackend::unrealize();
}

void CharMuxPort::frontend_changed() {
  if (!mux_) return;
  // The first one to come has the focus, but not one that only speaks when it is spoken to.
  if (frontend() && (!mux_->focus_ || (mux_->focus_->on_focus_ && !on_focus_ && !mux_->focus_->was_focused_))) {
    mux_->focus_ = this;
    if (!on_focus_) was_focused_ = true;
  } else if (!frontend() && mux_->focus_ == this) {
    mux_->next_focus();
    if (mux_->focus_ == this) mux_->focus_ = nullptr;
  }
}

void CharMuxPort::give_focus() {
  const qom::Ref<CharMuxPort> keep(this);
  const bool first = !std::exchange(was_focused_, true);
  if (first && on_focus_) {
    report(CharFrontend::Event::Opened);
  } else if (frontend()) {
    frontend()->focused(true);
  }
  accept_input();
}

std::size_t CharMuxPort::write(std::span<const std::byte> bytes) {
  CharBackend* to = base();
  const std::size_t taken = to ? to->write(bytes) : bytes.size();
  log_copy(bytes.first(taken));
  return taken;
}

void CharMuxPort::accept_input() {
  const qom::Ref<CharMuxPort> keep(this);
  while (!typed_.empty()) {
    const std::size_t n = std::min({input_room(), typed_.size(), kPiece});
    if (n == 0) return;
    const auto end = typed_.begin() + static_cast<std::ptrdiff_t>(n);
    const std::vector<std::byte> some(typed_.begin(), end);
    typed_.erase(typed_.begin(), end);
    deliver(some);
  }
  if (base() && mux_->focus_ == this) base()->accept_input();
}

bool CharMuxPort::connected() const { return base() && base()->connected() && (!on_focus_ || was_focused_); }
bool CharMuxPort::can_reopen() const { return base() && base()->can_reopen(); }
std::string CharMuxPort::description() const { return base() ? base()->description() : "mux"; }

void CharMuxPort::drain(int timeout_ms) {
  if (base()) base()->drain(timeout_ms);
}

MACHINA_TYPE(CharMux, qom::Object);
MACHINA_TYPE(CharMuxPort, CharBackend);

}  // namespace machina
