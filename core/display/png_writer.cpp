#include "core/display/png_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <png.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "core/error.h"

namespace machina {

std::vector<std::uint8_t> encode_png(const PixelScreen& screen) {
  if (screen.width == 0 || screen.height == 0 || screen.pixels.size() != std::size_t{screen.width} * screen.height)
    throw Error("there is no picture to write").why("the screen has no pixels");
  std::vector<std::uint8_t> rgb;
  rgb.reserve(screen.pixels.size() * 3);
  for (const std::uint32_t p : screen.pixels) {
    rgb.push_back(static_cast<std::uint8_t>(p >> 16));
    rgb.push_back(static_cast<std::uint8_t>(p >> 8));
    rgb.push_back(static_cast<std::uint8_t>(p));
  }
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = screen.width;
  image.height = screen.height;
  image.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::vector<std::uint8_t> out(size);
  if (!png_image_write_to_memory(&image, out.data(), &size, 0, rgb.data(), 0, nullptr)) {
    const std::string why = image.message;
    png_image_free(&image);
    throw Error("cannot encode the picture").why(why);
  }
  out.resize(size);
  return out;
}

void write_png(const PixelScreen& screen, const std::string& path) {
  const std::vector<std::uint8_t> bytes = encode_png(screen);
  const auto failed = [&](const char* what) {
    return Error(fmt::format("cannot {} '{}'", what, path)).why(std::strerror(errno));
  };
  std::string temporary = path + ".XXXXXX";
  const int fd = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) throw failed("create");
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ::ssize_t n = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) break;
    done += static_cast<std::size_t>(n);
  }
  // mkostemp makes a private file; a picture is for whoever the umask lets.
  const ::mode_t mask = ::umask(0);
  ::umask(mask);
  const bool written = done == bytes.size() && ::fchmod(fd, 0666 & ~mask) == 0;
  const int write_error = errno;
  const bool closed = ::close(fd) == 0;
  if (!written || !closed || std::rename(temporary.c_str(), path.c_str()) != 0) {
    if (!written) errno = write_error;
    Error e = failed("write");
    ::unlink(temporary.c_str());
    throw e;
  }
}

}  // namespace machina
