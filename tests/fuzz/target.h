#pragma once
/// What machina-fuzz can be pointed at: something that takes bytes from outside, alone and from a known state.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace machina::fuzz {

class Target {
 public:
  virtual ~Target() = default;

  /// Takes one input, starting from a state that no earlier one has touched. False: it says nothing, and is not worth
  /// keeping. What goes wrong is said by a sanitizer, by fail(), or by an exception.
  virtual bool run(std::span<const std::uint8_t> input) = 0;

  /// The longest input that makes sense, in bytes.
  virtual std::size_t max_length() const { return 4096; }
  /// Words that inputs are made of.
  virtual std::vector<std::string> dictionary() const { return {}; }
  /// Inputs to begin with when there is no corpus yet.
  virtual std::vector<std::vector<std::uint8_t>> seeds() const { return {}; }

  /// Changes an input of `size` bytes in place, to at most `max` bytes; returns how many it has now.
  virtual std::size_t mutate(std::uint8_t* data, std::size_t size, std::size_t max, std::uint32_t seed);
  /// An input as lines of text, for people and for the corpora of the tree: what it does, one line a step.
  virtual std::string to_text(std::span<const std::uint8_t> input) const;
  /// The other way. Throws Error for a line that to_text() would not write.
  virtual std::vector<std::uint8_t> from_text(std::string_view text) const;
};

struct TargetInfo {
  std::string name;
  std::string summary;
  std::function<std::unique_ptr<Target>()> make;
};

/// One for each device type of the program, in the order of their names, then the others.
std::vector<TargetInfo> all_targets();

/// The device targets: one for each type that a board can have, whoever adds it. What is left out, and why, stands in
/// device_target.cpp.
std::vector<TargetInfo> device_targets();
/// Readers of text and of files.
std::vector<TargetInfo> reader_targets();
/// Clients of the monitor.
std::vector<TargetInfo> monitor_targets();
/// Clients of the screen.
std::vector<TargetInfo> display_targets();
/// Clients of the gdb stub.
std::vector<TargetInfo> debugger_targets();

/// A rule is broken that no sanitizer knows: says which, and ends the process as a sanitizer does.
[[noreturn]] void fail(const std::string& rule);

/// Processor time of this thread so far, in milliseconds.
double cpu_milliseconds();
/// fail()s when what came since its construction took more processor time than any single step may.
class StepLimit {
 public:
  explicit StepLimit(const char* step) : step_(step), started_(cpu_milliseconds()) {}
  ~StepLimit();
  StepLimit(const StepLimit&) = delete;
  StepLimit& operator=(const StepLimit&) = delete;
  /// Under sanitizers everything takes ten times as long; the longest legitimate step is the drawing of a screen.
  static constexpr double kMilliseconds = 1000;

 private:
  const char* step_;
  double started_;
};

}  // namespace machina::fuzz
