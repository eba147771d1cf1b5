#include "accel/jit/block_cache.h"

#include <algorithm>

#include "accel/jit/tlb.h"
#include "core/trace/trace_event.h"

namespace machina::jit {

namespace {

const TraceEvent<std::uint64_t, unsigned, std::uint64_t, unsigned> jit_block_made{
    "jit_block_made", "host={:#x} bytes={} ops={} mode={:#x}"};
const TraceEvent<std::uint64_t, unsigned> jit_block_killed{"jit_block_killed", "host={:#x} bytes={}"};
const TraceEvent<std::uint64_t, std::uint64_t> jit_cache_emptied{"jit_cache_emptied", "blocks={} bytes={}"};

std::size_t footprint(const Block& block) { return sizeof block + block.ops.capacity() * sizeof(Op); }

std::uint64_t in_first_page(const Block& block) {
  return std::min<std::uint64_t>(block.size, (block.host & kPageMask) + kPageSize - block.host);
}

/// Has the block bytes in [host, host + size)?
bool overlaps(const Block& block, std::uintptr_t host, unsigned size) {
  const std::uint64_t in_first = in_first_page(block);
  if (host < block.host + in_first && block.host < host + size) return true;
  return block.second_page != 0 && host < block.second_page + (block.size - in_first) &&
         block.second_page < host + size;
}

}  // namespace

const Block* BlockCache::find(std::uintptr_t host, std::uint32_t mode) {
  const std::lock_guard guard(mutex_);
  const auto it = blocks_.find({host, mode});
  return it == blocks_.end() ? nullptr : it->second.get();
}

bool BlockCache::claim(std::uintptr_t host_page) {
  const std::lock_guard guard(mutex_);
  Page& page = pages_[host_page];
  if (page.claims++ == 0 && page.blocks.empty()) code_.mark(host_page, 1);
  return !page.settled;
}

void BlockCache::settled(std::uintptr_t host_page) {
  const std::lock_guard guard(mutex_);
  pages_.at(host_page).settled = true;
}

void BlockCache::release(std::uintptr_t host_page) {
  const std::lock_guard guard(mutex_);
  const auto it = pages_.find(host_page);
  --it->second.claims;
  drop_if_empty(it);
}

void BlockCache::drop_if_empty(Pages::iterator it) {
  if (!it->second.blocks.empty() || it->second.claims != 0) return;
  code_.clear_page(it->first);
  pages_.erase(it);
}

const Block* BlockCache::insert(std::unique_ptr<Block> block, const std::function<bool(const Block&)>& unchanged) {
  const std::lock_guard guard(mutex_);
  if (const auto known = blocks_.find({block->host, block->mode}); known != blocks_.end()) {
    // Its tail may have been found on another page.
    if (known->second->second_page == block->second_page) return known->second.get();
    kill(known->second.get());
  }
  const std::uint64_t in_first = in_first_page(*block);
  code_.mark(block->host, static_cast<unsigned>(in_first));
  if (block->second_page != 0) code_.mark(block->second_page, static_cast<unsigned>(block->size - in_first));
  store_before_load();
  // Who stores from now on looks, finds the lines marked and waits for the mutex; then the block dies.
  if (!unchanged(*block)) return nullptr;
  ++decoded_;
  jit_block_made(std::uint64_t{block->host}, block->size, block->ops.size(), block->mode);
  bytes_.fetch_add(footprint(*block), std::memory_order_relaxed);
  Block* made = block.get();
  blocks_.emplace(Key{made->host, made->mode}, std::move(block));
  pages_.at(made->host & kPageMask).blocks.push_back(made);
  if (made->second_page != 0) pages_.at(made->second_page).blocks.push_back(made);
  return made;
}

void BlockCache::kill(Block* block) {
  ++invalidated_;
  jit_block_killed(std::uint64_t{block->host}, block->size);
  block->valid.store(false, std::memory_order_seq_cst);
  for (const std::uintptr_t page : {block->host & kPageMask, block->second_page}) {
    if (page == 0) continue;
    const auto on = pages_.find(page);
    if (on == pages_.end()) continue;
    std::erase(on->second.blocks, block);
    drop_if_empty(on);
  }
  const auto entry = blocks_.find({block->host, block->mode});
  dead_.push_back(std::move(entry->second));
  blocks_.erase(entry);
}

bool BlockCache::written(std::uintptr_t host, unsigned size) {
  store_before_load();  // the store before, the look after: see CodeMap
  if (!code_.has_code(host, size)) return false;
  const std::lock_guard guard(mutex_);
  const auto it = pages_.find(host & kPageMask);
  if (it == pages_.end()) return false;
  std::vector<Block*> dying;
  for (Block* block : it->second.blocks)
    if (overlaps(*block, host, size)) dying.push_back(block);
  for (Block* block : dying) kill(block);
  return !dying.empty();
}

void BlockCache::forget_range(std::uintptr_t host, std::uint64_t size) {
  const std::lock_guard guard(mutex_);
  std::vector<Block*> dying;
  for (const auto& [address, page] : pages_)
    if (address >= host && address - host < size) dying.insert(dying.end(), page.blocks.begin(), page.blocks.end());
  // One that lies on two pages is there twice.
  std::sort(dying.begin(), dying.end());
  dying.erase(std::unique(dying.begin(), dying.end()), dying.end());
  for (Block* block : dying) kill(block);
}

std::shared_ptr<const BlockEnds> BlockCache::ends_for(std::span<const std::uint64_t> addresses) {
  std::vector<std::uint32_t> retired;
  auto ends = ends_.take(addresses, retired);
  if (retired.empty()) return ends;
  const std::lock_guard guard(mutex_);
  std::vector<Block*> dying;
  for (const auto& [key, block] : blocks_)
    if (std::find(retired.begin(), retired.end(), key.mode & kModeEnds) != retired.end()) dying.push_back(block.get());
  for (Block* block : dying) kill(block);
  return ends;
}

void BlockCache::clear() {
  const std::lock_guard guard(mutex_);
  jit_cache_emptied(blocks_.size(), bytes_.load(std::memory_order_relaxed));
  for (const auto& [address, page] : pages_) code_.clear_page(address);
  pages_.clear();
  blocks_.clear();
  dead_.clear();
  thunks_.clear();
  bytes_.store(0, std::memory_order_relaxed);
  ++emptied_;
}

BlockCache::Statistics BlockCache::statistics() {
  const std::lock_guard guard(mutex_);
  return {blocks_.size(), bytes_.load(std::memory_order_relaxed), decoded_, invalidated_, emptied_};
}

}  // namespace machina::jit
