#pragma once
/// The types that commands of the monitor take and return, as text in the manner of QEMU's schema:
///
///     enum MouseAxis { x, y }
///     struct NameInfo { *name: str }
///     union InputEvent { type: InputEventKind } by type { key: InputKeyEventWrapper, btn: … }
///     alternate StrOrNull { str, null }
///
/// '*' marks a member that may be left out, "[T]" is a list of T, and "..." as the last member says that others, which
/// are properties of an object that is named by another argument, may follow. Built in are str, int, uint64, number,
/// bool, null and any. Argument checking, query-qmp-schema and the documentation are made from these types.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "qom/value.h"

namespace machina {

struct SchemaType {
  enum class Kind { Undefined, Builtin, Enum, Array, Object, Alternate };
  struct Member {
    std::string name;
    const SchemaType* type = nullptr;
    bool optional = false;
  };
  struct Case {
    std::string value;  ///< of the tag
    const SchemaType* type = nullptr;
  };

  Kind kind = Kind::Undefined;
  std::string name;                     ///< "BlockInfo", "[BlockInfo]"
  std::string json;                     ///< of a built-in one: "string", "int", …
  std::vector<std::string> values;      ///< of an enum
  const SchemaType* element = nullptr;  ///< of an array
  std::vector<Member> members;          ///< of an object; of an alternate, without names
  std::string tag;                      ///< member that decides which of `cases` adds its members
  std::vector<Case> cases;
  bool open = false;  ///< "...": members that are not declared are passed on

  const Member* member(std::string_view name) const;
  /// The further members that the tag's value adds; null when there are none.
  const SchemaType* case_of(std::string_view value) const;
};

class MonitorSchema {
 public:
  MonitorSchema();
  MonitorSchema(const MonitorSchema&) = delete;
  MonitorSchema& operator=(const MonitorSchema&) = delete;

  /// Adds the definitions in `text`. Throws Error: a mistake in it, a type that is there already.
  void define(std::string_view text);
  /// An enum whose values are made elsewhere.
  void define_enum(std::string name, std::vector<std::string> values);
  /// The type called so, "[…]" included; it may be defined later.
  const SchemaType& type(std::string_view name);
  /// An object type made of "name: type, *other: type".
  const SchemaType& object(std::string name, std::string_view members);

  const std::map<std::string, SchemaType, std::less<>>& types() const { return types_; }
  /// Names that are used and were never defined.
  std::vector<std::string> undefined() const;

 private:
  class Parser;
  SchemaType& entry(std::string_view name);
  std::map<std::string, SchemaType, std::less<>> types_;
};

/// Throws QmpError (GenericError), in QEMU's words, when `value` is not of `type`; `name` is the argument's.
void check_value(const SchemaType& type, const qom::Value& value, const std::string& name);
/// As check_value() of an object whose members are arguments: "Parameter 'x' is missing".
void check_members(const SchemaType& object, const qom::Value& value, const std::string& prefix = {});

/// "string", "integer", "array of string": what documentation calls the type.
std::string describe_type(const SchemaType& type);

}  // namespace machina
