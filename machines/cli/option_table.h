#pragma once
/// The options of machine-run: QEMU's spelling for what exists here. Parsing, -help and the messages for unknown
/// options are all made from this table.

#include <string>
#include <string_view>
#include <vector>

namespace machina {

struct OptionSpec {
  const char* name;      ///< without the dash
  const char* argument;  ///< how the help writes it, or null for a switch
  const char* help;
  const char* section;
};

const std::vector<OptionSpec>& option_table();
const OptionSpec* find_option_spec(std::string_view name);
/// What to do instead of an option of QEMU that does not exist here; null when there is nothing to say.
const char* instead_of_option(std::string_view name);
std::string help_text(const std::string& program);
/// A row of a help text: what is explained, then the explanation in a column of its own, or below when there is no
/// room.
std::string help_row(const std::string& what, std::string_view explanation);
std::string version_text();

}  // namespace machina
