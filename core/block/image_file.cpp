#include "core/block/image_file.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <mutex>
#include <new>
#include <utility>

#include "qom/error.h"

namespace machina {
namespace {

// Moves the front of `pieces` on by what was transferred.
void advance(std::vector<iovec>& pieces, std::size_t& first, std::size_t done) {
  while (done > 0 && first < pieces.size()) {
    iovec& piece = pieces[first];
    const std::size_t n = std::min(done, piece.iov_len);
    piece.iov_base = static_cast<char*>(piece.iov_base) + n;
    piece.iov_len -= n;
    done -= n;
    if (piece.iov_len == 0) ++first;
  }
  while (first < pieces.size() && pieces[first].iov_len == 0) ++first;
}

// The host may transfer less than it was asked for, and takes IOV_MAX pieces at a time.
template <class Call>
int transfer(Call&& call, std::uint64_t offset, std::vector<iovec>& pieces, int error_at_end) {
  std::size_t first = 0;
  advance(pieces, first, 0);
  while (first < pieces.size()) {
    const int count = static_cast<int>(std::min<std::size_t>(pieces.size() - first, IOV_MAX));
    const ssize_t n = call(pieces.data() + first, count, static_cast<off_t>(offset));
    if (n < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    if (n == 0) return error_at_end;
    offset += static_cast<std::uint64_t>(n);
    advance(pieces, first, static_cast<std::size_t>(n));
  }
  return 0;
}

void gather(const std::vector<iovec>& pieces, char* to) {
  for (const iovec& p : pieces) {
    std::memcpy(to, p.iov_base, p.iov_len);
    to += p.iov_len;
  }
}

void scatter(const char* from, const std::vector<iovec>& pieces) {
  for (const iovec& p : pieces) {
    std::memcpy(p.iov_base, from, p.iov_len);
    from += p.iov_len;
  }
}

// The `length` bytes from `skip` on.
std::vector<iovec> part_of(const std::vector<iovec>& pieces, std::uint64_t skip, std::uint64_t length) {
  std::vector<iovec> out;
  for (const iovec& p : pieces) {
    if (length == 0) break;
    if (skip >= p.iov_len) {
      skip -= p.iov_len;
      continue;
    }
    const std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>(p.iov_len - skip, length));
    out.push_back({static_cast<char*>(p.iov_base) + skip, n});
    length -= n;
    skip = 0;
  }
  return out;
}

// Memory that O_DIRECT takes.
class AlignedBuffer {
 public:
  AlignedBuffer(std::size_t alignment, std::size_t size)
      : alignment_(alignment), data_(static_cast<char*>(operator new(size, std::align_val_t(alignment)))) {}
  ~AlignedBuffer() { operator delete(data_, std::align_val_t(alignment_)); }
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;
  char* data() const { return data_; }

