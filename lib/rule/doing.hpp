// What a process was doing, from the stacks and waits that were read of it: which of its threads tells, and its frames with the application's own first.
#pragma once

#include "rule/check.hpp"

namespace rule {

/// Fills was_doing with the call and the stack of the thread that tells most, and with the request, where one was seen. Nothing where nothing was
/// read. What comes from outside stays raw but for its length.
void tell_doing(const Look& look, const model::Life& life, Doing& doing);

/// The stack that says most of its end: of the first signal of its death, else of a snapshot before; no_fact where none was read.
evidence::FactId stack_at_death(const Look& look, const model::Life& life);

/// The request that it was serving: that of the thread whose stack is told, else the longest; no_fact where none was seen.
evidence::FactId served_by(const Look& look, const model::Life& life);

/// Whose code a file is: "" the application's own, "python" the standard library, else the package ("gunicorn", "django"). By its path alone.
std::string owner_of(std::string_view file);

/// Does the application's code run there in a thread that it started itself (its own loop, not what a server or a pool called)? It serves nobody.
bool in_the_background(const evidence::ThreadStack& stack);

/// A stack for people: the innermost frame of the application first, then where it led inside, then who called it, with runs of other people's
/// frames folded into one line. Without a frame of the application: the three innermost, the rest folded.
std::vector<std::string> folded(const std::vector<evidence::StackFrame>& frames);

/// The native frames as lines, innermost first; those without a name that follow one another in one file are one line. Nothing where they stand
/// inside of a Python stack (`within`) and are all the C library's: they only say again which call it is.
std::vector<std::string> native_lines(const std::vector<evidence::StackFrame>& frames, bool within);

}  // namespace rule
