#pragma once
/// Private to core/memory: what the open transaction of this thread has gathered.

#include <vector>

#include "core/memory/memory_region.h"

namespace machina {

struct TransactionState {
  unsigned depth = 0;
  std::vector<AddressSpace*> spaces;           ///< to be rendered at the end, each once
  std::vector<const MemoryRegion*> destroyed;  ///< still in the current views, not to be touched

  void mark(AddressSpace* space);
  void forget(const AddressSpace* space);
  bool is_destroyed(const MemoryRegion* region) const;
  static TransactionState& of_this_thread();
};

}  // namespace machina
