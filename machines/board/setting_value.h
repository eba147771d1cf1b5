#pragma once
/// Between the text of a board and the properties of a type.

#include <string>
#include <string_view>

#include "machines/board/board.h"
#include "qom/object.h"

namespace machina {

/// The property of that name, which can be set. Throws Error at `at`, with the nearest name.
const qom::Property& writable_property(const qom::ObjectClass& c, std::string_view name, const Origin& at);

/// What a setting says, as a value of the property. Of a link: its text. Throws Error at the place of the value.
qom::Value value_of(const qom::Property& p, const Setting& setting);
qom::Value value_of(const qom::Property& p, std::string_view text, const Origin& at);

/// A pin: its value names interrupt inputs (DeviceClass::output()).
bool is_pin(const qom::Property& p);

}  // namespace machina
