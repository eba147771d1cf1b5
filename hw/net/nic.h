#pragma once
/// What all network cards share: an address that nobody else has, and the backend at the other end of the cable.

#include <cstdint>
#include <vector>

#include "core/net/mac_address.h"
#include "core/net/net_backend.h"
#include "hw/base/device.h"

namespace machina {

/// Which frames a card lets in, as its driver has set it up.
struct ReceiveFilter {
  bool promiscuous = false;    ///< all single addresses
  bool all_multicast = false;  ///< all groups
  bool broadcast = false;
  MacAddress main;                  ///< the address in its registers, which drivers may change
  std::vector<MacAddress> unicast;  ///< further ones
  unsigned multicast_hash = 0;      ///< values of the hash of group addresses that are let in
  bool vlan_filter = false;         ///< frames of `vlans` alone, besides those without a tag
  std::vector<std::uint16_t> vlans;
};

/// Interface of network cards.
class NetworkCard {
 public:
  static constexpr const char* kType = "network-card";
  virtual ~NetworkCard() = default;
  /// All zeroes until the card is realized, unless the user gave one.
  virtual MacAddress mac() const = 0;
  virtual ReceiveFilter receive_filter() const = 0;
};

/// Declares `mac` and `netdev`, as all cards have them.
template <class T>
void declare_nic(DeviceClass& c, MacAddress T::*mac, qom::Link<NetBackend> T::*netdev) {
  c.category = Category::Network;
  c.property("mac", mac, MacAddress()).doc("its address; empty: the first free one from 52:54:00:12:34:56 on");
  c.link("netdev", netdev).doc("the other end of its cable; none: no cable");
}

/// `given`, or the first address from 52:54:00:12:34:56 on that no other card of the machine has. Throws Error when
/// another card has the one given.
MacAddress choose_mac(Device& card, const MacAddress& given);

}  // namespace machina
