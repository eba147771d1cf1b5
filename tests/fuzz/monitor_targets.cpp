// Clients of the monitor: QMP, as programs speak it, and the human monitor.

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "core/display/keycodes.h"
#include "core/units.h"
#include "machines/monitor/human_command.h"
#include "machines/monitor/json_value.h"
#include "machines/monitor/qmp_command.h"
#include "tests/fuzz/coverage.h"
#include "tests/fuzz/device_board.h"
#include "tests/fuzz/fuzz_backends.h"
#include "tests/fuzz/sandbox.h"
#include "tests/fuzz/target.h"

namespace machina::fuzz {

namespace {

using qom::Value;
using qom::ValueList;
using qom::ValueMap;

std::vector<std::uint8_t> bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

/// Texts that mean something to a machine.
std::vector<std::string> machine_words(const DeviceBoard& board) {
  std::vector<std::string> words{"on",
                                 "off",
                                 "net0",
                                 "disk0",
                                 "nic",
                                 "realized",
                                 "/dev/null",
                                 "null",
                                 "file:/dev/null",
                                 "vcpu0",
                                 "pci.0",
                                 "isa.0",
                                 "ide.0",
                                 "/machine/unattached",
                                 "x",
                                 ""};
  const std::unique_ptr<FuzzMachine> machine = board.make(0);
  qom::for_each<qom::Object>(machine->root(), [&](qom::Object& object) {
    words.push_back(object.path());
    words.push_back(object.name());
  });
  qom::TypeRegistry& registry = qom::TypeRegistry::global();
  for (const char* base : {"device", "chardev", "netdev", "block-backend", "filter-dump"}) {
    for (const std::string& type : registry.names(base)) {
      words.push_back(type);
      for (const qom::Property& p : registry.class_of(type).properties()) words.push_back(p.name);
    }
  }
  for (const std::string_view key : key_names()) words.emplace_back(key);
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  return words;
}

/// Values as the schema of a command wants them, mostly.
class Inventor {
 public:
  Inventor(const std::vector<std::string>& words, std::uint32_t seed) : words_(words), random_(seed) {}

  std::uint32_t below(std::size_t n) { return static_cast<std::uint32_t>(random_() % n); }
  const std::string& word() { return words_[below(words_.size())]; }

  std::int64_t number() {
    switch (below(5)) {
      case 0:
        return below(4);
      case 1:
        return below(0x10000);
      case 2:
        return std::int64_t{1} << below(63);
      case 3:
        return -static_cast<std::int64_t>(below(3));
      default:
        return static_cast<std::int64_t>(std::uint64_t{random_()} << 32 | random_());
    }
  }

  Value value(const SchemaType& type, unsigned depth = 0) {
    if (depth > 4 || below(40) == 0) return below(2) ? Value(word()) : Value(number());
    switch (type.kind) {
      case SchemaType::Kind::Enum:
        return type.values.empty() ? Value(word()) : Value(type.values[below(type.values.size())]);
      case SchemaType::Kind::Array: {
        ValueList list;
        for (unsigned n = below(4); n > 0; --n) list.push_back(value(*type.element, depth + 1));
        return list;
      }
      case SchemaType::Kind::Object:
        return object(type, depth);
      case SchemaType::Kind::Alternate:
        return type.members.empty() ? Value(word()) : value(*type.members[below(type.members.size())].type, depth + 1);
      default:
        break;
    }
    if (type.name == "bool") return below(2) == 1;
    if (type.name == "int" || type.name == "uint64") return number();
    if (type.name == "number") return 1.5 * static_cast<double>(number());
    if (type.name == "null") return Value();
    return word();
  }

  Value object(const SchemaType& type, unsigned depth = 0) {
    ValueMap map;
    const SchemaType* further = nullptr;
    for (const SchemaType::Member& m : type.members) {
      if (below(m.optional ? 3 : 30) == 0) continue;
      Value made = value(*m.type, depth + 1);
      if (const std::string* text = made.get_if<std::string>(); text && m.name == type.tag)
        further = type.case_of(*text);
      map.emplace_back(m.name, std::move(made));
    }
    if (further && depth < 4) {
      const Value more = object(*further, depth + 1);
      if (const ValueMap* members = more.get_if<ValueMap>()) map.insert(map.end(), members->begin(), members->end());
    }
    if (type.open)
      for (unsigned n = below(3); n > 0; --n) map.emplace_back(word(), below(2) ? Value(word()) : Value(number()));
    return map;
  }

