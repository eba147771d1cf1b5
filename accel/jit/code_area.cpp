#include "accel/jit/code_area.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "qom/error.h"

namespace machina::jit {

namespace {

[[noreturn]] void fail(const char* what) {
  const int error = errno;
  throw Error("cannot get memory for code that is made at run time")
      .why(std::string(what) + ": " + std::strerror(error))
      .hint("the host must allow memfd_create and executable mappings of it (SELinux: execmem)");
}

}  // namespace

CodeArea::~CodeArea() { clear(); }

void CodeArea::clear() {
  for (const Chunk& c : chunks_) {
    munmap(c.writable, kChunk);
    munmap(c.executable, kChunk);
  }
  chunks_.clear();
  used_ = kChunk;
}

void CodeArea::grow() {
  const int fd = memfd_create("machina-code", MFD_CLOEXEC);
  if (fd < 0) fail("memfd_create");
  Chunk chunk;
  void* writable = MAP_FAILED;
  void* executable = MAP_FAILED;
  const bool sized = ftruncate(fd, kChunk) == 0;
  if (sized) {
    writable = mmap(nullptr, kChunk, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (writable != MAP_FAILED) executable = mmap(nullptr, kChunk, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
  }
  const int error = errno;
  close(fd);
  if (executable == MAP_FAILED) {
    if (writable != MAP_FAILED) munmap(writable, kChunk);
    errno = error;
    fail(sized ? "mmap" : "ftruncate");
  }
  chunk.writable = static_cast<std::uint8_t*>(writable);
  chunk.executable = static_cast<std::uint8_t*>(executable);
  chunks_.push_back(chunk);
  used_ = 0;
}

const std::uint8_t* CodeArea::add(std::span<const std::uint8_t> code) {
  if (used_ + code.size() > kChunk) grow();
  const Chunk& chunk = chunks_.back();
  std::memcpy(chunk.writable + used_, code.data(), code.size());
  const std::uint8_t* entry = chunk.executable + used_;
  used_ = (used_ + code.size() + kAlignment - 1) & ~(kAlignment - 1);
  return entry;
}

}  // namespace machina::jit
