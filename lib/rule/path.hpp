// What a live look knows of the addresses that a proxy connects to: who walks there with what result, and who listens.
#pragma once

#include <string>
#include <vector>

#include "rule/check.hpp"

namespace rule {

struct Peer {
  std::string address;                        // "unix:/run/app.sock", "127.0.0.1:8000"
  std::vector<FactId> routes, walks, listeners;
  std::vector<FactId> elsewhere;              // listeners at that address in another network namespace, which the proxy cannot reach
};

/// Every address of the proxy's configuration, upstream names resolved. Empty without a live look.
std::vector<Peer> peers(const Look& look);

/// Asked about one URL, only the addresses that it may reach count.
bool on_the_way(const Look& look, std::string_view address);

/// Were the sockets of the machine listed whole, so that nobody listening means nobody?
bool sockets_listed(const Look& look);

/// Is this listener surely bound to another file than the one at the path? False where file systems leave it open.
bool another_file(const evidence::ListenerSeen& listener, std::string_view file);

/// A live look found that this peer may be opened and has a listener now: what nginx's log says of refusals is over.
bool reachable_now(const Look& look, const Peer& peer);

/// "gunicorn (pid 450)", "pid 812", "process 1": whoever holds a listener.
std::string holder_text(const Look& look, const evidence::ListenerSeen& listener);

}  // namespace rule
