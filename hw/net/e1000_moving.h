#pragma once

#include "hw/net/e1000.h"

namespace machina {

class E1000::Moving {
 public:
  explicit Moving(E1000& card) : card_(card), entered_(!card.moving_) { card_.moving_ = true; }
  ~Moving() {
    if (entered_) card_.moving_ = false;
  }
  Moving(const Moving&) = delete;
  Moving& operator=(const Moving&) = delete;

 private:
  E1000& card_;
  bool entered_;
};

}  // namespace machina
