#pragma once
/// For the sources of core/config only: the library behind ConfigTree.

#include <boost/property_tree/ptree.hpp>

#include "core/config/config_tree.h"
