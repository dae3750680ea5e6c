// The second look: some seconds after the first one, what has grown, and, where system calls may be followed, what they came to meanwhile.
#pragma once

#include "evidence/evidence.hpp"
#include "probe/probe.hpp"
#include "source/host.hpp"

namespace probe {

struct Window {
  double seconds = 0;
  bool calls = false;                        // follow system calls (BPF): costs the servers some of their pace while it lasts
};

/// `evidence` has the first look; what the second one sees is added. Never fails: what is refused is a Gap.
void look_again(const source::Host& host, const Target& target, const Window& window, evidence::Evidence& evidence);

/// Only the open descriptors of these servers, for another judgement: much cheaper than a look.
evidence::Evidence look_at_descriptors(const source::Host& host, const Found& found);

}  // namespace probe
