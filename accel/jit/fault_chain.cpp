#include "accel/jit/fault_chain.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "accel/fault_text.h"

namespace machina::jit {

namespace {

/// What a ring holds, oldest first.
template <class Ring>
auto in_order(const Ring& ring, std::uint64_t count) {
  std::vector<typename Ring::value_type> all;
  for (std::uint64_t i = count - std::min<std::uint64_t>(count, ring.size()); i < count; ++i)
    all.push_back(ring[i % ring.size()]);
  return all;
}

/// The last event, and those before it of which each failed.
auto begin_of_shutdown(const FaultRecords& all) {
  auto first = all.end();
  if (first != all.begin()) --first;
  while (first != all.begin() && std::prev(first)->failed) --first;
  return first;
}

}  // namespace

FaultRecords FaultChain::shutdown() const {
  const FaultRecords all = in_order(deliveries, delivery_count);
  return {begin_of_shutdown(all), all.end()};
}

std::vector<std::string> FaultChain::earlier() const {
  std::vector<std::string> lines;
  const FaultRecords all = in_order(deliveries, delivery_count);
  std::for_each(all.begin(), begin_of_shutdown(all), [&](const FaultRecord& e) { lines.push_back(describe_event(e)); });
  std::string text;
  for (const Jump& j : in_order(jumps, jump_count)) text += fmt::format(" {:x}->{:x}", j.from, j.to);
  if (!text.empty()) lines.push_back("jumps, by the start of the block:" + text);
  return lines;
}

}  // namespace machina::jit
