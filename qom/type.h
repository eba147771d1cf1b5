#pragma once
/// The type registry: every kind of object that a machine can be composed of.
///
/// A type is registered before main (MACHINA_TYPE) or by a plugin, and costs nothing until its first use. Registration
/// only collects; `finalize()` then resolves all parents and interfaces by name, reports every fault together and
/// freezes the registry. A class is made on first use, parent first: it starts as a copy of its parent's class and
/// class_init changes what differs.

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "qom/property.h"
#include "qom/ref.h"

namespace machina::qom {

class Object;
class ObjectClass;
template <class T>
class Link;

struct TypeInfo {
  std::string name;
  std::string parent;  ///< empty for the root type "object" and for interfaces
  bool abstract = false;
  bool interface = false;
  std::vector<std::string> interfaces;
  /// A new class that starts as a copy of the parent's (null for the root).
  std::function<std::unique_ptr<ObjectClass>(const ObjectClass* parent)> make_class;
  std::function<void(ObjectClass&)> class_init;  ///< may be empty
  std::function<Object*()> instance_init;        ///< construction; empty when abstract
  std::string origin;                            ///< "built-in" or the plugin's file
};

/// What all instances of a type share.
class ObjectClass {
 public:
  virtual ~ObjectClass() = default;

  const std::string& name() const { return info_->name; }
  const TypeInfo& info() const { return *info_; }
  const ObjectClass* parent() const { return parent_; }
  bool abstract() const { return info_->abstract; }
  /// True for the type itself, its ancestors, and every interface that one of them implements.
  bool is_a(std::string_view type) const;
  std::vector<std::string> interfaces() const;

  /// Own and inherited, in order of declaration, ancestors first.
  const std::deque<Property>& properties() const { return properties_; }
  const Property* find_property(std::string_view name) const;
  std::vector<std::string> property_names() const;

  /// Instances alive now; the leak check of the tests.
  long live_instances() const { return live_->load(); }

  std::string description;
  bool user_creatable = false;  ///< -device and object-add may make one

  // --- declarations, for class_init ---

  /// A field of the object. `default_value` is written into each new instance.
  template <class T, class F, class D>
  Property& property(std::string name, F T::*field, D default_value) {
    Property& p = declare<F>(std::move(name));
    p.default_value = PropertyTraits<F>::to_value(static_cast<F>(default_value));
    p.get = [field](const Object& o) { return PropertyTraits<F>::to_value(static_cast<const T&>(o).*field); };
    p.set = [field](Object& o, const Value& v) { static_cast<T&>(o).*field = PropertyTraits<F>::from_value(v); };
    return p;
  }
  /// A value that is computed; `F` is its C++ type. Without a setter it is read-only.
  template <class F, class T>
  Property& computed(std::string name, F (T::*getter)() const, void (T::*setter)(F) = nullptr) {
    Property& p = declare<F>(std::move(name));
    p.get = [getter](const Object& o) { return PropertyTraits<F>::to_value((static_cast<const T&>(o).*getter)()); };
    if (setter) {
      p.set = [setter](Object& o, const Value& v) { (static_cast<T&>(o).*setter)(PropertyTraits<F>::from_value(v)); };
    } else {
      p.read_only = true;
    }
    return p;
  }
  /// A reference to another object that is neither owned nor made here.
  template <class T, class U>
  Property& link(std::string name, Link<U> T::*field);
  /// As property(), for values whose setting does something (and may refuse, by throwing Error).
  Property& custom(Property p);

  /// Gives an inherited property another default. Throws Error when there is none of that name.
  void set_default(std::string_view property, const Value& value);

 private:
  friend class TypeRegistry;
  friend class Object;

  template <class F>
  Property& declare(std::string name) {
    Property p;
    p.name = std::move(name);
    PropertyTraits<F>::describe(p);
    return custom(std::move(p));
  }

  std::deque<Property> properties_;
  const TypeInfo* info_ = nullptr;
  const ObjectClass* parent_ = nullptr;
  std::shared_ptr<std::atomic<long>> live_;
};

class TypeRegistry {
 public:
  /// The registry of the program. Types are code, so one is enough; a test may make its own.
  static TypeRegistry& global();

  /// What types that are added from now on say of where they come from: "built-in", or a plugin's file.
  void set_origin(std::string origin);
  /// Collects; complains about nothing. Before main, or while a plugin is loaded.
  void add(TypeInfo info);
  /// Resolves what was added since the last call. Throws one Error that lists every fault (unknown parent or interface,
  /// duplicate name, a cycle); what was added is then forgotten. Called by every look-up.
  void finalize();

