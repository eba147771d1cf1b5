#include "accel/kvm/kvm_exits.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "accel/kvm/kvm_api.h"

namespace machina::kvm {
namespace {

/// Writes down what it is asked for, as one line each; reads answer from `answers`.
class Recorder final : public ExitActions {
 public:
  std::uint64_t read_port(std::uint16_t port, unsigned width) override {
    log.push_back("in " + hex(port) + " " + std::to_string(width));
    return next();
  }
  void write_port(std::uint16_t port, unsigned width, std::uint64_t value) override {
    log.push_back("out " + hex(port) + " " + std::to_string(width) + " " + hex(value));
  }
  std::uint64_t read_memory(std::uint64_t address, unsigned width) override {
    log.push_back("read " + hex(address) + " " + std::to_string(width));
    return next();
  }
  void write_memory(std::uint64_t address, unsigned width, std::uint64_t value) override {
    log.push_back("write " + hex(address) + " " + std::to_string(width) + " " + hex(value));
  }
  bool read_msr(std::uint32_t index, std::uint64_t& value) override {
    log.push_back("rdmsr " + hex(index));
    value = next();
    return msr_known;
  }
  bool write_msr(std::uint32_t index, std::uint64_t value) override {
    log.push_back("wrmsr " + hex(index) + " " + hex(value));
    return msr_known;
  }
  void set_cr8(std::uint64_t value) override { log.push_back("cr8 " + hex(value)); }
  void end_of_interrupt(std::uint8_t vector) override { log.push_back("eoi " + hex(vector)); }
  void request_reset() override { log.push_back("reset"); }
  void request_shutdown() override { log.push_back("shutdown"); }
  void request_panic() override { log.push_back("panic"); }
  void note(std::string_view) override { log.push_back("note"); }
  std::optional<ExitResult> carry_out() override {
    log.push_back("carry out");
    return carried_out;
  }
  void fail(const std::string& why) override {
    log.push_back("fail");
    reason = why;
  }

  std::vector<std::string> log;
  std::vector<std::uint64_t> answers;
  bool msr_known = true;
  std::optional<ExitResult> carried_out;
  std::string reason;

 private:
  static std::string hex(std::uint64_t v) {
    char text[20];
    std::snprintf(text, sizeof text, "%llx", static_cast<unsigned long long>(v));
    return text;
  }
  std::uint64_t next() {
    if (answers.empty()) return ~std::uint64_t{0};
    const std::uint64_t v = answers.front();
    answers.erase(answers.begin());
    return v;
  }
};

using Lines = std::vector<std::string>;

class KvmExits : public testing::Test {
 protected:
  static constexpr std::size_t kSize = 3 * 4096;
  kvm_run& run() { return *reinterpret_cast<kvm_run*>(storage_.data()); }
  std::uint8_t* at(std::size_t offset) { return reinterpret_cast<std::uint8_t*>(storage_.data()) + offset; }
  ExitResult handle(std::uint32_t reason) {
    run().exit_reason = reason;
    return handle_exit(run(), kSize, actions);
  }
  void expect_failure(const ExitResult& r, const std::string& part) {
    EXPECT_FALSE(r.run_again);
    EXPECT_EQ(r.exit, VcpuExit::InternalError);
    EXPECT_EQ(actions.log, Lines{"fail"});
    EXPECT_NE(actions.reason.find(part), std::string::npos) << actions.reason;
    actions.log.clear();
  }
  void port(std::uint8_t direction, std::uint8_t size, std::uint16_t port, std::uint32_t count,
            std::uint64_t offset = 4096) {
    run().io.direction = direction;
    run().io.size = size;
    run().io.port = port;
    run().io.count = count;
    run().io.data_offset = offset;
  }

  Recorder actions;

