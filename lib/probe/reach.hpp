// Which proxies can send requests to a server: on a host of many containers `triage PID` is about one server and those in front of it.
#pragma once

#include "probe/servers.hpp"

namespace probe {

/// False only when it is certain that none of its requests reach any of these: each lives in another network namespace, one of the two has no
/// way out of its own (`lo` alone), and the proxy's configuration names no unix socket called as one of theirs. Containers that have a network
/// reach one another also by ports and addresses of which nothing stands in either's files. What cannot be read may lead anywhere: true.
bool may_reach(const source::Host& host, const Process& proxy, const std::vector<FoundServer>& servers);

}  // namespace probe
