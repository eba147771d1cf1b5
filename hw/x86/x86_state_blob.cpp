#include "hw/x86/x86_state_blob.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/crc.hpp>
#include <string>
#include <string_view>

#include "core/byte_order.h"
#include "qom/error.h"

namespace machina {

namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::string_view kMagic = "X86STATE";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kHeader = 16, kSectionHeader = 12, kTrailer = 4, kTag = 4;
constexpr std::uint32_t kRequired = 1;
/// More than there will ever be kinds of.
constexpr std::size_t kMaxSections = 64;

std::uint32_t checksum(Bytes bytes) {
  boost::crc_32_type crc;
  crc.process_bytes(bytes.data(), bytes.size());
  return crc.checksum();
}

/// What is in a section, told once for both ways: a `visit` of fields that either writes or reads them.
class Writer {
 public:
  explicit Writer(std::vector<std::uint8_t>& out) : out_(out) {}
  void flag(const bool& value) { out_.push_back(value ? 1 : 0); }
  template <class T>
  void number(const T& value) {
    append_le(out_, static_cast<std::uint64_t>(value), sizeof(T));
  }
  template <std::size_t N>
  void bytes(const std::array<std::uint8_t, N>& from) {
    out_.insert(out_.end(), from.begin(), from.end());
  }
  void rest(const std::vector<std::uint8_t>& from) { out_.insert(out_.end(), from.begin(), from.end()); }
  void rest(const std::vector<X86Msr>& from) {
    for (const X86Msr& m : from) number(m.index), number(m.value);
  }

 private:
  std::vector<std::uint8_t>& out_;
};

class Reader {
 public:
  Reader(Bytes bytes, std::string_view tag) : bytes_(bytes), tag_(tag) {}
  void flag(bool& value) {
    const auto byte = take(1);
    if (byte > 1) fail(fmt::format("a truth value is {}", byte));
    value = byte != 0;
  }
  template <class T>
  void number(T& value) {
    value = static_cast<T>(take(sizeof(T)));
  }
  template <std::size_t N>
  void bytes(std::array<std::uint8_t, N>& to) {
    need(N);
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(at_), N, to.begin());
    at_ += N;
  }
  void rest(std::vector<std::uint8_t>& to) {
    to.assign(bytes_.begin() + static_cast<std::ptrdiff_t>(at_), bytes_.end());
    at_ = bytes_.size();
  }
  void rest(std::vector<X86Msr>& to) {
    constexpr std::size_t kEach = sizeof(X86Msr::index) + sizeof(X86Msr::value);
    if ((bytes_.size() - at_) % kEach != 0) fail(fmt::format("its length is not a multiple of {}", kEach));
    to.resize((bytes_.size() - at_) / kEach);
    for (X86Msr& m : to) number(m.index), number(m.value);
  }
  void end() const {
    if (at_ != bytes_.size()) fail(fmt::format("it has {} bytes, {} are known", bytes_.size(), at_));
  }

 private:
  [[noreturn]] void fail(const std::string& why) const {
    throw Error("this is no CPU state").why(fmt::format("section '{}', byte {}: {}", tag_, at_, why));
  }
  void need(std::size_t size) const {
    if (bytes_.size() - at_ < size) fail(fmt::format("it ends after {} bytes", bytes_.size()));
  }
  std::uint64_t take(std::size_t size) {
    need(size);
    const std::uint64_t value = load_le(bytes_, at_, size);
    at_ += size;
    return value;
  }

  Bytes bytes_;
  std::string_view tag_;
  std::size_t at_ = 0;
};

// --- the sections ---
// A structure is taken apart by name: one that gets a further member does not compile until it is told here.

template <class Io, class Segment>
void segment(Io& io, Segment& s) {
  auto& [selector, base, limit, type, code_or_data, dpl, present, avl, l, db, g, unusable] = s;
  io.number(selector), io.number(base), io.number(limit), io.number(type), io.flag(code_or_data), io.number(dpl);
  io.flag(present), io.flag(avl), io.flag(l), io.flag(db), io.flag(g), io.flag(unusable);
}

template <class Io, class Table>
void table(Io& io, Table& t) {
  auto& [base, limit] = t;
  io.number(base), io.number(limit);
}

template <class Io, class Events>
void events(Io& io, Events& e) {
  auto& [pending, injected, has_code, vector, code, has_payload, payload, interrupt, soft, interrupt_vector, shadow,
         nmi_injected, nmi_pending, nmi_masked, smm, smi_pending, smm_inside_nmi, latched_init, sipi, triple_fault] = e;
  io.flag(pending), io.flag(injected), io.flag(has_code), io.number(vector), io.number(code), io.flag(has_payload);
  io.number(payload), io.flag(interrupt), io.flag(soft), io.number(interrupt_vector), io.number(shadow);
  io.flag(nmi_injected), io.flag(nmi_pending), io.flag(nmi_masked), io.flag(smm), io.flag(smi_pending);
  io.flag(smm_inside_nmi), io.flag(latched_init), io.number(sipi), io.flag(triple_fault);
}

