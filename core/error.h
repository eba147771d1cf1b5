#pragma once
/// Errors are the object model's (qom/error.h); this header exists so that code above qom/ finds them by guessing.
#include "qom/error.h"
