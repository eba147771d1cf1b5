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
#include "tests/fuzz/corpus_text.h"
#include "tests/fuzz/target.h"

extern "C" {
// libFuzzer's own.
int LLVMFuzzerRunDriver(int* argc, char*** argv, int (*callback)(const std::uint8_t* data, std::size_t size));
std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max);

// A quarantine of the default size would grow to the limit of memory within a minute.
const char* __asan_default_options() {
  return "quarantine_size_mb=16:malloc_context_size=5:detect_stack_use_after_return=0";
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
    if (word.empty()) continue;
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
      "       machina-fuzz TARGET --describe INPUT          says what an input does\n"
      "       machina-fuzz TARGET --seeds FOLDER            writes inputs to begin with\n"
      "       machina-fuzz TARGET --unpack CORPUS FOLDER    writes the inputs of a corpus of text into files\n"
      "       machina-fuzz TARGET --pack CORPUS INPUT...    makes a corpus of text of them\n"
      "       machina-fuzz --list                           all targets\n",
      stderr);
  return 2;
}

std::vector<std::uint8_t> read_input(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(fmt::format("cannot read '{}'", path));
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_inputs(const std::vector<std::vector<std::uint8_t>>& inputs, const std::string& name,
                  const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  unsigned n = 0;
  for (const auto& input : inputs) {
    std::ofstream file(folder / fmt::format("{}-{:03}", name, n++), std::ios::binary);
    file.write(reinterpret_cast<const char*>(input.data()), static_cast<std::streamsize>(input.size()));
  }
}

/// What is asked of the target beside libFuzzer's work; false: nothing of that.
bool answer(std::span<const std::string> arguments) {
  const std::string& what = arguments.empty() ? std::string() : arguments[0];
  if (what == "--describe" && arguments.size() == 2) {
    std::fputs(target->to_text(read_input(arguments[1])).c_str(), stdout);
  } else if (what == "--seeds" && arguments.size() == 2) {
    write_inputs(target->seeds(), "seed", arguments[1]);
  } else if (what == "--unpack" && arguments.size() == 3) {
    write_inputs(read_corpus(*target, arguments[1]), "kept", arguments[2]);
  } else if (what == "--pack" && arguments.size() > 2) {
    std::vector<std::vector<std::uint8_t>> inputs;
    for (const std::string& file : arguments.subspan(2)) inputs.push_back(read_input(file));
    write_corpus(*target, inputs, arguments[1]);
  } else {
    return false;
  }
  return true;
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
  if (answer(std::span(arguments).subspan(1))) return 0;

  // What comes later wins: the user's options. The schedule by rarity of features takes longer than most inputs, and so
  // do the names of new functions.
  std::vector<std::string> defaults{arguments[0],
                                    "-timeout=60",
                                    "-entropic=0",
                                    "-print_funcs=0",
                                    "-rss_limit_mb=2048",
                                    "-malloc_limit_mb=512",
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
  for (const auto& more : {reader_targets(), monitor_targets(), display_targets(), debugger_targets()})
    all.insert(all.end(), more.begin(), more.end());
  return all;
}

std::size_t Target::mutate(std::uint8_t* data, std::size_t size, std::size_t max, std::uint32_t /*seed*/) {
  return LLVMFuzzerMutate(data, size, max);
}

std::string Target::to_text(std::span<const std::uint8_t> input) const { return quote(input); }

std::vector<std::uint8_t> Target::from_text(std::string_view text) const { return unquote(text); }

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