/// Calls `section(tag, fields)` for each section, in the order of the blob; `fields(io)` is what is in it.
template <class State, class Section>
void for_each_section(State& state, Section&& section) {
  // A member that is new does not fit this list, and so is not forgotten below. (Lambdas cannot capture its names:
  // C++17.)
  [[maybe_unused]] auto& [gpr, rip, rflags, segments, tr, ldt, gdt, idt, cr0, cr2, cr3, cr4, cr8, efer, apic_base, xcr0,
                          pdptr, pdptr_valid, dr, dr6, dr7, xsave, msrs, tsc_khz, event, mp_state, lapic, lapic_valid] =
      state;
  section("GPRS", [&](auto& io) {
    for (auto& r : state.gpr) io.number(r);
    io.number(state.rip), io.number(state.rflags);
  });
  section("SEGS", [&](auto& io) {
    for (auto& s : state.segment) segment(io, s);
    segment(io, state.tr), segment(io, state.ldt), table(io, state.gdt), table(io, state.idt);
  });
  section("CTRL", [&](auto& io) {
    io.number(state.cr0), io.number(state.cr2), io.number(state.cr3), io.number(state.cr4), io.number(state.cr8),
        io.number(state.efer);
    io.number(state.apic_base), io.number(state.xcr0);
    for (auto& p : state.pdptr) io.number(p);
    io.flag(state.pdptr_valid);
  });
  section("DBGR", [&](auto& io) {
    for (auto& r : state.dr) io.number(r);
    io.number(state.dr6), io.number(state.dr7);
  });
  section("XSAV", [&](auto& io) { io.rest(state.xsave); });
  section("MSRS", [&](auto& io) { io.number(state.tsc_khz), io.rest(state.msrs); });
  section("EVNT", [&](auto& io) { events(io, state.events), io.number(state.mp_state); });
  section("LAPC", [&](auto& io) { io.flag(state.lapic_valid), io.bytes(state.lapic); });
}

struct Section {
  std::string_view tag;
  std::uint32_t flags = 0;
  Bytes payload;
  bool known = false;
};

[[noreturn]] void refuse(const std::string& why) { throw Error("this is no CPU state").why(why); }

std::vector<Section> sections_of(Bytes blob) {
  std::vector<Section> found;
  for (std::size_t at = kHeader; at != blob.size();) {
    const std::size_t left = blob.size() - at;
    if (left < kSectionHeader) refuse(fmt::format("a section at byte {} has no room for its header", at));
    Section s;
    s.tag = {reinterpret_cast<const char*>(blob.data() + at), kTag};
    s.flags = load_le<std::uint32_t>(blob, at + kTag);
    const auto length = load_le<std::uint32_t>(blob, at + kTag + 4);
    if (!std::all_of(s.tag.begin(), s.tag.end(), [](char c) { return c >= ' ' && c <= '~'; }))
      refuse(fmt::format("at byte {} stands no name of a section", at));
    if (length > left - kSectionHeader)
      refuse(fmt::format("section '{}' at byte {} claims {} bytes, {} are there", s.tag, at, length,
                         left - kSectionHeader));
    s.payload = blob.subspan(at + kSectionHeader, length);
    for (const Section& other : found)
      if (other.tag == s.tag) refuse(fmt::format("section '{}' is there twice", s.tag));
    if (found.size() == kMaxSections) refuse(fmt::format("it has more than {} sections", kMaxSections));
    found.push_back(s);
    at += kSectionHeader + length;
  }
  return found;
}

}  // namespace

std::vector<std::uint8_t> write_x86_state(const X86State& state) {
  std::vector<std::uint8_t> out(kMagic.begin(), kMagic.end());
  append_le(out, kVersion);
  append_le(out, std::uint32_t{0});  // the length, once it is known
  for_each_section(state, [&out](std::string_view tag, auto&& fields) {
    out.insert(out.end(), tag.begin(), tag.end());
    append_le(out, kRequired);
    const std::size_t length_at = out.size();
    append_le(out, std::uint32_t{0});
    Writer writer(out);
    fields(writer);
    store_le(out, length_at, static_cast<std::uint32_t>(out.size() - length_at - 4));
  });
  store_le(out, kHeader - 4, static_cast<std::uint32_t>(out.size() + kTrailer));
  append_le(out, checksum(out));
  return out;
}

X86State read_x86_state(Bytes blob) {
  if (blob.size() < kHeader + kTrailer) refuse(fmt::format("it has {} bytes", blob.size()));
  if (!std::equal(kMagic.begin(), kMagic.end(), blob.begin()))
    refuse(fmt::format("it does not begin with '{}'", kMagic));
  if (const auto version = load_le<std::uint32_t>(blob, kMagic.size()); version != kVersion)
    refuse(fmt::format("its version is {}, this program knows {}", version, kVersion));
  if (const auto length = load_le<std::uint32_t>(blob, kHeader - 4); length != blob.size())
    refuse(fmt::format("it says that it has {} bytes, and has {}", length, blob.size()));
  const Bytes body = blob.first(blob.size() - kTrailer);
  if (checksum(body) != load_le<std::uint32_t>(blob, body.size())) refuse("its checksum is wrong: it was changed");

  std::vector<Section> sections = sections_of(body);
  X86State state;
  for_each_section(state, [&sections](std::string_view tag, auto&& fields) {
    const auto s = std::find_if(sections.begin(), sections.end(), [&](const Section& c) { return c.tag == tag; });
    if (s == sections.end()) refuse(fmt::format("section '{}' is missing", tag));
    s->known = true;
    Reader reader(s->payload, tag);
    fields(reader);
    reader.end();
  });
  for (const Section& s : sections)
    if (!s.known && (s.flags & kRequired))
      refuse(fmt::format("section '{}' is needed, and this program does not know it", s.tag));
  return state;
}

}  // namespace machina
