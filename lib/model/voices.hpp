// Which logs tell of one server, and which of several that look alike. In containers every server's master has pid 1 and its workers the next
// ones, so pids alone would make the replicas' logs one server's.
#pragma once

#include <string>
#include <vector>

#include "evidence/evidence.hpp"

namespace model {

/// A log; in one that holds several servers' lines (a journal, `kubectl logs --prefix`, compose), those of one unit, pod or container.
struct Voice {
  evidence::SourceId source = 0;
  std::string unit;  // "" = its lines name none
};

Voice voice_of(const evidence::Fact& fact);

/// Lines of the two are lines of one log: a line that names no unit may be anybody's.
bool one_voice(const Voice& a, const Voice& b);

/// Two voices that tell of different servers.
struct Strangers { Voice one, other; };

/// All pairs that different masters have open, whose units differ, or whose lines cover the same time and tell of different events, by more
/// events than they share; copies of one log (a file and the journal, the runtime's file and `kubectl logs`) share theirs within 2 s. Events of
/// a start are left out: replicas are started together. Compares at most 2,000 events of a voice, and the first 64 voices.
std::vector<Strangers> strangers(const evidence::Evidence& evidence);

}  // namespace model
