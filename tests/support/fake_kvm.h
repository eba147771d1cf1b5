#pragma once
/// A KVM made of memory: it keeps what it is given and refuses what a test tells it to. Not a CPU: KVM_RUN returns
/// EINTR.

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "accel/kvm/kvm_api.h"
#include "accel/kvm/kvm_calls.h"

namespace machina::test {

class FakeKvm final : public kvm::Calls {
 public:
  // --- what goes wrong ---
  int open_error = 0;  ///< errno of opening /dev/kvm
  int api_version = 12;
  std::map<unsigned long, int> errors;   ///< request -> errno
  std::map<unsigned, int> capabilities;  ///< KVM_CAP_ -> value; others are 1
  std::set<std::uint32_t> refused_msrs;  ///< KVM_SET_MSRS stops at them
  std::set<std::uint32_t> unreadable_msrs;
  bool drop_dr7 = false;        ///< DEBUGREGS are taken, DR7 is lost
  bool has_tsc_offset = false;  ///< KVM_VCPU_TSC_OFFSET: MSR 10h then reads as host_tsc plus the vCPU's offset

  // --- what it has ---
  std::map<std::uint32_t, std::uint64_t> msrs = {
      {0x10, 0}, {0x174, 0}, {0x175, 0}, {0x176, 0}, {0x277, 0x0007040600070406}, {0x1a0, 1}, {0xc0000082, 0}};
  std::map<std::uint32_t, std::uint64_t> feature_msrs;  ///< on /dev/kvm
  std::vector<kvm_cpuid_entry2> supported;
  std::vector<kvm_cpuid_entry2> cpuid;                        ///< of the last KVM_SET_CPUID2
  std::vector<kvm_userspace_memory_region> regions;           ///< every KVM_SET_USER_MEMORY_REGION, in order
  std::map<std::uint32_t, std::vector<std::uint64_t>> dirty;  ///< slot -> bitmap
  std::vector<unsigned long> requests;                        ///< all, in order
  std::uint64_t tsc_khz = 2'000'000;                          ///< KVM_GET_TSC_KHZ
  std::uint64_t host_tsc = 1'000'000'000;                     ///< goes on by 1000 with each call
  std::map<int, std::uint64_t> tsc_offsets;                   ///< descriptor of a vCPU -> offset
  std::uint64_t supported_mcg_cap = 0x1000100;                ///< KVM_X86_GET_MCE_CAP_SUPPORTED
  std::vector<std::uint64_t> mcg_caps;                        ///< every KVM_X86_SETUP_MCE
  std::set<int> open_fds;

  int open_device() override {
    if (open_error) return fail(open_error);
    return new_fd();
  }
  void* map(int, std::size_t size) override {
    run_.assign((size + 7) / 8, 0);
    return run_.data();
  }
  void unmap(void*, std::size_t) override {}
  void close(int fd) override { open_fds.erase(fd); }

