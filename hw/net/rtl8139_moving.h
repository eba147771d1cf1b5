#pragma once

#include "hw/net/rtl8139.h"

namespace machina {

class Rtl8139::Moving {
 public:
  explicit Moving(Rtl8139& card) : card_(card), entered_(!card.moving_) { card_.moving_ = true; }
  ~Moving() {
    if (entered_) card_.moving_ = false;
  }
  Moving(const Moving&) = delete;
  Moving& operator=(const Moving&) = delete;

 private:
  Rtl8139& card_;
  bool entered_;
};

}  // namespace machina
