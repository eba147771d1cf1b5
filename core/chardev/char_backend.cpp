#include "core/chardev/char_backend.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/log.h"
#include "core/trace/trace_event.h"
#include "qom/error.h"

namespace machina {
namespace {

const TraceEvent<std::string_view, std::uint64_t> chardev_receive{"chardev_receive", "chardev={} bytes={}"};
const TraceEvent<std::string_view, std::uint64_t> chardev_write{"chardev_write", "chardev={} bytes={}"};
const TraceEvent<std::string_view, std::string_view> chardev_event{"chardev_event", "chardev={} event={}"};

}  // namespace

MACHINA_ABSTRACT_TYPE(CharBackend, qom::Object);

void CharBackend::class_init(qom::ObjectClass& c) {
  c.description = "the host's end of a serial line or a monitor";
  c.property("logfile", &CharBackend::logfile_, "").doc("file that gets a copy of all bytes written and received");
  c.property("logappend", &CharBackend::logappend_, false).doc("add to the log file instead of starting it anew");
}

CharBackend::~CharBackend() { close_log(); }

void CharBackend::realize() {
  if (!loop_) throw Error("character backend has no event loop");
  if (logfile_.empty()) return;
  const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | (logappend_ ? O_APPEND : O_TRUNC);
  log_fd_ = open(logfile_.c_str(), flags, 0666);
  if (log_fd_ < 0) throw Error("cannot write logfile '" + logfile_ + "'").why(std::strerror(errno));
}

void CharBackend::unrealize() { close_log(); }

void CharBackend::close_log() {
  if (log_fd_ >= 0) close(log_fd_);
  log_fd_ = -1;
}

void CharBackend::attach(CharFrontend* frontend) {
  if (frontend == frontend_) return;
  if (frontend && frontend_)
    throw Error("character backend is in use already").object(path()).hint("give each user a -chardev of its own");
  frontend_ = frontend;
  frontend_changed();
  if (frontend_ && connected()) frontend_->event(CharFrontend::Event::Opened);
}

void CharBackend::log_copy(std::span<const std::byte> bytes) {
  chardev_write(name(), bytes.size());
  copy_to_log(bytes);
}

void CharBackend::copy_to_log(std::span<const std::byte> bytes) {
  while (log_fd_ >= 0 && !bytes.empty()) {
    const ssize_t n = ::write(log_fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      log::warn_once("chardev-logfile:" + logfile_,
                     "logfile '" + logfile_ + "' is incomplete: " + std::strerror(errno));
      return;
    }
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

std::size_t CharBackend::input_room() const { return frontend_ ? frontend_->can_receive() : 0; }

void CharBackend::deliver(std::span<const std::byte> bytes) {
  chardev_receive(name(), bytes.size());
  copy_to_log(bytes);
  if (frontend_) frontend_->receive(bytes);
}

void CharBackend::report(CharFrontend::Event event) {
  chardev_event(name(), [event] {
    return event == CharFrontend::Event::Opened ? "opened" : event == CharFrontend::Event::Closed ? "closed" : "break";
  });
  if (frontend_) frontend_->event(event);
}

void CharBackend::report_writable() {
  if (frontend_) frontend_->writable();
}

}  // namespace machina
