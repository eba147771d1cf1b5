/// Screen, keyboard and mouse.

#include <fmt/format.h>
#include <sys/stat.h>

#include "core/display/display.h"
#include "core/display/input_sink.h"
#include "core/display/png_writer.h"
#include "core/units.h"
#include "hw/input/ps2_scancodes.h"
#include "machines/monitor/host_file.h"
#include "machines/monitor/human_command.h"
#include "machines/monitor/json_value.h"
#include "machines/monitor/qmp_command.h"
#include "qom/find.h"

namespace machina {
namespace {

using qom::Value;
using qom::ValueList;
using qom::ValueMap;

constexpr std::int64_t kHoldMs = 100;  // QEMU's, when hold-time is not given
constexpr std::int64_t kMaxHoldMs = 60'000;
constexpr std::size_t kMaxKeys = 16;  // more than fingers
/// Mickeys that one event may move the mouse by, each way.
constexpr std::int64_t kMaxMove = 32'767;

// --- screen ---

/// PPM, "P6": the format of screendump where none is asked for.
std::vector<std::uint8_t> encode_ppm(const PixelScreen& screen) {
  const std::string head = fmt::format("P6\n{} {}\n255\n", screen.width, screen.height);
  std::vector<std::uint8_t> image(head.begin(), head.end());
  image.reserve(image.size() + screen.pixels.size() * 3);
  for (const std::uint32_t pixel : screen.pixels)
    for (const int shift : {16, 8, 0}) image.push_back(static_cast<std::uint8_t>(pixel >> shift));
  return image;
}

/// Another file may take its place: it is none yet, or a plain one. A device, a pipe, a set of descriptors is written
/// to.
bool may_be_replaced(const std::string& path) {
  struct stat st {};
  return !path.starts_with("/dev/fdset/") && (::lstat(path.c_str(), &st) != 0 || S_ISREG(st.st_mode));
}

Value screendump(MonitorSession& session, const QmpArguments& arguments) {
  DisplaySource* source = nullptr;
  if (arguments.has("device")) {
    const std::string& id = arguments.string("device");
    qom::Object* found = qom::resolve_path(session.root(), id);
    if (!found) device_not_found(id);
    source = qom::cast<DisplaySource>(found);
    if (!source) generic_error(fmt::format("Device {} does not have a console", id));
  } else {
    source = qom::first_of<DisplaySource>(session.root());
  }
  if (!source) generic_error("There is no console to take a screendump from");
  if (arguments.has("head") && arguments.integer("head") != 0) generic_error("a display has one head, 0");
  const PixelScreen screen = source->pixel_screen();
  if (screen.width == 0 || screen.height == 0) generic_error("no surface");
  const std::string& path = arguments.string("filename");
  const bool png = arguments.string_or("format", "ppm") == "png";
  if (png && may_be_replaced(path)) {
    write_png(screen, path);
  } else {
    write_file(create_file(path), png ? encode_png(screen) : encode_ppm(screen), path);
  }
  return {};
}

// --- keys ---

/// The key of a scan code of set 1, which it may be called by instead of by its name; those behind E0h have bit 7 set.
QKeyCode key_of_number(std::int64_t number) {
  for (const std::string_view name : key_names()) {
    const QKeyCode key = *key_by_name(name);
    const std::vector<std::uint8_t> bytes = ps2::scan_bytes(key, true, 1, {});
    if ((bytes.size() == 1 && bytes[0] == number) ||
        (bytes.size() == 2 && bytes[0] == 0xe0 && (bytes[1] | 0x80) == number))
      return key;
  }
  generic_error(fmt::format("no key has the number {}", number));
}

QKeyCode key_of(const Value& item) {
  const Value& data = *member(item, "data");
  if (const auto* name = data.get_if<std::string>()) return *key_by_name(*name);
  return key_of_number(std::get<std::int64_t>(data.get()));
}

InputSink& keyboard_of(MonitorSession& session) {
  InputSink* found = qom::first_of<InputSink>(session.root());
  if (!found) generic_error("the machine has no keyboard");
  return *found;
}

void press(MonitorSession& session, const std::vector<QKeyCode>& keys, std::int64_t hold_ms) {
  InputSink& sink = keyboard_of(session);
  const qom::Ref<qom::Object> keyboard(dynamic_cast<qom::Object*>(&sink));
  for (const QKeyCode key : keys) sink.key(key, true);
  session.later(hold_ms * kNsPerMs, [keyboard, keys] {
    auto& held = dynamic_cast<InputSink&>(*keyboard);
    for (auto key = keys.rbegin(); key != keys.rend(); ++key) held.key(*key, false);
  });
}

std::int64_t hold_of(const QmpArguments& arguments, std::string_view name) {
  const std::int64_t hold = arguments.integer_or(name, kHoldMs);
  if (hold < 0 || hold > kMaxHoldMs) generic_error(fmt::format("Parameter 'hold-time' expects 0 to {} ms", kMaxHoldMs));
  return hold;
}

Value send_key(MonitorSession& session, const QmpArguments& arguments) {
  std::vector<QKeyCode> keys;
  for (const Value& item : arguments.list("keys")) keys.push_back(key_of(item));
  if (keys.size() > kMaxKeys) generic_error(fmt::format("more than {} keys at once", kMaxKeys));
  press(session, keys, hold_of(arguments, "hold-time"));
  return {};
}

/// "ctrl-alt-f1", "a", "0x1e": names joined by '-'.
void sendkey(HumanContext& c, const QmpArguments& arguments) {
  std::vector<QKeyCode> keys;
  std::string_view text = arguments.string("keys");
  while (!text.empty()) {
    // A '-' that stands where a name should is the key.
    const std::size_t end = std::min(text.find('-', 1), text.size());
    std::string name(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (name == "-") name = "minus";
    if (name.starts_with("0x")) {
      keys.push_back(key_of_number(static_cast<std::int64_t>(qom::parse_uint(name))));
      continue;
    }
    const auto key = key_by_name(name);
    if (!key) {
      c.print("invalid parameter: {}\n", name);
      return;
    }
    keys.push_back(*key);
  }
  if (keys.size() > kMaxKeys) generic_error(fmt::format("more than {} keys at once", kMaxKeys));
  press(c.session(), keys, hold_of(arguments, "hold_ms"));
}

// --- events ---

MouseButton button_of(const std::string& name) {
  static constexpr std::pair<std::string_view, MouseButton> kButtons[] = {{"left", MouseButton::Left},
                                                                          {"middle", MouseButton::Middle},
                                                                          {"right", MouseButton::Right},
                                                                          {"side", MouseButton::Side},
                                                                          {"extra", MouseButton::Extra}};
  for (const auto& [n, b] : kButtons)
    if (name == n) return b;
  return MouseButton::Left;  // the wheel: handled before
}

Value input_send_event(MonitorSession& session, const QmpArguments& arguments) {
  InputSink* sink = nullptr;
  if (arguments.has("device")) {
    const std::string& id = arguments.string("device");
    qom::Object* found = qom::resolve_path(session.root(), id);
    if (!found) device_not_found(id);
    sink = qom::cast<InputSink>(found);
    if (!sink) generic_error(fmt::format("Device {} takes no input", id));
  } else {
    sink = &keyboard_of(session);
  }
  if (arguments.has("head") && arguments.integer("head") != 0) generic_error("a display has one head, 0");
  // All or nothing: what cannot be done is found before the first event.
  for (const Value& e : arguments.list("events")) {
    if (member(e, "type")->to_string() == "abs") generic_error("the machine has no absolute pointing device");
    const Value& data = *member(e, "data");
    const Value* value = member(data, "value");
    const auto* moved = value ? value->get_if<std::int64_t>() : nullptr;
    if (moved && (*moved < -kMaxMove || *moved > kMaxMove))
      generic_error(fmt::format("Parameter 'value' expects {} to {}", -kMaxMove, kMaxMove));
    if (const Value* key = member(data, "key")) (void)key_of(*key);
  }
  for (const Value& e : arguments.list("events")) {
    const std::string kind = member(e, "type")->to_string();
    const Value& data = *member(e, "data");
    const bool down = member(data, "down") && *member(data, "down") == Value(true);
    if (kind == "key") {
      sink->key(key_of(*member(data, "key")), down);
    } else if (kind == "btn") {
      const std::string name = member(data, "button")->to_string();
      if (name == "wheel-up" || name == "wheel-down") {
        if (down) sink->mouse_move(0, 0, name == "wheel-up" ? -1 : 1);
      } else if (name != "wheel-left" && name != "wheel-right") {
        sink->mouse_button(button_of(name), down);
      }
    } else {
      const auto by = static_cast<int>(std::get<std::int64_t>(member(data, "value")->get()));
      const bool x = member(data, "axis")->to_string() == "x";
      sink->mouse_move(x ? by : 0, x ? 0 : by, 0);
    }
  }
  return {};
}

Value query_mice(MonitorSession& session, const QmpArguments&) {
  ValueList list;
  qom::for_each<InputSink>(session.root(), [&](InputSink& sink) {
    const auto index = static_cast<std::int64_t>(list.size());
    list.emplace_back(ValueMap{{"name", dynamic_cast<qom::Object&>(sink).type_name()},
                               {"index", index},
                               {"current", index == 0},
                               {"absolute", false}});
  });
  return list;
}

// --- for people ---

int mickeys(const QmpArguments& arguments, std::string_view name) {
  const std::int64_t by = arguments.integer_or(name, 0);
  if (by < -kMaxMove || by > kMaxMove) generic_error(fmt::format("{} expects {} to {}", name, -kMaxMove, kMaxMove));
  return static_cast<int>(by);
}

void mouse_move(HumanContext& c, const QmpArguments& arguments) {
  keyboard_of(c.session()).mouse_move(mickeys(arguments, "dx"), mickeys(arguments, "dy"), mickeys(arguments, "dz"));
}

void mouse_button(HumanContext& c, const QmpArguments& arguments) {
  const std::int64_t state = arguments.integer("state");
  InputSink& sink = keyboard_of(c.session());
  sink.mouse_button(MouseButton::Left, state & 1);
  sink.mouse_button(MouseButton::Middle, state & 2);
  sink.mouse_button(MouseButton::Right, state & 4);
}

void info_mice(HumanContext& c, const QmpArguments&) {
  const Value answer = c.query("query-mice");
  if (std::get<ValueList>(answer.get()).empty()) c.write("No mouse devices connected\n");
  for (const Value& m : std::get<ValueList>(answer.get()))
    c.print("{} Mouse #{}: {}\n", *member(m, "current") == Value(true) ? '*' : ' ', member(m, "index")->to_string(),
            member(m, "name")->to_string());
}

void human_screendump(HumanContext& c, const QmpArguments& arguments) { c.query("screendump", arguments.all()); }

std::vector<std::string> complete_keys(MonitorSession&, std::string_view argument) {
  std::vector<std::string> names;
  if (argument == "keys") names.assign(key_names().begin(), key_names().end());
  return names;
}

void add(MonitorTable& t) {
  t.schema.define_enum("QKeyCode", {key_names().begin(), key_names().end()});
  t.schema.define(R"(
    enum ImageFormat { ppm, png }
    enum KeyValueKind { number, qcode }
    struct IntWrapper { data: int }
    struct QKeyCodeWrapper { data: QKeyCode }
    union KeyValue { type: KeyValueKind } by type { number: IntWrapper, qcode: QKeyCodeWrapper }
    enum InputButton { left, middle, right, wheel-up, wheel-down, side, extra, wheel-left, wheel-right }
    enum InputAxis { x, y }
    struct InputKeyEvent { key: KeyValue, down: bool }
    struct InputKeyEventWrapper { data: InputKeyEvent }
    struct InputBtnEvent { button: InputButton, down: bool }
    struct InputBtnEventWrapper { data: InputBtnEvent }
    struct InputMoveEvent { axis: InputAxis, value: int }
    struct InputMoveEventWrapper { data: InputMoveEvent }
    enum InputEventKind { key, btn, rel, abs }
    union InputEvent { type: InputEventKind } by type {
      key: InputKeyEventWrapper, btn: InputBtnEventWrapper, rel: InputMoveEventWrapper, abs: InputMoveEventWrapper }
    struct MouseInfo { name: str, index: int, current: bool, absolute: bool }
  )");
  t.command({.name = "screendump",
             .arguments = "filename: str, *device: str, *head: int, *format: ImageFormat",
             .doc = "writes the screen to a file of the host, as `ppm` or `png`",
             .run = screendump});
  t.command({.name = "send-key",
             .arguments = "keys: [KeyValue], *hold-time: int",
             .doc =
                 "presses keys (`{\"type\": \"qcode\", \"data\": \"ret\"}`) together, and lets go after so many ms of "
                 "the guest's time",
             .run = send_key});
  t.command({.name = "input-send-event",
             .arguments = "*device: str, *head: int, events: [InputEvent]",
             .doc = "keys, buttons and movements, one after the other",
             .run = input_send_event});
  t.command({.name = "query-mice", .returns = "[MouseInfo]", .doc = "pointing devices", .run = query_mice});
  t.human({.name = "screendump",
           .arguments = "filename: str, -f format: str, *device: str, *head: int",
           .doc = "writes the screen to a file; -f png or ppm",
           .run = human_screendump});
  t.human({.name = "sendkey",
           .arguments = "keys: str, *hold_ms: int",
           .doc = "presses keys together: 'sendkey ctrl-alt-f1'",
           .run = sendkey,
           .complete = complete_keys});
  t.human({.name = "mouse_move",
           .arguments = "dx: int, dy: int, *dz: int",
           .doc = "moves the mouse and its wheel",
           .run = mouse_move});
  t.human({.name = "mouse_button",
           .arguments = "state: int",
           .doc = "buttons that are down: 1 left, 2 middle, 4 right",
           .run = mouse_button});
  t.human({.name = "info mice", .doc = "pointing devices", .run = info_mice});
}

const MonitorFamily kFamily{"Screen, keyboard, mouse", add};

}  // namespace
}  // namespace machina
