#include "hw/timer/i8254_counter.h"

namespace machina {

using i8254::Rw;

unsigned I8254Counter::mode() const {
  const unsigned m = control >> 1 & 7;
  return m > 5 ? m - 4 : m;  // M2 is a don't care in modes 2 and 3
}

std::uint32_t I8254Counter::period() const {
  std::uint32_t n = cr;
  if (bcd()) n = ((cr >> 12) * 1000U + (cr >> 8 & 15) * 100U + (cr >> 4 & 15) * 10U + (cr & 15)) % modulus();
  return n ? n : modulus();
}

std::uint16_t I8254Counter::count_as_read() const {
  if (!bcd()) return static_cast<std::uint16_t>(ce);
  return static_cast<std::uint16_t>((ce / 1000 % 10) << 12 | (ce / 100 % 10) << 8 | (ce / 10 % 10) << 4 | ce % 10);
}

bool I8254Counter::counting() const {
  if (!loaded) return false;
  return gate || mode() == 1 || mode() == 5;  // in these, the gate triggers but does not hold
}

// --- what the CPU does ---

void I8254Counter::write_control(std::uint8_t value) {
  control = value & 0x3f;
  write_msb = read_msb = count_latched = status_latched = false;
  null_count = true;
  have_count = loaded = load_next = armed = false;
  out = mode() != 0;
}

void I8254Counter::write(std::uint8_t value) {
  switch (rw()) {
    case Rw::Lsb:
      write_count(value);
      break;
    case Rw::Msb:
      write_count(static_cast<std::uint16_t>(value << 8));
      break;
    case Rw::LsbThenMsb:
      if (!write_msb) {
        cr_low = value;
        write_msb = true;
        // "Writing the first byte disables counting. OUT is set low immediately."
        if (mode() == 0) loaded = load_next = armed = out = false;
      } else {
        write_msb = false;
        write_count(static_cast<std::uint16_t>(value << 8 | cr_low));
      }
      break;
    case Rw::CounterLatch:
      break;  // before any control word there is no format to write in
  }
}

void I8254Counter::write_count(std::uint16_t count) {
  cr = count;
  null_count = true;
  const bool first = !have_count;
  have_count = true;
  switch (mode()) {
    case 0:
      out = armed = false;
      load_next = true;
      break;
    case 4:
      load_next = true;
      break;
    case 2:
    case 3:
      // While it runs, the new count waits for the end of the (half) cycle or for a trigger.
      if (first) load_next = true;
      break;
    default:
      break;  // 1 and 5 wait for the gate
  }
}

std::uint8_t I8254Counter::read() {
  if (status_latched) {
    status_latched = false;
    return status;
  }
  const std::uint16_t count = count_latched ? ol : count_as_read();
  const bool msb = rw() == Rw::Msb || (rw() == Rw::LsbThenMsb && read_msb);
  const bool last = rw() != Rw::LsbThenMsb || read_msb;
  read_msb = rw() == Rw::LsbThenMsb && !read_msb;
  if (last) count_latched = false;
  return static_cast<std::uint8_t>(msb ? count >> 8 : count);
}

void I8254Counter::latch_count() {
  if (count_latched) return;  // the first one holds until it is read
  count_latched = true;
  ol = count_as_read();
}

void I8254Counter::latch_status() {
  if (status_latched) return;
  status_latched = true;
  status =
      static_cast<std::uint8_t>(control | (out ? i8254::kStatusOut : 0) | (null_count ? i8254::kStatusNullCount : 0));
}

void I8254Counter::set_gate(bool level) {
  if (level == gate) return;
  gate = level;
  const unsigned m = mode();
  if (level && (m == 1 || m == 2 || m == 3 || m == 5) && have_count) load_next = true;
  if (!level && periodic()) out = true;  // "sets OUT high immediately"
}

// --- what the CLK pulses do ---

void I8254Counter::load() {
  load_next = false;
  null_count = false;
  loaded = true;
  const std::uint32_t n = period();
  switch (mode()) {
    case 1:
      out = false;
      armed = true;
      break;
    case 3:
      odd = n % 2;
      out = true;
      ce = (n - n % 2) % modulus();
      return;
    case 2:
      out = true;
      break;
    default:
      if (mode() != 0) out = true;  // a strobe of modes 4 and 5 lasts one CLK
      armed = true;
  }
  ce = n % modulus();
  if (mode() == 2 && n == 1) out = false;
}

void I8254Counter::advance(std::uint64_t to) {
  if (to <= clk) return;
  std::uint64_t clocks = to - clk;
  clk = to;
  if (load_next) {
    load();
    if (--clocks == 0) return;
  }
  // The strobe ends with the next CLK, whatever the gate says.
  if (!counting()) {
    if (mode() >= 4) out = true;
    return;
  }
  switch (mode()) {
    case 2:
      count_rate(clocks);
      break;
    case 3:
      count_square(clocks);
      break;
    default:
      count_down(clocks);
  }
}

void I8254Counter::count_down(std::uint64_t clocks) {
  const std::uint64_t left = ce ? ce : modulus();
  ce = static_cast<std::uint32_t>((ce + modulus() - clocks % modulus()) % modulus());
  if (mode() < 4) {  // 0 and 1: OUT rises at 0 and stays
    if (armed && clocks >= left) out = true, armed = false;
    return;
  }
  out = true;
  if (armed && clocks >= left) {
    armed = false;
    out = clocks != left;
  }
}

void I8254Counter::count_rate(std::uint64_t clocks) {
  const std::uint64_t left = ce ? ce : modulus();
  std::uint32_t now;
  if (clocks < left) {
    now = static_cast<std::uint32_t>(left - clocks);
  } else {  // CE went through 1 and was loaded again, with the newest count
    null_count = false;
    now = static_cast<std::uint32_t>(period() - (clocks - left) % period());
  }
  ce = now % modulus();
  out = now != 1;
}

std::uint32_t I8254Counter::half_left() const {
  // An odd count takes one CLK more while OUT is high: CE stands at 0 for one pulse. An even one never shows 0, so 0 is
  // the whole modulus.
  if (odd && out) return ce / 2 + 1;
  return (ce ? ce : modulus()) / 2;
}

void I8254Counter::count_square(std::uint64_t clocks) {
  std::uint32_t left = half_left();
  const std::uint32_t n = period();
  if (clocks < left) {
    left -= static_cast<std::uint32_t>(clocks);
  } else {
    clocks -= left;
    null_count = false;
    odd = n % 2;
    out = n == 1 || !out;
    clocks %= n;
    std::uint32_t half = out ? (n + 1) / 2 : n / 2;
    if (clocks >= half) {
      clocks -= half;
      out = !out;
      half = out ? (n + 1) / 2 : n / 2;
    }
    left = half - static_cast<std::uint32_t>(clocks);
  }
  ce = (odd && out ? (left - 1) * 2 : left * 2) % modulus();
}

std::uint64_t I8254Counter::clocks_to_edge() const {
  I8254Counter probe = *this;
  std::uint64_t clocks = 0;
  if (load_next || (mode() >= 4 && !out)) {
    probe.advance(clk + 1);
    if (probe.out != out) return 1;
    clocks = 1;
  }
  if (!probe.counting()) return 0;
  const std::uint64_t left = probe.ce ? probe.ce : modulus();
  switch (mode()) {
    case 2:
      if (!probe.out) return period() == 1 ? 0 : clocks + 1;
      return clocks + left - 1;
    case 3:
      return probe.out && period() == 1 ? 0 : clocks + probe.half_left();
    default:
      return probe.armed ? clocks + left : 0;
  }
}

}  // namespace machina
