#include "hw/base/device.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "hw/base/bus.h"

namespace machina {

const char* category_name(Category category) {
  switch (category) {
    case Category::Bridge:
      return "Controller/Bridge/Hub";
    case Category::Usb:
      return "USB";
    case Category::Storage:
      return "Storage";
    case Category::Network:
      return "Network";
    case Category::Input:
      return "Input";
    case Category::Display:
      return "Display";
    case Category::Sound:
      return "Sound";
    case Category::Misc:
      return "Misc";
    case Category::Cpu:
      return "CPU";
    case Category::Interrupt:
      return "Interrupt controller";
    case Category::Timer:
      return "Timer and clock";
    case Category::Char:
      return "Serial and console";
  }
  return "?";
}

IrqInBank::IrqInBank(std::string name, unsigned count, IrqIn::Handler handler) : name_(std::move(name)) {
  for (unsigned i = 0; i < count; ++i)
    pins_.push_back(std::make_unique<IrqIn>(fmt::format("{}[{}]", name_, i), i, handler));
}

IrqOutBank::IrqOutBank(unsigned count) {
  for (unsigned i = 0; i < count; ++i) pins_.push_back(std::make_unique<IrqOut>());
}

void Device::class_init(DeviceClass& c) {
  c.description = "Device";
  c.user_creatable = true;
}

qom::Property& DeviceClass::declare_output(std::string name, std::string default_target) {
  qom::Property p;
  p.name = std::move(name);
  p.type = "irq";
  p.kind = qom::PropertyKind::String;
  p.default_value = default_target;
  p.get = [n = p.name](const qom::Object& o) -> qom::Value {
    for (const auto& [pin, target] : static_cast<const Device&>(o).targets_)
      if (pin == n) return target;
    return std::string();
  };
  p.set = [n = p.name](qom::Object& o, const qom::Value& v) {
    auto& targets = static_cast<Device&>(o).targets_;
    std::erase_if(targets, [&](const auto& t) { return t.first == n; });
    targets.emplace_back(n, std::get<std::string>(v.get()));
  };
  return custom(std::move(p));
}

System& Device::system() const {
  if (!system_) {
    for (const Object* o = this; o && !system_; o = o->parent())
      if (auto* holder = dynamic_cast<SystemHolder*>(const_cast<Object*>(o))) system_ = &holder->system();
    if (!system_) throw Error(fmt::format("'{}' is on no machine", type_name()));
  }
  return *system_;
}

void Device::set_parent_bus(Bus& bus) {
  const std::string& wanted = device_class().bus_type;
  if (wanted.empty()) throw Error(fmt::format("a '{}' plugs into no bus", type_name()));
  if (!bus.is_a(wanted)) {
    throw Error(
        fmt::format("a '{}' plugs into a '{}', but '{}' is a '{}'", type_name(), wanted, bus.name(), bus.type_name()));
  }
  parent_bus_ = &bus;
}

IrqInBank* Device::input_bank(std::string_view name) {
  for (const DeviceClass::Input& i : device_class().inputs())
    if (name.empty() || i.name == name) return &i.bank(*this);
  return nullptr;
}

IrqIn* Device::input(std::string_view bank, unsigned index) {
  IrqInBank* found = input_bank(bank);
  return found && index < found->size() ? &(*found)[index] : nullptr;
}

std::vector<IrqOut*> Device::output(std::string_view name) {
  for (const DeviceClass::Output& o : device_class().outputs())
    if (o.name == name) return o.pins(*this);
  return {};
}

void Device::map(ContainerRegion& where, Offset offset, MemoryRegion& region, int priority) {
  where.add(offset, region, priority);
  mapped_.push_back(&region);
}

void Device::unmap(MemoryRegion& region) {
  if (std::erase(mapped_, &region) && region.container()) region.container()->remove(region);
}

void Device::pre_realize() {
  const std::string& wanted = device_class().bus_type;
  if (!wanted.empty()) {
    if (!parent_bus_)
      throw Error(fmt::format("a '{}' needs a '{}' to plug into", type_name(), wanted)).hint("name it with bus=");
    parent_bus_->plug(*this);
  }
  connect_outputs();
}

void Device::post_unrealize() {
  const MemoryTransaction transaction;
  while (!mapped_.empty()) unmap(*mapped_.back());
  for (const DeviceClass::Output& o : device_class().outputs()) {
    for (IrqOut* pin : o.pins(*this)) {
      pin->set(false);
      pin->disconnect();
    }
  }
  if (parent_bus_) parent_bus_->unplug(*this);
}

namespace {

/// "pic.ir.3" -> {"pic.ir", 3}; {text, -1} without a number at the end.
std::pair<std::string_view, int> split_index(std::string_view text) {
  const std::size_t dot = text.rfind('.');
  const std::string_view tail = dot == std::string_view::npos ? text : text.substr(dot + 1);
  int n = -1;
  const auto [end, error] = std::from_chars(tail.data(), tail.data() + tail.size(), n);
  if (error != std::errc() || end != tail.data() + tail.size()) return {text, -1};
  return {dot == std::string_view::npos ? std::string_view() : text.substr(0, dot), n};
}

struct BankAt {
  IrqInBank* bank = nullptr;
  Device* device = nullptr;
  unsigned index = 0;
};

Device* find_device(Device& from, std::string_view id) {
  qom::Object* found = qom::resolve_path(from.root(), id);
  // CPUs are numbered: plain "cpu" is the first of them.
  if (!found) found = qom::resolve_path(from.root(), std::string(id) + "[0]");
  return qom::cast<Device>(found);
}

/// Where "id", "id.n", "id.bank" or "id.bank.n" points to; a null bank when it points nowhere.
BankAt find_bank(Device& from, std::string_view target) {
  const auto [name, number] = split_index(target);
  const unsigned index = number < 0 ? 0 : static_cast<unsigned>(number);
  // Ids may contain dots themselves (isa.0), so the longest id is tried first.
  if (Device* d = find_device(from, target)) return {d->input_bank({}), d, 0};
  if (name.empty()) return {};
  if (Device* d = find_device(from, name)) return {d->input_bank({}), d, index};
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return {};
  if (Device* d = find_device(from, name.substr(0, dot))) return {d->input_bank(name.substr(dot + 1)), d, index};
  return {};
}

Error no_such_input(Device& device, std::string_view target) {
  Error e(fmt::format("no such interrupt input: '{}'", target));
  const BankAt at = find_bank(device, target);
  if (at.device) {
    std::string banks;
    for (const DeviceClass::Input& i : at.device->device_class().inputs())
      banks += fmt::format("{}{} (0 to {})", banks.empty() ? "" : ", ", i.name, i.bank(*at.device).size() - 1);
    e.hint(banks.empty() ? fmt::format("'{}' has no inputs", at.device->name())
                         : fmt::format("inputs of '{}': {}", at.device->name(), banks));
  } else {
    e.hint("write a line number of the bus, or ID.INDEX of an interrupt controller on the board");
  }
  return e;
}

}  // namespace

IrqIn& resolve_input(Device& device, std::string_view target) {
  const auto [name, number] = split_index(target);
  if (name.empty() && number >= 0) {
    Bus* bus = device.parent_bus();
    IrqIn* line = bus ? bus->irq_line(static_cast<unsigned>(number)) : nullptr;
    if (!line) {
      throw Error(fmt::format("no such interrupt line: {}", number))
          .why(bus ? fmt::format("bus '{}' does not have it", bus->name()) : "the device is on no bus");
    }
    return *line;
  }
  const BankAt at = find_bank(device, target);
  if (!at.bank || at.index >= at.bank->size()) throw no_such_input(device, target);
  return (*at.bank)[at.index];
}

void Device::connect_outputs() {
  for (const DeviceClass::Output& o : device_class().outputs()) {
    std::string_view targets;
    for (const auto& [pin, target] : targets_)
      if (pin == o.name) targets = target;
    const std::vector<IrqOut*> pins = o.pins(*this);
    while (!targets.empty()) {
      const std::size_t colon = targets.find(':');
      const std::string_view target = targets.substr(0, colon);
      targets = colon == std::string_view::npos ? std::string_view() : targets.substr(colon + 1);
      if (pins.size() == 1) {
        pins[0]->connect(resolve_input(*this, target));
        continue;
      }
      const BankAt at = find_bank(*this, target);
      if (!at.bank || at.index >= at.bank->size()) throw no_such_input(*this, target);
      for (unsigned i = 0; i < pins.size() && at.index + i < at.bank->size(); ++i)
        pins[i]->connect((*at.bank)[at.index + i]);
    }
  }
}

MACHINA_INTERFACE(SystemHolder);
MACHINA_ABSTRACT_TYPE(Device, qom::Object);

}  // namespace machina
