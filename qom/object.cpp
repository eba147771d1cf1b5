#include "qom/object.h"

#include <fmt/format.h>

#include <algorithm>

namespace machina::qom {

MACHINA_ABSTRACT_TYPE(Object, Object);
MACHINA_TYPE(Container, Object);

Object::~Object() {
  for (const Ref<Object>& c : children_) c->parent_ = nullptr;
  if (class_) class_->live_->fetch_sub(1, std::memory_order_relaxed);
}

Object& Object::root() {
  Object* o = this;
  while (o->parent_) o = o->parent_;
  return *o;
}

std::string Object::path() const {
  if (!parent_) return name_.empty() && !children_.empty() ? "/" : "?" + (class_ ? type_name() : std::string());
  std::string path;
  for (const Object* o = this; o->parent_; o = o->parent_) path = "/" + o->name_ + path;
  return path;
}

Object* Object::child(std::string_view name) const {
  for (const Ref<Object>& c : children_)
    if (c->name_ == name) return c.get();
  return nullptr;
}

Object& Object::add_child(std::string name, Ref<Object> new_child) {
  Object& c = *new_child;
  if (c.parent_) throw Error(fmt::format("'{}' has a parent already: {}", name, c.path()));
  if (child(name)) throw Error(fmt::format("'{}' already has a child named '{}'", path(), name));
  c.parent_ = this;
  c.name_ = std::move(name);
  children_.push_back(std::move(new_child));
  c.parented();
  return c;
}

void Object::remove_child(Object& gone) {
  const auto it = std::find_if(children_.begin(), children_.end(), [&](const auto& c) { return c.get() == &gone; });
  if (it == children_.end()) return;
  unrealize_tree(gone);
  const Ref<Object> keep = *it;
  gone.drop_links();
  gone.parent_ = nullptr;
  children_.erase(std::find(children_.begin(), children_.end(), keep));
}

void Object::drop_links() {
  for (const Property& p : class_->properties())
    if (p.set_link) p.set_link(*this, nullptr);
  for (const Ref<Object>& c : children_) c->drop_links();
}

const Property& Object::property(std::string_view name) const {
  const Property* p = class_->find_property(name);
  if (!p) {
    Error e(fmt::format("type '{}' has no property '{}'", type_name(), name));
    throw e.hint(did_you_mean(name, class_->property_names()));
  }
  return *p;
}

void Object::check_writable(const Property& p) const {
  if (p.read_only || (!p.set && !p.set_link))
    throw Error(fmt::format("property '{}' of '{}' is read-only", p.name, type_name()));
  if (phase_ != Phase::Created && !p.live) {
    throw Error(fmt::format("property '{}' of '{}' cannot change any more", p.name, type_name()))
        .why("the object is realized");
  }
}

void Object::set(std::string_view name, const Value& value) {
  const Property& p = property(name);
  if (p.kind == PropertyKind::Link) {
    const auto* text = value.get_if<std::string>();
    if (!text) p.convert(value);  // throws: says what is expected
    if (text->empty()) return set_link(name, nullptr);
    bool ambiguous = false;
    Object* target = resolve_path(root(), *text, &ambiguous);
    if (!target) {
      throw Error(fmt::format("{}: '{}'", ambiguous ? "several objects have that name" : "no such object", *text))
          .hint(ambiguous ? "give the whole path" : "expected " + p.expected());
    }
    return set_link(name, target);
  }
  check_writable(p);
  const Value converted = p.convert(value);
  const LifecycleTrace::Scope trace([&] { return fmt::format("set {} {}={}", path(), name, converted.to_string()); });
  p.set(*this, converted);
}

void Object::set_text(std::string_view name, std::string_view text) { set(name, property(name).parse(text)); }

void Object::set_link(std::string_view name, Object* target) {
  const Property& p = property(name);
  if (!p.set_link) throw Error(fmt::format("property '{}' of '{}' is not a link", name, type_name()));
  check_writable(p);
  if (target && !target->is_a(p.link_type)) {
    throw Error(fmt::format("property '{}' links to a '{}', but '{}' is a '{}'", name, p.link_type, target->path(),
                            target->type_name()));
  }
  const LifecycleTrace::Scope trace(
      [&] { return fmt::format("set {} {}={}", path(), name, target ? target->path() : "none"); });
  p.set_link(*this, target);
}

Value Object::get(std::string_view name) const {
  if (const Property* p = class_->find_property(name)) return p->get ? p->get(*this) : Value();
  if (const Object* c = child(name)) return c->path();
  return property(name).get(*this);  // throws
}

void Object::apply_defaults() {
  for (const Property& p : class_->properties())
    if (!p.default_value.empty() && p.set) p.set(*this, p.default_value);
}

void realize_tree(Object& object) {
  if (object.phase_ == Phase::Realizing) return;  // a device that realizes its own children from within realize()
  if (object.phase_ == Phase::Created) {
    const LifecycleTrace::Scope trace(
        [&] { return fmt::format("realize {} ({})", object.path(), object.type_name()); });
    for (const Property& p : object.class_->properties()) {
      if (!p.required) continue;
      const Value v = p.get(object);
      if (v.empty() || v == Value(std::string()))
        throw Error(fmt::format("property '{}' must be set", p.name))
            .object(object.path())
            .hint("expected " + p.expected());
    }
    object.phase_ = Phase::Realizing;
    try {
      object.pre_realize();
      object.realize();
    } catch (Error& e) {
      object.post_unrealize();
      object.phase_ = Phase::Created;
      throw e.object(object.path());
    } catch (...) {
      object.post_unrealize();
      object.phase_ = Phase::Created;
      throw;
    }
    object.phase_ = Phase::Realized;
    std::vector<Object*> done;
    try {
      for (std::size_t i = 0; i < object.children_.size(); ++i) {  // by index: realize() of a child may add a sibling
        Object& c = *object.children_[i];
        if (c.phase_ != Phase::Created) continue;
        realize_tree(c);
        done.push_back(&c);
      }
      object.realized_subtree();
    } catch (...) {
      for (auto it = done.rbegin(); it != done.rend(); ++it) unrealize_tree(**it);
      object.phase_ = Phase::Unrealizing;
      object.unrealize();
      object.post_unrealize();
      object.phase_ = Phase::Created;
      try {
        throw;
      } catch (Error& e) {
        throw e.object(object.path());
      }
    }
    return;
  }
  std::vector<Object*> done;
  try {
    for (std::size_t i = 0; i < object.children_.size(); ++i) {
      Object& c = *object.children_[i];
      const bool fresh = c.phase_ == Phase::Created;
      realize_tree(c);
      if (fresh) done.push_back(&c);
    }
  } catch (...) {
    for (auto it = done.rbegin(); it != done.rend(); ++it) unrealize_tree(**it);
    throw;
  }
}

void unrealize_tree(Object& object) {
  if (object.phase_ != Phase::Realized) {
    // Not realized itself, as a container may be, but perhaps something below it is.
    if (object.phase_ == Phase::Created)
      for (auto it = object.children_.rbegin(); it != object.children_.rend(); ++it) unrealize_tree(**it);
    return;
  }
  const LifecycleTrace::Scope trace(
      [&] { return fmt::format("unrealize {} ({})", object.path(), object.type_name()); });
  for (auto it = object.children_.rbegin(); it != object.children_.rend(); ++it) unrealize_tree(**it);
  object.phase_ = Phase::Unrealizing;
  object.unrealize();
  object.post_unrealize();
  object.phase_ = Phase::Created;
}

namespace {

std::vector<std::string_view> split_path(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    if (slash != 0) parts.push_back(path.substr(0, slash));
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  }
  return parts;
}

Object* walk(Object& from, const std::vector<std::string_view>& parts) {
  Object* o = &from;
  for (std::string_view part : parts) {
    if (!o) return nullptr;
    o = o->child(part);
  }
  return o;
}

void find_partial(Object& from, const std::vector<std::string_view>& parts, std::vector<Object*>& found) {
  if (Object* o = walk(from, parts)) found.push_back(o);
  for (const Ref<Object>& c : from.children()) find_partial(*c, parts, found);
}

}  // namespace

Object* resolve_path(Object& root, std::string_view path, bool* ambiguous) {
  if (ambiguous) *ambiguous = false;
  const auto parts = split_path(path);
  if (!path.empty() && path[0] == '/') return walk(root, parts);
  if (parts.empty()) return nullptr;
  std::vector<Object*> found;
  find_partial(root, parts, found);
  if (found.size() == 1) return found[0];
  if (ambiguous) *ambiguous = found.size() > 1;
  return nullptr;
}

}  // namespace machina::qom
