#include "core/display/terminal_keys.h"

#include <charconv>
#include <utility>

namespace machina {
namespace {

struct Named {
  char letter;
  QKeyCode key;
};
// Final letters of CSI and SS3 sequences.
constexpr Named kLetters[] = {{'A', QKeyCode::Up},   {'B', QKeyCode::Down},   {'C', QKeyCode::Right},
                              {'D', QKeyCode::Left}, {'H', QKeyCode::Home},   {'F', QKeyCode::End},
                              {'P', QKeyCode::F1},   {'Q', QKeyCode::F2},     {'R', QKeyCode::F3},
                              {'S', QKeyCode::F4},   {'M', QKeyCode::KpEnter}};

struct Numbered {
  int number;
  QKeyCode key;
};
// CSI number ~
constexpr Numbered kNumbers[] = {
    {1, QKeyCode::Home}, {2, QKeyCode::Insert}, {3, QKeyCode::Delete}, {4, QKeyCode::End},  {5, QKeyCode::Pgup},
    {6, QKeyCode::Pgdn}, {7, QKeyCode::Home},   {8, QKeyCode::End},    {11, QKeyCode::F1},  {12, QKeyCode::F2},
    {13, QKeyCode::F3},  {14, QKeyCode::F4},    {15, QKeyCode::F5},    {17, QKeyCode::F6},  {18, QKeyCode::F7},
    {19, QKeyCode::F8},  {20, QKeyCode::F9},    {21, QKeyCode::F10},   {23, QKeyCode::F11}, {24, QKeyCode::F12}};

constexpr std::size_t kLongest = 32;  // a sequence that goes on is none of a keyboard

/// xterm: the parameter less one is bit 0 Shift, 1 Alt, 2 Ctrl.
KeyChord with_modifiers(int parameter, QKeyCode key) {
  const unsigned bits = parameter > 1 ? static_cast<unsigned>(parameter - 1) : 0;
  KeyChord chord;
  if (bits & 4) chord.push_back(QKeyCode::Ctrl);
  if (bits & 2) chord.push_back(QKeyCode::Alt);
  if (bits & 1) chord.push_back(QKeyCode::Shift);
  chord.push_back(key);
  return chord;
}

/// The numbers of "15;5".
std::vector<int> numbers_of(std::string_view text) {
  std::vector<int> numbers;
  while (true) {
    int n = 0;
    const std::size_t end = text.find(';');
    const std::string_view part = text.substr(0, end);
    std::from_chars(part.data(), part.data() + part.size(), n);
    numbers.push_back(n);
    if (end == std::string_view::npos) return numbers;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

TerminalKeys::Match TerminalKeys::match(KeyChord& chord) const {
  const std::string_view s = sequence_;
  if (s.size() == 1) return Match::Partial;
  if (s[1] == 'O') {
    if (s.size() == 2) return Match::Partial;
    for (const Named& n : kLetters)
      if (n.letter == s[2]) chord = {n.key};
    return Match::Complete;
  }
  if (s[1] == '[') {
    // Linux's console sends ESC [ [ A to E for F1 to F5.
    if (s.size() == 3 && s[2] == '[') return Match::Partial;
    if (s.size() == 4 && s[2] == '[') {
      if (s[3] >= 'A' && s[3] <= 'E') chord = {static_cast<QKeyCode>(static_cast<int>(QKeyCode::F1) + (s[3] - 'A'))};
      return Match::Complete;
    }
    const char last = s.back();
    if (s.size() == 2 || last < '@' || last > '~') return s.size() < kLongest ? Match::Partial : Match::No;
    const std::vector<int> numbers = numbers_of(s.substr(2, s.size() - 3));
    const int modifiers = numbers.size() > 1 ? numbers[1] : 0;
    if (last == '~') {
      for (const Numbered& n : kNumbers)
        if (n.number == numbers[0]) chord = with_modifiers(modifiers, n.key);
    } else if (last == 'Z') {
      chord = {QKeyCode::Shift, QKeyCode::Tab};
    } else {
      for (const Named& n : kLetters)
        if (n.letter == last) chord = with_modifiers(modifiers, n.key);
    }
    return Match::Complete;
  }
  if (s[1] == '\x1b') return Match::No;  // the first was the key
  chord = keys_for_ascii(s[1]);
  if (!chord.empty()) chord.insert(chord.begin(), QKeyCode::Alt);
  return Match::Complete;
}

std::vector<KeyChord> TerminalKeys::feed(std::string_view bytes) {
  std::vector<KeyChord> chords;
  for (const char c : bytes) {
    if (sequence_.empty() && c != '\x1b') {
      KeyChord chord = keys_for_ascii(c);
      if (!chord.empty()) chords.push_back(std::move(chord));
      continue;
    }
    sequence_.push_back(c);
    KeyChord chord;
    switch (match(chord)) {
      case Match::Partial:
        break;
      case Match::Complete:
        if (!chord.empty()) chords.push_back(std::move(chord));
        sequence_.clear();
        break;
      case Match::No:
        if (sequence_ == "\x1b\x1b") {
          chords.push_back({QKeyCode::Esc});
          sequence_ = "\x1b";
        } else {
          sequence_.clear();
        }
        break;
    }
  }
  return chords;
}

std::vector<KeyChord> TerminalKeys::flush() {
  const std::string rest = std::exchange(sequence_, {});
  if (rest.empty()) return {};
  std::vector<KeyChord> chords{{QKeyCode::Esc}};
  // What came behind it in one go was no sequence then: Alt and a bracket, or a broken one.
  if (rest.size() == 2) chords = {{QKeyCode::Alt}};
  if (rest.size() == 2)
    for (const QKeyCode k : keys_for_ascii(rest[1])) chords[0].push_back(k);
  return chords;
}

}  // namespace machina