  int ioctl(int fd, unsigned long request, void* argument) override {
    requests.push_back(request);
    host_tsc += 1000;
    if (const auto it = errors.find(request); it != errors.end()) return fail(it->second);
    const auto number = reinterpret_cast<std::uintptr_t>(argument);
    switch (request) {
      case KVM_GET_API_VERSION:
        return api_version;
      case KVM_CHECK_EXTENSION:
        return capability(static_cast<unsigned>(number));
      case KVM_CREATE_VM:
      case KVM_CREATE_VCPU:
        return new_fd();
      case KVM_GET_VCPU_MMAP_SIZE:
        return 12288;
      case KVM_GET_TSC_KHZ:
        return static_cast<int>(tsc_khz);
      case KVM_GET_SUPPORTED_CPUID:
        return get_supported(static_cast<kvm_cpuid2*>(argument));
      case KVM_SET_CPUID2: {
        auto* list = static_cast<kvm_cpuid2*>(argument);
        cpuid.assign(entries<kvm_cpuid_entry2>(list), entries<kvm_cpuid_entry2>(list) + list->nent);
        return 0;
      }
      case KVM_GET_MSR_INDEX_LIST:
        return msr_list(static_cast<kvm_msr_list*>(argument), msrs);
      case KVM_GET_MSR_FEATURE_INDEX_LIST:
        return msr_list(static_cast<kvm_msr_list*>(argument), feature_msrs);
      case KVM_GET_MSRS:
        return get_msrs(fd, static_cast<kvm_msrs*>(argument));
      case KVM_SET_MSRS:
        return set_msrs(static_cast<kvm_msrs*>(argument));
      case KVM_SET_USER_MEMORY_REGION:
        regions.push_back(*static_cast<kvm_userspace_memory_region*>(argument));
        return 0;
      case KVM_GET_DIRTY_LOG:
        return dirty_log(static_cast<kvm_dirty_log*>(argument));
      case KVM_HAS_DEVICE_ATTR:
      case KVM_GET_DEVICE_ATTR:
      case KVM_SET_DEVICE_ATTR:
        return device_attribute(fd, request, *static_cast<kvm_device_attr*>(argument));
      case KVM_X86_GET_MCE_CAP_SUPPORTED:
        *static_cast<std::uint64_t*>(argument) = supported_mcg_cap;
        return 0;
      case KVM_X86_SETUP_MCE:
        mcg_caps.push_back(*static_cast<std::uint64_t*>(argument));
        return 0;
      case KVM_RUN:
        return fail(EINTR);
      case KVM_SET_DEBUGREGS:
        keep(KVM_GET_DEBUGREGS, argument, sizeof(kvm_debugregs));
        if (drop_dr7) reinterpret_cast<kvm_debugregs*>(kept_[KVM_GET_DEBUGREGS].data())->dr7 = 0x400;
        return 0;
      default:
        break;
    }
    return keep_or_give(request, argument);
  }

  unsigned count(unsigned long request) const {
    unsigned n = 0;
    for (const unsigned long r : requests) n += r == request ? 1 : 0;
    return n;
  }

