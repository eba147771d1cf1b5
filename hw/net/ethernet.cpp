#include "hw/net/ethernet.h"

#include <boost/crc.hpp>

namespace machina::ethernet {

std::uint32_t fcs(Bytes frame) {
  boost::crc_32_type crc;
  crc.process_bytes(frame.data(), frame.size());
  return crc.checksum();
}

std::uint32_t crc_of_address(Bytes address) {
  // Bits of a byte go over the wire lowest first; the remainder is taken as it stands in the shift register.
  boost::crc_optimal<32, 0x04c11db7, 0xffffffff, 0, true, false> crc;
  crc.process_bytes(address.data(), kAddress);
  return crc.checksum();
}

}  // namespace machina::ethernet
