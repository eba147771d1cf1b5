#pragma once
/// Reading and writing an image, blocking; called by the threads of a backend's pool, by several at once.

#include <sys/types.h>
#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <shared_mutex>
#include <string>
#include <vector>

namespace machina {

/// All results are 0 or a positive errno, and then nothing is known about what was transferred.
class ImageFile {
 public:
  virtual ~ImageFile() = default;
  virtual int read(std::uint64_t offset, std::vector<iovec> to) = 0;
  virtual int write(std::uint64_t offset, std::vector<iovec> from) = 0;
  virtual int flush() = 0;
  /// A hint: afterwards the range may read as zeroes or as before.
  virtual int discard(std::uint64_t offset, std::uint64_t length) = 0;
};

/// Bytes in all of the pieces.
std::uint64_t total_bytes(const std::vector<iovec>& pieces);

/// A regular file or block device, through the page cache. Takes over the descriptor.
class PlainImage : public ImageFile {
 public:
  PlainImage(int fd, bool block_device) : fd_(fd), block_device_(block_device) {}
  ~PlainImage() override;
  int read(std::uint64_t offset, std::vector<iovec> to) override;
  int write(std::uint64_t offset, std::vector<iovec> from) override;
  int flush() override;
  int discard(std::uint64_t offset, std::uint64_t length) override;

 private:
  int fd_;
  bool block_device_;
};

/// As PlainImage, for a descriptor opened with O_DIRECT, which takes whole, aligned blocks of `alignment` bytes only.
/// What is not aligned goes through a buffer; part of a block is read, changed and written with all other writes kept
/// out.
class DirectImage final : public PlainImage {
 public:
  DirectImage(int fd, bool block_device, std::size_t alignment) : PlainImage(fd, block_device), alignment_(alignment) {}
  int read(std::uint64_t offset, std::vector<iovec> to) override;
  int write(std::uint64_t offset, std::vector<iovec> from) override;

 private:
  bool aligned(std::uint64_t offset, const std::vector<iovec>& pieces) const;

  const std::size_t alignment_;
  std::shared_mutex writes_;
};

/// The alignment that O_DIRECT asks for on this descriptor, in bytes; 0 when reading fails.
std::size_t direct_alignment(int fd);

/// What is written goes to an unlinked temporary file, and is gone with the object: snapshot=on. The base is only read.
class OverlayImage final : public ImageFile {
 public:
  /// Throws Error when the folder for temporary files ($TMPDIR, else /var/tmp) takes none.
  OverlayImage(std::unique_ptr<ImageFile> base, std::uint64_t size);
  ~OverlayImage() override;
  int read(std::uint64_t offset, std::vector<iovec> to) override;
  int write(std::uint64_t offset, std::vector<iovec> from) override;
  int flush() override { return 0; }  // nothing outlives the process
  int discard(std::uint64_t, std::uint64_t) override { return 0; }

 private:
  static constexpr std::uint64_t kCluster = 64 * 1024;
  int copy_up(std::uint64_t cluster);

  std::unique_ptr<ImageFile> base_;
  const std::uint64_t size_;
  std::unique_ptr<PlainImage> top_;
  std::shared_mutex lock_;    // shared: transfers; exclusive: copying clusters
  std::vector<bool> in_top_;  // by cluster
};

}  // namespace machina
