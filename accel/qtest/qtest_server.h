#pragma once
/// The qtest protocol on a character backend: -qtest. One client at a time; its interceptions end with its connection.
/// When the last client that can come has gone (end of the standard input), the machine is shut down.
///
/// An object of the machine's tree, so that paths are looked up in it. Main thread, under the machine lock.

#include <memory>
#include <string>

#include "accel/qtest/qtest_commands.h"
#include "core/chardev/char_backend.h"
#include "core/chardev/output_queue.h"

namespace machina {

class QtestServer final : public qom::Object, private CharFrontend {
 public:
  static constexpr const char* kType = "qtest";
  static void class_init(qom::ObjectClass& c);

  /// The longest line that is taken: a `write` of the largest size. A longer one is answered by ERR.
  static constexpr std::size_t kMaxLine = 2 * QtestCommands::kMaxTransfer + 256;
  /// While so much waits for a client that does not read, its commands wait too.
  static constexpr std::size_t kOutputHigh = 64 * 1024;
  /// IRQ messages beyond this are dropped, with a warning.
  static constexpr std::size_t kOutputLimit = std::size_t{16} << 20;

 protected:
  void realize() override;
  void unrealize() override;

 private:
  std::size_t can_receive() override;
  void receive(std::span<const std::byte> bytes) override;
  void event(Event event) override;
  void writable() override;

  void carry_out_lines();
  void answer(std::string_view line);
  void shut_down_when_answered();

  // configuration
  qom::Link<CharBackend> chardev_;

  // run time
  System* system_ = nullptr;
  std::unique_ptr<QtestCommands> commands_;
  std::string input_;
  std::size_t searched_ = 0;  ///< no end of line before this
  bool skipping_ = false;     ///< the rest of a line that is too long
  bool busy_ = false;
  bool last_gone_ = false;  ///< no more input will come
  unsigned connection_ = 0;
  OutputQueue output_;
};

}  // namespace machina
