// A CPU's state as bytes: what was written comes back, and nothing else is taken for a state.

#include "hw/x86/x86_state_blob.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <boost/crc.hpp>
#include <random>

#include "core/byte_order.h"
#include "qom/error.h"

namespace machina {
namespace {

using Blob = std::vector<std::uint8_t>;
using testing::HasSubstr;

X86Segment random_segment(std::mt19937_64& random) {
  X86Segment s;
  s.selector = static_cast<std::uint16_t>(random());
  s.base = random();
  s.limit = static_cast<std::uint32_t>(random());
  s.type = static_cast<std::uint8_t>(random());
  s.dpl = static_cast<std::uint8_t>(random());
  for (bool* flag : {&s.s, &s.present, &s.avl, &s.l, &s.db, &s.g, &s.unusable}) *flag = random() & 1;
  return s;
}

/// Anything in any field: whether a CPU could be so does not matter here.
X86State random_state(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  X86State s;
  for (auto& r : s.gpr) r = random();
  for (auto& segment : s.segment) segment = random_segment(random);
  s.tr = random_segment(random);
  s.ldt = random_segment(random);
  for (auto* table : {&s.gdt, &s.idt}) *table = {random(), static_cast<std::uint16_t>(random())};
  for (auto* r : {&s.rip, &s.rflags, &s.cr0, &s.cr2, &s.cr3, &s.cr4, &s.cr8, &s.efer, &s.apic_base, &s.xcr0, &s.dr6,
                  &s.dr7, &s.events.exception_payload})
    *r = random();
  for (auto& p : s.pdptr) p = random();
  for (auto& d : s.dr) d = random();
  X86Events& e = s.events;
  for (bool* flag :
       {&s.pdptr_valid, &s.lapic_valid, &e.exception_pending, &e.exception_injected, &e.exception_has_error_code,
        &e.exception_has_payload, &e.interrupt_injected, &e.interrupt_soft, &e.nmi_injected, &e.nmi_pending,
        &e.nmi_masked, &e.smm, &e.smi_pending, &e.smm_inside_nmi, &e.latched_init, &e.triple_fault_pending})
    *flag = random() & 1;
  for (auto* byte : {&e.exception_vector, &e.interrupt_vector, &e.interrupt_shadow})
    *byte = static_cast<std::uint8_t>(random());
  for (auto* word : {&e.exception_error_code, &e.sipi_vector, &s.tsc_khz}) *word = static_cast<std::uint32_t>(random());
  s.xsave.resize(random() % 5000);
  for (auto& b : s.xsave) b = static_cast<std::uint8_t>(random());
  for (unsigned i = 0; i < random() % 100; ++i) s.set_msr(static_cast<std::uint32_t>(random()), random());
  s.mp_state = static_cast<MpState>(random() % 5);
  for (auto& b : s.lapic) b = static_cast<std::uint8_t>(random());
  return s;
}

std::string refusal(const Blob& blob) {
  try {
    read_x86_state(blob);
  } catch (const Error& e) {
    return e.what();
  }
  return "no refusal";
}

/// With a right checksum and length: what was changed is to be found out by itself.
Blob sealed(Blob blob) {
  store_le(blob, 12, static_cast<std::uint32_t>(blob.size()));
  boost::crc_32_type crc;
  crc.process_bytes(blob.data(), blob.size() - 4);
  store_le(blob, blob.size() - 4, crc.checksum());
  return blob;
}

Blob small_blob() {
  X86State s = X86State::at_reset(0x12345, true);
  s.xsave.resize(576);
  return write_x86_state(s);
}

/// Where each section begins.
std::vector<std::size_t> section_places(const Blob& blob) {
  std::vector<std::size_t> places;
  for (std::size_t at = 16; at < blob.size() - 4; at += 12 + load_le<std::uint32_t>(blob, at + 8)) places.push_back(at);
  return places;
}

TEST(X86StateBlob, EveryFieldComesBack) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    const X86State s = random_state(seed);
    const Blob blob = write_x86_state(s);
    EXPECT_EQ(read_x86_state(blob), s) << "seed " << seed;
    EXPECT_LE(blob.size(), kMaxX86StateBlob);
  }
  const X86State reset = X86State::at_reset(0x663, false, 3);
  EXPECT_EQ(read_x86_state(write_x86_state(reset)), reset);
}

