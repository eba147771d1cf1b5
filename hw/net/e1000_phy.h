#pragma once
/// The PHY within an 82540EM: a Marvell 88E1011 behind a management interface (MDIC). 317453, 13.4.9 and chapter 9.
/// It negotiates 1000BASE-T full duplex with whatever is at the other end. Not modelled: other speeds, the PHY's own
/// interrupts, cable diagnostics.

#include <array>
#include <cstdint>

namespace machina {

class E1000Phy {
 public:
  static constexpr unsigned kAddress = 1;  ///< on the management bus

  void reset();
  std::uint16_t read(unsigned reg);
  /// Returns whether negotiation starts again.
  bool write(unsigned reg, std::uint16_t value);

  void set_cable(bool present);
  /// Negotiation begins: no link until finish(). Without autonegotiation, the link is there at once.
  void begin();
  void finish();
  bool negotiating() const { return state_.negotiating; }
  bool link() const;
  bool loopback() const;

 private:
  static constexpr unsigned kRegisters = 32;
  void lose_link();

  bool cable_ = false;
  struct State {
    std::array<std::uint16_t, kRegisters> reg{};
    bool negotiating = false;
    bool lost = false;  ///< the link was down since the status was read last
  } state_;
};

}  // namespace machina
