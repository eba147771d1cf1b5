#include "accel/jit/block_cache.h"

#include <algorithm>

#include "accel/jit/tlb.h"

namespace machina::jit {

namespace {

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

BlockCache::Inserted BlockCache::insert(std::unique_ptr<Block> block) {
  const std::lock_guard guard(mutex_);
  const auto [it, is_new] = blocks_.try_emplace({block->host, block->mode}, nullptr);
  if (!is_new) {
    // Its tail may have been found on another page.
    if (it->second->second_page == block->second_page) return {it->second.get(), {}};
    kill(it->second.get());
    return {nullptr, {}};
  }
  ++decoded_;
  bytes_.fetch_add(footprint(*block), std::memory_order_relaxed);
  it->second = std::move(block);
  Block* made = it->second.get();
  Inserted result{made, {}};
  const std::uintptr_t page = made->host & kPageMask;
  const std::uint64_t in_first = in_first_page(*made);
  by_page_[page].push_back(made);
  if (code_.mark(made->host, static_cast<unsigned>(in_first))) result.new_pages.push_back(page);
  if (made->second_page != 0) {
    by_page_[made->second_page].push_back(made);
    if (code_.mark(made->second_page, static_cast<unsigned>(made->size - in_first)))
      result.new_pages.push_back(made->second_page);
  }
  return result;
}

void BlockCache::kill(Block* block) {
  ++invalidated_;
  block->valid.store(false, std::memory_order_seq_cst);
  for (const std::uintptr_t page : {block->host & kPageMask, block->second_page}) {
    if (page == 0) continue;
    const auto on = by_page_.find(page);
    if (on == by_page_.end()) continue;
    std::erase(on->second, block);
    if (on->second.empty()) {
      by_page_.erase(on);
      code_.clear_page(page);
    }
  }
  const auto entry = blocks_.find({block->host, block->mode});
  dead_.push_back(std::move(entry->second));
  blocks_.erase(entry);
}

bool BlockCache::written(std::uintptr_t host, unsigned size) {
  if (!code_.has_code(host, size)) return false;
  const std::lock_guard guard(mutex_);
  const auto it = by_page_.find(host & kPageMask);
  if (it == by_page_.end()) return false;
  std::vector<Block*> dying;
  for (Block* block : it->second)
    if (overlaps(*block, host, size)) dying.push_back(block);
  for (Block* block : dying) kill(block);
  return !dying.empty();
}

void BlockCache::forget_range(std::uintptr_t host, std::uint64_t size) {
  const std::lock_guard guard(mutex_);
  std::vector<Block*> dying;
  for (const auto& [page, blocks] : by_page_)
    if (page >= host && page - host < size) dying.insert(dying.end(), blocks.begin(), blocks.end());
  // One that lies on two pages is there twice.
  std::sort(dying.begin(), dying.end());
  dying.erase(std::unique(dying.begin(), dying.end()), dying.end());
  for (Block* block : dying) kill(block);
}

void BlockCache::clear() {
  const std::lock_guard guard(mutex_);
  for (const auto& [page, blocks] : by_page_) code_.clear_page(page);
  by_page_.clear();
  blocks_.clear();
  dead_.clear();
  bytes_.store(0, std::memory_order_relaxed);
  ++emptied_;
}

BlockCache::Statistics BlockCache::statistics() {
  const std::lock_guard guard(mutex_);
  return {blocks_.size(), bytes_.load(std::memory_order_relaxed), decoded_, invalidated_, emptied_};
}

}  // namespace machina::jit
