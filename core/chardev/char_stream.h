#pragma once
/// What all backends share that are a stream of host descriptors; a C++ base, not a type of its own.

#include <memory>

#include "core/chardev/char_backend.h"
#include "core/chardev/fd_stream.h"

namespace machina {

class CharStream : public CharBackend {
 public:
  /// Without a stream (nobody connected) what is written is lost, as on a line with nothing at its end.
  std::size_t write(std::span<const std::byte> bytes) override;
  void accept_input() override;
  void drain(int timeout_ms) override;
  int take_fd() override { return stream_ ? stream_->take_fd() : -1; }

 protected:
  void unrealize() override;
  void frontend_changed() override { accept_input(); }

  void open_stream(OwnedFd in, OwnedFd out, bool duplex);
  /// What the host sent; the front end gets it.
  virtual void received(std::span<const std::byte> bytes) { deliver(bytes); }
  virtual std::size_t room() const { return input_room(); }
  /// The input has ended (0) or the output is broken (an errno). May reset the stream.
  virtual void stream_closed(int error) = 0;

  std::unique_ptr<FdStream> stream_;
};

}  // namespace machina
