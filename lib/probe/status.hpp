// What servers tell of themselves where their settings name a place for it: a stats socket, a control application. Asked only where that takes
// nothing from anybody: not a worker of the server, not a row in its log. Each reader is a file in readers/; it says where to ask and understands the
// answer, and this room does the asking, with a short deadline: a server that is stuck must not hold the look.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "evidence/evidence.hpp"
#include "parse/settings/document.hpp"
#include "probe/servers.hpp"

namespace probe {

/// The server as a reader sees it: its command line, and what its configuration files set, raw (a token among it stays in here).
struct Asked {
  const source::Host& host;
  const FoundServer& server;
  std::string args;
  std::vector<parse::settings::Entry> settings;

  /// The last value of that name in the files, without quotes; "" none.
  std::string setting(std::string_view name) const;
  /// The last value behind one of these options on the command line; "" none.
  std::string option(std::initializer_list<std::string_view> names) const;
};

/// Where one status is read. request: the bytes to send, "" for a socket that speaks at once.
struct Endpoint {
  std::string address;                   // "unix:/run/stats.sock" as the server sees it, "127.0.0.1:9191", ":9191"
  std::string request, pool;
  std::string by_hand;                   // the command that shows the same to a person; no secret
  std::string taken;                     // what asking takes: then it is asked only where requests are allowed (--send). "" nothing
};

/// What one answer told. Of a worker: pid as the server sees it; request: "GET /x", "" unknown; seconds: for how long already.
struct Told {
  struct Worker { int pid = 0; evidence::WorkerStatus status; std::string request; double seconds = 0; };
  evidence::ServerStatus server;
  std::vector<Worker> workers;
};

struct Reader {
  std::string_view name, flavour;        // "uwsgi stats", "uwsgi"
  std::vector<Endpoint> (*endpoints)(const Asked& asked);
  /// The bytes of an answer, whole or cut, at the time `now` (seconds since 1970); nullopt for anything else than it expects.
  std::optional<Told> (*understand)(std::string_view answer, double now);
};

std::span<const Reader* const> readers();   // made by table(): every file in readers/

/// "tcp://127.0.0.1:9293", "unix:///tmp/x.sock", "/tmp/x.sock", "127.0.0.1:9191" to an Endpoint's address; "" for what is neither.
std::string address_of(std::string_view text);
/// Connects to a unix socket ("unix:/path") or a numeric TCP address, sends, and reads until the end, 4 MiB, or the deadline.
base::Result<std::string> ask(const std::string& address, std::string_view request, double patience_s);
/// What stands behind the head of an HTTP answer with status 200; the whole where it is no HTTP; "" for another status.
std::string_view body_of(std::string_view answer);

}  // namespace probe
