#include "tests/fuzz/operation.h"

#include <algorithm>
#include <array>
#include <random>

#include "tests/fuzz/device_board.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max);

namespace machina::fuzz {

namespace {

class Mutation {
 public:
  Mutation(std::vector<Operation>& list, std::size_t most, std::uint32_t seed)
      : list_(list), most_(most), random_(seed) {}

  void apply() {
    if (list_.empty()) return insert();
    switch (below(10)) {
      case 0:
        return insert();
      case 1:
        return erase();
      case 2:
        return repeat();
      case 3:
        return std::swap(any(), any());
      case 4: {  // the same register with another value, or the same value elsewhere
        const Operation copy = any();
        return add(copy), change_field(list_.back());
      }
      case 5:
      case 6:
      case 7:
        return change_field(any());
      default:
        return change_bytes(any());
    }
  }

 private:
  std::uint32_t below(std::size_t n) { return static_cast<std::uint32_t>(random_() % n); }
  Operation& any() { return list_[below(list_.size())]; }

  void add(const Operation& operation) {
    if (list_.size() < most_) list_.insert(list_.begin() + below(list_.size() + 1), operation);
  }

  void insert() {
    Operation operation;
    // Accesses to the device's own registers are what most inputs should be made of.
    operation.op = static_cast<std::uint8_t>(below(2) ? below(4) : below(static_cast<std::size_t>(Op::Count_)));
    operation.width = static_cast<std::uint8_t>(below(4));
    operation.region = static_cast<std::uint8_t>(below(32));
    operation.count = static_cast<std::uint8_t>(below(16));
    operation.offset = offset();
    operation.value = value();
    add(operation);
  }

  void erase() {
    const std::size_t first = below(list_.size()), count = 1 + below(std::min<std::size_t>(4, list_.size() - first));
    list_.erase(list_.begin() + static_cast<std::ptrdiff_t>(first),
                list_.begin() + static_cast<std::ptrdiff_t>(first + count));
  }

  void repeat() {
    const std::size_t first = below(list_.size()), count = 1 + below(std::min<std::size_t>(8, list_.size() - first));
    const std::vector<Operation> part(list_.begin() + static_cast<std::ptrdiff_t>(first),
                                      list_.begin() + static_cast<std::ptrdiff_t>(first + count));
    if (list_.size() + part.size() > most_) return;
    list_.insert(list_.begin() + below(list_.size() + 1), part.begin(), part.end());
  }

  std::uint32_t offset() {
    switch (below(4)) {
      case 0:
        return static_cast<std::uint32_t>(random_());
      case 1:
        return below(0x400) * 4;
      default:
        return below(0x20);
    }
  }

  std::uint64_t value() {
    switch (below(8)) {
      case 0:
        return std::uint64_t{1} << below(64);
      case 1:
        return ~std::uint64_t{0} >> below(64);
      case 2:
        return below(16);
      case 3:
        return below(0x100);
      case 4:  // an address in RAM, as for DMA
        return below(FuzzMachine::kRam) & ~std::uint32_t{0xf};
      case 5:  // two of them, or one and a length
        return std::uint64_t{below(0x1000)} << 32 | (below(FuzzMachine::kRam) & ~std::uint32_t{0xf});
      default:
        return std::uint64_t{random_()} << 32 | random_();
    }
  }

  void change_field(Operation& operation) {
    switch (below(8)) {
      case 0:
        operation.op = static_cast<std::uint8_t>(below(static_cast<std::size_t>(Op::Count_)));
        return;
      case 1:
        operation.width = static_cast<std::uint8_t>(below(4) | (below(4) ? 0 : 0x80));
        return;
      case 2:
        operation.region = static_cast<std::uint8_t>(below(32));
        return;
      case 3:
        operation.count = static_cast<std::uint8_t>(random_());
        return;
      case 4:
        operation.offset = offset();
        return;
      case 5:
        operation.value ^= std::uint64_t{1} << below(64);
        return;
      case 6:
        operation.value += below(33) - std::uint64_t{16};
        return;
      default:
        operation.value = value();
    }
  }

  static void change_bytes(Operation& operation) {
    std::array<std::uint8_t, kRecord> bytes{};
    std::memcpy(bytes.data(), &operation, kRecord);
    LLVMFuzzerMutate(bytes.data(), kRecord, kRecord);
    std::memcpy(&operation, bytes.data(), kRecord);
  }

  std::vector<Operation>& list_;
  std::size_t most_;
  std::minstd_rand random_;
};

}  // namespace

const char* op_name(Op op) {
  static constexpr std::array kNames = {
      "read",  "write",         "read-many",  "write-many", "config-read",   "config-write",
      "step",  "step-to-timer", "ram",        "ram-block",  "read-anywhere", "write-anywhere",
      "event", "acknowledge",   "local-apic", "look",       "reset",         "frame",
  };
  static_assert(kNames.size() == static_cast<std::size_t>(Op::Count_));
  return op < Op::Count_ ? kNames[static_cast<std::size_t>(op)] : "nothing";
}

std::size_t mutate_operations(std::uint8_t* data, std::size_t size, std::size_t max, std::uint32_t seed) {
  std::vector<Operation> list = decode({data, size});
  Mutation(list, max / kRecord, seed).apply();
  if (!list.empty()) std::memcpy(data, list.data(), list.size() * kRecord);
  return list.size() * kRecord;
}

}  // namespace machina::fuzz
