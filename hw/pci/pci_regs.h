#pragma once
/// Registers of configuration space: PCI Local Bus Specification, revision 3.0, chapter 6.

#include <cstdint>

namespace machina::pci {

// Figure 6-1: the header of type 0.
inline constexpr unsigned kVendorId = 0x00;
inline constexpr unsigned kDeviceId = 0x02;
inline constexpr unsigned kCommand = 0x04;
inline constexpr unsigned kStatus = 0x06;
inline constexpr unsigned kRevisionId = 0x08;
inline constexpr unsigned kProgIf = 0x09;
inline constexpr unsigned kClassCode = 0x0a;  ///< 16 bits: sub-class, base class
inline constexpr unsigned kCacheLineSize = 0x0c;
inline constexpr unsigned kLatencyTimer = 0x0d;
inline constexpr unsigned kHeaderType = 0x0e;
inline constexpr unsigned kBist = 0x0f;
inline constexpr unsigned kBar0 = 0x10;
inline constexpr unsigned kSubsystemVendorId = 0x2c;
inline constexpr unsigned kSubsystemId = 0x2e;
inline constexpr unsigned kRomAddress = 0x30;
inline constexpr unsigned kCapabilityList = 0x34;
inline constexpr unsigned kInterruptLine = 0x3c;
inline constexpr unsigned kInterruptPin = 0x3d;
inline constexpr unsigned kMinGrant = 0x3e;
inline constexpr unsigned kMaxLatency = 0x3f;
inline constexpr unsigned kHeaderSize = 0x40;  ///< what follows is the device's own

// 6.2.2, table 6-1: command.
inline constexpr std::uint16_t kCommandIo = 1 << 0;
inline constexpr std::uint16_t kCommandMemory = 1 << 1;
inline constexpr std::uint16_t kCommandBusMaster = 1 << 2;
inline constexpr std::uint16_t kCommandSpecialCycles = 1 << 3;
inline constexpr std::uint16_t kCommandParity = 1 << 6;
inline constexpr std::uint16_t kCommandSerr = 1 << 8;
inline constexpr std::uint16_t kCommandIntxDisable = 1 << 10;

// 6.2.3, table 6-2: status.
inline constexpr std::uint16_t kStatusInterrupt = 1 << 3;
inline constexpr std::uint16_t kStatusCapabilities = 1 << 4;
inline constexpr std::uint16_t kStatusFastBackToBack = 1 << 7;
inline constexpr std::uint16_t kStatusDevselMedium = 1 << 9;
/// Master data parity error, signaled/received target abort, received master abort, signaled system error, detected
/// parity error: all are cleared by writing one.
inline constexpr std::uint16_t kStatusErrors = 0xf900;

// 6.2.1: header type.
inline constexpr std::uint8_t kHeaderMultifunction = 0x80;

// 6.2.5.1: base address registers.
inline constexpr std::uint32_t kBarIo = 1 << 0;
inline constexpr std::uint32_t kBarMemory64 = 2 << 1;
inline constexpr std::uint32_t kBarPrefetchable = 1 << 3;
inline constexpr std::uint32_t kBarIoAddress = 0xfffffffc;
inline constexpr std::uint32_t kBarMemoryAddress = 0xfffffff0;

// 6.2.5.2: expansion ROM.
inline constexpr std::uint32_t kRomEnable = 1 << 0;
inline constexpr std::uint32_t kRomAddressMask = 0xfffff800;

// 6.7: capabilities.
inline constexpr unsigned kCapabilityId = 0;
inline constexpr unsigned kCapabilityNext = 1;
inline constexpr std::uint8_t kCapabilityMsi = 0x05;

// 6.8.1: the MSI capability. Offsets after the address depend on its width (figure 6-9).
inline constexpr unsigned kMsiControl = 2;
inline constexpr unsigned kMsiAddressLow = 4;
inline constexpr std::uint16_t kMsiEnable = 1 << 0;
inline constexpr unsigned kMsiCapableShift = 1;  ///< bits 3:1, log2 of the vectors requested
inline constexpr unsigned kMsiEnabledShift = 4;  ///< bits 6:4, log2 of the vectors granted
inline constexpr std::uint16_t kMsiEnabledMask = 7 << kMsiEnabledShift;
inline constexpr std::uint16_t kMsi64Bit = 1 << 7;
inline constexpr std::uint16_t kMsiMaskable = 1 << 8;

// Appendix D: base class and sub-class.
inline constexpr std::uint16_t kClassStorageIde = 0x0101;
inline constexpr std::uint16_t kClassNetworkEthernet = 0x0200;
inline constexpr std::uint16_t kClassDisplayVga = 0x0300;
inline constexpr std::uint16_t kClassBridgeHost = 0x0600;
inline constexpr std::uint16_t kClassBridgeIsa = 0x0601;
inline constexpr std::uint16_t kClassBridgeOther = 0x0680;

// Vendors and devices of the Intel 440FX PCIset.
inline constexpr std::uint16_t kVendorIntel = 0x8086;
inline constexpr std::uint16_t kDevice82441fx = 0x1237;
inline constexpr std::uint16_t kDevice82371sbIsa = 0x7000;
inline constexpr std::uint16_t kDevice82371sbIde = 0x7010;
inline constexpr std::uint16_t kDevice82371abPm = 0x7113;

// What a function of an emulated machine calls itself when its class names no subsystem of its own: Red Hat's, as
// guests' drivers know it from QEMU.
inline constexpr std::uint16_t kSubsystemVendorDefault = 0x1af4;
inline constexpr std::uint16_t kSubsystemDefault = 0x1100;

}  // namespace machina::pci
