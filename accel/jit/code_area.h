#pragma once
/// Memory for host code that is made at run time. Never is a page writable and executable at once: a memfd is mapped
/// twice, and who writes knows the one address, who runs the other.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace machina::jit {

class CodeArea {
 public:
  CodeArea() = default;
  ~CodeArea();
  CodeArea(const CodeArea&) = delete;
  CodeArea& operator=(const CodeArea&) = delete;

  /// Copies position-independent code, at most kChunk bytes, to where it can run; it stays there. One thread at a time.
  /// Throws Error when the host gives no memory for it.
  const std::uint8_t* add(std::span<const std::uint8_t> code);
  /// Gives everything back: nobody runs what was added.
  void clear();

  static constexpr std::size_t kChunk = std::size_t{1} << 20;
  /// Of entry points: a line of the host's decoded instructions is no longer.
  static constexpr std::size_t kAlignment = 32;

 private:
  struct Chunk {
    std::uint8_t* writable = nullptr;
    std::uint8_t* executable = nullptr;
  };
  void grow();

  std::vector<Chunk> chunks_;
  std::size_t used_ = kChunk;  ///< of the last chunk
};

}  // namespace machina::jit
