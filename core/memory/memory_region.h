#pragma once
/// Memory regions: the devices' own description of what answers where.
///
/// Regions form a graph: a container holds regions at offsets with priorities (higher wins where they overlap; among
/// equals, the one added last), an alias shows a window of another region. An AddressSpace renders its root region into
/// disjoint flat ranges. Port space and memory space are both made of these.
///
/// Topology (add, remove, enable, move, alias offset, read-only) changes only under the machine lock; several changes
/// are put into one MemoryTransaction so that vCPUs see all of them or none.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "core/memory/io_result.h"
#include "core/memory/ram_block.h"

namespace machina {

class AddressSpace;
class ContainerRegion;
class AliasRegion;

class MemoryRegion {
 public:
  enum class Kind { Container, Ram, Io, Alias };

  virtual ~MemoryRegion();
  MemoryRegion(const MemoryRegion&) = delete;
  MemoryRegion& operator=(const MemoryRegion&) = delete;

  Kind kind() const { return kind_; }
  const std::string& name() const { return name_; }
  /// Bytes; a region that covers a whole 64-bit space has kWholeSpace.
  std::uint64_t size() const { return size_; }
  static constexpr std::uint64_t kWholeSpace = ~std::uint64_t{0};  ///< [0, 2^64 - 1)

  ContainerRegion* container() const { return container_; }
  Offset offset() const { return offset_; }  ///< in its container
  int priority() const { return priority_; }
  bool enabled() const { return enabled_; }
  bool readonly() const { return readonly_; }

  void set_enabled(bool enabled);
  void set_offset(Offset offset);
  void set_size(std::uint64_t size);
  /// RAM, and aliases of RAM: guest writes are dropped (counted as unanswered).
  void set_readonly(bool readonly);

 protected:
  MemoryRegion(Kind kind, std::string name, std::uint64_t size) : kind_(kind), name_(std::move(name)), size_(size) {}
  void changed();  ///< marks every address space in which this region may be visible

 private:
  friend class ContainerRegion;
  friend class AliasRegion;
  friend class AddressSpace;
  void collect_spaces(std::vector<AddressSpace*>& spaces) const;

  Kind kind_;
  std::string name_;
  std::uint64_t size_;
  ContainerRegion* container_ = nullptr;
  Offset offset_ = 0;
  int priority_ = 0;
  bool enabled_ = true;
  bool readonly_ = false;
  std::vector<AliasRegion*> aliases_;  // that show this region
  std::vector<AddressSpace*> root_of_;
};

class ContainerRegion final : public MemoryRegion {
 public:
  ContainerRegion(std::string name, std::uint64_t size) : MemoryRegion(Kind::Container, std::move(name), size) {}
  ~ContainerRegion() override;
  /// The child stays the caller's and removes itself when it is destroyed. Throws Error when it is in a container
  /// already or its end lies beyond 2^64.
  void add(Offset offset, MemoryRegion& child, int priority = 0);
  void remove(MemoryRegion& child);
  const std::vector<MemoryRegion*>& children() const { return children_; }  ///< highest priority first

 private:
  std::vector<MemoryRegion*> children_;
};

class RamRegion final : public MemoryRegion {
 public:
  /// A window of a block; the whole of it by default.
  RamRegion(std::string name, std::shared_ptr<RamBlock> block, bool readonly = false);
  RamRegion(std::string name, std::shared_ptr<RamBlock> block, Offset block_offset, std::uint64_t size);
  const std::shared_ptr<RamBlock>& block() const { return block_; }
  Offset block_offset() const { return block_offset_; }
  /// Asks the accelerator to log the pages that the guest writes (display refresh, migration).
  void set_dirty_log(bool on);
  bool dirty_log() const { return dirty_log_; }

 private:
  std::shared_ptr<RamBlock> block_;
  Offset block_offset_ = 0;
  bool dirty_log_ = false;
};

class AliasRegion final : public MemoryRegion {
 public:
  AliasRegion(std::string name, MemoryRegion& target, Offset target_offset, std::uint64_t size);
  ~AliasRegion() override;
  MemoryRegion& target() const { return *target_; }
  Offset target_offset() const { return target_offset_; }
  void set_target_offset(Offset offset);

 private:
  friend class MemoryRegion;
  MemoryRegion* target_;
  Offset target_offset_;
};

/// Widths that are accepted. A wider access than `max` is split into several, a narrower one than `min` is widened
/// (reads; the bytes asked for are cut out) by the dispatcher, so a handler sees only widths that it implements.
struct Widths {
  Width min = 1;
  Width max = 4;
  bool unaligned = false;  ///< the handler copes with accesses that are not naturally aligned

  static constexpr Widths only(Width w) { return {w, w, false}; }
};

/// A notification that replaces a write of the guest: the accelerator signals `fd` itself.
struct IoEventFd {
  Offset offset = 0;
  Width width = 0;     ///< 0: any width
  bool match = false;  ///< only when the value written is `value`
  std::uint64_t value = 0;
  int fd = -1;
  friend bool operator==(const IoEventFd&, const IoEventFd&) = default;
};

/// Registers of a device. Handlers run with the machine lock held unless the region is lockless.
class IoRegion final : public MemoryRegion {
 public:
  using Read = std::function<IoResult(Offset, Width)>;
  using Write = std::function<IoResult(Offset, Width, std::uint64_t)>;

  IoRegion(std::string name, std::uint64_t size, Widths widths, Read read, Write write);
  /// From member functions: IoRegion{"pit", 4, Widths::only(1), this, &I8254::read, &I8254::write}
  template <class T, class R, class W>
  IoRegion(std::string name, std::uint64_t size, Widths widths, T* self, R read, W write)
      : IoRegion(
            std::move(name), size, widths, [self, read](Offset o, Width w) -> IoResult { return (self->*read)(o, w); },
            [self, write](Offset o, Width w, std::uint64_t v) -> IoResult { return (self->*write)(o, w, v); }) {}

  Widths widths() const { return widths_; }
  /// The handlers do their own locking. Set before the region is mapped.
  void set_lockless(bool on) { lockless_ = on; }
  bool lockless() const { return lockless_; }

  void add_eventfd(const IoEventFd& event);
  void remove_eventfd(const IoEventFd& event);
  const std::vector<IoEventFd>& eventfds() const { return eventfds_; }

  /// The access as the bus delivers it: splits, widens, and answers what the device refuses with all ones. A device
  /// that, while handling an access, reaches its own region again (DMA to itself) is refused (NoResponse).
  IoResult read(Offset offset, Width width) const;
  IoResult write(Offset offset, Width width, std::uint64_t value) const;

 private:
  Widths widths_;
  Read read_;
  Write write_;
  bool lockless_ = false;
  mutable bool busy_ = false;  // under the machine lock; unused when lockless
  std::vector<IoEventFd> eventfds_;
};

/// Batches topology changes: the address spaces concerned are rendered again, and listeners told, when the outermost
/// transaction of the thread ends. Machine lock held.
class MemoryTransaction {
 public:
  MemoryTransaction();
  ~MemoryTransaction();
  MemoryTransaction(const MemoryTransaction&) = delete;
  MemoryTransaction& operator=(const MemoryTransaction&) = delete;
};

}  // namespace machina
