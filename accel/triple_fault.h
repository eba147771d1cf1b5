#pragma once
/// Who is told of a triple fault, and how much. It resets the machine, as on a PC, and a guest may do so as often as it
/// likes, on purpose: so the first few get a line, and the whole report comes when the machine ends by it, or when it
/// is asked for.

#include <atomic>

#include "accel/stop_report.h"

namespace machina {

struct System;
class X86Cpu;

/// One for a machine. Any thread.
class TripleFaults {
 public:
  static constexpr unsigned kLines = 3;  ///< in the life of a machine

  enum class Detail : std::uint8_t { None, Line, Report };
  /// Of the one that happened just now to this CPU. Takes the machine lock.
  Detail detail(const X86Cpu& cpu, System& system);
  /// To the user, or to the log when -d cpu_reset asks. A line is not worth it when the guest means to reset.
  void tell(const StopReport& report, Detail detail);

 private:
  std::atomic<unsigned> lines_{0};
};

}  // namespace machina
