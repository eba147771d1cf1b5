#pragma once
/// The last exits of one vCPU from guest mode, as its accelerator records them. The vCPU's thread only.

#include <fmt/format.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace machina {

/// `Record` is small and cheap to copy; text is made of it when somebody asks.
template <class Record>
class ExitRing {
 public:
  static constexpr std::size_t kSize = 16;

  void add(const Record& record) { records_[count_++ % kSize] = record; }
  std::uint64_t count() const { return count_; }

  /// Oldest first, one line each by `text`, repetitions counted.
  template <class Text>
  std::vector<std::string> describe(Text text) const {
    std::vector<std::string> lines;
    std::vector<unsigned> times;
    for (std::uint64_t i = count_ > kSize ? count_ - kSize : 0; i < count_; ++i) {
      std::string line = text(records_[i % kSize]);
      if (!lines.empty() && lines.back() == line) {
        ++times.back();
      } else {
        lines.push_back(std::move(line));
        times.push_back(1);
      }
    }
    for (std::size_t i = 0; i < lines.size(); ++i)
      if (times[i] > 1) lines[i] += fmt::format("  ({} times)", times[i]);
    return lines;
  }

 private:
  std::array<Record, kSize> records_{};
  std::uint64_t count_ = 0;
};

}  // namespace machina