 private:
  std::size_t alignment_;
  char* data_;
};

std::uint64_t round_down(std::uint64_t v, std::uint64_t to) { return v / to * to; }
std::uint64_t round_up(std::uint64_t v, std::uint64_t to) { return round_down(v + to - 1, to); }

}  // namespace

std::uint64_t total_bytes(const std::vector<iovec>& pieces) {
  std::uint64_t sum = 0;
  for (const iovec& p : pieces) sum += p.iov_len;
  return sum;
}

PlainImage::~PlainImage() { close(fd_); }

int PlainImage::read(std::uint64_t offset, std::vector<iovec> to) {
  // The image is shorter than it was when it was opened: somebody has cut it off.
  return transfer([this](const iovec* v, int n, off_t at) { return preadv(fd_, v, n, at); }, offset, to, EIO);
}

int PlainImage::write(std::uint64_t offset, std::vector<iovec> from) {
  return transfer([this](const iovec* v, int n, off_t at) { return pwritev(fd_, v, n, at); }, offset, from, ENOSPC);
}

int PlainImage::flush() {
  while (fdatasync(fd_) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

int PlainImage::discard(std::uint64_t offset, std::uint64_t length) {
  int rc = 0;
  if (block_device_) {
    std::uint64_t range[2] = {offset, length};
    rc = ioctl(fd_, BLKDISCARD, range);
  } else {
    rc = fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                   static_cast<off_t>(length));
  }
  // A host that cannot do it has followed the hint as far as it goes.
  return rc == 0 || errno == EOPNOTSUPP || errno == ENOTTY || errno == ENOSYS ? 0 : errno;
}

std::size_t direct_alignment(int fd) {
  constexpr std::size_t kLargest = 4096;
  const AlignedBuffer buffer(2 * kLargest, 2 * kLargest);
  // Memory and length that are multiples of this, and of nothing larger.
  for (std::size_t alignment = 512; alignment <= kLargest; alignment *= 2) {
    if (pread(fd, buffer.data() + alignment, alignment, 0) >= 0) return alignment;
    if (errno != EINVAL) return 0;
  }
  return 0;
}

bool DirectImage::aligned(std::uint64_t offset, const std::vector<iovec>& pieces) const {
  return offset % alignment_ == 0 && std::all_of(pieces.begin(), pieces.end(), [this](const iovec& p) {
           return reinterpret_cast<std::uintptr_t>(p.iov_base) % alignment_ == 0 && p.iov_len % alignment_ == 0;
         });
}

int DirectImage::read(std::uint64_t offset, std::vector<iovec> to) {
  if (aligned(offset, to)) return PlainImage::read(offset, std::move(to));
  const std::uint64_t from = round_down(offset, alignment_);
  const std::uint64_t end = round_up(offset + total_bytes(to), alignment_);
  const AlignedBuffer buffer(alignment_, end - from);
  const int error = PlainImage::read(from, {{buffer.data(), end - from}});
  if (error == 0) scatter(buffer.data() + (offset - from), to);
  return error;
}

int DirectImage::write(std::uint64_t offset, std::vector<iovec> pieces) {
  if (aligned(offset, pieces)) {
    const std::shared_lock guard(writes_);
    return PlainImage::write(offset, std::move(pieces));
  }
  const std::uint64_t length = total_bytes(pieces);
  const std::uint64_t from = round_down(offset, alignment_);
  const std::uint64_t end = round_up(offset + length, alignment_);
  const AlignedBuffer buffer(alignment_, end - from);
  if (offset == from && offset + length == end) {  // only the memory is not aligned
    gather(pieces, buffer.data());
    const std::shared_lock guard(writes_);
    return PlainImage::write(from, {{buffer.data(), end - from}});
  }
  const std::unique_lock guard(writes_);
  if (const int error = PlainImage::read(from, {{buffer.data(), end - from}})) return error;
  gather(pieces, buffer.data() + (offset - from));
  return PlainImage::write(from, {{buffer.data(), end - from}});
}

OverlayImage::OverlayImage(std::unique_ptr<ImageFile> base, std::uint64_t size)
    : base_(std::move(base)), size_(size), in_top_((size + kCluster - 1) / kCluster) {
  const char* set = getenv("TMPDIR");
  const std::string folder = set && *set ? set : "/var/tmp";
  int fd = open(folder.c_str(), O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
  if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {  // a file system without nameless files
    std::string name = folder + "/machina-XXXXXX";
    fd = mkostemp(name.data(), O_CLOEXEC);
    if (fd >= 0) unlink(name.c_str());
  }
  if (fd < 0)
    throw Error("cannot make a temporary file in '" + folder + "' for snapshot=on")
        .why(std::strerror(errno))
        .hint("set TMPDIR to a folder with room");
  top_ = std::make_unique<PlainImage>(fd, false);
}

OverlayImage::~OverlayImage() = default;

int OverlayImage::read(std::uint64_t offset, std::vector<iovec> to) {
  const std::shared_lock guard(lock_);
  const std::uint64_t end = offset + total_bytes(to);
  for (std::uint64_t at = offset; at < end;) {
    // As far as it comes from the same file.
    const bool top = in_top_[at / kCluster];
    std::uint64_t stop = at;
    while (stop < end && in_top_[stop / kCluster] == top) stop = round_down(stop, kCluster) + kCluster;
    stop = std::min(stop, end);
    ImageFile& source = top ? static_cast<ImageFile&>(*top_) : *base_;
    if (const int error = source.read(at, part_of(to, at - offset, stop - at))) return error;
    at = stop;
  }
  return 0;
}

int OverlayImage::write(std::uint64_t offset, std::vector<iovec> from) {
  const std::uint64_t end = offset + total_bytes(from);
  if (end == offset) return 0;
  {
    const std::unique_lock guard(lock_);
    for (std::uint64_t c = offset / kCluster; c <= (end - 1) / kCluster; ++c) {
      if (in_top_[c]) continue;
      if (const int error = copy_up(c)) return error;
      in_top_[c] = true;
    }
  }
  const std::shared_lock guard(lock_);
  return top_->write(offset, std::move(from));
}

int OverlayImage::copy_up(std::uint64_t cluster) {
  std::vector<char> buffer(std::min(kCluster, size_ - cluster * kCluster));
  const std::vector<iovec> whole{{buffer.data(), buffer.size()}};
  if (const int error = base_->read(cluster * kCluster, whole)) return error;
  return top_->write(cluster * kCluster, whole);
}

}  // namespace machina
