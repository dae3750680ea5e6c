// A running machine to facts. A probe needs something (a path, a capability), says what it speaks, and observes; refusal becomes a Gap. Nothing
// here stops, signals or writes to what it looks at.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "evidence/evidence.hpp"
#include "parse/read.hpp"
#include "source/host.hpp"

namespace probe {

/// Which servers to look at: empty = all. pids are masters as we see them.
struct Target {
  std::vector<int> pids;
  std::vector<std::string> words;    // as the user gave them: unit, pidfile, socket, URL
  std::string url;                   // whose way through the proxy is asked for; "" none
  std::string nginx;                 // the proxy's main configuration file, where the user names it
  bool send = false;                 // one request to `url` is allowed
  parse::Window window;              // which part of the logs; without `since`, from the start of each server's master
};

/// What doctor prints for one source of evidence.
struct Sight {
  enum class State : std::uint8_t { ok, partial, no } state = State::ok;
  std::string what, detail, why, remedy, instead;
};

struct Found;  // servers.hpp: what one pass over the processes found; every probe of a look starts from the same

struct Probe {
  std::string_view name;                                                          // "processes"
  void (*observe)(const source::Host& host, const Target& target, const Found& found, evidence::Evidence& evidence);
  Sight (*sight)(const source::Host& host);                                       // may it be read here; cheap, no side effects
};

/// One look: the processes once, then every probe. `stop`, asked before each one, ends it: what was not asked is a Gap.
void observe(const source::Host& host, const Target& target, evidence::Evidence& evidence, const std::function<bool()>& stop = {});

std::span<const Probe* const> probes();   // made by table(): every file in probes/, in the order of their file names

}  // namespace probe
