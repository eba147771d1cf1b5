/// The target description: XML in which gdb is told of registers (GDB manual, appendix G). Names of features and of
/// registers in them are those that gdb knows (G.5.8); what it does not know it shows by name.

#include <fmt/format.h>

#include "machines/gdb/registers.h"

namespace machina {
namespace {

struct Bit {
  const char* name;
  unsigned first, last;
};

std::string flags(const char* id, unsigned size, std::initializer_list<Bit> bits) {
  std::string text = fmt::format("  <flags id=\"{}\" size=\"{}\">\n", id, size);
  for (const Bit& b : bits)
    text += fmt::format("    <field name=\"{}\" start=\"{}\" end=\"{}\"/>\n", b.name, b.first, b.last);
  return text + "  </flags>\n";
}

std::string core_types() {
  return flags("i386_eflags", 4,
               {{"CF", 0, 0},
                {"", 1, 1},
                {"PF", 2, 2},
                {"AF", 4, 4},
                {"ZF", 6, 6},
                {"SF", 7, 7},
                {"TF", 8, 8},
                {"IF", 9, 9},
                {"DF", 10, 10},
                {"OF", 11, 11},
                {"NT", 14, 14},
                {"RF", 16, 16},
                {"VM", 17, 17},
                {"AC", 18, 18},
                {"VIF", 19, 19},
                {"VIP", 20, 20},
                {"ID", 21, 21}});
}

std::string sse_types() {
  std::string text;
  struct Vector {
    const char* id;
    const char* type;
    unsigned count;
    const char* field;
  };
  static constexpr Vector kVectors[] = {{"v4f", "ieee_single", 4, "v4_float"}, {"v2d", "ieee_double", 2, "v2_double"},
                                        {"v16i8", "int8", 16, "v16_int8"},     {"v8i16", "int16", 8, "v8_int16"},
                                        {"v4i32", "int32", 4, "v4_int32"},     {"v2i64", "int64", 2, "v2_int64"}};
  for (const Vector& v : kVectors)
    text += fmt::format("  <vector id=\"{}\" type=\"{}\" count=\"{}\"/>\n", v.id, v.type, v.count);
  text += "  <union id=\"vec128\">\n";
  for (const Vector& v : kVectors) text += fmt::format("    <field name=\"{}\" type=\"{}\"/>\n", v.field, v.id);
  text += "    <field name=\"uint128\" type=\"uint128\"/>\n  </union>\n";
  return text + flags("i386_mxcsr", 4,
                      {{"IE", 0, 0},
                       {"DE", 1, 1},
                       {"ZE", 2, 2},
                       {"OE", 3, 3},
                       {"UE", 4, 4},
                       {"PE", 5, 5},
                       {"DAZ", 6, 6},
                       {"IM", 7, 7},
                       {"DM", 8, 8},
                       {"ZM", 9, 9},
                       {"OM", 10, 10},
                       {"UM", 11, 11},
                       {"PM", 12, 12},
                       {"FZ", 15, 15}});
}

/// SDM vol. 3, 2.5 and 2.2.1.
std::string system_types() {
  return flags("i386_cr0", 8,
               {{"PE", 0, 0},
                {"MP", 1, 1},
                {"EM", 2, 2},
                {"TS", 3, 3},
                {"ET", 4, 4},
                {"NE", 5, 5},
                {"WP", 16, 16},
                {"AM", 18, 18},
                {"NW", 29, 29},
                {"CD", 30, 30},
                {"PG", 31, 31}}) +
         flags("i386_cr3", 8, {{"PCID", 0, 11}, {"PDBR", 12, 63}}) +
         flags("i386_cr4", 8,
               {{"VME", 0, 0},          {"PVI", 1, 1},     {"TSD", 2, 2},       {"DE", 3, 3},     {"PSE", 4, 4},
                {"PAE", 5, 5},          {"MCE", 6, 6},     {"PGE", 7, 7},       {"PCE", 8, 8},    {"OSFXSR", 9, 9},
                {"OSXMMEXCPT", 10, 10}, {"UMIP", 11, 11},  {"LA57", 12, 12},    {"VMXE", 13, 13}, {"SMXE", 14, 14},
                {"FSGSBASE", 16, 16},   {"PCIDE", 17, 17}, {"OSXSAVE", 18, 18}, {"SMEP", 20, 20}, {"SMAP", 21, 21},
                {"PKE", 22, 22}}) +
         flags("i386_efer", 8,
               {{"SCE", 0, 0}, {"LME", 8, 8}, {"LMA", 10, 10}, {"NXE", 11, 11}, {"SVME", 12, 12}, {"FFXSR", 14, 14}});
}

}  // namespace

std::string GdbRegisters::description() const {
  std::string text = "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n<target>\n";
  if (view_ == GdbView::Wide) text += "<architecture>i386:x86-64</architecture>\n";
  if (view_ == GdbView::Narrow) text += "<architecture>i386</architecture>\n";
  const auto feature = [&](const char* name, GdbRegister::Feature which, const std::string& types) {
    text += fmt::format("<feature name=\"{}\">\n{}", name, types);
    for (const GdbRegister& r : all_) {
      if (r.feature != which) continue;
      text += fmt::format("  <reg name=\"{}\" bitsize=\"{}\" type=\"{}\"/>\n", r.name, r.bits, r.type);
    }
    text += "</feature>\n";
  };
  // In the order of the list: gdb numbers registers as it meets them.
  feature("org.gnu.gdb.i386.core", GdbRegister::Feature::Core, core_types());
  feature("org.gnu.gdb.i386.sse", GdbRegister::Feature::Sse, sse_types());
  if (avx_) feature("org.gnu.gdb.i386.avx", GdbRegister::Feature::Avx, {});
  // Not gdb's own feature for fs_base and gs_base: with an i386 architecture gdb 13 fails on it.
  feature("org.machina.i386.system", GdbRegister::Feature::System, system_types());
  return text + "</target>\n";
}

}  // namespace machina
