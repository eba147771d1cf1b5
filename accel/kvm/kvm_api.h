#pragma once
/// <linux/kvm.h>, made right for C++.
///
/// Debian 12's header declares flexible arrays through a macro whose C++ branch holds an empty struct. That has size 1
/// in C++ and 0 in C, so sizes and therefore ioctl numbers of kvm_cpuid2, kvm_msrs and others came out wrong. The macro
/// is replaced before the header uses it; the assertions below would notice if that failed.

#include <linux/stddef.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#undef __DECLARE_FLEX_ARRAY
#define __DECLARE_FLEX_ARRAY(TYPE, NAME) TYPE NAME[0]

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#include <linux/kvm.h>
#pragma GCC diagnostic pop

static_assert(sizeof(kvm_cpuid2) == 8);
static_assert(sizeof(kvm_msrs) == 8);
static_assert(sizeof(kvm_msr_list) == 4);
static_assert(sizeof(kvm_irq_routing) == 8);
static_assert(sizeof(kvm_signal_mask) == 4);

namespace machina::kvm {

/// Storage for one of KVM's "header plus N entries" structures.
template <class Header, class Entry>
class Flexible {
 public:
  explicit Flexible(std::size_t count) : storage_((sizeof(Header) + count * sizeof(Entry) + 7) / 8, 0) {}
  Header* get() { return reinterpret_cast<Header*>(storage_.data()); }
  Header* operator->() { return get(); }
  Entry* entries() { return reinterpret_cast<Entry*>(reinterpret_cast<char*>(storage_.data()) + sizeof(Header)); }

 private:
  std::vector<std::uint64_t> storage_;
};

}  // namespace machina::kvm
