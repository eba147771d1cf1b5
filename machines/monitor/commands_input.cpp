/// Commands that stand for what a user types.

#include <fmt/format.h>

#include "core/display/input_sink.h"
#include "core/units.h"
#include "machines/monitor/json_value.h"
#include "machines/monitor/qmp_command.h"

namespace machina {
namespace {

using qom::Value;
using qom::ValueList;
using qom::ValueMap;

constexpr std::int64_t kHoldMs = 100;  // QEMU's, when hold-time is not given
constexpr std::int64_t kMaxHoldMs = 60'000;
constexpr std::size_t kMaxKeys = 16;  // more than fingers

QKeyCode key_of(const Value& item) {
  const Value* type = member(item, "type");
  const Value* data = member(item, "data");
  const auto* kind = type ? type->get_if<std::string>() : nullptr;
  if (!kind || !data)
    throw QmpError{QmpErrorClass::GenericError, "Parameter 'keys' expects a list of objects with type and data"};
  if (*kind != "qcode")
    throw QmpError{QmpErrorClass::GenericError, fmt::format("Parameter 'type' does not accept value '{}'", *kind)};
  const auto* name = data->get_if<std::string>();
  const auto key = name ? key_by_name(*name) : std::nullopt;
  if (!key) {
    throw QmpError{QmpErrorClass::GenericError,
                   fmt::format("Parameter 'data' does not accept value '{}'", name ? *name : data->to_string())};
  }
  return *key;
}

Value send_key(QmpSession& session, const QmpArguments& arguments) {
  std::vector<QKeyCode> keys;
  const auto& items = std::get<ValueList>(arguments.value("keys").get());
  if (items.size() > kMaxKeys)
    throw QmpError{QmpErrorClass::GenericError, fmt::format("more than {} keys at once", kMaxKeys)};
  for (const Value& item : items) keys.push_back(key_of(item));
  const std::int64_t hold = arguments.has("hold-time") ? arguments.integer("hold-time") : kHoldMs;
  if (hold < 0 || hold > kMaxHoldMs)
    throw QmpError{QmpErrorClass::GenericError, fmt::format("Parameter 'hold-time' expects 0 to {} ms", kMaxHoldMs)};
  qom::Ref<qom::Object> keyboard;
  qom::for_each<InputSink>(session.root(), [&](InputSink& sink) {
    if (!keyboard) keyboard = qom::Ref<qom::Object>(dynamic_cast<qom::Object*>(&sink));
  });
  if (!keyboard) throw QmpError{QmpErrorClass::GenericError, "the machine has no keyboard"};
  auto& sink = dynamic_cast<InputSink&>(*keyboard);
  for (const QKeyCode key : keys) sink.key(key, true);
  session.later(hold * (kNsPerSecond / 1000), [keyboard, keys] {
    auto& held = dynamic_cast<InputSink&>(*keyboard);
    for (auto key = keys.rbegin(); key != keys.rend(); ++key) held.key(*key, false);
  });
  return ValueMap{};
}

}  // namespace

void add_input_commands(std::vector<QmpCommand>& table) {
  using T = QmpArgument::Type;
  table.push_back(
      {"send-key",
       {{"keys", T::Array}, {"hold-time", T::Integer, true}},
       "nothing",
       "presses keys (`{\"type\": \"qcode\", \"data\": \"ret\"}`) together, and lets go after so many ms of "
       "the guest's time",
       false,
       send_key});
}

}  // namespace machina
