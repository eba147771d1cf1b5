#pragma once
/// The software CPU on the same terms as KvmCpu.

#include <memory>

#include "accel/jit/fault_chain.h"
#include "hw/x86/cpuid.h"
#include "tests/support/oracle/system_case.h"

namespace machina::jit {

class SystemCpu {
 public:
  explicit SystemCpu(const CpuidTable& cpuid);
  ~SystemCpu();
  SystemCpu(const SystemCpu&) = delete;
  SystemCpu& operator=(const SystemCpu&) = delete;

  std::uint8_t* ram();
  /// After memory has been written through ram(); within a page.
  void written(std::uint64_t physical, unsigned size);

  /// Made and run by the same thread. `patience`: after so many ticks, the case counts as endless.
  void run(const SystemCase& c, SystemOutcome& outcome, unsigned patience);
  /// Of the last run: the vector of the first event that the instruction under test raised, -1 if it raised none.
  int first_vector() const { return first_vector_; }
  /// Of the last run: the first event whose handler could not be entered, or null.
  const FaultRecord* failed_delivery() const;
  /// The last one that was delivered, or null.
  const FaultRecord* last_delivery() const;
  /// Did the last run go on into memory that holds no HLTs? What is compared then is not one instruction.
  bool strayed() const;
  /// The last lines of what was delivered, for reports.
  std::string describe() const;
  /// From a signal handler of the thread that is in run().
  static void tick();

 private:
  class Machine;
  std::unique_ptr<Machine> machine_;
  int first_vector_ = -1;
};

}  // namespace machina::jit
