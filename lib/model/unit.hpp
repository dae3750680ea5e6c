// The systemd units that start servers, from their files' facts: which files count, what a drop-in changes, what systemd takes by itself.
#pragma once

#include "model/stack.hpp"

namespace model {

/// Fills stack.units, each server's `unit`, and a Gap for each setting that is not known. After the joining of witnesses, for the masters' host pids.
void read_units(Stack& stack, const evidence::Evidence& evidence);

/// Does this start command start this very server? It names the log or the address that the server's own lines name.
bool starts(const Server& server, const evidence::Evidence& evidence, const evidence::ServerCommand& command);

}  // namespace model
