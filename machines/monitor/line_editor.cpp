#include "machines/monitor/line_editor.h"

#include <fmt/format.h>

#include <algorithm>

namespace machina {
namespace {

constexpr char ctrl(char letter) { return static_cast<char>(letter & 0x1f); }

/// A byte of a UTF-8 character that is not its first.
bool continues(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return !continues(c); }));
}

}  // namespace

std::size_t LineEditor::before(std::size_t at) const {
  if (at == 0) return 0;
  do {
    --at;
  } while (at > 0 && continues(line_[at]));
  return at;
}

std::size_t LineEditor::behind(std::size_t at) const {
  if (at >= line_.size()) return line_.size();
  do {
    ++at;
  } while (at < line_.size() && continues(line_[at]));
  return at;
}

void LineEditor::reset() {
  line_.clear();
  cursor_ = 0;
  recalled_ = history_.size();
  escape_ = Escape::None;
  after_return_ = false;
}

void LineEditor::show() {
  output_ += prompt_ + line_;
  if (const std::size_t back = width(std::string_view(line_).substr(cursor_))) output_ += fmt::format("\033[{}D", back);
}

void LineEditor::hide() { output_ += "\r\033[K"; }

void LineEditor::redraw() {
  hide();
  show();
}

std::optional<std::string> LineEditor::take(char c) {
  if (escape_ != Escape::None) {
    escape(c);
    return std::nullopt;
  }
  const bool second = std::exchange(after_return_, false);
  if (c == '\n' && second) return std::nullopt;  // of CR LF
  if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return control(c);
  insert(c);
  return std::nullopt;
}

std::optional<std::string> LineEditor::control(char c) {
  switch (c) {
    case '\r':
    case '\n': {
      after_return_ = c == '\r';
      output_ += "\r\n";
      std::string done = std::exchange(line_, {});
      cursor_ = 0;
      if (!done.empty() && (history_.empty() || history_.back() != done)) {
        history_.push_back(done);
        if (history_.size() > kMaxHistory) history_.erase(history_.begin());
      }
      recalled_ = history_.size();
      return done;
    }
    case '\033':
      escape_ = Escape::Begun;
      break;
    case '\t':
      complete();
      break;
    case '\b':
    case 0x7f:
      erase(before(cursor_), cursor_);
      break;
    case ctrl('A'):
      move_to(0);
      break;
    case ctrl('B'):
      move_to(before(cursor_));
      break;
    case ctrl('C'):
      output_ += "^C\r\n";
      reset();
      show();
      break;
    case ctrl('D'):
      erase(cursor_, behind(cursor_));
      break;
    case ctrl('E'):
      move_to(line_.size());
      break;
    case ctrl('F'):
      move_to(behind(cursor_));
      break;
    case ctrl('K'):
      erase(cursor_, line_.size());
      break;
    case ctrl('L'):
      redraw();
      break;
    case ctrl('N'):
      recall(false);
      break;
    case ctrl('P'):
      recall(true);
      break;
    case ctrl('U'):
      erase(0, cursor_);
      break;
    case ctrl('W'): {
      std::size_t from = cursor_;
      while (from > 0 && line_[from - 1] == ' ') --from;
      while (from > 0 && line_[from - 1] != ' ') --from;
      erase(from, cursor_);
      break;
    }
    default:  // no key of ours
      break;
  }
  return std::nullopt;
}

void LineEditor::escape(char c) {
  switch (escape_) {
    case Escape::Begun:
      parameters_.clear();
      escape_ = c == '[' ? Escape::Sequence : c == 'O' ? Escape::Single : Escape::None;
      return;
    case Escape::Single:  // ESC O A: cursor keys in application mode
      escape_ = Escape::None;
      return special(c, {});
    case Escape::Sequence:
      // Parameters and intermediate bytes, up to a final one.
      if (static_cast<unsigned char>(c) >= 0x40 && static_cast<unsigned char>(c) <= 0x7e) {
        escape_ = Escape::None;
        return special(c, parameters_);
      }
      if (parameters_.size() < 16) {
        parameters_ += c;
      } else {
        escape_ = Escape::None;
      }
      return;
    case Escape::None:
      return;
  }
}

void LineEditor::special(char final, const std::string& parameters) {
  switch (final) {
    case 'A':
      return recall(true);
    case 'B':
      return recall(false);
    case 'C':
      return move_to(behind(cursor_));
    case 'D':
      return move_to(before(cursor_));
    case 'H':
      return move_to(0);
    case 'F':
      return move_to(line_.size());
    case '~':
      if (parameters == "1" || parameters == "7") return move_to(0);
      if (parameters == "3") return erase(cursor_, behind(cursor_));
      if (parameters == "4" || parameters == "8") return move_to(line_.size());
      return;
    default:
      return;
  }
}

void LineEditor::insert(char c) {
  if (line_.size() >= kMaxLine) return;
  line_.insert(cursor_++, 1, c);
  if (cursor_ == line_.size()) {
    output_ += c;
  } else {
    redraw();
  }
}

void LineEditor::erase(std::size_t from, std::size_t to) {
  if (from == to) return;
  line_.erase(from, to - from);
  cursor_ = from;
  redraw();
}

void LineEditor::move_to(std::size_t at) {
  if (at == cursor_) return;
  const bool left = at < cursor_;
  const std::size_t by =
      width(std::string_view(line_).substr(std::min(at, cursor_), left ? cursor_ - at : at - cursor_));
  output_ += fmt::format("\033[{}{}", by, left ? 'D' : 'C');
  cursor_ = at;
}

void LineEditor::replace(std::string line) {
  line_ = std::move(line);
  cursor_ = line_.size();
  redraw();
}

void LineEditor::recall(bool older) {
  if (older ? recalled_ == 0 : recalled_ >= history_.size()) return;
  if (recalled_ == history_.size()) unfinished_ = line_;
  recalled_ += older ? std::size_t(-1) : 1;
  replace(recalled_ == history_.size() ? unfinished_ : history_[recalled_]);
}

void LineEditor::complete() {
  const HumanCompletion found = complete_(std::string_view(line_).substr(0, cursor_));
  const std::vector<std::string>& names = found.candidates;
  if (names.empty()) return;
  std::size_t common = names.front().size();
  for (const std::string& name : names) {
    const auto [a, b] = std::mismatch(name.begin(), name.end(), names.front().begin(), names.front().end());
    common = std::min(common, static_cast<std::size_t>(a - name.begin()));
  }
  const std::size_t typed = cursor_ - found.from;
  std::string rest = names.front().substr(typed, common - typed);
  if (names.size() == 1) rest += ' ';
  if (!rest.empty()) {
    for (const char c : rest) insert(c);
    return;
  }
  output_ += "\r\n";
  for (const std::string& name : names) output_ += name + "\r\n";
  show();
}

}  // namespace machina
