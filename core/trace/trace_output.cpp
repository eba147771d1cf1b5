#include "core/trace/trace_output.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "core/thread_name.h"
#include "core/trace/trace_event.h"

namespace machina::trace {

// What the writer and its thread have in common; whoever goes last takes it along, since a write may never come back.
struct Writer::Shared {
  Write write;
  std::size_t limit;

  std::mutex lock;  // guards all below; not held while writing
  std::condition_variable change;
  std::string waiting;
  std::uint64_t lines_waiting = 0;
  std::uint64_t taken = 0, done = 0;  // counts of lines
  std::uint64_t lost = 0;             // in all
  std::uint64_t untold = 0;           // of these, not told of yet
  bool ending = false;
  bool started = false;

  void run();
};

Writer::Writer(Write write, std::size_t limit) : shared_(std::make_shared<Shared>()) {
  shared_->write = std::move(write);
  shared_->limit = limit;
}

Writer::~Writer() {
  const std::lock_guard guard(shared_->lock);
  shared_->ending = true;
  shared_->change.notify_all();
}

void Writer::line(std::string_view text) {
  Shared& s = *shared_;
  const std::lock_guard guard(s.lock);
  if (!s.started) {
    // Not before there is something to write: most programs trace nothing.
    s.started = true;
    std::thread([shared = shared_] {
      name_this_thread("trace");
      shared->run();
    }).detach();
  }
  if (s.waiting.size() + text.size() + 1 > s.limit) {
    ++s.lost, ++s.untold;
    return;
  }
  s.waiting.append(text).push_back('\n');
  ++s.taken, ++s.lines_waiting;
  if (s.lines_waiting == 1) s.change.notify_all();
}

void Writer::Shared::run() {
  const Quiet quiet;
  std::unique_lock guard(lock);
  for (;;) {
    change.wait(guard, [this] { return lines_waiting > 0 || ending; });
    if (lines_waiting == 0) return;
    const std::string lines = std::exchange(waiting, {});
    const std::uint64_t count = std::exchange(lines_waiting, 0);
    const std::uint64_t told = std::exchange(untold, 0);
    guard.unlock();
    bool written = told == 0 || write(fmt::format("({} trace events were dropped here)\n", told));
    const bool said = written;
    written = written && write(lines);
    guard.lock();
    done += count;
    if (!written) {
      lost += count;
      untold += count;
    }
    if (!said) untold += told;
    change.notify_all();
  }
}

bool Writer::flush(int timeout_ms) {
  Shared& s = *shared_;
  std::unique_lock guard(s.lock);
  const std::uint64_t until = s.taken;
  return s.change.wait_for(guard, std::chrono::milliseconds(timeout_ms), [&] { return s.done >= until; });
}

std::uint64_t Writer::dropped() const {
  const std::lock_guard guard(shared_->lock);
  return shared_->lost;
}

namespace {

struct Output {
  std::mutex lock;  // guards all below; a leaf but for the writer's
  std::shared_ptr<Writer> writer;
  std::string path;
  bool enabled = true;
};

Output& output() {
  static auto* const o = new Output();  // never destroyed: threads may report until the very end
  return *o;
}

std::shared_ptr<Writer> log_writer() {
  return std::make_shared<Writer>([](std::string_view lines) {
    log::write_lines(lines);
    return true;
  });
}

std::shared_ptr<Writer> current() {
  Output& o = output();
  const std::lock_guard guard(o.lock);
  if (!o.writer) o.writer = log_writer();
  return o.writer;
}

/// The open file of a writer, and whether its user has been told that it cannot be written.
class File {
 public:
  File(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~File() { ::close(fd_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  bool write(std::string_view lines) {
    while (!lines.empty()) {
      const ssize_t n = ::write(fd_, lines.data(), lines.size());
      if (n > 0) {
        lines.remove_prefix(static_cast<std::size_t>(n));
      } else if (n == 0 || errno != EINTR) {
        if (!told_) log::warning("trace file '{}': {}; events are dropped", path_, std::strerror(n == 0 ? EIO : errno));
        told_ = true;
        return false;
      }
    }
    return true;
  }

 private:
  int fd_;
  std::string path_;
  bool told_ = false;
};

}  // namespace

void set_file(const std::string& path) {
  // Not blocking, or a FIFO would wait for its reader; the writer's thread may wait.
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0644);
  if (fd < 0) {
    const int error = errno;
    throw Error(fmt::format("cannot write trace file '{}'", path))
        .why(error == ENXIO ? "nobody reads it" : std::strerror(error));
  }
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK);
  auto file = std::make_shared<File>(fd, path);
  auto writer = std::make_shared<Writer>([file](std::string_view lines) { return file->write(lines); });
  Output& o = output();
  const std::lock_guard guard(o.lock);
  o.writer.swap(writer);
  o.path = path;
  o.enabled = true;
}

void set_log() {
  Output& o = output();
  const std::lock_guard guard(o.lock);
  if (!o.path.empty()) o.writer = nullptr;
  o.path.clear();
  o.enabled = true;
}

void set_output_enabled(bool on) {
  Output& o = output();
  const std::lock_guard guard(o.lock);
  o.enabled = on;
}

bool output_enabled() {
  Output& o = output();
  const std::lock_guard guard(o.lock);
  return o.enabled;
}

std::string file() {
  Output& o = output();
  const std::lock_guard guard(o.lock);
  return o.path;
}

std::uint64_t dropped() { return current()->dropped(); }

bool flush(int timeout_ms) { return current()->flush(timeout_ms); }

namespace detail {

void output_line(std::string_view text) {
  if (output_enabled()) current()->line(text);
}

}  // namespace detail

}  // namespace machina::trace
