// machina-fuzz TARGET [libFuzzer's options and corpora]: docs/testing.md, "Fuzzing".

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "core/error.h"
#include "core/log.h"
#include "tests/fuzz/target.h"

extern "C" {
// libFuzzer's own.
int LLVMFuzzerRunDriver(int* argc, char*** argv, int (*callback)(const std::uint8_t* data, std::size_t size));
std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max);

// A quarantine of the default size would grow to the limit of memory within a minute.
const char* __asan_default_options() {
  return "quarantine_size_mb=16:malloc_context_size=12:detect_stack_use_after_return=0";
}  // NOLINT
const char* __ubsan_default_options() { return "print_stacktrace=1"; }  // NOLINT
}

namespace machina::fuzz {

namespace {

/// libFuzzer starts the program anew for some of its work, with options of its own: the name travels here.
constexpr const char* kTargetVariable = "MACHINA_FUZZ_TARGET";

std::unique_ptr<Target> target;
int messages = 0;

/// Messages to the user that one input may cause. Those of the log (-d) are limited by time instead.
constexpr int kMaxMessages = 64;

int run_one(const std::uint8_t* data, std::size_t size) {
  messages = 0;
  try {
    return target->run({data, size}) ? 0 : -1;
  } catch (const std::exception& e) {
    fail(fmt::format("an exception escapes: {}", e.what()));
  }
}

void watch_messages() {
  log::enable("guest_errors,unimp");
  log::set_sink([](log::Level, bool logged, std::string_view line) {
    if (!logged && ++messages > kMaxMessages)
      fail(fmt::format("one input causes more than {} messages: {}", kMaxMessages, line));
  });
}

/// -dict= with the target's words, in a file without a name.
std::string dictionary_option() {
  std::string text;
  for (const std::string& word : target->dictionary()) {
    text += '"';
    for (const char c : word) {
      const auto byte = static_cast<unsigned char>(c);
      const bool plain = byte >= 0x20 && byte <= 0x7e && c != '"' && c != '\\';
      text += plain ? std::string(1, c) : fmt::format("\\x{:02x}", byte);
    }
    text += "\"\n";
  }
  const int fd = ::memfd_create("dictionary", 0);
  if (fd < 0 || ::write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    throw Error("cannot write the dictionary").why(std::strerror(errno));
  return fmt::format("-dict=/proc/self/fd/{}", fd);
}

int usage() {
  std::fputs(
      "usage: machina-fuzz TARGET [OPTION of libFuzzer]... [CORPUS or INPUT]...\n"
      "       machina-fuzz TARGET --describe INPUT   says what an input does\n"
      "       machina-fuzz TARGET --seeds FOLDER     writes inputs to begin with\n"
      "       machina-fuzz --list                    all targets\n",
      stderr);
  return 2;
}

std::vector<std::uint8_t> read_input(const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(fmt::format("cannot read '{}'", path));
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_seeds(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  unsigned n = 0;
  for (const auto& seed : target->seeds()) {
    std::ofstream file(folder / fmt::format("seed-{:02}", n++), std::ios::binary);
    file.write(reinterpret_cast<const char*>(seed.data()), static_cast<std::streamsize>(seed.size()));
  }
}

int run(int argc, char** argv) {
  std::vector<std::string> arguments(argv, argv + argc);
  const char* inherited = std::getenv(kTargetVariable);
  if (!inherited && argc < 2) return usage();
  if (!inherited && arguments[1] == "--list") {
    for (const TargetInfo& info : all_targets()) fmt::print("{}\t{}\n", info.name, info.summary);
    return 0;
  }
  const std::string name = inherited ? inherited : arguments[1];
  if (!inherited) arguments.erase(arguments.begin() + 1);

  std::vector<std::string> names;
  for (const TargetInfo& info : all_targets()) {
    names.push_back(info.name);
    if (info.name == name) target = info.make();
  }
  if (!target) throw Error(fmt::format("no such target: '{}'", name)).hint(did_you_mean(name, names));
  if (arguments.size() == 3 && arguments[1] == "--describe") {
    std::fputs(target->describe(read_input(arguments[2].c_str())).c_str(), stdout);
    return 0;
  }
  if (arguments.size() == 3 && arguments[1] == "--seeds") {
    write_seeds(arguments[2]);
    return 0;
  }

  // What comes later wins: the user's options.
  std::vector<std::string> defaults{arguments[0], "-timeout=20", "-rss_limit_mb=2048", "-malloc_limit_mb=512",
                                    fmt::format("-max_len={}", target->max_length())};
  if (!target->dictionary().empty()) defaults.push_back(dictionary_option());
  arguments.erase(arguments.begin());
  if (!inherited) arguments.insert(arguments.begin(), defaults.begin(), defaults.end());
  if (inherited) arguments.insert(arguments.begin(), argv[0]);
  ::setenv(kTargetVariable, name.c_str(), 1);
  watch_messages();
  std::vector<char*> pointers;
  for (std::string& a : arguments) pointers.push_back(a.data());
  pointers.push_back(nullptr);
  int count = static_cast<int>(arguments.size());
  char** list = pointers.data();
  return LLVMFuzzerRunDriver(&count, &list, run_one);
}

}  // namespace

std::vector<TargetInfo> all_targets() {
  std::vector<TargetInfo> all = device_targets();
  for (const auto& more : {reader_targets(), monitor_targets()}) all.insert(all.end(), more.begin(), more.end());
  return all;
}

std::size_t Target::mutate(std::uint8_t* data, std::size_t size, std::size_t max, std::uint32_t /*seed*/) {
  return LLVMFuzzerMutate(data, size, max);
}

std::string Target::describe(std::span<const std::uint8_t> input) const {
  return std::string(input.begin(), input.end()) + "\n";
}

void fail(const std::string& rule) {
  fmt::print(stderr, "machina-fuzz: {}\n", rule);
  std::abort();
}

double cpu_milliseconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

StepLimit::~StepLimit() {
  const double taken = cpu_milliseconds() - started_;
  if (taken > kMilliseconds) fail(fmt::format("{} takes {:.0f} ms of processor time", step_, taken));
}

}  // namespace machina::fuzz

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max,  // NOLINT
                                               unsigned seed) {
  return machina::fuzz::target->mutate(data, size, max, seed);
}

int main(int argc, char** argv) {
  try {
    return machina::fuzz::run(argc, argv);
  } catch (const std::exception& e) {
    fmt::print(stderr, "machina-fuzz: {}\n", e.what());
    return 2;
  }
}
