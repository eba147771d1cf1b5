#include "core/memory/memory_region.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

#include "core/error.h"
#include "core/memory/address_space.h"
#include "core/memory/transaction_state.h"

namespace machina {

// --- MemoryRegion ---------------------------------------------------------------------------------------------------

MemoryRegion::~MemoryRegion() {
  assert(root_of_.empty() && "an address space outlives its root region");
  detach();
}

void MemoryRegion::detach() {
  MemoryTransaction transaction;
  if (container_ != nullptr || !aliases_.empty()) changed();
  if (container_ != nullptr) std::erase(container_->children_, this);
  container_ = nullptr;
  for (AliasRegion* alias : aliases_) alias->target_ = nullptr;
  aliases_.clear();
  // Also when it was taken out before: within an outer transaction the current views still show it.
  TransactionState& state = TransactionState::of_this_thread();
  if (kind_ == Kind::Io && !state.is_destroyed(this)) state.destroyed.push_back(this);
}

void MemoryRegion::changed() {
  MemoryTransaction transaction;
  std::vector<AddressSpace*> spaces;
  collect_spaces(spaces);
  for (AddressSpace* space : spaces) TransactionState::of_this_thread().mark(space);
}

// Goes up from here through what is enabled; whether the region itself is enabled is the caller's business.
void MemoryRegion::collect_spaces(std::vector<AddressSpace*>& spaces) const {
  spaces.insert(spaces.end(), root_of_.begin(), root_of_.end());
  if (container_ != nullptr && container_->enabled_) container_->collect_spaces(spaces);
  for (const AliasRegion* alias : aliases_) {
    if (alias->enabled_) alias->collect_spaces(spaces);
  }
}

bool MemoryRegion::reaches(const MemoryRegion& other) const {
  if (this == &other) return true;
  if (kind_ == Kind::Alias) {
    const auto* target = static_cast<const AliasRegion*>(this)->target_;
    return target != nullptr && target->reaches(other);
  }
  if (kind_ != Kind::Container) return false;
  const auto& children = static_cast<const ContainerRegion*>(this)->children();
  return std::any_of(children.begin(), children.end(),
                     [&](const MemoryRegion* child) { return child->reaches(other); });
}

void MemoryRegion::set_enabled(bool enabled) {
  if (enabled == enabled_) return;
  enabled_ = enabled;
  changed();
}

void MemoryRegion::set_offset(Offset offset) {
  if (offset == offset_) return;
  offset_ = offset;
  if (enabled_) changed();
}

void MemoryRegion::set_size(std::uint64_t size) {
  if (size == size_) return;
  if (kind_ == Kind::Ram) {
    const auto& ram = static_cast<const RamRegion&>(*this);
    const std::uint64_t room = ram.block()->size() - ram.block_offset();
    if (size > room) {
      throw Error(fmt::format("memory region '{}' cannot have {} bytes", name_, size))
          .why(fmt::format("its block '{}' has {} bytes from there on", ram.block()->name(), room));
    }
  }
  size_ = size;
  if (enabled_) changed();
}

void MemoryRegion::set_readonly(bool readonly) {
  if (readonly == readonly_) return;
  readonly_ = readonly;
  if (enabled_) changed();
}

// --- ContainerRegion ------------------------------------------------------------------------------------------------

ContainerRegion::~ContainerRegion() {
  MemoryTransaction transaction;
  changed();
  detach();
  for (MemoryRegion* child : children_) child->container_ = nullptr;
  children_.clear();
}

void ContainerRegion::add(Offset offset, MemoryRegion& child, int priority) {
  const auto refuse = [&] { return Error(fmt::format("cannot map '{}' into '{}'", child.name(), name())); };
  if (child.container_ != nullptr) {
    throw refuse()
        .why(fmt::format("it is mapped into '{}' at {:#x} already", child.container_->name(), child.offset_))
        .hint("map an alias of it");
  }
  const bool fits = child.size_ == kWholeSpace ? offset == 0 : child.size_ == 0 || child.size_ - 1 <= ~offset;
  if (!fits) throw refuse().why(fmt::format("{} bytes at {:#x} end beyond 2^64", child.size_, offset));
  if (child.reaches(*this))
    throw refuse().why(fmt::format("'{}' shows '{}', so it would show itself", child.name(), name()));

  // Highest priority first; before its equals, since the one added last wins.
  const auto position = std::find_if(children_.begin(), children_.end(),
                                     [priority](const MemoryRegion* other) { return other->priority_ <= priority; });
  children_.insert(position, &child);
  child.container_ = this;
  child.offset_ = offset;
  child.priority_ = priority;
  if (child.enabled_ && enabled()) child.changed();
}

void ContainerRegion::remove(MemoryRegion& child) {
  if (child.container_ != this) {
    throw Error(fmt::format("cannot remove '{}' from '{}'", child.name(), name())).why("it is not mapped there");
  }
  MemoryTransaction transaction;
  if (child.enabled_) child.changed();
  std::erase(children_, &child);
  child.container_ = nullptr;
}

// --- RamRegion ------------------------------------------------------------------------------------------------------

RamRegion::RamRegion(std::string name, std::shared_ptr<RamBlock> block, bool readonly)
    : MemoryRegion(Kind::Ram, std::move(name), block->size()), block_(std::move(block)) {
  set_readonly(readonly);
}

RamRegion::RamRegion(std::string name, std::shared_ptr<RamBlock> block, Offset block_offset, std::uint64_t size)
    : MemoryRegion(Kind::Ram, std::move(name), size), block_(std::move(block)), block_offset_(block_offset) {
  if (block_offset_ > block_->size() || size > block_->size() - block_offset_) {
    throw Error(fmt::format("memory region '{}' does not fit: {} bytes at {:#x} of block '{}', which has {} bytes",
                            this->name(), size, block_offset_, block_->name(), block_->size()));
  }
}

void RamRegion::set_dirty_log(bool on) {
  if (on == dirty_log_) return;
  if (on) block_->enable_dirty_log();
  dirty_log_ = on;
  if (enabled()) changed();
}

// --- AliasRegion ----------------------------------------------------------------------------------------------------

AliasRegion::AliasRegion(std::string name, MemoryRegion& target, Offset target_offset, std::uint64_t size)
    : MemoryRegion(Kind::Alias, std::move(name), size), target_(&target), target_offset_(target_offset) {
  target.aliases_.push_back(this);
}

AliasRegion::~AliasRegion() {
  detach();
  if (target_ != nullptr) std::erase(target_->aliases_, this);
}

void AliasRegion::set_target_offset(Offset offset) {
  if (offset == target_offset_) return;
  target_offset_ = offset;
  if (enabled()) changed();
}

// --- transactions ---------------------------------------------------------------------------------------------------

TransactionState& TransactionState::of_this_thread() {
  thread_local TransactionState state;
  return state;
}

void TransactionState::mark(AddressSpace* space) {
  if (std::find(spaces.begin(), spaces.end(), space) == spaces.end()) spaces.push_back(space);
}

void TransactionState::forget(const AddressSpace* space) { std::erase(spaces, space); }

bool TransactionState::is_destroyed(const MemoryRegion* region) const {
  return std::find(destroyed.begin(), destroyed.end(), region) != destroyed.end();
}

MemoryTransaction::MemoryTransaction() { ++TransactionState::of_this_thread().depth; }

MemoryTransaction::~MemoryTransaction() {
  TransactionState& state = TransactionState::of_this_thread();
  // The depth stays at 1 meanwhile, so that what a listener changes waits for its turn.
  while (state.depth == 1 && !state.spaces.empty()) {
    AddressSpace* const space = state.spaces.front();
    state.spaces.erase(state.spaces.begin());
    space->update();
  }
  if (--state.depth == 0) state.destroyed.clear();
}

}  // namespace machina