 private:
  const std::vector<std::string>& words_;
  std::minstd_rand random_;
};

/// A client on a line of its own, of a machine with something of everything.
class MonitorTarget : public Target {
 public:
  std::size_t max_length() const override { return 4096; }
  std::vector<std::string> dictionary() const override { return words_; }

  std::size_t mutate(std::uint8_t* data, std::size_t size, std::size_t max, std::uint32_t seed) override {
    Inventor inventor(words_, seed);
    const std::size_t changed = Target::mutate(data, size, max, seed);
    if (inventor.below(2)) return changed;
    // A new command, in front of a line of what is there.
    const std::string line = invent(inventor) + "\n";
    if (changed + line.size() > max) return changed;
    std::vector<std::size_t> begins{0};
    for (std::size_t i = 0; i < changed; ++i)
      if (data[i] == '\n') begins.push_back(i + 1);
    const std::size_t at = begins[inventor.below(begins.size())];
    std::memmove(data + at + line.size(), data + at, changed - at);
    std::memcpy(data + at, line.data(), line.size());
    return changed + line.size();
  }

  std::vector<std::vector<std::uint8_t>> seeds() const override {
    std::vector<std::vector<std::uint8_t>> seeds;
    for (std::uint32_t i = 0; i < 32; ++i) {
      Inventor inventor(words_, i + 1);
      std::string text;
      for (unsigned n = 0; n < 8; ++n) text += invent(inventor) + "\n";
      seeds.push_back(bytes_of(text));
    }
    return seeds;
  }

  bool run(std::span<const std::uint8_t> input) override {
    enter_sandbox();
    Coverage coverage;
    const std::unique_ptr<FuzzMachine> machine = board_.make(0, [this](Machine& m) {
      auto& line = m.parent()->add_new_child<FuzzChardev>("line");
      line.set_event_loop(m.system().loop);
      m.parent()->add_new_child<qom::Object>("monitor", type_).set_link("chardev", &line);
    });
    System& system = machine->system();
    auto& line = dynamic_cast<FuzzChardev&>(*machine->root().child("line"));
    const auto locked = [&](auto&& work) {
      const MachineLock::Guard guard(system.lock);
      work();
    };
    locked([&] {
      qom::realize_tree(line);
      qom::realize_tree(*machine->root().child("monitor"));
    });
    begin(line, locked);
    Coverage::begin();
    // In pieces, as far as the monitor takes them; a line is a step.
    unsigned idle = 0;
    while (!input.empty() && idle < 4 && machine->machine().run_state() != RunState::Shutdown) {
      const StepLimit limit("a command of the monitor");
      const auto* end = std::find(input.begin().base(), input.end().base(), '\n');
      const auto length = std::min<std::size_t>(static_cast<std::size_t>(end - input.data()) + 1, input.size());
      std::size_t taken = 0;
      locked([&] { taken = line.send(input.first(length)); });
      input = input.subspan(taken);
      idle = taken ? 0 : idle + 1;
      system.loop.poll();
      check_output(line.take_output());
    }
    locked([&] { system.clock.step_to(system.clock.now_ns() + kNsPerSecond); });
    system.loop.poll();
    coverage.end();
    locked([&] {
      line.connect(false);
      qom::unrealize_tree(*machine->root().child("monitor"));
    });
    system.loop.poll();
    return true;
  }

 protected:
  explicit MonitorTarget(const char* type)
      : type_(type),
        board_("pc", {"vga", "serial", "rtc", "i8042", "ide", "pcihp", "cpuhp", "pit"},
               {"ide-hd,bus=ide.0,id=disk0", "rtl8139,id=net0"}),
        words_(machine_words(board_)) {}

  using Locked = const std::function<void(const std::function<void()>&)>&;
  virtual void begin(FuzzChardev& /*line*/, Locked /*locked*/) {}
  virtual void check_output(const std::string& /*output*/) {}
  virtual std::string invent(Inventor& inventor) const = 0;

  const std::vector<std::string>& words() const { return words_; }

