#include "core/block/raw_block_backend.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/block/image_format.h"
#include "core/block/image_lock.h"
#include "core/fd_sets.h"
#include "core/log.h"
#include "core/trace/trace_event.h"
#include "qom/error.h"

namespace machina {
namespace {

const TraceEvent<std::string_view, std::uint64_t, std::uint64_t> block_read{"block_read",
                                                                            "image={} offset={:#x} bytes={}"};
const TraceEvent<std::string_view, std::uint64_t, std::uint64_t> block_write{"block_write",
                                                                             "image={} offset={:#x} bytes={}"};
const TraceEvent<std::string_view> block_flush{"block_flush", "image={}"};
const TraceEvent<std::string_view, std::uint64_t, std::uint64_t> block_discard{"block_discard",
                                                                               "image={} offset={:#x} bytes={}"};

}  // namespace

template <>
struct qom::EnumNames<BlockCache> {
  static constexpr const char* name = "BlockCache";
  static constexpr std::pair<BlockCache, const char*> values[] = {{BlockCache::Writeback, "writeback"},
                                                                  {BlockCache::None, "none"},
                                                                  {BlockCache::Writethrough, "writethrough"},
                                                                  {BlockCache::Unsafe, "unsafe"}};
};

template <>
struct qom::EnumNames<BlockDiscard> {
  static constexpr const char* name = "BlockdevDiscardOptions";
  static constexpr std::pair<BlockDiscard, const char*> values[] = {{BlockDiscard::Ignore, "ignore"},
                                                                    {BlockDiscard::Unmap, "unmap"}};
};

MACHINA_TYPE(RawBlockBackend, BlockBackend);

namespace {

void check_format_name(const qom::Value& value) {
  const auto* name = value.get_if<std::string>();
  if (!name || name->empty() || *name == "raw") return;
  std::vector<std::string> known(known_image_formats().begin(), known_image_formats().end());
  if (std::find(known.begin(), known.end(), *name) != known.end())
    throw Error("image format '" + *name + "' is not supported")
        .hint("convert the image: qemu-img convert -O raw IMAGE IMAGE.raw");
  const std::string near = did_you_mean(*name, known);
  throw Error("no such image format: '" + *name + "'").hint(near.empty() ? "expected raw" : near);
}

// Closes what open_image() has not handed over.
struct FdGuard {
  ~FdGuard() {
    if (fd >= 0) close(fd);
  }
  int fd;
};

// From a thread of the pool, and as often as the guest asks: said once for each image and kind.
int reported(int error, const char* what, const std::string& filename) {
  if (error != 0)
    log::warn_once("block:" + filename + ":" + what + std::to_string(error),
                   std::string("cannot ") + what + " image '" + filename + "': " + std::strerror(error));
  return error;
}

}  // namespace

void RawBlockBackend::class_init(qom::ObjectClass& c) {
  c.description = "a file or block device of the host, byte by byte";
  c.user_creatable = true;
  c.property("filename", &RawBlockBackend::filename_, "").doc("image file or block device").must_be_set();
  c.property("format", &RawBlockBackend::format_, "")
      .doc("raw; without it the image is refused when it looks like another format")
      .checked(check_format_name);
  c.property("readonly", &RawBlockBackend::readonly_, false).doc("refuse writes");
  c.property("snapshot", &RawBlockBackend::snapshot_, false).doc("writes go to a temporary file and are lost at exit");
  c.property("cache", &RawBlockBackend::cache_, BlockCache::Writeback)
      .doc("writeback, none (past the host's page cache), writethrough, or unsafe (flushes are ignored)");
  c.property("discard", &RawBlockBackend::discard_, BlockDiscard::Ignore).doc("unmap gives discarded space back");
  c.property("locking", &RawBlockBackend::locking_, true).doc("refuse an image that another process uses");
  c.computed<std::uint64_t>("size", &RawBlockBackend::size).doc("bytes");
}

RawBlockBackend::~RawBlockBackend() = default;

void RawBlockBackend::check_format(int fd) const {
  if (!format_.empty()) return;
  std::array<unsigned char, kFormatProbeBytes> head{};
  const ssize_t n = pread(fd, head.data(), head.size(), 0);
  if (n < 0) throw Error("cannot read image '" + filename_ + "'").why(std::strerror(errno));
  const std::string found = image_format(std::span(head).first(static_cast<std::size_t>(n)));
  if (found != "raw")
    throw Error("image '" + filename_ + "' looks like format " + found + ", which is not supported")
        .hint("convert it: qemu-img convert -O raw; or say format=raw if its bytes are the disk's");
}

std::unique_ptr<ImageFile> RawBlockBackend::open_image() {
  const bool host_writes = !readonly_ && !snapshot_;
  const int mode = (host_writes ? O_RDWR : O_RDONLY) | O_CLOEXEC;
  // O_NONBLOCK: a FIFO is refused, not waited for. It means nothing to files and disks.
  const FdGuard plain{open_path(filename_.c_str(), mode | O_NONBLOCK | O_NOCTTY)};
  if (plain.fd < 0) {
    const int error = errno;
    Error e("cannot open image '" + filename_ + "'");
    e.why(std::strerror(error));
    if (error == EISDIR) e.hint("it is a folder: name the image in it");
    if (host_writes && (error == EACCES || error == EROFS || error == EPERM) &&
        faccessat(AT_FDCWD, filename_.c_str(), R_OK, AT_EACCESS) == 0)
      e.hint("it can be read: add readonly=on or snapshot=on");
    throw e;
  }
  struct stat st {};
  if (fstat(plain.fd, &st) != 0) throw Error("cannot open image '" + filename_ + "'").why(std::strerror(errno));
  const bool block_device = S_ISBLK(st.st_mode);
  if (S_ISDIR(st.st_mode)) throw Error("'" + filename_ + "' is a folder, not an image").hint("name the image in it");
  if (!block_device && !S_ISREG(st.st_mode))
    throw Error("'" + filename_ + "' is not an image").hint("expected a regular file or a block device");

  std::uint64_t bytes = static_cast<std::uint64_t>(st.st_size);
  if (block_device && ioctl(plain.fd, BLKGETSIZE64, &bytes) != 0)
    throw Error("cannot tell the size of '" + filename_ + "'").why(std::strerror(errno));
  if (locking_ && !lock_image(plain.fd, host_writes, filename_))
    log::warning("image '{}' cannot be locked here: do not use it twice", filename_);
  check_format(plain.fd);
  if (bytes < kSector)
    throw Error("image '" + filename_ + "' is too small")
        .why("it has " + std::to_string(bytes) + " bytes, and a disk has sectors of 512")
        .hint("make one with: truncate -s 64M IMAGE");
  size_ = bytes / kSector * kSector;
  if (size_ != bytes)
    log::warning("the last {} bytes of image '{}' are no whole sector and are left out", bytes - size_, filename_);

  // Opened again by way of the descriptor that is checked, so that nobody can put another file there; but the lock is
  // the open file's, so that one must stay.
  std::unique_ptr<ImageFile> image;
  const int duplicate = fcntl(plain.fd, F_DUPFD_CLOEXEC, 0);
  if (duplicate < 0) throw Error("cannot open image '" + filename_ + "'").why(std::strerror(errno));
  lock_holder_ = std::make_unique<PlainImage>(duplicate, block_device);
  int flags = mode;
  if (cache_ == BlockCache::None) flags |= O_DIRECT;
  if (cache_ == BlockCache::Writethrough) flags |= O_DSYNC;
  FdGuard used{open(("/proc/self/fd/" + std::to_string(plain.fd)).c_str(), flags)};
  // One that was handed to this process may be closed to it by name.
  if (used.fd < 0 && errno == EACCES && flags == mode) used.fd = fcntl(plain.fd, F_DUPFD_CLOEXEC, 0);
  const std::size_t alignment = used.fd >= 0 && cache_ == BlockCache::None ? direct_alignment(used.fd) : 0;
  if (cache_ == BlockCache::None && (used.fd < 0 || alignment == 0 || size_ % alignment != 0))
    throw Error("image '" + filename_ + "' cannot be used with cache=none")
        .why(used.fd < 0 || alignment == 0 ? "its file system has no O_DIRECT"
                                           : "its size is no multiple of " + std::to_string(alignment))
        .hint("use cache=writeback");
  if (used.fd < 0) throw Error("cannot open image '" + filename_ + "'").why(std::strerror(errno));
  const int fd = std::exchange(used.fd, -1);
  if (cache_ == BlockCache::None) {
    image = std::make_unique<DirectImage>(fd, block_device, alignment);
  } else {
    image = std::make_unique<PlainImage>(fd, block_device);
  }
  if (snapshot_ && !readonly_) image = std::make_unique<OverlayImage>(std::move(image), size_);
  return image;
}

void RawBlockBackend::realize() {
  try {
    image_ = wrap(open_image());
  } catch (...) {
    lock_holder_.reset();
    size_ = 0;
    throw;
  }
  flush_error_ = 0;
  pool_ = std::make_unique<IoPool>(loop(), kThreads);
}

void RawBlockBackend::unrealize() {
  drain();
  pool_.reset();
  image_.reset();
  lock_holder_.reset();
  size_ = 0;
}

void RawBlockBackend::drain() {
  if (pool_) pool_->drain();
}

void RawBlockBackend::read(std::uint64_t offset, std::vector<std::span<std::uint8_t>> to, Completion done) {
  std::vector<iovec> pieces;
  pieces.reserve(to.size());
  for (const auto& span : to) pieces.push_back({span.data(), span.size()});
  block_read(filename_, offset, total_bytes(pieces));
  done = counted(&Statistics::read, total_bytes(pieces), std::move(done));
  if (!in_range(offset, total_bytes(pieces))) return pool_->complete(EINVAL, std::move(done));
  pool_->submit(
      [this, offset, p = std::move(pieces)]() mutable {
        return reported(image_->read(offset, std::move(p)), "read", filename_);
      },
      std::move(done));
}

void RawBlockBackend::write(std::uint64_t offset, std::vector<std::span<const std::uint8_t>> from, Completion done) {
  std::vector<iovec> pieces;
  pieces.reserve(from.size());
  for (const auto& span : from) pieces.push_back({const_cast<std::uint8_t*>(span.data()), span.size()});  // as writev
  const std::uint64_t length = total_bytes(pieces);
  block_write(filename_, offset, length);
  done = counted(&Statistics::write, length, std::move(done), offset + length);
  if (readonly_) return pool_->complete(EROFS, std::move(done));
  if (!in_range(offset, length)) return pool_->complete(EINVAL, std::move(done));
  pool_->submit(
      [this, offset, p = std::move(pieces)]() mutable {
        return reported(image_->write(offset, std::move(p)), "write", filename_);
      },
      std::move(done));
}

void RawBlockBackend::flush(Completion done) {
  block_flush(filename_);
  done = counted(&Statistics::flush, 0, std::move(done));
  if (readonly_ || cache_ == BlockCache::Unsafe) return pool_->complete(0, std::move(done));
  pool_->submit([this] { return reported(flush_now(), "flush", filename_); }, std::move(done));
}

int RawBlockBackend::flush_now() {
  if (const int before = flush_error_.load()) return before;
  const int error = image_->flush();
  // The kernel has dropped the pages that it could not write, and the next flush would say that all is well. It is
  // not: what the guest wrote is gone, so no later flush may succeed.
  if (error != 0) flush_error_.store(error);
  return error;
}

void RawBlockBackend::discard(std::uint64_t offset, std::uint64_t length, Completion done) {
  block_discard(filename_, offset, length);
  done = counted(&Statistics::discard, length, std::move(done));
  if (readonly_) return pool_->complete(EROFS, std::move(done));
  if (!in_range(offset, length)) return pool_->complete(EINVAL, std::move(done));
  if (discard_ == BlockDiscard::Ignore || length == 0) return pool_->complete(0, std::move(done));
  pool_->submit([this, offset, length] { return reported(image_->discard(offset, length), "discard in", filename_); },
                std::move(done));
}

}  // namespace machina
