#include "hw/net/nic.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace machina {

MacAddress choose_mac(Device& card, const MacAddress& given) {
  // Those that the user gives are known before any card is realized: properties come first.
  std::vector<MacAddress> taken;
  std::string owner;
  qom::for_each<NetworkCard>(card.root(), [&](NetworkCard& other) {
    if (dynamic_cast<qom::Object*>(&other) == &card || other.mac().zero()) return;
    taken.push_back(other.mac());
    if (other.mac() == given) owner = dynamic_cast<qom::Object&>(other).path();
  });
  if (!owner.empty()) {
    throw Error(fmt::format("the address {} is taken", given.to_string()))
        .why(fmt::format("{} has it", owner))
        .hint("choose another mac, or none");
  }
  if (!given.zero()) return given;
  MacAddress mac{{0x52, 0x54, 0x00, 0x12, 0x34, 0x56}};
  while (std::find(taken.begin(), taken.end(), mac) != taken.end())
    for (std::size_t i = MacAddress::kSize; i-- > 3 && ++mac.bytes[i] == 0;) {
    }
  return mac;
}

MACHINA_INTERFACE(NetworkCard);

}  // namespace machina
