#include "core/chardev/char_stream.h"

#include <utility>

namespace machina {

std::size_t CharStream::write(std::span<const std::byte> bytes) {
  const std::size_t taken = stream_ ? stream_->write(bytes) : bytes.size();
  log_copy(bytes.first(taken));
  return taken;
}

void CharStream::accept_input() {
  if (stream_) stream_->resume_input();
}

void CharStream::drain(int timeout_ms) {
  if (stream_) stream_->drain(timeout_ms);
}

void CharStream::unrealize() {
  stream_.reset();
  CharBackend::unrealize();
}

void CharStream::open_stream(OwnedFd in, OwnedFd out, bool duplex) {
  stream_ = std::make_unique<FdStream>(
      loop(), std::move(in), std::move(out), duplex,
      FdStream::Handlers{[this] { return room(); }, [this](auto bytes) { received(bytes); },
                         [this](int error) { stream_closed(error); }, [this] { report_writable(); }});
}

}  // namespace machina
