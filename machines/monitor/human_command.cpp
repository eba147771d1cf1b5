#include "machines/monitor/human_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <optional>

#include "core/error.h"
#include "machines/monitor/expression.h"
#include "machines/monitor/json_value.h"

namespace machina {
namespace {

using qom::Value;
using qom::ValueList;
using qom::ValueMap;

struct Parameter {
  enum class Kind { String, Integer, Boolean, Rest, Format, Flag };
  std::string name;
  Kind kind = Kind::String;
  bool optional = false;
  char flag = 0;            ///< "-f"
  bool flag_value = false;  ///< "-f VALUE"
};

struct Entry {
  std::vector<std::string> names;
  bool info = false;  ///< a sub-command of info
  std::vector<Parameter> parameters;
  std::string_view doc, family;
  CompleteArgument complete = nullptr;
  const HumanCommand* human = nullptr;
  const QmpCommand* qmp = nullptr;

  bool called(std::string_view name) const { return std::find(names.begin(), names.end(), name) != names.end(); }
};

std::string_view trim(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  return text;
}

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(at), text.size());
    parts.emplace_back(trim(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

Parameter::Kind kind_of(std::string_view type) {
  using K = Parameter::Kind;
  if (type == "int" || type == "uint64") return K::Integer;
  if (type == "bool") return K::Boolean;
  if (type == "rest" || type == "any") return K::Rest;
  if (type == "format") return K::Format;
  return K::String;
}

std::vector<Parameter> read_parameters(std::string_view text) {
  std::vector<Parameter> parameters;
  for (const std::string& part : split(text, ',')) {
    Parameter p;
    std::string_view rest = part;
    if (rest.starts_with('*')) p.optional = true, rest.remove_prefix(1);
    if (rest.starts_with('-')) {
      p.flag = rest[1];
      p.kind = Parameter::Kind::Flag;
      p.optional = true;
      p.name = rest.substr(1, 1);
      rest = trim(rest.substr(2));
      p.flag_value = !rest.empty();
      if (p.flag_value) p.name = trim(rest.substr(0, rest.find(':')));
    } else {
      const std::size_t colon = rest.find(':');
      p.name = trim(rest.substr(0, colon));
      p.kind = kind_of(trim(rest.substr(colon + 1)));
      if (p.kind == Parameter::Kind::Format) p.optional = true;
    }
    parameters.push_back(std::move(p));
  }
  return parameters;
}

const std::vector<Entry>& entries() {
  static const std::vector<Entry> all = [] {
    std::vector<Entry> made;
    const MonitorTable& table = monitor_table();
    for (const HumanCommand& c : table.human_commands()) {
      Entry e;
      std::string_view name = c.name;
      e.info = name.starts_with("info ");
      if (e.info) name.remove_prefix(5);
      e.names = split(name, '|');
      e.parameters = read_parameters(c.arguments);
      e.doc = c.doc, e.family = c.family, e.complete = c.complete, e.human = &c;
      made.push_back(std::move(e));
    }
    for (const QmpCommand& c : table.commands()) {
      if (c.human.empty()) continue;
      Entry e;
      e.names = split(c.human, '|');
      for (const SchemaType::Member& m : c.argument_type->members) {
        Parameter p;
        p.name = m.name;
        p.optional = m.optional;
        p.kind = kind_of(m.type->name);
        e.parameters.push_back(std::move(p));
      }
      e.doc = c.doc, e.family = c.family, e.complete = c.complete, e.qmp = &c;
      made.push_back(std::move(e));
    }
    std::sort(made.begin(), made.end(), [](const Entry& a, const Entry& b) { return a.names[0] < b.names[0]; });
    return made;
  }();
  return all;
}

const Entry* find_entry(std::string_view name, bool info) {
  for (const Entry& e : entries())
    if (e.info == info && e.called(name)) return &e;
  return nullptr;
}

/// "print|p /fmt expr"
std::string usage(const Entry& e) {
  std::string text = fmt::format("{}{}", e.info ? "info " : "", fmt::join(e.names, "|"));
  for (const Parameter& p : e.parameters) {
    std::string one = p.kind == Parameter::Kind::Format ? "/fmt" : p.name;
    if (p.kind == Parameter::Kind::Flag) one = fmt::format("-{}{}", p.flag, p.flag_value ? " " + p.name : "");
    text += p.optional && p.kind != Parameter::Kind::Format ? fmt::format(" [{}]", one) : " " + one;
  }
  return text;
}

/// A line that is wrong, as distinct from a command that failed.
struct SyntaxError {
  std::string text;
};

class LineReader {
 public:
  LineReader(MonitorSession& session, const Entry& entry, std::string_view rest)
      : session_(session), entry_(entry), rest_(trim(rest)) {}

  Value arguments() {
    ValueMap given;
    for (std::size_t i = 0; i < entry_.parameters.size(); ++i) {
      const Parameter& p = entry_.parameters[i];
      if (p.kind == Parameter::Kind::Flag) {
        flag(p, given);
        continue;
      }
      if (p.kind == Parameter::Kind::Format) {
        if (rest_.starts_with('/')) rest_.remove_prefix(1), given.emplace_back(p.name, bare_word());
        continue;
      }
      if (rest_.empty() && p.optional) continue;
      if (rest_.empty() && p.kind != Parameter::Kind::Integer)
        throw SyntaxError{fmt::format("{}: {} expected", entry_.names[0], p.name)};
      given.emplace_back(p.name, one(p));
    }
    if (!rest_.empty())
      throw SyntaxError{fmt::format("{}: extraneous characters at the end of line", fmt::join(entry_.names, "|"))};
    return given;
  }

 private:
  void flag(const Parameter& p, ValueMap& given) {
    if (rest_.size() < 2 || rest_[0] != '-' || rest_[1] != p.flag) return;
    if (rest_.size() > 2 && !std::isspace(static_cast<unsigned char>(rest_[2]))) return;
    rest_ = trim(rest_.substr(2));
    if (!p.flag_value) {
      given.emplace_back(p.name, true);
      return;
    }
    if (rest_.empty()) throw SyntaxError{fmt::format("{}: {} expected", entry_.names[0], p.name)};
    given.emplace_back(p.name, word());
  }

  Value one(const Parameter& p) {
    switch (p.kind) {
      case Parameter::Kind::Integer: {
        const auto registers = [this](std::string_view name) { return look_up(name); };
        try {
          return static_cast<std::int64_t>(parse_expression(rest_, registers));
        } catch (const Error& e) {
          throw SyntaxError{e.message()};
        }
      }
      case Parameter::Kind::Boolean: {
        const std::string text = word();
        if (text != "on" && text != "off")
          throw SyntaxError{fmt::format("{}: expected 'on' or 'off' for {}", entry_.names[0], p.name)};
        return text == "on";
      }
      case Parameter::Kind::Rest:
        return std::string(std::exchange(rest_, {}));
      default:
        return word();
    }
  }

  std::optional<std::uint64_t> look_up(std::string_view name) {
    X86Cpu* cpu = session_.cpu();
    if (!cpu || !cpu->vcpu()) return std::nullopt;
    if (!state_) {
      const CpusAside aside(session_.machine());
      state_ = cpu->state();
    }
    return register_value(*state_, name);
  }

  std::string bare_word() {
    std::size_t end = 0;
    while (end < rest_.size() && !std::isspace(static_cast<unsigned char>(rest_[end]))) ++end;
    std::string text(rest_.substr(0, end));
    rest_ = trim(rest_.substr(end));
    return text;
  }

  /// Bare, or in quotes with \n, \r, \\, \' and \" inside.
  std::string word() {
    if (!rest_.starts_with('"')) return bare_word();
    std::string text;
    std::size_t i = 1;
    for (;; ++i) {
      if (i >= rest_.size()) throw SyntaxError{fmt::format("{}: unterminated string", entry_.names[0])};
      char c = rest_[i];
      if (c == '"') break;
      if (c == '\\') {
        c = ++i < rest_.size() ? rest_[i] : '\0';
        if (c == 'n') {
          c = '\n';
        } else if (c == 'r') {
          c = '\r';
        } else if (c != '\\' && c != '\'' && c != '"') {
          throw SyntaxError{fmt::format("unsupported escape code: '\\{}'", c)};
        }
      }
      text += c;
    }
    rest_ = trim(rest_.substr(i + 1));
    return text;
  }

  MonitorSession& session_;
  const Entry& entry_;
  std::string_view rest_;
  std::optional<X86State> state_;
};

struct Split {
  std::string_view name, rest;
  bool info = false;
};

/// The name of a command ends at a space or, as in "p/x", before a format.
Split split_line(std::string_view line) {
  const auto cut = [](std::string_view text) {
    std::size_t end = 0;
    while (end < text.size() && !std::isspace(static_cast<unsigned char>(text[end])) && text[end] != '/') ++end;
    return end;
  };
  Split s;
  std::string_view text = trim(line);
  std::size_t end = cut(text);
  s.name = text.substr(0, end);
  s.rest = trim(text.substr(end));
  if (s.name == "info" && !s.rest.empty()) {
    end = cut(s.rest);
    s.info = true;
    s.name = s.rest.substr(0, end);
    s.rest = trim(s.rest.substr(end));
  }
  return s;
}

void execute(const Entry& entry, std::string_view rest, HumanContext& context) {
  const Value arguments = LineReader(context.session(), entry, rest).arguments();
  if (entry.human) {
    entry.human->run(context, QmpArguments(arguments));
    return;
  }
  const Value answer = run_command(*entry.qmp, context.session(), arguments);
  if (!entry.qmp->returns.empty()) context.write(describe_value(answer));
}

/// The word of `line` that is being typed, and which argument of its command that is.
std::vector<std::string> keep_matching(std::vector<std::string> names, std::string_view prefix) {
  std::erase_if(names, [&](const std::string& n) { return !n.starts_with(prefix); });
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::vector<std::string> all_names(bool info) {
  std::vector<std::string> names;
  for (const Entry& e : entries())
    if (e.info == info) names.insert(names.end(), e.names.begin(), e.names.end());
  if (!info) names.emplace_back("info");
  return names;
}

}  // namespace

Value HumanContext::query(std::string_view command, const Value& arguments) {
  const QmpCommand* found = monitor_table().find(command);
  if (!found) generic_error(fmt::format("The command {} has not been found", command));
  return run_command(*found, session_, arguments);
}

std::string run_human_command(MonitorSession& session, std::string_view line, const std::vector<std::string>* history) {
  HumanContext context(session, history);
  const Split s = split_line(line);
  if (s.name.empty() || s.name[0] == '#') return {};
  const Entry* entry = nullptr;
  try {
    if (!s.info && s.name == "info") return human_help("info");
    entry = find_entry(s.name, s.info);
    if (!entry) return fmt::format("unknown command: '{}{}'\n", s.info ? "info " : "", s.name);
    execute(*entry, s.rest, context);
  } catch (const SyntaxError& e) {
    context.print("{}\nTry \"help {}{}\" for more information\n", e.text, s.info ? "info " : "", s.name);
  } catch (const QmpError& e) {
    context.print("Error: {}\n", e.description);
  } catch (const Error& e) {
    context.print("Error: {}\n", one_line(e));
  } catch (const std::exception& e) {  // no memory for the answer, say: that is no reason to lose the guest
    context.print("Error: {}\n", e.what());
  }
  return context.take();
}

HumanCompletion complete_human_command(MonitorSession& session, std::string_view line) {
  HumanCompletion c;
  std::vector<std::string_view> words;
  std::size_t at = 0;
  while (true) {
    while (at < line.size() && std::isspace(static_cast<unsigned char>(line[at]))) ++at;
    std::size_t end = at;
    while (end < line.size() && !std::isspace(static_cast<unsigned char>(line[end]))) ++end;
    words.push_back(line.substr(at, end - at));
    if (end >= line.size()) break;
    at = end;
  }
  const std::string_view word = words.back();
  c.from = line.size() - word.size();
  std::size_t first = 1;
  bool info = false;
  if (words[0] == "info" && words.size() > 1) info = true, first = 2;
  if (words.size() <= first) {
    c.candidates = keep_matching(all_names(info), word);
    return c;
  }
  const Entry* entry = find_entry(words[first - 1], info);
  if (!entry) return c;
  if (!info && entry->called("help")) {
    c.candidates = keep_matching(all_names(false), word);
    return c;
  }
  // Flags and formats are no places.
  std::size_t place = words.size() - first - 1;
  for (std::size_t i = first; i + 1 < words.size(); ++i)
    if (words[i].starts_with('-') || words[i].starts_with('/')) --place;
  std::vector<const Parameter*> positional;
  for (const Parameter& p : entry->parameters)
    if (p.kind != Parameter::Kind::Flag && p.kind != Parameter::Kind::Format) positional.push_back(&p);
  if (place >= positional.size()) return c;
  std::vector<std::string> names;
  const std::string& argument = positional[place]->name;
  if (entry->complete) {
    names = entry->complete(session, argument);
  } else if (entry->qmp) {
    const SchemaType& type = *entry->qmp->argument_type->member(argument)->type;
    names = type.kind == SchemaType::Kind::Enum ? type.values : std::vector<std::string>();
  }
  if (positional[place]->kind == Parameter::Kind::Boolean) names = {"on", "off"};
  c.candidates = keep_matching(std::move(names), word);
  return c;
}

std::string human_help(std::string_view name) {
  std::string text;
  std::string_view rest = trim(name);
  bool info = rest == "info" || rest.starts_with("info ");
  if (info) rest = trim(rest.substr(4));
  for (const Entry& e : entries()) {
    const bool wanted = rest.empty() ? e.info == info : e.info == info && e.called(rest);
    if (wanted) text += fmt::format("{} -- {}\n", usage(e), e.doc);
  }
  if (rest.empty() && !info) text += "info [subcommand] -- show various information about the system state\n";
  return text;
}

std::string human_commands_markdown() {
  std::string text;
  for (const bool info : {false, true}) {
    text += fmt::format("\n### {}\n\n| command | what it does |\n| --- | --- |\n",
                        info ? "Information" : "Commands of the human monitor");
    for (const Entry& e : entries()) {
      if (e.info != info) continue;
      std::string row = fmt::format("`{}` | {}", usage(e), e.doc);
      std::string escaped;
      // The bar between the two columns stays one; all others belong to the text.
      const std::size_t bar = row.find("` | ") + 2;
      for (std::size_t i = 0; i < row.size(); ++i) {
        if (row[i] == '|' && i != bar) escaped += '\\';
        escaped += row[i];
      }
      text += fmt::format("| {} |\n", escaped);
    }
  }
  return text;
}

std::string describe_value(const Value& value, unsigned indent) {
  const std::string margin(indent, ' ');
  if (const auto* map = value.get_if<ValueMap>()) {
    std::string text;
    for (const auto& [key, item] : *map) {
      const bool nested = item.get_if<ValueMap>() || item.get_if<ValueList>();
      text += nested ? fmt::format("{}{}:\n{}", margin, key, describe_value(item, indent + 2))
                     : fmt::format("{}{}: {}\n", margin, key, item.to_string());
    }
    return text;
  }
  if (const auto* list = value.get_if<ValueList>()) {
    std::string text;
    for (const Value& item : *list) {
      text += describe_value(item, indent);
      if (item.get_if<ValueMap>() && &item != &list->back()) text += "\n";
    }
    return text;
  }
  return fmt::format("{}{}\n", margin, value.to_string());
}

std::vector<std::string> children_of(qom::Object& root, std::string_view container) {
  std::vector<std::string> names;
  if (const qom::Object* found = qom::resolve_path(root, container))
    for (const auto& child : found->children()) names.push_back(child->name());
  return names;
}

}  // namespace machina
