#include "verify.hpp"

#include <cstdio>

namespace timeouts {

int verify(const Options&) { return 3; }

}  // namespace timeouts
