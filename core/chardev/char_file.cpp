/// chardev-file and chardev-pipe: output into a file or FIFO, input from one.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/chardev/char_stream.h"
#include "core/fd_sets.h"
#include "core/log.h"
#include "qom/error.h"

namespace machina {
namespace {

OwnedFd open_or_throw(const std::string& path, int flags, const char* purpose) {
  // Without O_NONBLOCK a FIFO would be waited for.
  OwnedFd fd(open_path(path.c_str(), flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666));
  if (!fd) {
    const int error = errno;
    Error e("cannot open '" + path + "' for " + purpose);
    e.why(std::strerror(error));
    if (error == ENXIO) e.hint("it is a FIFO that nobody reads: start its reader first");
    throw e;
  }
  return fd;
}

}  // namespace

class CharFile final : public CharStream {
 public:
  static constexpr const char* kType = "chardev-file";
  static void class_init(qom::ObjectClass& c) {
    c.description = "writes into a file";
    c.user_creatable = true;
    c.property("path", &CharFile::path_, "").doc("file that takes the output").must_be_set();
    c.property("append", &CharFile::append_, false).doc("add to the file instead of starting it anew");
    c.property("input-path", &CharFile::input_path_, "").doc("file that input is read from");
  }

  std::string description() const override { return "file:" + path_; }

 protected:
  void realize() override {
    CharBackend::realize();
    OwnedFd in;
    if (!input_path_.empty()) in = open_or_throw(input_path_, O_RDONLY, "reading");
    OwnedFd out = open_or_throw(path_, O_WRONLY | O_CREAT | (append_ ? O_APPEND : O_TRUNC), "writing");
    open_stream(std::move(in), std::move(out), false);
  }
  // The end of the input is not the end of the output. A full disk is told once, however long the guest goes on.
  void stream_closed(int error) override {
    if (error != 0) log::warn_once("chardev-file:" + path_, description() + " has stopped: " + std::strerror(error));
  }

 private:
  std::string path_;
  bool append_ = false;
  std::string input_path_;
};

class CharPipe final : public CharStream {
 public:
  static constexpr const char* kType = "chardev-pipe";
  static void class_init(qom::ObjectClass& c) {
    c.description = "reads one FIFO and writes another";
    c.user_creatable = true;
    c.property("path", &CharPipe::path_, "").doc("PATH.in is read, PATH.out is written").must_be_set();
  }

  std::string description() const override { return "pipe:" + path_; }

 protected:
  void realize() override {
    CharBackend::realize();
    OwnedFd in = open_fifo(path_ + ".in");
    OwnedFd out = open_fifo(path_ + ".out");
    open_stream(std::move(in), std::move(out), false);
  }
  void stream_closed(int) override {}

 private:
  // For reading and writing: then opening waits for no peer, and one that leaves may come back.
  static OwnedFd open_fifo(const std::string& path) {
    OwnedFd fd(open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (!fd) throw Error("cannot open pipe '" + path + "'").why(std::strerror(errno)).hint("make it with mkfifo");
    struct stat st {};
    if (fstat(fd.get(), &st) != 0 || !S_ISFIFO(st.st_mode))
      throw Error("'" + path + "' is not a pipe").hint("make it with mkfifo, or use a character backend 'file'");
    return fd;
  }

  std::string path_;
};

MACHINA_TYPE(CharFile, CharBackend);
MACHINA_TYPE(CharPipe, CharBackend);

}  // namespace machina