  /// Null when there is no such type.
  const TypeInfo* find(std::string_view name);
  /// The class, made on first use. Throws Error with the nearest name. Any thread.
  const ObjectClass& class_of(std::string_view name);
  /// A new instance with all defaults set, owned by nobody. Throws Error when abstract or unknown.
  Ref<Object> create(std::string_view name);
  template <class T>
  Ref<T> create() {
    return create_as<T>(T::kType);
  }
  template <class T>
  Ref<T> create_as(std::string_view name);

  /// Names of all types that are `implements` (a type or an interface), sorted.
  std::vector<std::string> names(std::string_view implements = {}, bool include_abstract = false);

 private:
  bool is_a_locked(const TypeInfo& info, std::string_view type) const;
  const ObjectClass& class_of_locked(const TypeInfo& info);

  std::recursive_mutex lock_;  // guards all below; class_init runs under it and may look up other classes
  std::string origin_ = "built-in";
  std::vector<TypeInfo> pending_;
  std::map<std::string, TypeInfo, std::less<>> types_;
  std::map<std::string, std::unique_ptr<ObjectClass>, std::less<>> classes_;
};

namespace detail {

template <class T, class Base, bool is_abstract>
TypeInfo describe_type(std::vector<std::string> interfaces) {
  static_assert(std::is_base_of_v<Base, T>, "the second argument is the C++ base class");
  using Class = typename T::Class;
  TypeInfo info;
  info.name = T::kType;
  if constexpr (!std::is_same_v<T, Base>) info.parent = Base::kType;
  info.abstract = is_abstract;
  info.interfaces = std::move(interfaces);
  info.make_class = [](const ObjectClass* parent) -> std::unique_ptr<ObjectClass> {
    auto made = std::make_unique<Class>();
    if constexpr (!std::is_same_v<T, Base>) {
      using ParentClass = typename Base::Class;
      static_cast<ParentClass&>(*made) = static_cast<const ParentClass&>(*parent);
    }
    return made;
  };
  // A type without a class_init of its own inherits its parent's C++ function, which has run for the parent already.
  if constexpr (std::is_same_v<T, Base>) {
    info.class_init = [](ObjectClass& c) { T::class_init(static_cast<Class&>(c)); };
  } else if (reinterpret_cast<void (*)()>(&T::class_init) != reinterpret_cast<void (*)()>(&Base::class_init)) {
    info.class_init = [](ObjectClass& c) { T::class_init(static_cast<Class&>(c)); };
  }
  if constexpr (!is_abstract) {
    info.instance_init = []() -> Object* { return new T(); };
  }
  return info;
}

template <class Interface>
TypeInfo describe_interface() {
  TypeInfo info;
  info.name = Interface::kType;
  info.abstract = info.interface = true;
  return info;
}

struct Registrar {
  explicit Registrar(TypeInfo info) { TypeRegistry::global().add(std::move(info)); }
};

template <class... Interfaces>
std::vector<std::string> names_of() {
  return {Interfaces::kType...};
}

}  // namespace detail

}  // namespace machina::qom

// Registers `T`, whose C++ base class (another registered type) is `Base`, before main. Further arguments are
// interfaces. In the .cpp of the type, inside namespace machina.
#define MACHINA_CONCAT_(a, b) a##b
#define MACHINA_CONCAT(a, b) MACHINA_CONCAT_(a, b)
#define MACHINA_REGISTRAR_ \
  static const ::machina::qom::detail::Registrar MACHINA_CONCAT(machina_registrar_, __COUNTER__)
#define MACHINA_TYPE(T, Base, ...)                                                                         \
  MACHINA_REGISTRAR_ {                                                                                     \
    ::machina::qom::detail::describe_type<T, Base, false>(::machina::qom::detail::names_of<__VA_ARGS__>()) \
  }
#define MACHINA_ABSTRACT_TYPE(T, Base, ...)                                                               \
  MACHINA_REGISTRAR_ {                                                                                    \
    ::machina::qom::detail::describe_type<T, Base, true>(::machina::qom::detail::names_of<__VA_ARGS__>()) \
  }
#define MACHINA_INTERFACE(I) \
  MACHINA_REGISTRAR_ { ::machina::qom::detail::describe_interface<I>() }
