// The way of one request through what runs, where chain.hpp has it through files: the proxy's limits from its configuration as facts, the
// server's from the settings that it runs with. The route it makes is the one that outlook() and outcomes() take, so that a live look and
// triage-timeouts say the same of the same values. Only what decides about the wait for an answer is in it: stops are not.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "model/chain.hpp"
#include "model/stack.hpp"

namespace model {

/// The directive that is in force for one location of a proxy. `known` false: more than one value may be.
struct InForceHere { bool known = true; FactId at = no_fact; };  // at no_fact: nothing sets it, and the default holds

/// Which location of which proxy (by pid; 0 its files) a request falls into.
struct RunningPass {
  int proxy = 0;
  FactId route = no_fact;                      // its ProxyRoute
  std::string location;                        // "/api"
  std::string prefix;                          // "proxy" "uwsgi" "fastcgi"
};
/// Of `uri` at the upstream `address` ("127.0.0.1:8000", "unix:/run/x"). nullopt without a configuration that leads there, with two proxies that
/// do, and with a regular expression among the locations.
std::optional<RunningPass> running_pass(const evidence::Evidence& evidence, std::string_view address, std::string_view uri);
InForceHere in_force(const evidence::Evidence& evidence, const RunningPass& pass, std::string_view name);

struct RunningRoute {
  Route route;                                 // one proxy, one server, one variant
  FactId read = no_fact;                       // what sets the proxy's read timeout
  std::size_t server = SIZE_MAX;               // of Stack::servers; SIZE_MAX: which one it is, is not known
  bool whole = false;                          // the limits of both sides are known
};
/// Of a failed request, by nginx's own line about it. `address` and `uri` as it names them.
std::optional<RunningRoute> running_route(const Stack& stack, const evidence::Evidence& evidence, FactId failed, std::string_view address, std::string_view uri);

}  // namespace model
