#pragma once
/// Where board files are found.

#include <string>
#include <vector>

#include "core/error.h"
#include "machines/board/faults.h"

namespace machina {

class BoardCatalog {
 public:
  /// Earlier directories hide files of the same name in later ones. One that does not exist holds nothing.
  explicit BoardCatalog(std::vector<std::string> directories) : directories_(std::move(directories)) {}
  /// `first` (-L), then those of the program: beside it, of the source tree that it was built in, and installed.
  static BoardCatalog standard(std::vector<std::string> first = {});

  struct Entry {
    std::string name;
    std::vector<std::string> aliases;
    std::string summary;
    std::string file;
  };
  /// All boards, by name. A file that cannot be read is added to `faults`.
  std::vector<Entry> list(Faults& faults) const;

  /// The file of a board: a path (it has a '/' or ends in .yaml), a name, or an alias. Throws Error at `asked_at`, with
  /// the nearest name.
  std::string find(const std::string& name, const Origin& asked_at) const;

 private:
  std::vector<std::string> files() const;
  std::vector<std::string> directories_;
};

}  // namespace machina