 private:
  static int fail(int error) {
    errno = error;
    return -1;
  }
  int new_fd() {
    open_fds.insert(next_fd_);
    return next_fd_++;
  }
  int capability(unsigned number) const {
    const auto it = capabilities.find(number);
    if (it != capabilities.end()) return it->second;
    if (number == KVM_CAP_XSAVE2 || number == KVM_CAP_IRQ_ROUTING) return 4096;
    if (number == KVM_CAP_NR_MEMSLOTS || number == KVM_CAP_MAX_VCPUS) return 64;
    return number == KVM_CAP_X86_SMM ? 0 : 1;
  }
  template <class Entry, class List>
  static Entry* entries(List* list) {
    return reinterpret_cast<Entry*>(reinterpret_cast<char*>(list) + sizeof(List));
  }
  int get_supported(kvm_cpuid2* list) const {
    if (list->nent < supported.size()) return fail(E2BIG);
    list->nent = static_cast<std::uint32_t>(supported.size());
    std::copy(supported.begin(), supported.end(), entries<kvm_cpuid_entry2>(list));
    return 0;
  }
  static int msr_list(kvm_msr_list* list, const std::map<std::uint32_t, std::uint64_t>& all) {
    const auto room = list->nmsrs;
    list->nmsrs = static_cast<std::uint32_t>(all.size());
    if (room < all.size()) return fail(E2BIG);
    std::uint32_t i = 0;
    for (const auto& [index, value] : all) entries<std::uint32_t>(list)[i++] = index;
    return 0;
  }
  int device_attribute(int fd, unsigned long request, const kvm_device_attr& attribute) {
    if (!has_tsc_offset || attribute.group != KVM_VCPU_TSC_CTRL || attribute.attr != KVM_VCPU_TSC_OFFSET)
      return fail(ENXIO);
    auto* value = reinterpret_cast<std::uint64_t*>(static_cast<std::uintptr_t>(attribute.addr));
    if (request == KVM_GET_DEVICE_ATTR) *value = tsc_offsets[fd];
    if (request == KVM_SET_DEVICE_ATTR) tsc_offsets[fd] = *value;
    return 0;
  }
  int get_msrs(int fd, kvm_msrs* list) {
    for (std::uint32_t i = 0; i < list->nmsrs; ++i) {
      kvm_msr_entry& e = entries<kvm_msr_entry>(list)[i];
      if (e.index == 0x10 && has_tsc_offset) {
        e.data = host_tsc + tsc_offsets[fd];
        continue;
      }
      if (const auto f = feature_msrs.find(e.index); f != feature_msrs.end()) {
        e.data = f->second;
        continue;
      }
      const auto it = msrs.find(e.index);
      if (it == msrs.end() || unreadable_msrs.contains(e.index)) return static_cast<int>(i);
      e.data = it->second;
    }
    return static_cast<int>(list->nmsrs);
  }
  int set_msrs(kvm_msrs* list) {
    for (std::uint32_t i = 0; i < list->nmsrs; ++i) {
      const kvm_msr_entry& e = entries<kvm_msr_entry>(list)[i];
      if (refused_msrs.contains(e.index)) return static_cast<int>(i);
      msrs[e.index] = e.data;
    }
    return static_cast<int>(list->nmsrs);
  }
  int dirty_log(const kvm_dirty_log* log) {
    auto it = dirty.find(log->slot);
    if (it == dirty.end()) return fail(ENOENT);
    std::memcpy(log->dirty_bitmap, it->second.data(), it->second.size() * 8);
    dirty.erase(it);
    return 0;
  }
  void keep(unsigned long get_request, const void* from, std::size_t size) {
    auto* bytes = static_cast<const std::uint8_t*>(from);
    kept_[get_request].assign(bytes, bytes + size);
  }
  /// Pairs of "set X" and "get X": what was set is what is got, zeros before.
  int keep_or_give(unsigned long request, void* argument) {
    static const struct {
      unsigned long set, get;
      std::size_t size;
    } kPairs[] = {{KVM_SET_SREGS, KVM_GET_SREGS, sizeof(kvm_sregs)},
                  {KVM_SET_SREGS2, KVM_GET_SREGS2, sizeof(kvm_sregs2)},
                  {KVM_SET_REGS, KVM_GET_REGS, sizeof(kvm_regs)},
                  {KVM_SET_XSAVE, KVM_GET_XSAVE2, 4096},
                  {KVM_SET_XSAVE, KVM_GET_XSAVE, 4096},
                  {KVM_SET_FPU, KVM_GET_FPU, sizeof(kvm_fpu)},
                  {KVM_SET_XCRS, KVM_GET_XCRS, sizeof(kvm_xcrs)},
                  {KVM_SET_DEBUGREGS, KVM_GET_DEBUGREGS, sizeof(kvm_debugregs)},
                  {KVM_SET_VCPU_EVENTS, KVM_GET_VCPU_EVENTS, sizeof(kvm_vcpu_events)},
                  {KVM_SET_MP_STATE, KVM_GET_MP_STATE, sizeof(kvm_mp_state)},
                  {KVM_SET_LAPIC, KVM_GET_LAPIC, sizeof(kvm_lapic_state)}};
    bool known = false;
    for (const auto& p : kPairs) {
      if (request == p.set) keep(p.get, argument, p.size), known = true;
      if (request == p.get && !known) {
        auto& bytes = kept_[p.get];
        bytes.resize(p.size);
        std::memcpy(argument, bytes.data(), p.size);
        return 0;
      }
    }
    return 0;
  }

  int next_fd_ = 100;
  std::map<unsigned long, std::vector<std::uint8_t>> kept_;
  std::vector<std::uint64_t> run_;
};

}  // namespace machina::test
