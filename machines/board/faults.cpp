#include "machines/board/faults.h"

#include <fmt/format.h>

namespace machina {

FaultList::FaultList(std::vector<Error> faults)
    : Error(fmt::format("{} faults", faults.size())), faults_(std::move(faults)) {
  for (const Error& fault : faults_) all_ += (all_.empty() ? "" : "\n") + std::string(fault.what());
}

void Faults::add(Error fault) {
  // A value that several boards share through an anchor or inheritance would be reported for each of them.
  if (texts_.insert(fault.what()).second) list_.push_back(std::move(fault));
}

void Faults::throw_if_any() const {
  if (list_.size() == 1) throw Error(list_[0]);
  if (!list_.empty()) throw FaultList(list_);
}

}  // namespace machina
