#pragma once
/// The commands of the qtest protocol (docs/qtest.md): one line of text in, one line out. Knows nothing of streams.
///
/// Main thread, machine lock held.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/memory/address_space.h"
#include "hw/base/device.h"

namespace machina {

class QtestCommands {
 public:
  /// The most that one command moves between the test and the machine, in bytes. Bounds the memory that a request and
  /// its answer need.
  static constexpr std::uint64_t kMaxTransfer = std::uint64_t{4} << 20;
  /// The most that one memset fills: nothing is held in memory for it, but it should end.
  static constexpr std::uint64_t kMaxFill = std::uint64_t{64} << 20;

  /// `message` gets the lines that no command asked for, "IRQ raise 4". Paths are looked up below `root`. Both must
  /// outlive this.
  QtestCommands(System& system, qom::Object& root, std::function<void(std::string)> message);
  ~QtestCommands();
  QtestCommands(const QtestCommands&) = delete;
  QtestCommands& operator=(const QtestCommands&) = delete;

  /// Carries out one line, without its end. The answer is "OK…", "FAIL reason" (it cannot be done) or "ERR reason" (the
  /// line is malformed); empty for an empty line. Never throws.
  std::string run(std::string_view line);

  /// Lets go of interrupts that are intercepted, and of inputs that set_irq_in drives.
  void release();

  /// Names of all commands, for tests and documentation.
  static std::vector<std::string_view> names();

 private:
  using Words = std::vector<std::string_view>;
  using Answer = std::string (QtestCommands::*)(const Words& words, Width width);
  struct Command {
    std::string_view name;
    std::size_t min_words, max_words;  ///< the name included
    Answer answer;
    Width width;
  };
  static const std::vector<Command>& table();

  std::string clock_step(const Words& words, Width);
  std::string clock_set(const Words& words, Width);
  std::string intercept_in(const Words& words, Width);
  std::string intercept_out(const Words& words, Width);
  std::string set_irq_in(const Words& words, Width);
  std::string port_out(const Words& words, Width width);
  std::string port_in(const Words& words, Width width);
  std::string store(const Words& words, Width width);
  std::string load(const Words& words, Width width);
  std::string read(const Words& words, Width);
  std::string write(const Words& words, Width);
  std::string fill(const Words& words, Width);
  std::string read_base64(const Words& words, Width);
  std::string write_base64(const Words& words, Width);
  std::string endianness(const Words& words, Width);
  std::string refuse_module(const Words& words, Width);

  Device& device(std::string_view path);
  std::string step_clocks(std::int64_t ns);
  std::vector<std::uint8_t> fetch(std::string_view address, std::string_view size);
  void irq_changed(std::size_t number, bool level);

  System& system_;
  qom::Object& root_;
  std::function<void(std::string)> message_;
  MemoryDispatch ports_;

  qom::Ref<Device> intercepted_;  ///< keeps the pins below alive
  std::vector<IrqIn*> inputs_;
  std::vector<IrqOut*> outputs_;
  std::vector<char> levels_;  ///< as last reported

  struct Driven {
    qom::Ref<Device> device;
    std::unique_ptr<IrqOut> wire;
  };
  std::map<IrqIn*, Driven> driven_;  ///< inputs that set_irq_in has set, each on a wire of its own
};

}  // namespace machina
