#include "machines/cli/sizing.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <limits>

#include "core/units.h"
#include "hw/x86/cpu_model.h"
#include "machines/cli/option_reader.h"
#include "qom/property.h"

namespace machina {

namespace {

/// A count from 1 on, or 0 when the key is missing.
unsigned count_of(ConfigNode option, const char* key) {
  const ConfigNode node = option[key];
  if (!node) return 0;
  std::uint64_t v = 0;
  at_origin(node.origin(), [&] {
    v = qom::parse_uint(node.text());
    if (v == 0 || v > std::numeric_limits<std::uint16_t>::max())
      throw Error(fmt::format("{} is no possible number of {}", v, key)).hint("expected a number from 1 to 65535");
  });
  return static_cast<unsigned>(v);
}

}  // namespace

Origin ram_origin(const CommandLine& cl) {
  const ConfigNode option = only_option(cl, "memory");
  return option && option["size"] ? option["size"].origin() : Origin();
}

RamConfig ram_of(const CommandLine& cl, const Board& board) {
  RamConfig ram{board.ram.default_size, board.ram.below_4g};
  const ConfigNode option = only_option(cl, "memory");
  if (!option) return ram;
  refuse_unknown_keys(option, {"size"});
  const ConfigNode size = option["size"];
  if (!size) throw Error("-m needs a size").at(option.origin()).hint("write -m 512M or -m 2G");
  try {
    std::string text = size.text();
    (void)qom::parse_size(text);  // so that a message shows what was written
    // A plain number is MiB, as everywhere in this field.
    if (!text.empty() && std::isdigit(static_cast<unsigned char>(text.back())) && text.find('x') == std::string::npos)
      text += "M";
    ram.size = qom::parse_size(text);
    constexpr std::uint64_t kPage = 4096;
    if (ram.size % kPage != 0) {
      throw Error(fmt::format("memory of {} bytes is not a whole number of pages", ram.size))
          .hint("a page has 4096 bytes");
    }
    const std::string range = fmt::format("board '{}' takes {} to {}", board.name, qom::format_size(board.ram.min),
                                          qom::format_size(board.ram.max));
    if (ram.size < board.ram.min)
      throw Error(fmt::format("too little memory: {}", qom::format_size(ram.size))).hint(range);
    if (ram.size > board.ram.max)
      throw Error(fmt::format("too much memory: {}", qom::format_size(ram.size))).hint(range);
  } catch (Error& e) {
    throw e.at(size.origin());
  }
  return ram;
}

CpuConfig cpus_of(const CommandLine& cl, const Board& board) {
  CpuConfig cpus;
  cpus.type = board.cpus.type;
  cpus.model = cl.cpu ? cl.cpu->text : board.cpus.model;
  cpus.count = board.cpus.default_count;
  if (cl.cpu) at_origin(cl.cpu->origin, [&] { (void)parse_cpu_model(cpus.model); });
  const ConfigNode option = only_option(cl, "smp-opts");
  unsigned sockets = 0, cores = 0, threads = 0, count = 0, max = 0;
  if (option) {
    refuse_unknown_keys(option, {"cpus", "maxcpus", "sockets", "cores", "threads"});
    count = count_of(option, "cpus");
    max = count_of(option, "maxcpus");
    sockets = count_of(option, "sockets");
    cores = count_of(option, "cores");
    threads = count_of(option, "threads");
  }
  const Origin at = option ? option.origin() : board.cpus.at;
  const auto refuse_too_many = [&](std::uint64_t n) {
    if (n <= board.cpus.max) return;
    throw Error(fmt::format("too many CPUs: {}", n))
        .at(at)
        .hint(fmt::format("board '{}' takes up to {}", board.name, board.cpus.max));
  };
  const std::uint64_t product = std::uint64_t{std::max(1U, sockets)} * std::max(1U, cores) * std::max(1U, threads);
  refuse_too_many(std::max({product, std::uint64_t{count}, std::uint64_t{max}}));
  const auto packed = static_cast<unsigned>(product);
  if (count == 0) count = max ? max : sockets || cores || threads ? packed : board.cpus.default_count;
  if (max == 0) max = std::max(count, packed);
  if (count > max) throw Error(fmt::format("{} CPUs are more than maxcpus={}", count, max)).at(at);
  // What is not said: one thread a core, one core a socket, as many sockets as it takes.
  threads = std::max(1U, threads);
  if (cores == 0) cores = sockets ? std::max(1U, max / (sockets * threads)) : 1;
  if (sockets == 0) sockets = std::max(1U, max / (cores * threads));
  if (sockets * cores * threads != max) {
    throw Error(fmt::format("{} sockets of {} cores of {} threads are not {} CPUs", sockets, cores, threads, max))
        .at(at)
        .hint("sockets * cores * threads must be maxcpus");
  }
  cpus.count = count;
  cpus.max = max;
  cpus.topology = {sockets, cores, threads};
  return cpus;
}

void refuse_ram_beyond_cpus(Machine& machine) {
  // They are all of one model. Without an accelerator that runs code they have no CPUID, and address nothing.
  const std::vector<X86Cpu*>& cpus = machine.cpus().cpus();
  if (cpus.empty() || cpus.front()->cpuid.leaves().empty() || machine.system().ram_above_4g == 0) return;
  const unsigned bits = physical_address_bits(cpus.front()->cpuid);
  const std::uint64_t end = 4 * GiB + machine.system().ram_above_4g;
  if (end <= std::uint64_t{1} << bits) return;
  unsigned needed = bits;
  while (end > std::uint64_t{1} << needed) ++needed;
  throw Error(fmt::format("the CPU cannot address {} of memory", qom::format_size(machine.ram().size)))
      .why(fmt::format("it ends at {:#x}, and addresses have {} bits", end, bits))
      .hint(fmt::format("make them wider, where the host's are: -cpu {},phys-bits={}",
                        parse_cpu_model(machine.cpu_config().model).name, needed));
}

}  // namespace machina
