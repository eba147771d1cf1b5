#include "core/display/png_writer.h"

#include <gtest/gtest.h>
#include <png.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/error.h"

namespace machina {
namespace {

PixelScreen picture() { return {3, 2, {0xff0000, 0x00ff00, 0x0000ff, 0x000000, 0x808080, 0x123456}}; }

std::vector<std::uint32_t> decode(const std::vector<std::uint8_t>& bytes, unsigned& width) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  EXPECT_TRUE(png_image_begin_read_from_memory(&image, bytes.data(), bytes.size())) << image.message;
  image.format = PNG_FORMAT_RGB;
  std::vector<std::uint8_t> rgb(PNG_IMAGE_SIZE(image));
  EXPECT_TRUE(png_image_finish_read(&image, nullptr, rgb.data(), 0, nullptr));
  width = image.width;
  std::vector<std::uint32_t> pixels;
  for (std::size_t i = 0; i + 2 < rgb.size(); i += 3)
    pixels.push_back(static_cast<std::uint32_t>(rgb[i] << 16 | rgb[i + 1] << 8 | rgb[i + 2]));
  return pixels;
}

TEST(PngWriter, KeepsEveryPixel) {
  unsigned width = 0;
  EXPECT_EQ(decode(encode_png(picture()), width), picture().pixels);
  EXPECT_EQ(width, 3U);
}

TEST(PngWriter, RefusesAScreenWithoutPixels) {
  EXPECT_THROW(encode_png({}), Error);
  EXPECT_THROW(encode_png({2, 2, {0}}), Error);
}

TEST(PngWriter, ReplacesAFileAsAWhole) {
  std::string dir = testing::TempDir() + "png.XXXXXX";
  ASSERT_NE(::mkdtemp(dir.data()), nullptr);
  const std::string path = dir + "/screen.png";
  std::ofstream(path) << "old";
  EXPECT_THROW(write_png({}, path), Error);
  EXPECT_EQ(std::filesystem::file_size(path), 3U);
  write_png(picture(), path);
  std::ifstream in(path, std::ios::binary);
  const std::vector<std::uint8_t> bytes{std::istreambuf_iterator<char>(in), {}};
  unsigned width = 0;
  EXPECT_EQ(decode(bytes, width), picture().pixels);
  // Nothing else is left in the directory.
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir), {}), 1);
  EXPECT_THROW(write_png(picture(), dir + "/no/such/place.png"), Error);
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace machina
