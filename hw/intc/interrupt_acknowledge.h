#pragma once
/// The INTA cycle: how a CPU asks an interrupt controller which vector to take.

namespace machina {

class InterruptAcknowledge {
 public:
  static constexpr const char* kType = "interrupt-acknowledge";
  virtual ~InterruptAcknowledge() = default;
  /// The vector of the highest request, which is then in service; -1 when there is none (an 8259A never says so: it
  /// answers with its spurious vector). Machine lock held.
  virtual int acknowledge() = 0;
};

}  // namespace machina
