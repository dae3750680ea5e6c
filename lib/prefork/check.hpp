// --check-config: would this start? Asked of the kernel where that leaves nothing behind, in a forked child, since loading an application runs its
// constructors, and a crash in them is an answer too.
#pragma once

#include "prefork/settings.hpp"

namespace prefork {

/// Prints what is wrong to stderr, a line each; 0 when nothing is, else 1.
int check_config(const Settings& settings);

}  // namespace prefork
