#pragma once
/// Reset in three phases over a tree: all devices enter (own state only), then all hold (wires, regions), then all
/// exit. No device sees another one half reset.

#include "qom/object.h"

namespace machina {

/// Resets every realized device at and below `root`, parents first. Machine lock held, vCPUs stopped.
void reset_tree(qom::Object& root);

}  // namespace machina
