#include "tests/support/gdb_fixture.h"

#include <chrono>
#include <thread>

namespace machina::test {

VcpuExit DebuggedVcpu::run() {
  std::unique_lock lock(mutex_);
  inside_ = true;
  changed_.wait(lock, [this] { return kicked_ || !stops_.empty(); });
  inside_ = false;
  if (std::exchange(kicked_, false) || stops_.empty()) return VcpuExit::Interrupted;
  stop_ = stops_.front();
  stops_.pop_front();
  return VcpuExit::Debug;
}

void DebuggedVcpu::kick() {
  const std::lock_guard lock(mutex_);
  kicked_ = true;
  changed_.notify_all();
}

void DebuggedVcpu::set_debug(const DebugRequest& request) {
  const std::lock_guard lock(mutex_);
  EXPECT_FALSE(inside_) << "a vCPU that runs cannot be asked";
  if (refuses && !request.empty()) throw Error("no debugging here");
  request_ = request;
  ++changes;
}

void DebuggedVcpu::stop_with(const DebugStop& stop) {
  const std::lock_guard lock(mutex_);
  stops_.push_back(stop);
  changed_.notify_all();
}

bool DebuggedVcpu::inside() {
  const std::lock_guard lock(mutex_);
  return inside_;
}

std::unique_ptr<Vcpu> DebuggedAccelerator::create_vcpu(X86Cpu& cpu) {
  cpu.cpuid.set({0x80000001, 0, false, 0, 0, 0, 1U << 29});
  return std::make_unique<DebuggedVcpu>();
}

GdbTest::GdbTest() {
  root_ = qom::create<qom::Container>();
  machine_ = &root_->add_new_child<Machine>("machine");
  const MachineLock::Guard guard(system().lock);
  machine_->set_ram({kRam, kRam});
  machine_->set_accelerator(qom::create<DebuggedAccelerator>(), kCpus);
  CpuConfig cpus;
  cpus.count = cpus.max = kCpus;
  cpus.topology = {1, kCpus, 1};
  machine_->add_cpus(cpus);
  rom_ = std::make_unique<RamRegion>("rom", RamBlock::create("rom", kRomSize), 0, kRomSize);
  rom_->set_readonly(true);
  device_ = std::make_unique<IoRegion>(
      "device", 4096, Widths{1, 8, true},
      [this](Offset, Width) -> IoResult {
        ++device_reads_;
        return 0x55;
      },
      [](Offset, Width, std::uint64_t) { return io_ok(); });
  {
    const MemoryTransaction transaction;
    system().memory_root.add(kRom, *rom_);
    system().memory_root.add(kDevice, *device_);
  }
  machine_->power_on({});
  auto& chardevs = root_->add_new_child<qom::Container>("chardevs");
  chardev_ = &chardevs.add_new_child<TestChardev>("line");
  chardev_->set_event_loop(system().loop);
  chardev_->set_connected(false);
  server_ = &root_->add_new_child<GdbServer>("gdb");
  server_->set_link("chardev", chardev_);
  qom::realize_tree(*chardev_);
  qom::realize_tree(*server_);
}

GdbTest::~GdbTest() {
  const MachineLock::Guard guard(system().lock);
  if (server_) qom::unrealize_tree(*server_);
  machine_->power_off();
  {
    const MemoryTransaction transaction;
    system().memory_root.remove(*rom_);
    system().memory_root.remove(*device_);
  }
}

void GdbTest::start() {
  locked([&] { machine_->start(); });
}

void GdbTest::connect(bool on) {
  locked([&] {
    chardev_->set_connected(on);
    chardev_->frontend()->event(on ? CharFrontend::Event::Opened : CharFrontend::Event::Closed);
  });
}

void GdbTest::raw(std::string_view bytes) {
  locked([&] { chardev_->send(bytes); });
}

void GdbTest::send(std::string_view data) { raw(gdb_packet(data)); }

std::vector<std::string> GdbTest::packets() {
  std::vector<std::string> all;
  GdbPacketReader reader;
  std::string text;
  locked([&] { text = std::exchange(chardev_->written, {}); });
  std::string_view bytes = text;
  while (const auto item = reader.next(bytes))
    if (item->kind == GdbPacketReader::Item::Kind::Packet) all.push_back(item->data);
  if (!all.empty()) raw("+");
  return all;
}

bool GdbTest::wait_until(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::chrono::steady_clock::now() < end) {
    system().loop.poll();
    bool done = false;
    locked([&] { done = condition(); });
    if (done) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

std::string GdbTest::next() {
  if (!wait_until([&] { return chardev_->written.find('#') != std::string::npos; })) return "nothing";
  const auto all = packets();
  EXPECT_EQ(all.size(), 1U);
  return all.empty() ? std::string() : all.front();
}

std::string GdbTest::ask(std::string_view data) {
  send(data);
  const auto all = packets();
  EXPECT_EQ(all.size(), 1U) << data;
  return all.empty() ? "no answer" : all.front();
}

}  // namespace machina::test

namespace machina {
using test::DebuggedAccelerator;
MACHINA_TYPE(DebuggedAccelerator, Accelerator);
}  // namespace machina
