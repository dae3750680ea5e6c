// The request target in its four forms (RFC 9112 3.2).
#pragma once

#include "prefork/http/head.hpp"

namespace prefork {

/// Sets path, query and authority of `head` from its method and target; false when the target is none that this method may have.
bool read_target(Head& head);

}  // namespace prefork
