/// filter-dump: every frame of a network backend, in a file that tcpdump and Wireshark read.
///
/// The format is libpcap's (pcap-savefile(5)), in the host's byte order, which readers tell by the magic number. Times
/// are those of the guest's clock, counted from the wall clock's time when the dump began: while the machine stands no
/// time passes. The file is written under the machine lock, into the host's page cache. What is no file, such as the
/// FIFO of a tcpdump that looks on, is never waited for: records that its reader is too slow for are left out, which
/// are those that do not fit behind what waits, 64 KiB at most.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/chardev/fd_stream.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/net/net_backend.h"
#include "core/units.h"
#include "qom/error.h"
#include "qom/user_creatable.h"

namespace machina {
namespace {

constexpr std::uint32_t kMagic = 0xa1b2c3d4;  // microseconds
constexpr std::uint16_t kMajor = 2, kMinor = 4;
constexpr std::uint32_t kLinkEthernet = 1;

struct FileHeader {
  std::uint32_t magic = kMagic;
  std::uint16_t major = kMajor, minor = kMinor;
  std::uint32_t reserved1 = 0, reserved2 = 0;
  std::uint32_t snaplen = 0;
  std::uint32_t linktype = kLinkEthernet;
};
static_assert(sizeof(FileHeader) == 24);

struct RecordHeader {
  std::uint32_t seconds, microseconds;
  std::uint32_t captured, length;
};
static_assert(sizeof(RecordHeader) == 16);

}  // namespace

class FilterDump final : public qom::Object, public qom::UserCreatable, private NetMonitor {
 public:
  static constexpr const char* kType = "filter-dump";
  static void class_init(qom::ObjectClass& c) {
    c.description = "writes all frames of a network backend into a pcap file";
    c.user_creatable = true;
    c.link("netdev", &FilterDump::netdev_).doc("the backend").must_be_set();
    c.property("file", &FilterDump::file_, "").doc("the file").must_be_set();
    c.property("maxlen", &FilterDump::maxlen_, 65536U).doc("bytes of each frame that are kept").range(1, 1U << 20);
    c.computed<std::uint64_t>("left-out", &FilterDump::left_out)
        .doc("frames that the reader of a FIFO was too slow for");
  }

 protected:
  void realize() override {
    if (!netdev_) throw Error("filter-dump needs a netdev").hint("add netdev=ID");
    if (file_.empty()) throw Error("filter-dump needs a file").hint("add file=NAME");
    // O_NONBLOCK: a FIFO would be waited for until somebody reads it, and the machine with it.
    out_.reset(open(file_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0644));
    if (!out_) {
      const int error = errno;
      Error e("cannot write '" + file_ + "'");
      e.why(std::strerror(error));
      if (error == ENXIO) e.hint("if it is a FIFO, start its reader first");
      throw e;
    }
    struct stat st {};
    if (fstat(out_.get(), &st) == 0 && !S_ISREG(st.st_mode)) {
      FdStream::Handlers handlers;
      handlers.room = [] { return std::size_t{0}; };
      handlers.closed = [this](int error) { end(error); };
      handlers.writable = [] {};
      stream_ = std::make_unique<FdStream>(netdev_->loop(), OwnedFd(), std::move(out_), false, std::move(handlers));
    }
    left_out_ = 0;
    FileHeader header;
    header.snaplen = maxlen_;
    started_ns_ = static_cast<std::int64_t>(time(nullptr)) * kNsPerSecond - netdev_->clock().now_ns();
    write_all(&header, sizeof header, {});
    netdev_->add_monitor(*this);
  }
  void unrealize() override {
    netdev_->remove_monitor(*this);
    out_.reset();
    stream_.reset();
  }

 private:
  std::uint64_t left_out() const { return left_out_; }
  void seen(FrameView frame) override {
    const std::int64_t now = started_ns_ + netdev_->clock().now_ns();
    RecordHeader header{};
    header.seconds = static_cast<std::uint32_t>(now / kNsPerSecond);
    header.microseconds = static_cast<std::uint32_t>(now % kNsPerSecond / kNsPerUs);
    header.captured = static_cast<std::uint32_t>(std::min<std::size_t>(frame.size(), maxlen_));
    header.length = static_cast<std::uint32_t>(frame.size());
    write_all(&header, sizeof header, frame.first(header.captured));
  }

  void end(int error) {
    log::warning("the dump '{}' ends here: {}", file_, error ? std::strerror(error) : "the disk is full");
    out_.reset();
    stream_.reset();
  }

  // All of a record, or nothing.
  void write_stream(const void* header, std::size_t header_size, FrameView frame) {
    const std::size_t size = header_size + frame.size();
    if (stream_->buffered() + size > FdStream::kOutputLimit) {
      if (left_out_++ == 0) log::warning("the reader of the dump '{}' is too slow: frames are left out", file_);
      return;
    }
    std::vector<std::byte> record(size);
    std::memcpy(record.data(), header, header_size);
    if (!frame.empty()) std::memcpy(record.data() + header_size, frame.data(), frame.size());
    stream_->write(record);
  }

  // A record at once; what cannot be written whole ends the dump, so that the file stays readable to there.
  void write_all(void* header, std::size_t header_size, FrameView frame) {
    if (stream_) return write_stream(header, header_size, frame);
    if (!out_) return;
    const iovec parts[] = {{header, header_size}, {const_cast<std::uint8_t*>(frame.data()), frame.size()}};
    const ssize_t n = writev(out_.get(), parts, 2);
    if (n == static_cast<ssize_t>(header_size + frame.size())) return;
    end(n < 0 ? errno : 0);
  }

  // configuration
  qom::Link<NetBackend> netdev_;
  std::string file_;
  std::uint32_t maxlen_ = 65536;
  // run time
  OwnedFd out_;                       // a file
  std::unique_ptr<FdStream> stream_;  // or something else
  std::uint64_t left_out_ = 0;        // records
  std::int64_t started_ns_ = 0;
};

MACHINA_TYPE(FilterDump, qom::Object, qom::UserCreatable);

}  // namespace machina
