#include "machines/monitor/json_stream.h"

#include <fmt/format.h>

#include <utility>

#include "machines/monitor/json_value.h"

namespace machina {

void JsonStream::reset() {
  state_ = State::Between;
  text_.clear();
  text_.shrink_to_fit();
  closing_.clear();
  depth_ = 0;
  in_string_ = escaped_ = false;
}

JsonStream::Item JsonStream::fail(State next, std::string error) {
  const std::size_t depth = closing_.size();
  const bool in_string = in_string_, escaped = escaped_;
  reset();
  state_ = next;
  if (next == State::Skipping) depth_ = depth, in_string_ = in_string, escaped_ = escaped;
  return {{}, std::move(error)};
}

std::optional<JsonStream::Item> JsonStream::next(std::string_view& input) {
  while (!input.empty()) {
    const char c = input.front();
    input.remove_prefix(1);
    if (auto item = take(c)) return item;
  }
  return std::nullopt;
}

std::optional<JsonStream::Item> JsonStream::take(char c) {
  const bool space = c == ' ' || c == '\t' || c == '\n' || c == '\r';
  if (c == '\xff') {
    if (state_ == State::Inside) return fail(State::Between, "JSON parse error, message ended by 0xff");
    reset();
    return std::nullopt;
  }
  switch (state_) {
    case State::Between:
      if (space) return std::nullopt;
      if (c == '{' || c == '[') {
        state_ = State::Inside;
        return take_inside(c);
      }
      return fail(State::SkipLine, "JSON parse error, expecting an object");
    case State::Inside:
      return take_inside(c);
    case State::SkipLine:
      if (c == '\n') state_ = State::Between;
      return std::nullopt;
    case State::Skipping:
      if (std::exchange(escaped_, false)) return std::nullopt;
      if (in_string_) {
        if (c == '\\') escaped_ = true;
        if (c == '"' || c == '\n') in_string_ = false;
      } else if (c == '"') {
        in_string_ = true;
      } else if (c == '{' || c == '[') {
        ++depth_;
      } else if ((c == '}' || c == ']') && --depth_ == 0) {
        reset();
      }
      return std::nullopt;
  }
  return std::nullopt;
}

std::optional<JsonStream::Item> JsonStream::take_inside(char c) {
  text_ += c;
  if (in_string_) {
    if (std::exchange(escaped_, false)) {
      // what follows the backslash is for the parser
    } else if (c == '\\') {
      escaped_ = true;
    } else if (c == '"') {
      in_string_ = false;
    }
    if (c == '\n') return fail(State::Between, "JSON parse error, a string has no end");
  } else if (c == '"') {
    in_string_ = true;
  } else if (c == '{' || c == '[') {
    closing_.push_back(c == '{' ? '}' : ']');
  } else if (c == '}' || c == ']') {
    if (closing_.back() != c) return fail(State::SkipLine, fmt::format("JSON parse error, stray '{}'", c));
    closing_.pop_back();
    if (closing_.empty()) {
      Item item{std::move(text_), {}};
      reset();
      return item;
    }
  }
  if (text_.size() > max_message_) return fail(State::Skipping, "JSON message too large");
  if (closing_.size() > kMaxJsonDepth) return fail(State::Skipping, "JSON nesting too deep");
  return std::nullopt;
}

}  // namespace machina
