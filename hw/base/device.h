#pragma once
/// Devices: objects with pins, regions and reset, on a bus or on none.
///
/// A device touches no global, no field of another device, no accelerator and no host clock; what it needs comes
/// through its System, its bus and its links. All virtual functions below are called with the machine lock held.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/irq.h"
#include "core/system.h"
#include "qom/object.h"

namespace machina {

class Bus;
class Device;

/// What help lists group by; QEMU's DeviceCategory.
enum class Category { Bridge, Usb, Storage, Network, Input, Display, Sound, Misc, Cpu, Interrupt, Timer, Char };
const char* category_name(Category category);

/// The inputs that a device offers under one name: "ir", 16 of them.
class IrqInBank {
 public:
  /// `handler` is a member function void(unsigned index, bool level).
  template <class T, class H>
  IrqInBank(std::string name, unsigned count, T* device, H handler)
      : IrqInBank(std::move(name), count, [device, handler](unsigned n, bool level) { (device->*handler)(n, level); }) {
  }
  IrqInBank(std::string name, unsigned count, IrqIn::Handler handler);

  const std::string& name() const { return name_; }
  unsigned size() const { return static_cast<unsigned>(pins_.size()); }
  IrqIn& operator[](unsigned n) { return *pins_.at(n); }

 private:
  std::string name_;
  std::vector<std::unique_ptr<IrqIn>> pins_;
};

/// The outputs that a device offers under one name, wired as a whole to a bank (n to n) or to one input.
class IrqOutBank {
 public:
  explicit IrqOutBank(unsigned count);
  unsigned size() const { return static_cast<unsigned>(pins_.size()); }
  IrqOut& operator[](unsigned n) { return *pins_.at(n); }

 private:
  std::vector<std::unique_ptr<IrqOut>> pins_;
};

class DeviceClass : public qom::ObjectClass {
 public:
  Category category = Category::Misc;
  std::string bus_type;  ///< type of the bus that it plugs into; empty: none

  struct Output {
    std::string name;
    std::function<std::vector<IrqOut*>(Device&)> pins;
  };
  struct Input {
    std::string name;
    std::function<IrqInBank&(Device&)> bank;
  };
  const std::vector<Output>& outputs() const { return outputs_; }
  const std::vector<Input>& inputs() const { return inputs_; }

  /// An output pin, which is also a property whose value names the other end: "4" (line 4 of the parent bus), "pic.0"
  /// (input 0 of the first bank of device pic), "pic.ir.0", "cpu.intr"; several separated by ':'; empty: not connected.
  template <class T>
  qom::Property& output(std::string name, IrqOut T::*field, std::string default_target = {}) {
    outputs_.push_back({name, [field](Device& d) { return std::vector<IrqOut*>{&(static_cast<T&>(d).*field)}; }});
    return declare_output(std::move(name), std::move(default_target));
  }
  /// A bank of outputs; the value names a bank ("gsi", "pic.ir"), wired n to n, or "ioapic.4" for from 4 on.
  template <class T>
  qom::Property& outputs(std::string name, IrqOutBank T::*field, std::string default_target = {}) {
    outputs_.push_back({name, [field](Device& d) {
                          IrqOutBank& bank = static_cast<T&>(d).*field;
                          std::vector<IrqOut*> pins;
                          for (unsigned i = 0; i < bank.size(); ++i) pins.push_back(&bank[i]);
                          return pins;
                        }});
    return declare_output(std::move(name), std::move(default_target));
  }
  template <class T>
  void inputs(IrqInBank T::*field, std::string name) {
    inputs_.push_back({std::move(name), [field](Device& d) -> IrqInBank& { return static_cast<T&>(d).*field; }});
  }

 private:
  qom::Property& declare_output(std::string name, std::string default_target);
  std::vector<Output> outputs_;
  std::vector<Input> inputs_;
};

/// Interface of the object that holds a machine's System: the root of its devices.
class SystemHolder {
 public:
  static constexpr const char* kType = "system-holder";
  virtual ~SystemHolder() = default;
  virtual System& system() = 0;
};

class Device : public qom::Object {
 public:
  static constexpr const char* kType = "device";
  using Class = DeviceClass;
  static void class_init(DeviceClass& c);

  const DeviceClass& device_class() const { return static_cast<const DeviceClass&>(object_class()); }

  /// The machine it belongs to; valid once it is in a machine's tree. Throws Error before.
  System& system() const;
  Clock& clock() const { return system().clock; }
  /// Where its DMA goes; a PCI function's is switched by its bus-master bit.
  virtual AddressSpace& dma() { return system().memory; }

  Bus* parent_bus() const { return parent_bus_; }
  /// Before realize. Throws Error when the bus is of another type.
  void set_parent_bus(Bus& bus);

  /// An input of this device by bank name (empty: the first bank) and index; null when there is none.
  IrqIn* input(std::string_view bank, unsigned index);
  IrqInBank* input_bank(std::string_view name);
  std::vector<IrqOut*> output(std::string_view name);

  // --- reset, in three phases over a whole tree (hw/base/reset.h) ---
  /// Own state only: nothing outside is touched.
  virtual void reset_enter() {}
  /// Side effects: wires, regions, timers.
  virtual void reset_hold() {}
  /// Reset is over: what starts by itself starts.
  virtual void reset_exit() {}

 protected:
  /// Puts a region into a container, until unrealize.
  void map(ContainerRegion& where, Offset offset, MemoryRegion& region, int priority = 0);
  void unmap(MemoryRegion& region);

  void pre_realize() override;
  void post_unrealize() override;

 private:
  friend class DeviceClass;
  void connect_outputs();

  mutable System* system_ = nullptr;
  Bus* parent_bus_ = nullptr;
  std::vector<std::pair<std::string, std::string>> targets_;  // output name -> what the board says
  std::vector<MemoryRegion*> mapped_;
};

/// The input that `target` ("pic.0", "pic.ir.0", "cpu.intr", "4") names, seen from `device`. Throws Error saying what
/// is missing and what there is.
IrqIn& resolve_input(Device& device, std::string_view target);

}  // namespace machina
