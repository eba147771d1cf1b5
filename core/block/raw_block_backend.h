#pragma once
/// block-raw: a regular file or block device of the host whose bytes are the disk's.

#include <atomic>
#include <memory>

#include "core/block/block_backend.h"
#include "core/block/image_file.h"
#include "core/block/io_pool.h"

namespace machina {

/// QEMU's cache modes. After a flush data is on stable storage in all but Unsafe.
enum class BlockCache {
  Writeback,     ///< through the host's page cache
  None,          ///< past it: O_DIRECT
  Writethrough,  ///< each write is stable when it completes
  Unsafe,        ///< flushes are ignored: for images that may be lost
};

enum class BlockDiscard { Ignore, Unmap };

class RawBlockBackend : public BlockBackend {
 public:
  static constexpr const char* kType = "block-raw";
  static void class_init(qom::ObjectClass& c);
  ~RawBlockBackend() override;

  std::uint64_t size() const override { return size_; }
  bool read_only() const override { return readonly_; }
  std::string description() const override { return filename_; }
  Caching caching() const override {
    return {cache_ != BlockCache::Writethrough, cache_ == BlockCache::None, cache_ == BlockCache::Unsafe};
  }

  void read(std::uint64_t offset, std::vector<std::span<std::uint8_t>> to, Completion done) override;
  void write(std::uint64_t offset, std::vector<std::span<const std::uint8_t>> from, Completion done) override;
  void flush(Completion done) override;
  void discard(std::uint64_t offset, std::uint64_t length, Completion done) override;
  unsigned in_flight() const override { return pool_ ? pool_->in_flight() : 0; }
  void drain() override;

 protected:
  void realize() override;
  void unrealize() override;
  /// What requests go to; for tests that inject faults.
  virtual std::unique_ptr<ImageFile> wrap(std::unique_ptr<ImageFile> image) { return image; }

 private:
  static constexpr std::uint64_t kSector = 512;
  static constexpr unsigned kThreads = 2;

  void check_format(int fd) const;
  std::unique_ptr<ImageFile> open_image();
  bool in_range(std::uint64_t offset, std::uint64_t length) const {
    return offset <= size_ && length <= size_ - offset;
  }
  int flush_now();

  // configuration
  std::string filename_;
  std::string format_;
  bool readonly_ = false;
  bool snapshot_ = false;
  bool locking_ = true;
  BlockCache cache_ = BlockCache::Writeback;
  BlockDiscard discard_ = BlockDiscard::Ignore;

  // run time
  std::uint64_t size_ = 0;
  std::unique_ptr<PlainImage> lock_holder_;
  std::unique_ptr<ImageFile> image_;
  std::atomic<int> flush_error_{0};
  std::unique_ptr<IoPool> pool_;  // its threads use what stands above
};

}  // namespace machina
