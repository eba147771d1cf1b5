#pragma once
/// Finding objects by what they are.

#include "qom/object.h"

namespace machina::qom {

/// The first object of a C++ class or interface below (and including) `root`, parents first; null when there is none.
template <class T>
T* first_of(Object& root) {
  T* found = nullptr;
  for_each<T>(root, [&](T& t) { found = found ? found : &t; });
  return found;
}

}  // namespace machina::qom
