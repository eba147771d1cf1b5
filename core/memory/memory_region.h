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
#include "core/memory/lockless_gate.h"
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
  static constexpr std::uint64_t kWholeSpace = ~std::uint64_t{0};  ///< all 2^64 bytes, [0, 2^64 - 1]

  ContainerRegion* container() const { return container_; }
  Offset offset() const { return offset_; }  ///< in its container
  int priority() const { return priority_; }
  bool enabled() const { return enabled_; }
  bool readonly() const { return readonly_; }

  void set_enabled(bool enabled);
  void set_offset(Offset offset);
  /// Throws Error when RAM is to become larger than its block.
  void set_size(std::uint64_t size);
  /// RAM, and aliases and containers through which RAM is seen: guest writes are dropped (counted as unanswered).
  /// Registers seen through a read-only alias stay writable.
  void set_readonly(bool readonly);

 protected:
  MemoryRegion(Kind kind, std::string name, std::uint64_t size) : kind_(kind), name_(std::move(name)), size_(size) {}
  void changed();  ///< marks every address space in which this region may be visible
  void detach();   ///< takes the region out of its container and blinds its aliases; for destructors

 private:
  friend class ContainerRegion;
  friend class AliasRegion;
  friend class AddressSpace;
  bool reaches(const MemoryRegion& other) const;  // going down
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
  /// already, contains this one (also by an alias), or its end lies beyond 2^64.
  void add(Offset offset, MemoryRegion& child, int priority = 0);
  /// Throws Error when it is not in this container.
  void remove(MemoryRegion& child);
  const std::vector<MemoryRegion*>& children() const { return children_; }  ///< highest priority first

 private:
  friend class MemoryRegion;
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
  /// A target that dies first leaves an alias that shows nothing.
  bool has_target() const { return target_ != nullptr; }
  MemoryRegion& target() const { return *target_; }
  Offset target_offset() const { return target_offset_; }
  void set_target_offset(Offset offset);

 private:
  friend class MemoryRegion;
  MemoryRegion* target_;
  Offset target_offset_;
};

/// Widths that are accepted, powers of two up to 8. The region makes of each access what the handler implements: a
/// wider one than `max` is split, lowest address first; one that is not naturally aligned is split into aligned parts
/// unless `unaligned`; a read narrower than `min` is widened and the bytes asked for are cut out. A write narrower than
/// `min` is refused (BadSize): nobody but the device knows what the other bytes of the register should be.
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

  /// An empty handler answers nothing. Throws Error for widths that make no sense.
  IoRegion(std::string name, std::uint64_t size, Widths widths, Read read, Write write);
  ~IoRegion() override;
  /// From member functions: IoRegion{"pit", 4, Widths::only(1), this, &I8254::read, &I8254::write}
  template <class T, class R, class W>
  IoRegion(std::string name, std::uint64_t size, Widths widths, T* self, R read, W write)
      : IoRegion(
            std::move(name), size, widths, [self, read](Offset o, Width w) -> IoResult { return (self->*read)(o, w); },
            [self, write](Offset o, Width w, std::uint64_t v) -> IoResult { return (self->*write)(o, w, v); }) {}

  Widths widths() const { return widths_; }
  /// The handlers do their own locking. Set before the region is mapped. Such a handler must not take the machine lock:
  /// the destructor of the region waits, with that lock held, for handlers that are still running.
  void set_lockless(bool on);
  bool lockless() const { return gate_ != nullptr; }
  const std::shared_ptr<LocklessGate>& gate() const { return gate_; }

  /// Throws Error when the access it waits for does not fit in the region, or is there already.
  void add_eventfd(const IoEventFd& event);
  void remove_eventfd(const IoEventFd& event);
  const std::vector<IoEventFd>& eventfds() const { return eventfds_; }

  /// The access as the bus delivers it: splits, widens, and answers what the device refuses with all ones. A device
  /// that, while handling an access, reaches its own region again (DMA to itself) is refused (NoResponse). The status
  /// is that of the first part refused; the value is as the guest sees it all the same.
  IoResult read(Offset offset, Width width) const;
  IoResult write(Offset offset, Width width, std::uint64_t value) const;

 private:
  class Busy;
  bool fits(Offset offset, Width width) const;
  bool direct(Offset offset, Width width) const;
  IoResult read_part(Offset offset, Width width) const;
  IoResult write_part(Offset offset, Width width, std::uint64_t value) const;

  Widths widths_;
  Read read_;
  Write write_;
  std::shared_ptr<LocklessGate> gate_;
  mutable bool busy_ = false;  // under the machine lock; unused when lockless
  std::vector<IoEventFd> eventfds_;
};

/// Batches topology changes: the address spaces concerned are rendered again, and listeners told, when the outermost
/// transaction of the thread ends. Machine lock held. Until then this thread, too, sees the memory of before; a region
/// that was destroyed meanwhile does not answer.
class MemoryTransaction {
 public:
  MemoryTransaction();
  ~MemoryTransaction();
  MemoryTransaction(const MemoryTransaction&) = delete;
  MemoryTransaction& operator=(const MemoryTransaction&) = delete;
};

}  // namespace machina
