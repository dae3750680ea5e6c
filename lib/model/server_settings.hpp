// The settings of a server other than gunicorn: its flavour's defaults, its configuration files, its command line, the later the stronger, under the
// names that all servers share (timeout, workers, graceful_timeout...).
#pragma once

#include "model/stack.hpp"

namespace model {

/// Also the version, where only what is installed tells it. Gaps of what could not be told go into the stack.
void read_server_settings(Stack& stack, const evidence::Evidence& evidence, Server& server);

}  // namespace model