TEST(X86StateBlob, IsRefusedWhereverItIsCutOff) {
  const Blob whole = small_blob();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Blob cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_THROW(read_x86_state(cut), Error) << size;
    // Also where it says that it is as long as it is, and its checksum is right.
    if (size < 20) continue;
    EXPECT_THROW(read_x86_state(sealed(cut)), Error) << size;
  }
  Blob longer = whole;
  longer.push_back(0);
  EXPECT_THAT(refusal(longer), HasSubstr("it says that it has"));
  EXPECT_THROW(read_x86_state(sealed(longer)), Error);
}

TEST(X86StateBlob, IsRefusedWithAnyBitChanged) {
  Blob blob = small_blob();
  for (std::size_t bit = 0; bit < blob.size() * 8; ++bit) {
    blob[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    EXPECT_THROW(read_x86_state(blob), Error) << bit;
    blob[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
  }
}

TEST(X86StateBlob, LengthsThatLieAreRefused) {
  const Blob whole = small_blob();
  for (const std::size_t at : section_places(whole)) {
    const auto right = load_le<std::uint32_t>(whole, at + 8);
    for (const std::uint32_t wrong :
         {0U, 1U, right - 1, right + 1, right + 12, 0x7fffffffU, 0xfffffff4U, 0xffffffffU}) {
      if (wrong == right) continue;
      Blob blob = whole;
      store_le(blob, at + 8, wrong);
      EXPECT_THROW(read_x86_state(sealed(blob)), Error) << at << " " << wrong;
    }
  }
  for (const std::uint32_t wrong : {0U, 16U, 0xffffffffU}) {
    Blob blob = whole;
    store_le(blob, 12, wrong);
    EXPECT_THAT(refusal(blob), HasSubstr(fmt::format("it says that it has {} bytes", wrong)));
  }
}

TEST(X86StateBlob, SaysWhatIsWrong) {
  const Blob whole = small_blob();
  EXPECT_THAT(refusal({}), HasSubstr("it has 0 bytes"));
  Blob blob = whole;
  blob[0] = 'Y';
  EXPECT_THAT(refusal(blob), HasSubstr("does not begin with 'X86STATE'"));
  blob = whole;
  store_le(blob, 8, std::uint32_t{2});
  EXPECT_THAT(refusal(blob), HasSubstr("its version is 2, this program knows 1"));
  blob = whole;
  blob[40] ^= 1;
  EXPECT_THAT(refusal(blob), HasSubstr("checksum"));

  const std::vector<std::size_t> places = section_places(whole);
  blob = whole;
  blob[places[1]] = 'Z';  // "SEGS"
  EXPECT_THAT(refusal(sealed(blob)), HasSubstr("section 'SEGS' is missing"));
  blob = whole;
  std::copy_n("GPRS", 4, blob.begin() + static_cast<std::ptrdiff_t>(places[1]));
  EXPECT_THAT(refusal(sealed(blob)), HasSubstr("section 'GPRS' is there twice"));
  blob = whole;
  blob[places[1] + 12 + 15] = 2;  // ES.S
  EXPECT_THAT(refusal(sealed(blob)), HasSubstr("a truth value is"));
  blob = whole;
  blob[places[0]] = 0;
  EXPECT_THAT(refusal(sealed(blob)), HasSubstr("no name of a section"));
}

TEST(X86StateBlob, SectionsThatAreUnknownAreSkippedUnlessTheyAreNeeded) {
  const Blob whole = small_blob();
  const auto with_section = [&whole](std::uint32_t flags, std::size_t at) {
    Blob section{'N', 'E', 'W', '1'};
    append_le(section, flags);
    append_le(section, std::uint32_t{3});
    section.insert(section.end(), {1, 2, 3});
    Blob blob = whole;
    blob.insert(blob.begin() + static_cast<std::ptrdiff_t>(at), section.begin(), section.end());
    return sealed(blob);
  };
  for (const std::size_t at : section_places(whole)) {
    EXPECT_EQ(read_x86_state(with_section(0, at)), read_x86_state(whole));
    EXPECT_THAT(refusal(with_section(1, at)), HasSubstr("section 'NEW1' is needed"));
  }
}

TEST(X86StateBlob, TakesNoMoreSectionsThanItMay) {
  Blob blob = small_blob();
  blob.resize(blob.size() - 4);
  for (unsigned i = 0; i < 5000; ++i) {
    for (const char c : fmt::format("{:04}", i)) blob.push_back(static_cast<std::uint8_t>(c));
    append_le(blob, std::uint64_t{0});
  }
  append_le(blob, std::uint32_t{0});
  EXPECT_THAT(refusal(sealed(blob)), HasSubstr("more than 64 sections"));
}

}  // namespace
}  // namespace machina