 private:
  std::vector<std::uint64_t> storage_ = std::vector<std::uint64_t>(kSize / 8);
};

TEST_F(KvmExits, PortWritesOfEachSize) {
  const std::uint32_t value = 0x44332211;
  std::memcpy(at(4096), &value, 4);
  for (const unsigned size : {1U, 2U, 4U}) {
    port(KVM_EXIT_IO_OUT, static_cast<std::uint8_t>(size), 0x80, 1);
    EXPECT_TRUE(handle(KVM_EXIT_IO).run_again);
  }
  EXPECT_EQ(actions.log, (Lines{"out 80 1 11", "out 80 2 2211", "out 80 4 44332211"}));
}

TEST_F(KvmExits, PortReadsOfEachSizeTouchNoByteBeyond) {
  for (const unsigned size : {1U, 2U, 4U}) {
    std::memset(at(4096), 0xee, 8);
    actions.answers = {0x8877665544332211};
    port(KVM_EXIT_IO_IN, static_cast<std::uint8_t>(size), 0x71, 1);
    EXPECT_TRUE(handle(KVM_EXIT_IO).run_again);
    for (unsigned i = 0; i < 8; ++i) EXPECT_EQ(at(4096)[i], i < size ? 0x11 * (i + 1) : 0xee) << size << " " << i;
  }
}

TEST_F(KvmExits, StringsMoveItemByItemInOrder) {
  const std::uint16_t words[] = {0x1111, 0x2222, 0x3333};
  std::memcpy(at(4096), words, sizeof words);
  port(KVM_EXIT_IO_OUT, 2, 0x1f0, 3);
  EXPECT_TRUE(handle(KVM_EXIT_IO).run_again);
  EXPECT_EQ(actions.log, (Lines{"out 1f0 2 1111", "out 1f0 2 2222", "out 1f0 2 3333"}));

  actions.log.clear();
  actions.answers = {0xa1, 0xa2, 0xa3};
  port(KVM_EXIT_IO_IN, 1, 0x60, 3);
  EXPECT_TRUE(handle(KVM_EXIT_IO).run_again);
  EXPECT_EQ(actions.log.size(), 3U);
  EXPECT_EQ(at(4096)[0], 0xa1);
  EXPECT_EQ(at(4096)[1], 0xa2);
  EXPECT_EQ(at(4096)[2], 0xa3);
}

TEST_F(KvmExits, PortDataOutsideTheSharedPagesIsRefused) {
  port(KVM_EXIT_IO_OUT, 4, 0x80, 1, kSize - 2);
  expect_failure(handle(KVM_EXIT_IO), "cannot be");
  port(KVM_EXIT_IO_OUT, 1, 0x80, 0xffffffff);
  expect_failure(handle(KVM_EXIT_IO), "cannot be");
  port(KVM_EXIT_IO_OUT, 3, 0x80, 1);
  expect_failure(handle(KVM_EXIT_IO), "cannot be");
  port(KVM_EXIT_IO_OUT, 1, 0x80, 1, ~std::uint64_t{0});
  expect_failure(handle(KVM_EXIT_IO), "cannot be");
}

TEST_F(KvmExits, MemoryWritesOfOneToEightBytes) {
  const Lines expected[] = {{"write 1000 1 1"},
                            {"write 1000 2 201"},
                            {"write 1000 2 201", "write 1002 1 3"},
                            {"write 1000 4 4030201"},
                            {"write 1000 4 4030201", "write 1004 1 5"},
                            {"write 1000 4 4030201", "write 1004 2 605"},
                            {"write 1000 4 4030201", "write 1004 2 605", "write 1006 1 7"},
                            {"write 1000 8 807060504030201"}};
  for (unsigned i = 0; i < 8; ++i) run().mmio.data[i] = static_cast<std::uint8_t>(i + 1);
  run().mmio.phys_addr = 0x1000;
  run().mmio.is_write = 1;
  for (unsigned length = 1; length <= 8; ++length) {
    run().mmio.len = length;
    actions.log.clear();
    EXPECT_TRUE(handle(KVM_EXIT_MMIO).run_again);
    EXPECT_EQ(actions.log, expected[length - 1]) << length;
  }
}

TEST_F(KvmExits, MemoryReadsOfOneToEightBytes) {
  run().mmio.phys_addr = 0xfee00020;
  run().mmio.is_write = 0;
  for (unsigned length = 1; length <= 8; ++length) {
    run().mmio.len = length;
    std::memset(run().mmio.data, 0xee, 8);
    actions.answers.assign(3, 0x1122334455667788);
    EXPECT_TRUE(handle(KVM_EXIT_MMIO).run_again);
    unsigned filled = 0;
    for (unsigned i = 0; i < 8; ++i) filled += run().mmio.data[i] != 0xee ? 1 : 0;
    EXPECT_EQ(filled, length);
    EXPECT_EQ(run().mmio.data[0], 0x88);
  }
  for (const unsigned bad : {0U, 9U, 0xffffffffU}) {
    actions.log.clear();
    run().mmio.len = bad;
    expect_failure(handle(KVM_EXIT_MMIO), "cannot be");
  }
}

TEST_F(KvmExits, HaltTellsWhetherInterruptsAreOn) {
  run().if_flag = 1;
  EXPECT_EQ(handle(KVM_EXIT_HLT).exit, VcpuExit::Halted);
  run().if_flag = 0;
  const ExitResult r = handle(KVM_EXIT_HLT);
  EXPECT_EQ(r.exit, VcpuExit::HaltedMasked);
  EXPECT_FALSE(r.run_again);
}

TEST_F(KvmExits, ExitsThatEndTheRun) {
  const std::pair<std::uint32_t, VcpuExit> table[] = {{KVM_EXIT_SHUTDOWN, VcpuExit::Shutdown},
                                                      {KVM_EXIT_DEBUG, VcpuExit::Debug},
                                                      {KVM_EXIT_INTR, VcpuExit::Interrupted},
                                                      {KVM_EXIT_NMI, VcpuExit::Interrupted}};
  for (const auto& [reason, exit] : table) {
    const ExitResult r = handle(reason);
    EXPECT_FALSE(r.run_again) << exit_name(reason);
    EXPECT_EQ(r.exit, exit) << exit_name(reason);
  }
  EXPECT_TRUE(actions.log.empty());
}

TEST_F(KvmExits, InterruptControllerExits) {
  EXPECT_TRUE(handle(KVM_EXIT_IRQ_WINDOW_OPEN).run_again);
  run().cr8 = 5;
  EXPECT_TRUE(handle(KVM_EXIT_SET_TPR).run_again);
  run().eoi.vector = 0x31;
  EXPECT_TRUE(handle(KVM_EXIT_IOAPIC_EOI).run_again);
  EXPECT_TRUE(handle(KVM_EXIT_TPR_ACCESS).run_again);
  EXPECT_EQ(actions.log, (Lines{"cr8 5", "eoi 31", "note"}));
}

TEST_F(KvmExits, SystemEvents) {
  for (const std::uint32_t type : {KVM_SYSTEM_EVENT_RESET, KVM_SYSTEM_EVENT_SHUTDOWN, KVM_SYSTEM_EVENT_CRASH}) {
    run().system_event.type = type;
    const ExitResult r = handle(KVM_EXIT_SYSTEM_EVENT);
    EXPECT_FALSE(r.run_again);
    EXPECT_EQ(r.exit, VcpuExit::Interrupted);
  }
  EXPECT_EQ(actions.log, (Lines{"reset", "shutdown", "panic"}));
  actions.log.clear();
  run().system_event.type = 99;
  expect_failure(handle(KVM_EXIT_SYSTEM_EVENT), "99");
}

TEST_F(KvmExits, MsrsThatTheMachineKnows) {
  run().msr.index = 0x123;
  run().msr.error = 1;
  actions.answers = {0x1122334455667788};
  EXPECT_TRUE(handle(KVM_EXIT_X86_RDMSR).run_again);
  EXPECT_EQ(run().msr.error, 0);
  EXPECT_EQ(run().msr.data, 0x1122334455667788U);
  run().msr.data = 0x42;
  EXPECT_TRUE(handle(KVM_EXIT_X86_WRMSR).run_again);
  EXPECT_EQ(run().msr.error, 0);
  EXPECT_EQ(actions.log, (Lines{"rdmsr 123", "wrmsr 123 42"}));
}

TEST_F(KvmExits, UnknownMsrsGiveGeneralProtection) {
  actions.msr_known = false;
  run().msr.index = 0xdead;
  EXPECT_TRUE(handle(KVM_EXIT_X86_RDMSR).run_again);
  EXPECT_EQ(run().msr.error, 1);
  run().msr.error = 0;
  EXPECT_TRUE(handle(KVM_EXIT_X86_WRMSR).run_again);
  EXPECT_EQ(run().msr.error, 1);
}

TEST_F(KvmExits, HypercallsAreRefusedByNumber) {
  run().hypercall.nr = 12;
  EXPECT_TRUE(handle(KVM_EXIT_HYPERCALL).run_again);
  EXPECT_EQ(static_cast<std::int64_t>(run().hypercall.ret), -1000);
  run().hyperv.type = KVM_EXIT_HYPERV_HCALL;
  EXPECT_TRUE(handle(KVM_EXIT_HYPERV).run_again);
  EXPECT_EQ(run().hyperv.u.hcall.result, 2U);
  run().hyperv.type = KVM_EXIT_HYPERV_SYNIC;
  EXPECT_TRUE(handle(KVM_EXIT_HYPERV).run_again);
}

TEST_F(KvmExits, GuestsThatDisturbTheHostAreNotedAndGoOn) {
  EXPECT_TRUE(handle(KVM_EXIT_X86_BUS_LOCK).run_again);
  run().notify.flags = 0;
  EXPECT_TRUE(handle(KVM_EXIT_NOTIFY).run_again);
  EXPECT_EQ(actions.log, (Lines{"note", "note"}));
  actions.log.clear();
  run().notify.flags = 1;
  expect_failure(handle(KVM_EXIT_NOTIFY), "corrupted");
}

TEST_F(KvmExits, WhatKvmCannotEmulateIsCarriedOutByOthers) {
  run().internal.suberror = KVM_INTERNAL_ERROR_EMULATION;
  actions.carried_out = ExitResult{};
  EXPECT_TRUE(handle(KVM_EXIT_INTERNAL_ERROR).run_again);
  actions.carried_out = ExitResult{false, VcpuExit::Halted};
  EXPECT_EQ(handle(KVM_EXIT_INTERNAL_ERROR).exit, VcpuExit::Halted);
  EXPECT_EQ(actions.log, (Lines{"carry out", "carry out"}));

  // Nobody asks for what went wrong in another way.
  run().internal.suberror = KVM_INTERNAL_ERROR_DELIVERY_EV;
  EXPECT_EQ(handle(KVM_EXIT_INTERNAL_ERROR).exit, VcpuExit::InternalError);
  EXPECT_EQ(actions.log.back(), "fail");
  EXPECT_EQ(actions.log.size(), 3U);
}

TEST_F(KvmExits, InternalErrorsSayWhatHappened) {
  const std::pair<std::uint32_t, const char*> table[] = {{KVM_INTERNAL_ERROR_EMULATION, "cannot emulate"},
                                                         {KVM_INTERNAL_ERROR_SIMUL_EX, "another one"},
                                                         {KVM_INTERNAL_ERROR_DELIVERY_EV, "delivered"},
                                                         {KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON, "does not know"},
                                                         {77, "internal error 77"}};
  for (const auto& [suberror, part] : table) {
    run().internal.suberror = suberror;
    const ExitResult result = handle(KVM_EXIT_INTERNAL_ERROR);
    std::erase(actions.log, "carry out");  // nobody could
    expect_failure(result, part);
  }
}

TEST_F(KvmExits, FailuresOfEntryAndHardware) {
  run().fail_entry.hardware_entry_failure_reason = 0x80000021;
  run().fail_entry.cpu = 3;
  expect_failure(handle(KVM_EXIT_FAIL_ENTRY), "0x80000021 (invalid guest state), on host CPU 3");
  run().hw.hardware_exit_reason = 0x2b;
  expect_failure(handle(KVM_EXIT_UNKNOWN), "0x2b");
  run().ex.exception = 14;
  run().ex.error_code = 2;
  expect_failure(handle(KVM_EXIT_EXCEPTION), "exception 14 with error code 0x2");
  const std::uint64_t fault[3] = {0, 0xfeed000, 4096};
  std::memcpy(&run().hw, fault, sizeof fault);
  expect_failure(handle(39), "0xfeed000");
  expect_failure(handle(KVM_EXIT_DIRTY_RING_FULL), "ring");
}

TEST_F(KvmExits, EveryOtherReasonIsReportedByName) {
  for (const std::uint32_t reason :
       {std::uint32_t{KVM_EXIT_S390_SIEIC}, std::uint32_t{KVM_EXIT_DCR}, std::uint32_t{KVM_EXIT_OSI},
        std::uint32_t{KVM_EXIT_PAPR_HCALL}, std::uint32_t{KVM_EXIT_WATCHDOG}, std::uint32_t{KVM_EXIT_EPR},
        std::uint32_t{KVM_EXIT_ARM_NISV}, std::uint32_t{KVM_EXIT_AP_RESET_HOLD}, std::uint32_t{KVM_EXIT_XEN},
        std::uint32_t{KVM_EXIT_RISCV_SBI}, 38U}) {
    expect_failure(handle(reason), exit_name(reason));
  }
  expect_failure(handle(1234), "1234");
}

TEST_F(KvmExits, ErrorsOfRun) {
  for (const int error : {EINTR, EAGAIN}) {
    const ExitResult r = handle_run_error(error, run(), actions);
    EXPECT_FALSE(r.run_again);
    EXPECT_EQ(r.exit, VcpuExit::Interrupted);
  }
  EXPECT_TRUE(actions.log.empty());
  const std::pair<int, const char*> table[] = {{EFAULT, "EFAULT"},           {ENOEXEC, "ENOEXEC"},
                                               {ENOMEM, "ENOMEM"},           {EHWPOISON, "EHWPOISON"},
                                               {EINVAL, "Invalid argument"}, {EIO, "rror"}};
  for (const auto& [error, part] : table) expect_failure(handle_run_error(error, run(), actions), part);
  run().exit_reason = 39;
  const std::uint64_t fault[3] = {0, 0xabc000, 4096};
  std::memcpy(&run().hw, fault, sizeof fault);
  expect_failure(handle_run_error(EFAULT, run(), actions), "0xabc000");
}

TEST_F(KvmExits, DescribesExitsInOneLine) {
  at(4096)[0] = 0x41;
  port(KVM_EXIT_IO_OUT, 1, 0x402, 1);
  run().exit_reason = KVM_EXIT_IO;
  EXPECT_EQ(describe_exit(run(), kSize), "IO out 0x402 1 byte: 0x41");
  port(KVM_EXIT_IO_IN, 2, 0x1f0, 256);
  EXPECT_EQ(describe_exit(run(), kSize), "IO in 0x1f0 2 bytes, 256 times");
  run().exit_reason = KVM_EXIT_MMIO;
  run().mmio.phys_addr = 0xfec00000;
  run().mmio.is_write = 1;
  run().mmio.len = 4;
  run().mmio.data[0] = 0x10;
  run().mmio.data[1] = run().mmio.data[2] = run().mmio.data[3] = 0;
  EXPECT_EQ(describe_exit(run(), kSize), "MMIO write 0xfec00000 4 bytes: 0x10");
  run().exit_reason = KVM_EXIT_HLT;
  EXPECT_EQ(describe_exit(run(), kSize), "HLT");
}

}  // namespace
}  // namespace machina::kvm