 private:
  const char* type_;
  DeviceBoard board_;
  std::vector<std::string> words_;
};

class QmpTarget final : public MonitorTarget {
 public:
  QmpTarget() : MonitorTarget("qmp") {}

  std::vector<std::string> dictionary() const override {
    std::vector<std::string> all = words();
    for (const QmpCommand& c : monitor_table().commands()) {
      all.emplace_back(c.name);
      for (const SchemaType::Member& m : c.argument_type->members) all.push_back(fmt::format("\"{}\":", m.name));
    }
    all.insert(all.end(),
               {"{\"execute\":\"", "\"arguments\":{", "\"exec-oob\":", "\"id\":", "\\u0000", "\\ud800", "\xff"});
    return all;
  }

 protected:
  void begin(FuzzChardev& line, Locked locked) override {
    const std::vector<std::uint8_t> hello = bytes_of("{\"execute\": \"qmp_capabilities\"}\n");
    locked([&] { line.send(hello); });
  }
  void check_output(const std::string& output) override {
    for (std::size_t at = 0; at < output.size();) {
      const std::size_t end = output.find('\n', at);
      if (end == std::string::npos) break;  // the client was not given all of it
      const std::string_view text = std::string_view(output).substr(at, end - at);
      at = end + 1;
      if (text.empty() || text == "\r") continue;
      Value message;
      try {
        message = parse_json(text);
      } catch (const Error& e) {
        fail(fmt::format("an answer is no JSON ({}): {}", e.what(), text));
      }
      const auto has = [&](const char* name) { return member(message, name) != nullptr; };
      if (!has("return") && !has("error") && !has("event") && !has("QMP"))
        fail(fmt::format("neither an answer nor an event: {}", text));
    }
  }
  std::string invent(Inventor& inventor) const override {
    const auto& commands = monitor_table().commands();
    const QmpCommand& command = commands[inventor.below(commands.size())];
    return to_json(
        ValueMap{{"execute", std::string(command.name)}, {"arguments", inventor.object(*command.argument_type)}});
  }
};

class HmpTarget final : public MonitorTarget {
 public:
  HmpTarget() : MonitorTarget("monitor") {}

  std::vector<std::string> dictionary() const override {
    std::vector<std::string> all = words();
    for (const HumanCommand& c : monitor_table().human_commands()) all.emplace_back(c.name);
    all.insert(all.end(), {"\t", "\x1b[A", "\x1b[3~", "\x15", "$eip", "/8xg 0xb8000", "/10i", "(1<<20)", "%", "&&"});
    return all;
  }

 protected:
  std::string invent(Inventor& inventor) const override {
    std::vector<std::pair<std::string, std::string>> all;
    for (const HumanCommand& c : monitor_table().human_commands()) all.emplace_back(c.name, c.arguments);
    for (const QmpCommand& c : monitor_table().commands())
      if (!c.human.empty()) all.emplace_back(c.human, c.arguments);
    const auto& [names, arguments] = all[inventor.below(all.size())];
    std::string line = names.substr(0, names.find_first_of("| -"));
    if (names.starts_with("info ")) line = names.substr(0, names.find('|'));
    // So many words as there are arguments, of a kind that one of them may be.
    std::size_t count = arguments.empty() ? inventor.below(2) : 1;
    count += static_cast<std::size_t>(std::count(arguments.begin(), arguments.end(), ','));
    for (; count > 0; --count) {
      switch (inventor.below(6)) {
        case 0:
          line += fmt::format(" {}", inventor.number());
          break;
        case 1:
          line += fmt::format(" {:#x}", inventor.number());
          break;
        case 2:
          line += fmt::format(" -{}", static_cast<char>('a' + inventor.below(26)));
          break;
        case 3:
          line += fmt::format(" /{}{}{}", inventor.below(64), "xduoic"[inventor.below(6)], "bhwg"[inventor.below(4)]);
          break;
        default:
          line += " " + inventor.word();
      }
    }
    return line;
  }
};

}  // namespace

std::vector<TargetInfo> monitor_targets() {
  return {
      {"qmp", "a client of the machine protocol", [] { return std::make_unique<QmpTarget>(); }},
      {"hmp", "somebody at the human monitor", [] { return std::make_unique<HmpTarget>(); }},
  };
}

}  // namespace machina::fuzz
