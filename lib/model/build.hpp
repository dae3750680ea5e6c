// Facts to the stack. Written as a fold: `step` takes one fact at a time in the order of its log, `finish` joins what needs the whole.
#pragma once

#include "model/stack.hpp"

namespace model {

/// All of it: orders the facts, folds them, joins the witnesses, reads the settings.
Stack build(const evidence::Evidence& evidence);

/// The facts in the order in which they are to be folded: each log in its own order, logs of one clock merged by time.
std::vector<FactId> folding_order(const evidence::Evidence& evidence);

/// One fact of a server's own log (or stderr, or journal) into the lives it tells of. Other facts are left to join_witnesses.
void step(Stack& stack, const evidence::Evidence& evidence, FactId id);

/// Kernel, service manager, container, process list and watcher: joined to lives by pid, pid map, or elimination.
void join_witnesses(Stack& stack, const evidence::Evidence& evidence);

/// The cgroup that a running server was seen in; "" when it was not, or is the machine's own.
std::string cgroup_of(const Stack& stack, const evidence::Evidence& evidence, const Server& server);

/// Is this a name the kernel would print for a process of this server: "gunicorn", "gunicorn: worke", "python3.11"?
bool plausible_comm(const Server& server, std::string_view comm);

}  // namespace model
