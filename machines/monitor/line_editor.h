#pragma once
/// One line of input on a terminal or a pipe: editing keys, history, completion. Bytes come in, what is to be printed
/// comes out; it knows nothing of descriptors.
///
/// Keys: arrows, Home, End, Delete and Backspace as terminals send them (ECMA-48, VT220), and the control keys of a
/// shell: A and E to the ends, B and F by one, P and N through the history, K, U and W cut, L shows the line again, C
/// drops it, Tab completes.

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "machines/monitor/human_command.h"

namespace machina {

class LineEditor {
 public:
  static constexpr std::size_t kMaxLine = 4096;  ///< bytes; more are not taken
  static constexpr std::size_t kMaxHistory = 64;

  using Completer = std::function<HumanCompletion(std::string_view line)>;
  LineEditor(std::string prompt, Completer complete) : prompt_(std::move(prompt)), complete_(std::move(complete)) {}

  /// Takes one byte; a line when it ends one. What is to be shown is in output().
  std::optional<std::string> take(char c);
  /// Shows the prompt, and what has been typed behind it.
  void show();
  /// Takes both away again, for something else to be shown in their place.
  void hide();
  /// Forgets what has been typed.
  void reset();
  std::string take_output() { return std::exchange(output_, {}); }
  std::size_t output_size() const { return output_.size(); }
  const std::vector<std::string>& history() const { return history_; }

 private:
  std::optional<std::string> control(char c);
  void escape(char c);
  void special(char final, const std::string& parameters);
  void insert(char c);
  void erase(std::size_t from, std::size_t to);
  void move_to(std::size_t at);
  void replace(std::string line);
  void redraw();
  void recall(bool older);
  void complete();
  std::size_t before(std::size_t at) const;
  std::size_t behind(std::size_t at) const;

  std::string prompt_;
  Completer complete_;
  std::string line_;
  std::size_t cursor_ = 0;
  std::string output_;
  std::vector<std::string> history_;
  std::size_t recalled_ = 0;  // index in the history; its size: the new line
  std::string unfinished_;    // the new line, while an old one is shown
  enum class Escape { None, Begun, Sequence, Single } escape_ = Escape::None;
  std::string parameters_;
  bool after_return_ = false;
};

}  // namespace machina
