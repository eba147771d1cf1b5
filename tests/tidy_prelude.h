#pragma once
/// Included before each source that clang-tidy looks at or that preset fuzz compiles. Their clang 14 lacks the builtin
/// that <source_location> of GCC 12's library is made of, so that the header declares nothing: here is what our sources
/// use of it.

#include <cstdint>

#if !__has_builtin(__builtin_source_location)
namespace std {
struct source_location {  // NOLINT(readability-identifier-naming): the standard's name
  static constexpr source_location current(const char* file = __builtin_FILE(),
                                           uint_least32_t line = __builtin_LINE()) {
    source_location place;
    place.file_ = file;
    place.line_ = line;
    return place;
  }
  constexpr const char* file_name() const { return file_; }
  constexpr uint_least32_t line() const { return line_; }
  constexpr uint_least32_t column() const { return 0; }

 private:
  const char* file_ = "";
  uint_least32_t line_ = 0;
};
}  // namespace std
#endif
