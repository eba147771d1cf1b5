#pragma once
/// Everything that is wrong with a configuration, found in one go.

#include <set>
#include <string>
#include <vector>

#include "core/error.h"

namespace machina {

/// Several errors as one exception. Caught as an Error, it shows them all.
class FaultList final : public Error {
 public:
  explicit FaultList(std::vector<Error> faults);
  const std::vector<Error>& faults() const { return faults_; }
  const char* what() const noexcept override { return all_.c_str(); }

 private:
  std::vector<Error> faults_;
  std::string all_;
};

class Faults {
 public:
  void add(Error fault);
  /// Runs `check`; an Error that it throws is added, with `origin` where it names no place of its own. Returns whether
  /// nothing was thrown.
  template <class F>
  bool guard(const Origin& origin, F&& check) {
    try {
      check();
      return true;
    } catch (const FaultList& several) {
      for (const Error& e : several.faults()) add(e);
    } catch (Error& e) {
      add(e.at(origin));
    }
    return false;
  }

  bool empty() const { return list_.empty(); }
  std::size_t size() const { return list_.size(); }
  const std::vector<Error>& list() const { return list_; }
  /// A single fault as itself, several as a FaultList.
  void throw_if_any() const;

 private:
  std::vector<Error> list_;
  std::set<std::string> texts_;  ///< of the list
};

}  // namespace machina
