#pragma once
/// Interrupt wires. A device drives an output; it does not know what is at the other end. Any number of outputs may be
/// wired to one input, which sees their OR; the meaning of level and edge is the input's.
///
/// All under the machine lock. Wires run one way, device to controller, so a handler may drive further outputs.

#include <functional>
#include <string>
#include <vector>

namespace machina {

class IrqOut;

/// An input of an interrupt controller, a CPU, or a router.
class IrqIn {
 public:
  using Handler = std::function<void(unsigned index, bool level)>;
  IrqIn(std::string label, unsigned index, Handler handler)
      : label_(std::move(label)), index_(index), handler_(std::move(handler)) {}
  ~IrqIn();
  IrqIn(const IrqIn&) = delete;
  IrqIn& operator=(const IrqIn&) = delete;

  const std::string& label() const { return label_; }
  unsigned index() const { return index_; }
  bool level() const { return raised_ > 0; }  ///< the OR of the wires, also while intercepted

  /// While set, changes go to `observer` instead of the handler: qtest's interception. Empty restores the handler,
  /// which is told of the level of now if it missed a change.
  void intercept(Handler observer);
  /// For an observer that only wants to know: lets the handler see the level of now too.
  void pass_on();

  /// A level-triggered sink calls this when the guest has ended the interrupt (EOI), so that sources that cannot see it
  /// (irqfd with resample, a passed-through device) may assert again. A listener may remove itself or others meanwhile.
  void resample();
  /// Adds a resample listener; `owner` identifies it for removal.
  void on_resample(const void* owner, std::function<void()> listener);
  void remove_resample(const void* owner);

 private:
  friend class IrqOut;
  void wire_changed(bool level);

  std::string label_;
  unsigned index_;
  Handler handler_;
  Handler observer_;
  unsigned raised_ = 0;         // wires that are high now
  bool told_ = false;           // what the handler knows
  std::vector<IrqOut*> wires_;  // for disconnection from this side
  std::vector<std::pair<const void*, std::function<void()>>> resample_;
};

/// An output pin. Not connected, it drives nothing and that is fine. Destroying it lowers and cuts its wires. A handler
/// that changes the very output it is told of is obeyed: sinks not told yet only ever see the last level.
class IrqOut {
 public:
  IrqOut() = default;
  ~IrqOut() { disconnect(); }
  IrqOut(const IrqOut&) = delete;
  IrqOut& operator=(const IrqOut&) = delete;

  void connect(IrqIn& sink);
  void disconnect();
  bool connected() const { return !sinks_.empty(); }
  const std::vector<IrqIn*>& sinks() const { return sinks_; }

  bool level() const { return level_; }
  void set(bool level);
  void raise() { set(true); }
  void lower() { set(false); }
  /// A rising and a falling edge.
  void pulse() { set(true), set(false); }
  /// As intercept() of an input, for outputs: the sinks keep the level of before, and get that of now in the end.
  void intercept(std::function<void(bool level)> observer);
  /// For an observer that only wants to know: lets the sinks see the level of now too.
  void pass_on() { drive(); }

 private:
  friend class IrqIn;
  void drive();

  std::vector<IrqIn*> sinks_;
  std::vector<char> driven_;  // level that each of sinks_ sees
  std::function<void(bool)> observer_;
  bool level_ = false;
};

}  // namespace machina
