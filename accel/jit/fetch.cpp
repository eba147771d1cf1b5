#include "accel/jit/fetch.h"

#include <algorithm>
#include <optional>

#include "accel/jit/block_cache.h"
#include "accel/jit/cpu_log.h"
#include "accel/jit/debugger.h"
#include "accel/jit/decoder.h"
#include "accel/jit/environment.h"
#include "accel/jit/host_float.h"
#include "accel/jit/memory.h"
#include "core/log.h"

namespace machina::jit {

namespace {

/// A page of code: where it is in this process, or, when it is not RAM, at which physical address.
struct CodePage {
  std::uint8_t* host = nullptr;
  std::uint64_t physical = 0;
};

/// `linear` lies in the page. Throws GuestFault.
CodePage find_page(Cpu& cpu, std::uint64_t linear) {
  const bool user = cpu.cpl == 3;
  if (std::uint8_t* known = cpu.code_tlb.find(linear, user)) return {known, 0};
  if (cpu.long_mode() && !canonical(cpu, linear)) raise_segment_fault(false);
  Translation t;
  if (const std::uint32_t error =
          translate(cpu, cpu.environment, linear, Access::Fetch, user ? TlbMode::User : TlbMode::Supervisor, t);
      error != kTranslated)
    throw GuestFault{Vector::PageFault, true, error, linear};
  const HostPage found = cpu.environment.page(t.physical & kPageMask);
  if (found.host) cpu.code_tlb.remember(linear, user, found.host, t.page_size);
  return {found.host, t.physical & kPageMask};
}

std::uint64_t following_page(const Cpu& cpu, std::uint64_t linear) {
  const std::uint64_t next = (linear & kPageMask) + kPageSize;
  return cpu.long_code() ? next : next & 0xffffffff;
}

/// While it lives, nobody writes the page without looking for code: see CodeMap.
class Claim {
 public:
  Claim(Cpu& cpu, const std::uint8_t* host) : blocks_(cpu.blocks), page_(reinterpret_cast<std::uintptr_t>(host)) {
    if (!blocks_.claim(page_)) return;
    cpu.environment.protect(page_);
    blocks_.settled(page_);
  }
  ~Claim() { blocks_.release(page_); }
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;

 private:
  BlockCache& blocks_;
  std::uintptr_t page_;
};

/// As many bytes as the longest block may have.
constexpr std::size_t kLongestBlock = std::size_t{kMaxOps} * 16;

/// A copy of the bytes: what is decoded must be the same that is compared later, whoever writes meanwhile. Aligned
/// words are copied in one piece: kernels patch instructions by storing one.
class Bytes final : public CodeBytes {
 public:
  Bytes(Cpu& cpu, std::uint64_t linear, const CodePage& page) : cpu_(cpu), linear_(linear) { take(page, linear, 0); }
  std::span<const std::uint8_t> page() override { return {bytes_.data(), in_page_}; }
  std::span<const std::uint8_t> next_page() override {
    second_ = find_page(cpu_, following_page(cpu_, linear_));
    has_second_ = true;
    take(second_, following_page(cpu_, linear_), in_page_);
    return {bytes_.data() + in_page_, kTail};
  }
  bool ends_at(std::size_t offset) const override {
    return cpu_.debugger && cpu_.debugger->ends_blocks_at(linear_ + offset);
  }
  bool has_second() const { return has_second_; }
  const CodePage& second() const { return second_; }
  const std::uint8_t* data() const { return bytes_.data(); }
  std::size_t in_page() const { return in_page_; }

 private:
  static constexpr std::size_t kTail = 16;  // an instruction has 15 bytes at most

  void take(const CodePage& page, std::uint64_t linear, std::size_t at) {
    const std::uint64_t offset = linear & (kPageSize - 1);
    const std::size_t size = at == 0 ? std::min<std::size_t>(kPageSize - offset, kLongestBlock) : kTail;
    if (at == 0) in_page_ = size;
    if (page.host) {
      if (cpu_.keeps_blocks) claims_[at == 0 ? 0 : 1].emplace(cpu_, page.host);
      ram_read(bytes_.data() + at, page.host + offset, size);
    } else {
      // Registers: only as many as an instruction may have, each of them once.
      const std::size_t few = std::min(size, kTail);
      for (std::size_t i = 0; i < few; ++i)
        bytes_[at + i] = static_cast<std::uint8_t>(cpu_.environment.read_physical(page.physical + offset + i, 1));
      if (at == 0) in_page_ = few;
    }
  }

  Cpu& cpu_;
  std::uint64_t linear_;
  std::array<std::optional<Claim>, 2> claims_;
  std::array<std::uint8_t, kLongestBlock + kTail> bytes_;
  std::size_t in_page_ = 0;
  CodePage second_;
  bool has_second_ = false;
};

/// Are the bytes in memory still those that were decoded?
bool unchanged(const Block& block, const Bytes& bytes) {
  const std::size_t first = std::min<std::size_t>(block.size, bytes.in_page());
  if (!ram_equals(reinterpret_cast<const void*>(block.host), bytes.data(), first)) return false;
  return first == block.size ||
         ram_equals(reinterpret_cast<const void*>(block.second_page), bytes.data() + first, block.size - first);
}

const Block* decode(Cpu& cpu, std::uint64_t linear, const CodePage& page) {
  leave_guest_float(cpu);
  const bool keeps = page.host && cpu.keeps_blocks;
  for (;;) {
    Bytes bytes(cpu, linear, page);
    std::unique_ptr<Block> made =
        decode_block(bytes, cpu.features, cpu.mode | (keeps ? 0U : kModeSingle), cpu.blocks.thunks());
    if (log::on(log::Category::InAsm)) [[unlikely]]
      log_code(cpu, linear, {bytes.data(), made->size});
    const bool across = bytes.has_second() && made->size > bytes.in_page();
    if (!keeps || (across && !bytes.second().host)) {
      cpu.uncached = std::move(made);
      return cpu.uncached.get();
    }
    made->host = reinterpret_cast<std::uintptr_t>(page.host) + (linear & (kPageSize - 1));
    if (across) made->second_page = reinterpret_cast<std::uintptr_t>(bytes.second().host);
    // Or somebody wrote between the copy and the mark.
    if (const Block* block =
            cpu.blocks.insert(std::move(made), [&bytes](const Block& b) { return unchanged(b, bytes); }))
      return block;
  }
}

}  // namespace

const Block* find_block(Cpu& cpu) {
  const std::uint64_t linear = cpu.linear_rip(cpu.rip);
  if (const Block* known = cpu.jumps.find(linear, cpu.mode)) return known;
  cpu.fault_op = nullptr;
  const CodePage page = find_page(cpu, linear);
  const Block* block = nullptr;
  if (page.host) {
    block = cpu.blocks.find(reinterpret_cast<std::uintptr_t>(page.host) + (linear & (kPageSize - 1)), cpu.mode);
    if (block && block->second_page != 0) {
      // One instruction, whose other half may be mapped elsewhere by now.
      const CodePage second = find_page(cpu, following_page(cpu, linear));
      if (reinterpret_cast<std::uintptr_t>(second.host) != block->second_page) block = nullptr;
    }
  }
  if (!block) block = decode(cpu, linear, page);
  if (block != cpu.uncached.get()) cpu.jumps.remember(linear, cpu.mode, block);
  return block;
}

}  // namespace machina::jit
