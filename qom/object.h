#pragma once
/// Objects: what machines are trees of.
///
/// An object has a type, properties, children that it owns (a tree: every object has one canonical path) and links to
/// objects that it does not own (a graph). Its life: create, set properties, realize, reset, run, unrealize, finalize.
///
/// The tree and all properties belong to the main thread, under the machine lock; only the count of references may be
/// touched by other threads.

#include <atomic>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "qom/trace.h"
#include "qom/type.h"

namespace machina::qom {

enum class Phase { Created, Realizing, Realized, Unrealizing };

class Object {
 public:
  static constexpr const char* kType = "object";
  using Class = ObjectClass;
  static void class_init(ObjectClass&) {}

  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  const ObjectClass& object_class() const { return *class_; }
  const std::string& type_name() const { return class_->name(); }
  bool is_a(std::string_view type) const { return class_->is_a(type); }
  Phase phase() const { return phase_; }
  bool realized() const { return phase_ == Phase::Realized; }

  // --- the tree ---
  Object* parent() const { return parent_; }
  Object& root();
  const std::string& name() const { return name_; }  ///< under its parent; empty for a root
  std::string path() const;                          ///< "/machine/peripheral/net0"; "?type" while it is in no tree
  const std::vector<Ref<Object>>& children() const { return children_; }
  Object* child(std::string_view name) const;
  /// Takes `child` into the tree. Throws Error when the name is taken or the child has a parent already.
  Object& add_child(std::string name, Ref<Object> child);
  template <class T>
  T& add_new_child(std::string name, std::string_view type = T::kType) {
    auto made = TypeRegistry::global().create_as<T>(type);
    T& made_ref = *made;
    add_child(std::move(name), std::move(made));
    return made_ref;
  }
  /// Unrealizes the child if need be and lets go of it and of its links.
  void remove_child(Object& child);

  // --- properties ---
  /// Throws Error: no such property (with the nearest), wrong type or range, refused after realize.
  void set(std::string_view property, const Value& value);
  /// As set(), from text as a user types it.
  void set_text(std::string_view property, std::string_view text);
  void set_link(std::string_view property, Object* target);
  Value get(std::string_view property) const;
  const Property& property(std::string_view name) const;  ///< throws Error

  void ref() { refs_.fetch_add(1, std::memory_order_relaxed); }
  void unref() {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 protected:
  Object() = default;
  virtual ~Object();

  /// For framework classes (Device): what comes before realize() of any subclass; throws Error. Its counterpart runs
  /// after unrealize(), and also when pre_realize() or realize() failed, so that it can take back what was half done.
  virtual void pre_realize() {}
  virtual void post_unrealize() {}
  /// Power up. Throws Error when that is impossible, and has then left nothing behind: the driver does not call
  /// unrealize() on an object whose realize() threw. Children are realized after it returns.
  virtual void realize() {}
  /// After all children are realized: what needs the whole subtree. Throws Error; unrealize() is then called.
  virtual void realized_subtree() {}
  /// Power down; may not fail. Children are unrealized already.
  virtual void unrealize() {}
  /// When it has been put under a parent.
  virtual void parented() {}

 private:
  friend class TypeRegistry;
  friend void realize_tree(Object& object);
  friend void unrealize_tree(Object& object);

  void check_writable(const Property& p) const;
  void apply_defaults();
  void drop_links();

  std::atomic<unsigned> refs_{0};
  const ObjectClass* class_ = nullptr;
  Object* parent_ = nullptr;
  std::string name_;
  std::vector<Ref<Object>> children_;
  Phase phase_ = Phase::Created;
};

/// Realizes `object` and then everything below it that is not realized yet. All or nothing: on failure what was
/// realized by this call is unrealized in reverse and the Error names the path.
void realize_tree(Object& object);
/// The reverse; nothing happens where it is not realized.
void unrealize_tree(Object& object);

/// A plain node of the tree: /machine/peripheral, /chardevs, …
class Container final : public Object {
 public:
  static constexpr const char* kType = "container";
  static void class_init(ObjectClass& c) { c.description = "Node that only groups others"; }
};

/// The object of that C++ class or interface, or null. What C++ calls dynamic_cast.
template <class T, class U>
T* cast(U* object) {
  return dynamic_cast<T*>(object);
}
template <class T, class U>
T* cast(const Ref<U>& object) {
  return dynamic_cast<T*>(object.get());
}

/// The object at an absolute path ("/machine/pit"), or at a partial path ("pit", "peripheral/net0") when exactly one
/// matches, below `root`. Null when there is none; `ambiguous` tells when there are several.
Object* resolve_path(Object& root, std::string_view path, bool* ambiguous = nullptr);

/// All objects of a C++ class or interface below (and including) `root`, parents first.
template <class T, class F>
void for_each(Object& root, F&& visit) {
  if (auto* match = dynamic_cast<T*>(&root)) visit(*match);
  const auto children = root.children();  // a copy: the visitor may add or remove
  for (const auto& child : children) for_each<T>(*child, visit);
}

/// A field that refers to an object elsewhere in the tree and keeps it alive.
template <class T>
class Link {
 public:
  T* get() const { return target_.get(); }
  T* operator->() const { return target_.get(); }
  T& operator*() const { return *target_; }
  explicit operator bool() const { return static_cast<bool>(target_); }
  void set(T* target) { holder_ = Ref<Object>(to_object(target)), target_ = Pointer{target}; }

 private:
  // T may be an interface, which is not an Object itself: the count is kept through the object behind it.
  static Object* to_object(T* target) { return dynamic_cast<Object*>(target); }
  struct Pointer {
    T* p = nullptr;
    T* get() const { return p; }
    T* operator->() const { return p; }
    T& operator*() const { return *p; }
    explicit operator bool() const { return p != nullptr; }
  };
  Ref<Object> holder_;
  Pointer target_;
};

template <class T, class U>
Property& ObjectClass::link(std::string name, Link<U> T::*field) {
  Property p;
  p.name = std::move(name);
  p.kind = PropertyKind::Link;
  p.link_type = U::kType;
  p.type = "link<" + p.link_type + ">";
  p.get = [field](const Object& o) -> Value {
    const auto* target = dynamic_cast<const Object*>((static_cast<const T&>(o).*field).get());
    return target ? Value(target->path()) : Value(std::string());
  };
  p.set_link = [field](Object& o, Object* target) { (static_cast<T&>(o).*field).set(dynamic_cast<U*>(target)); };
  return custom(std::move(p));
}

template <class T>
Ref<T> TypeRegistry::create_as(std::string_view name) {
  Ref<Object> made = create(name);
  auto* typed = dynamic_cast<T*>(made.get());
  if (!typed) throw Error("type '" + std::string(name) + "' is not a '" + T::kType + "'");
  return Ref<T>(typed);
}

/// A new instance of a C++ type that is registered.
template <class T>
Ref<T> create() {
  return TypeRegistry::global().create<T>();
}

}  // namespace machina::qom
