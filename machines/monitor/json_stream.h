#pragma once
/// Finds the messages in a stream of JSON texts that come in any pieces: several in one, one in many. It looks at
/// brackets and strings only; whether a message is right JSON is for parse_json().
///
/// After a mistake that leaves in doubt where the message ends, the rest of the line is left out and the next message
/// may begin on the line after it. The byte 0xff, which is in no UTF-8 text, ends whatever was begun.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace machina {

class JsonStream {
 public:
  static constexpr std::size_t kMaxMessage = std::size_t{4} << 20;  ///< bytes
  explicit JsonStream(std::size_t max_message = kMaxMessage) : max_message_(max_message) {}

  struct Item {
    std::string text;   ///< one object or array, from bracket to bracket
    std::string error;  ///< or what is wrong with what was left out
  };
  /// Takes bytes from the front of `input` until an item is complete or there are no more.
  std::optional<Item> next(std::string_view& input);
  /// Bytes of a message that is not complete.
  std::size_t pending() const { return text_.size(); }
  /// Forgets what was begun.
  void reset();

 private:
  enum class State {
    Between,   ///< messages
    Inside,    ///< a message
    Skipping,  ///< the rest of a message that is too large
    SkipLine,  ///< the rest of a line
  };
  std::optional<Item> take(char c);
  std::optional<Item> take_inside(char c);
  Item fail(State next, std::string error);

  std::size_t max_message_;
  State state_ = State::Between;
  std::string text_;
  std::vector<char> closing_;  ///< the brackets that are missing, innermost last
  std::size_t depth_ = 0;      ///< of brackets, while skipping
  bool in_string_ = false;
  bool escaped_ = false;
};

}  // namespace machina
