// What reads text and files from outside: board files, options, kernels, disk images, the test protocol.

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "accel/qtest/qtest_commands.h"
#include "core/block/image_format.h"
#include "core/config/ini.h"
#include "core/config/option_groups.h"
#include "core/config/yaml.h"
#include "hw/net/ethernet.h"
#include "hw/x86/boot/direct_boot.h"
#include "hw/x86/boot/kernel_file.h"
#include "hw/x86/cpu_features.h"
#include "hw/x86/x86_state_blob.h"
#include "hw/x86/x86_state_check.h"
#include "machines/board/board_composer.h"
#include "machines/cli/backends.h"
#include "machines/cli/command_line.h"
#include "machines/cli/option_table.h"
#include "machines/cli/sizing.h"
#include "tests/fuzz/coverage.h"
#include "tests/fuzz/device_board.h"
#include "tests/fuzz/target.h"
#include "tests/support/bzimage_builder.h"
#include "tests/support/elf_builder.h"

namespace machina::fuzz {

namespace {

std::string_view text_of(std::span<const std::uint8_t> input) {
  return {reinterpret_cast<const char*>(input.data()), input.size()};
}

std::vector<std::uint8_t> bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

/// Bad input is answered by an Error, whose message can be shown; anything else that is thrown is a find.
template <class F>
void may_refuse(F&& read) {
  try {
    read();
  } catch (const Error& e) {
    if (std::string_view(e.what()).empty()) fail("an error without a message");
  }
}

void show(const Faults& faults) {
  for (const Error& fault : faults.list())
    if (std::string_view(fault.what()).empty()) fail("a fault without a message");
}

/// All types and the names of their properties.
std::vector<std::string> type_words() {
  std::vector<std::string> words;
  qom::TypeRegistry& registry = qom::TypeRegistry::global();
  for (const std::string& type : registry.names(Device::kType)) {
    words.push_back(type);
    for (const qom::Property& p : registry.class_of(type).properties()) words.push_back(p.name);
  }
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  return words;
}

/// Composes what text asks for, as far as a machine can be composed without asking the host for anything.
void compose(const Board& board, const BoardRequest& request, Faults& faults) {
  const auto root = qom::create<qom::Container>();
  auto& machine = root->add_new_child<Machine>("machine");
  ComposeOptions options;
  options.backends_known = false;
  compose_board(board, request, machine, options, faults);
  const MachineLock::Guard guard(machine.system().lock);
  machine.power_off();
}

class BoardTarget final : public Target {
 public:
  bool run(std::span<const std::uint8_t> input) override {
    const StepLimit limit("composing a board");
    Faults faults;
    may_refuse([&] {
      const std::optional<BoardFile> file =
          read_board_text(text_of(input), "input.yaml", BoardCatalog::standard(), faults);
      if (!file) return;
      BoardRequest request;
      request.serials = {true, true, true, true};
      const Board board = resolve_board(*file, request, faults);
      compose(board, request, faults);
    });
    show(faults);
    return true;
  }
  std::size_t max_length() const override { return 8192; }
  std::vector<std::string> dictionary() const override {
    std::vector<std::string> words = type_words();
    for (const auto* keys : {&board_keys(), &cpus_keys(), &ram_keys(), &option_keys(), &device_keys()})
      for (const BoardKey& key : *keys) words.emplace_back(key.name);
    words.insert(words.end(), {"${firmware}", "&a", "*a", "extends: pc", "cpu.intr", "isa.0", "pci.0"});
    return words;
  }
  std::vector<std::vector<std::uint8_t>> seeds() const override {
    std::vector<std::vector<std::uint8_t>> seeds;
    Faults faults;
    for (const auto& entry : BoardCatalog::standard().list(faults))
      seeds.push_back(bytes_of(read_text_file(entry.file, "board file")));
    return seeds;
  }
};

/// A line is an argument.
class OptionsTarget final : public Target {
 public:
  bool run(std::span<const std::uint8_t> input) override {
    const StepLimit limit("reading options");
    std::vector<std::string> arguments;
    std::string_view rest = text_of(input);
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      const std::string_view line = rest.substr(0, end);
      arguments.emplace_back(line.substr(0, line.find('\0')));  // as a process gets them
      rest.remove_prefix(std::min(end + 1, rest.size()));
      // Its reader is the target 'ini'; here it would read any file of this host.
      if (arguments.back().find("readconfig") != std::string::npos) return false;
    }
    Faults faults;
    may_refuse([&] {
      const CommandLine cl = CommandLine::parse(arguments);
      const auto root = qom::create<qom::Container>();
      auto& machine = root->add_new_child<Machine>("machine");
      BoardRequest request;
      request.groups = cl.groups;
      request.globals = cl.globals;
      request.sets = cl.sets;
      request.no_defaults = cl.nodefaults;
      request.firmware = cl.bios;
      for (const ConfigValue& serial : cl.serials) request.serials.push_back(serial.text != "none");
      Backends backends(*root, machine.system().loop, machine.system().clock);
      may_refuse([&] { backends.add_chardevs(cl); });
      for (const ConfigValue& serial : cl.serials)
        may_refuse([&] { backends.add_character(serial, fmt::format("serial{}", &serial - cl.serials.data())); });
      may_refuse([&] { backends.add_drives(cl, request.groups); });
      may_refuse([&] { backends.add_networks(cl, request.groups); });
      may_refuse([&] { backends.add_objects(cl); });
      const std::optional<Board> board = load_board(request, BoardCatalog::standard(), faults);
      if (!board) return;
      may_refuse([&] { ram_of(cl, *board); });
      may_refuse([&] { cpus_of(cl, *board); });
      compose(*board, request, faults);
    });
    show(faults);
    return true;
  }
  std::vector<std::string> dictionary() const override {
    std::vector<std::string> words = type_words();
    for (const OptionSpec& option : option_table()) words.push_back(std::string("\n-") + option.name);
    for (const char* base : {"chardev", "block-backend", "netdev", "accel"})
      for (const std::string& type : qom::TypeRegistry::global().names(base)) words.push_back(type);
    words.insert(words.end(), {",", ",,", "=", ":", ",id=a", ",file=", "if=none", "if=ide", "sockets=", "cores="});
    return words;
  }
  std::vector<std::vector<std::uint8_t>> seeds() const override {
    return {
        bytes_of("-M\npc,timer-pin=2\n-m\n64M\n-smp\n4,sockets=2\n-cpu\nqemu64,+ssse3"),
        bytes_of("-nodefaults\n-device\nisa-serial,chardev=a,iobase=0x3f8,irq=4\n-chardev\nnull,id=a"),
        bytes_of("-drive\nfile=x.img,format=raw,if=none,id=d\n-device\nide-hd,drive=d,bus=ide.0,unit=1"),
        bytes_of("-hda\nx.img\n-global\nVGA.vgamem_mb=8\n-set\ndevice.vga.addr=05.0\n-serial\nnull\n-boot\norder=c"),
        bytes_of("-netdev\nuser,id=n,hostfwd=tcp::0-:22\n-device\ne1000,netdev=n\n-nic\nuser,model=rtl8139\n-"
                 "mon\nchardev=n"),
        bytes_of("-numa\nnode,mem=64M\n-rtc\nbase=utc\n-smbios\ntype=1,manufacturer=x\n-name\nx\n-uuid\n0"),
    };
  }
};

class IniTarget final : public Target {
 public:
  bool run(std::span<const std::uint8_t> input) override {
    const StepLimit limit("reading a configuration file");
    may_refuse([&] { parse_ini(text_of(input), "input.cfg"); });
    return true;
  }
  std::vector<std::string> dictionary() const override { return {"[device \"a\"]\n", "driver = \"", "\"\n", "[", "#"}; }
  std::vector<std::vector<std::uint8_t>> seeds() const override {
    return {bytes_of("# two\n[device \"net0\"]\n  driver = \"isa-serial\"\n\n[machine]\ntype=\"pc\"\n")};
  }
};

/// A file for what opens files by their names.
class MemoryFile {
 public:
  explicit MemoryFile(std::span<const std::uint8_t> bytes) : fd_(::memfd_create("input", MFD_CLOEXEC)) {
    if (fd_ < 0 || ::write(fd_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
      throw Error("cannot make a file in memory");
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return fmt::format("/proc/self/fd/{}", fd_); }

 private:
  int fd_;
};

/// -kernel and -initrd: the input ends with four bytes that say how long the initrd before them is, and how the kernel
/// is to be entered. What can be planned is carried out, by a machine without firmware.
class KernelTarget final : public Target {
 public:
  KernelTarget() {
    Faults faults;
    add_option(request_.groups, "machine", parse_option("-M", "none", "type").root());
    board_ = load_board(request_, BoardCatalog::standard(), faults);
    faults.throw_if_any();
  }
  bool run(std::span<const std::uint8_t> input) override {
    constexpr std::size_t kTail = 4;
    if (input.size() < kTail) return false;
    const StepLimit limit("starting a kernel");
    const auto tail = input.last(kTail);
    input = input.first(input.size() - kTail);
    const std::size_t initrd_size = std::min<std::size_t>(tail[0] | tail[1] << 8, input.size());
    const MemoryFile kernel(input.first(input.size() - initrd_size)), initrd(input.last(initrd_size));
    boot::KernelRequest request;
    request.kernel = kernel.path();
    if (initrd_size) request.initrd = initrd.path() + (tail[3] & 1 ? " argument" : "");
    request.cmdline = std::string(tail[3], 'x');
    request.entry = static_cast<boot::KernelEntry>(tail[2] & 3);
    boot::Target target;
    target.ram_below_4g = tail[2] & 4 ? FuzzMachine::kRam : 64 * FuzzMachine::kRam;
    target.firmware = tail[2] & 8;
    std::optional<boot::BootPlan> plan;
    may_refuse([&] { plan = boot::plan_kernel(request, target); });
    if (!plan) return true;
    boot::check_places(*plan, target);
    if (target.ram_below_4g > FuzzMachine::kRam || target.firmware) return true;
    const FuzzMachine machine(*board_, request_,
                              [&](Machine& m) { m.add_new_child<DirectBoot>("boot").set_plan(std::move(*plan)); });
    return true;
  }
  std::size_t max_length() const override { return 16384; }
  std::vector<std::vector<std::uint8_t>> seeds() const override {
    std::vector<std::vector<std::uint8_t>> seeds;
    const auto add = [&](std::vector<std::uint8_t> kernel, std::initializer_list<std::uint8_t> tail) {
      kernel.insert(kernel.end(), tail);
      seeds.push_back(std::move(kernel));
    };
    std::vector<std::uint8_t> linux_image = test::make_bzimage(0x200);
    for (const std::uint8_t entry : {0, 1, 2, 3, 8}) add(linux_image, {0, 0, entry, 5});
    // One that fits into little memory.
    store_le<std::uint64_t>(linux_image, boot::linux_header::kPrefAddress, 0x100000);
    store_le<std::uint32_t>(linux_image, boot::linux_header::kInitSize, 0x10000);
    store_le<std::uint32_t>(linux_image, boot::linux_header::kKernelAlignment, 0x1000);
    for (const std::uint8_t entry : {4, 5, 6, 7}) add(linux_image, {0x40, 0, entry, 5});

    test::ElfSegment text;
    text.bytes.assign(0x40, 0x90);
    text.physical = text.virtual_address = 0x100000;
    text.memory_size = 0x1000;
    test::ElfSegment note;
    note.type = 4;
    note.bytes = test::make_note("Xen", 18, {0, 0, 0x10, 0});
    for (const bool is_64bit : {false, true}) {
      const std::vector<std::uint8_t> elf = test::make_elf(is_64bit, 0x100000, {text, note});
      add(elf, {0, 0, 4, 0});
      add(elf, {8, 0, 0, 3});
    }
    // Multiboot, with addresses of its own.
    std::vector<std::uint8_t> multiboot(0x80, 0x90);
    const std::uint32_t header[] = {0x1badb002, 0x10003, 0U - 0x1badb002 - 0x10003, 0x100000, 0x100000, 0,
                                    0x101000,   0x100020};
    for (std::size_t i = 0; i < std::size(header); ++i) store_le<std::uint32_t>(multiboot, i * 4, header[i]);
    add(multiboot, {0, 0, 4, 3});
    add(multiboot, {8, 0, 4, 3});
    return seeds;
  }

 private:
  BoardRequest request_;
  std::optional<Board> board_;
};

class ImageTarget final : public Target {
 public:
  bool run(std::span<const std::uint8_t> input) override {
    const std::string format = image_format(input);
    const auto known = known_image_formats();
    if (format != "raw" && std::find(known.begin(), known.end(), format) == known.end())
      fail("an unknown image format: " + format);
    return true;
  }
  std::size_t max_length() const override { return kFormatProbeBytes + 64; }
  std::vector<std::string> dictionary() const override { return {"QFI\xfb", "KDMV", "conectix", "vhdxfile", "QED"}; }
};

/// A CPU's state in a file, and whether it is possible. The checksum is made right, or no input would get past it.
class X86StateTarget final : public Target {
 public:
  X86StateTarget() {
    // A processor that has everything: x87, SSE and AVX are what XSAVE keeps.
    FeatureSet all;
    all.fill(~0U);
    cpuid_.set({.leaf = 0, .eax = 0xd});
    cpuid_.set({.leaf = 0xd, .has_subleaves = true, .eax = 7, .ebx = 832, .ecx = 832});
    cpuid_.set({.leaf = 0xd, .subleaf = 2, .has_subleaves = true, .eax = 256, .ebx = 576});
    cpuid_.set({.leaf = 0x80000000, .eax = 0x80000008});
    cpuid_.set({.leaf = 0x80000008, .eax = 0x3030});
    put_features(cpuid_, all);
  }
  bool run(std::span<const std::uint8_t> input) override {
    const StepLimit limit("reading a CPU's state");
    may_refuse([&] { read_x86_state(input); });
    std::vector<std::uint8_t> blob(input.begin(), input.end());
    constexpr std::size_t kLengthAt = 12, kTrailer = 4;
    if (blob.size() < kLengthAt + 4 + kTrailer) return false;
    store_le(blob, kLengthAt, static_cast<std::uint32_t>(blob.size()));
    store_le(blob, blob.size() - kTrailer, ethernet::fcs(std::span(blob).first(blob.size() - kTrailer)));
    may_refuse([&] {
      const X86State state = read_x86_state(blob);
      if (read_x86_state(write_x86_state(state)) != state) fail("a state does not come back as it was written");
      for (const std::string& fault : impossible_parts(state, cpuid_, input.size() % 2 == 0))
        if (fault.empty()) fail("a fault without a message");
    });
    return true;
  }
  std::size_t max_length() const override { return 8192; }
  std::vector<std::string> dictionary() const override {
    return {"X86STATE", "GPRS", "SEGS", "CTRL", "DBGR", "XSAV", "MSRS", "EVNT", "LAPC", std::string(4, '\0')};
  }
  std::vector<std::vector<std::uint8_t>> seeds() const override {
    X86State small = X86State::at_reset(0x663, false, 1);
    small.xsave.resize(576);
    return {write_x86_state(X86State::at_reset(cpuid_.find(1).eax, true)), write_x86_state(small)};
  }

 private:
  CpuidTable cpuid_;
};

/// The lines of a qtest client.
class QtestTarget final : public Target {
 public:
  QtestTarget() : board_("isa-serial") {}
  bool run(std::span<const std::uint8_t> input) override {
    Coverage coverage;
    const std::unique_ptr<FuzzMachine> machine = board_.make(0);
    Coverage::begin();
    std::size_t messages = 0;
    const MachineLock::Guard guard(machine->system().lock);
    QtestCommands commands(machine->system(), machine->root(), [&](const std::string& m) { messages += m.size(); });
    std::string_view rest = text_of(input);
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      const std::string_view line = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      // A test may ask for hours of virtual time, or move megabytes; that it then waits is no news.
      if (line.find("clock_s") != std::string_view::npos || line.find("memset") != std::string_view::npos) continue;
      const StepLimit limit("a qtest command");
      const std::string answer = commands.run(line);
      if (!answer.starts_with("OK") && !answer.starts_with("FAIL ") && !answer.starts_with("ERR ") && !answer.empty())
        fail("qtest answers: " + answer);
      if (answer.find('\n') != std::string::npos) fail("qtest answers with several lines: " + answer);
    }
    coverage.end();
    return true;
  }
  std::vector<std::string> dictionary() const override {
    std::vector<std::string> words{"0x", "/machine/pic", "/machine/serial", "\n", " 0x3f8 ", " 1\n"};
    for (const std::string_view name : QtestCommands::names()) words.emplace_back(name);
    return words;
  }
  std::vector<std::vector<std::uint8_t>> seeds() const override {
    return {bytes_of("irq_intercept_in /machine/pic\noutb 0x3f9 0x2\ninb 0x3fa\nset_irq_in /machine/pic ir 4 1\n"),
            bytes_of("write 0x1000 0x2 0x1234\nread 0x1000 0x4\nb64write 0x0 0x3 AAEC\nb64read 0x0 3\nreadq 0x8\n")};
  }

 private:
  DeviceBoard board_;
};

template <class T>
TargetInfo info(const char* name, const char* summary) {
  return {name, summary, [] { return std::make_unique<T>(); }};
}

}  // namespace

std::vector<TargetInfo> reader_targets() {
  return {
      info<BoardTarget>("board-file", "YAML of a board, through the loader and the composer"),
      info<OptionsTarget>("options", "a command line, an argument a line"),
      info<IniTarget>("ini", "a file of -readconfig"),
      info<KernelTarget>("kernel", "files of -kernel and -initrd: bzImage, ELF, multiboot"),
      info<ImageTarget>("image-format", "the first bytes of a disk image"),
      info<QtestTarget>("qtest", "lines of a qtest client"),
      info<X86StateTarget>("x86_state", "a CPU's state in a file"),
  };
}

}  // namespace machina::fuzz
