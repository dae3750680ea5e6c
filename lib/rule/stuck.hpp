// What a living worker that does not come back is doing, and the cause as far as it can be named: from its threads' stacks and calls, the connections
// that it holds, and how many threads it has. Of facts alone, so a bundle says the same.
#pragma once

#include "rule/live.hpp"

namespace rule {

/// Fills was_doing with the call and the stack of the thread that tells most, as they were read of the living process. Nothing where none was.
void tell_stack(const Look& look, const LiveProcess& process, Draft& draft);

struct Cause {
  std::string name;                          // "slow upstream": the word for it
  std::string text;                          // "it waits for 10.0.0.2:5432 (PostgreSQL)": a clause
  std::vector<Step> steps;                   // that fit this cause, before the card's
};

/// nullopt where the evidence allows none.
std::optional<Cause> cause_of(const Look& look, const LiveProcess& process);

/// The same of a worker that was ended for taking too long, by its stack and call as the signal came. Whether a socket leads to its client or to an
/// upstream is told by who stands inside of the application's frame (`of_python`: the server is Python's), or by the request that was seen.
std::optional<Cause> cause_at_death(const Look& look, const model::Life& life, bool of_python);

/// Of several workers that hold a server's places: what most of them are in, said in `draft` ("3 of its 4 workers: it waits ..."). Nothing where no
/// stack was read.
void tell_most(const Look& look, const std::vector<LiveProcess>& workers, Draft& draft);

}  // namespace rule
