#include "qom/type.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "qom/object.h"

namespace machina::qom {

bool ObjectClass::is_a(std::string_view type) const {
  for (const ObjectClass* c = this; c; c = c->parent_) {
    if (c->info_->name == type) return true;
    for (const std::string& i : c->info_->interfaces)
      if (i == type) return true;
  }
  return false;
}

std::vector<std::string> ObjectClass::interfaces() const {
  std::vector<std::string> all = parent_ ? parent_->interfaces() : std::vector<std::string>();
  all.insert(all.end(), info_->interfaces.begin(), info_->interfaces.end());
  return all;
}

const Property* ObjectClass::find_property(std::string_view name) const {
  for (const Property& p : properties_)
    if (p.name == name) return &p;
  return nullptr;
}

std::vector<std::string> ObjectClass::property_names() const {
  std::vector<std::string> names;
  for (const Property& p : properties_) names.push_back(p.name);
  return names;
}

Property& ObjectClass::custom(Property p) {
  if (find_property(p.name)) throw Error(fmt::format("type '{}' declares property '{}' twice", name(), p.name));
  properties_.push_back(std::move(p));
  return properties_.back();
}

void ObjectClass::set_default(std::string_view property, const Value& value) {
  for (Property& p : properties_) {
    if (p.name == property) {
      p.default_value = p.convert(value);
      return;
    }
  }
  throw Error(fmt::format("type '{}' has no property '{}'", name(), property));
}

TypeRegistry& TypeRegistry::global() {
  static TypeRegistry registry;  // on first use: registrars run in any order
  return registry;
}

void TypeRegistry::set_origin(std::string origin) {
  const std::lock_guard guard(lock_);
  origin_ = std::move(origin);
}

void TypeRegistry::add(TypeInfo info) {
  const std::lock_guard guard(lock_);
  if (info.origin.empty()) info.origin = origin_;
  pending_.push_back(std::move(info));
}

void TypeRegistry::finalize() {
  const std::lock_guard guard(lock_);
  if (pending_.empty()) return;
  std::vector<std::string> faults;
  std::map<std::string, const TypeInfo*, std::less<>> fresh;
  for (const TypeInfo& info : pending_) {
    const auto existing = types_.find(info.name);
    if (existing != types_.end() || fresh.count(info.name)) {
      const std::string& first = existing != types_.end() ? existing->second.origin : fresh[info.name]->origin;
      faults.push_back(fmt::format("type '{}' of {} is registered already, by {}", info.name, info.origin, first));
    } else {
      fresh[info.name] = &info;
    }
  }
  const auto lookup = [&](const std::string& name) -> const TypeInfo* {
    if (const auto it = fresh.find(name); it != fresh.end()) return it->second;
    if (const auto it = types_.find(name); it != types_.end()) return &it->second;
    return nullptr;
  };
  for (const TypeInfo& info : pending_) {
    std::set<std::string> seen{info.name};
    for (const TypeInfo* t = &info; !t->parent.empty();) {
      const TypeInfo* parent = lookup(t->parent);
      if (!parent) {
        if (t == &info) faults.push_back(fmt::format("type '{}' has an unknown parent '{}'", info.name, info.parent));
        break;
      }
      if (!seen.insert(parent->name).second) {
        faults.push_back(fmt::format("type '{}' is its own ancestor, through '{}'", info.name, t->name));
        break;
      }
      if (parent->interface && t == &info)
        faults.push_back(fmt::format("type '{}' names the interface '{}' as its parent", info.name, parent->name));
      t = parent;
    }
    for (const std::string& name : info.interfaces) {
      const TypeInfo* i = lookup(name);
      if (!i) {
        faults.push_back(fmt::format("type '{}' implements an unknown interface '{}'", info.name, name));
      } else if (!i->interface) {
        faults.push_back(fmt::format("type '{}' implements '{}', which is not an interface", info.name, name));
      }
    }
    if (!info.abstract && !info.instance_init)
      faults.push_back(fmt::format("type '{}' is not abstract but cannot be constructed", info.name));
  }
  std::vector<TypeInfo> batch = std::move(pending_);
  pending_.clear();
  if (!faults.empty()) {
    std::string text;
    for (const std::string& fault : faults) text += "\n  " + fault;
    throw Error("the type registry is inconsistent:" + text);
  }
  for (TypeInfo& info : batch) {
    std::string name = info.name;
    types_.emplace(std::move(name), std::move(info));
  }
}

const TypeInfo* TypeRegistry::find(std::string_view name) {
  const std::lock_guard guard(lock_);
  finalize();
  const auto it = types_.find(name);
  return it == types_.end() ? nullptr : &it->second;
}

const ObjectClass& TypeRegistry::class_of(std::string_view name) {
  const std::lock_guard guard(lock_);
  const TypeInfo* info = find(name);
  if (!info || info->interface) {
    Error e(fmt::format("no such type: '{}'", name));
    throw e.hint(did_you_mean(name, names()));
  }
  return class_of_locked(*info);
}

const ObjectClass& TypeRegistry::class_of_locked(const TypeInfo& info) {
  if (const auto it = classes_.find(info.name); it != classes_.end()) return *it->second;
  const ObjectClass* parent = info.parent.empty() ? nullptr : &class_of_locked(types_.find(info.parent)->second);
  const LifecycleTrace::Scope trace([&] { return fmt::format("class_init {}", info.name); });
  std::unique_ptr<ObjectClass> made = info.make_class(parent);
  made->info_ = &info;
  made->parent_ = parent;
  made->live_ = std::make_shared<std::atomic<long>>(0);
  if (info.class_init) info.class_init(*made);
  return *(classes_[info.name] = std::move(made));
}

Ref<Object> TypeRegistry::create(std::string_view name) {
  const ObjectClass& c = class_of(name);
  if (c.abstract()) {
    throw Error(fmt::format("type '{}' is abstract", name)).hint("name one of the types that implement it");
  }
  const LifecycleTrace::Scope trace([&] { return fmt::format("instance_init {}", name); });
  Ref<Object> made(c.info().instance_init());
  made->class_ = &c;
  c.live_->fetch_add(1, std::memory_order_relaxed);
  made->apply_defaults();
  return made;
}

bool TypeRegistry::is_a_locked(const TypeInfo& info, std::string_view type) const {
  for (const TypeInfo* t = &info;;) {
    if (t->name == type) return true;
    if (std::find(t->interfaces.begin(), t->interfaces.end(), type) != t->interfaces.end()) return true;
    if (t->parent.empty()) return false;
    t = &types_.find(t->parent)->second;
  }
}

std::vector<std::string> TypeRegistry::names(std::string_view implements, bool include_abstract) {
  const std::lock_guard guard(lock_);
  finalize();
  std::vector<std::string> all;
  for (const auto& [name, info] : types_) {
    if (info.abstract && !include_abstract) continue;
    if (implements.empty() || is_a_locked(info, implements)) all.push_back(name);
  }
  return all;
}

}  // namespace machina::qom
