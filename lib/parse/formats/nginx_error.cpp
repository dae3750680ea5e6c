// nginx's error log (ngx_log.c, ngx_http_upstream.c, ngx_process.c, 1.18 to 1.31; measured: facts/gunicorn.md 5):
//   2026/11/22 10:31:08 [error] 749#749: *2 upstream prematurely closed connection while reading response header from upstream,
//   client: 127.0.0.1, server: , request: "GET /oom HTTP/1.1", upstream: "http://127.0.0.1:8000/oom", host: "x"
// Its time is local and has no zone. What a client can choose (request, host, referrer) stands after ", client: ", so kind, errno and
// phase are read before it.
#include <algorithm>
#include <array>
#include <climits>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/text.hpp"
#include "parse/format.hpp"

namespace parse {
namespace {

using base::contains;
using base::starts_with;
constexpr auto none = std::string_view::npos;

bool take(std::string_view& text, std::string_view front) {
  if (!starts_with(text, front)) return false;
  text.remove_prefix(front.size());
  return true;
}

struct Head { base::Instant when; std::string_view level; int pid = 0; int connection = 0; };

int digits(std::string_view text, std::size_t at, std::size_t count) {
  int value = 0;
  for (std::size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

// "2026/11/22 10:31:08 [error] 749#749: *2 ", taken from the front of `text`.
std::optional<Head> take_head(std::string_view& text) {
  std::string_view rest = text;
  if (rest.size() < 30 || rest[4] != '/' || rest[7] != '/' || rest[10] != ' ' || rest[13] != ':' || rest[16] != ':' || rest[19] != ' ' || rest[20] != '[') return std::nullopt;
  const int year = digits(rest, 0, 4), month = digits(rest, 5, 2), day = digits(rest, 8, 2), hour = digits(rest, 11, 2), minute = digits(rest, 14, 2), second = digits(rest, 17, 2);
  if (year < 0 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return std::nullopt;
  base::Civil civil;
  civil.year = year;
  civil.month = static_cast<unsigned>(month);
  civil.day = static_cast<unsigned>(day);
  civil.hour = static_cast<unsigned>(hour);
  civil.minute = static_cast<unsigned>(minute);
  civil.second = static_cast<unsigned>(second);
  Head head;
  constexpr std::int64_t half = base::second_ns / 2;  // whole seconds: the middle of that second
  head.when = base::Instant{base::Clock::naive, base::ns_from(civil) + half, half};
  rest.remove_prefix(21);
  const std::size_t close = rest.find("] ");
  if (close == none || close > 8) return std::nullopt;
  head.level = rest.substr(0, close);
  static constexpr std::array<std::string_view, 8> levels{"emerg", "alert", "crit", "error", "warn", "notice", "info", "debug"};
  bool known = false;
  for (const auto level : levels) known = known || level == head.level;
  if (!known) return std::nullopt;
  rest.remove_prefix(close + 2);
  const auto pid = base::take_number(rest);
  if (!pid || *pid <= 0 || *pid > INT_MAX || !take(rest, "#") || !base::take_number(rest) || !take(rest, ": ")) return std::nullopt;
  head.pid = static_cast<int>(*pid);
  std::string_view after = rest;
  if (take(after, "*")) {
    const auto connection = base::take_number(after);
    if (connection && *connection >= 0 && take(after, " ")) {
      head.connection = *connection <= INT_MAX ? static_cast<int>(*connection) : 0;
      rest = after;
    }
  }
  text = rest;
  return head;
}

// "failed (111: Connection refused)" -> 111
int errno_in(std::string_view message) {
  for (std::size_t at = message.find('('); at != none; at = message.find('(', at + 1)) {
    std::string_view rest = message.substr(at + 1);
    const auto number = base::take_number(rest);
    if (number && *number > 0 && *number < 4096 && starts_with(rest, ": ")) return static_cast<int>(*number);
  }
  return 0;
}

// What went on: "connecting to upstream", "reading response header from upstream".
std::string phase_of(std::string_view message) {
  const std::size_t at = message.rfind(" while ");
  if (at == none) return "";
  std::string_view phase = message.substr(at + 7);
  phase = phase.substr(0, phase.find(','));
  return std::string(phase.substr(0, 80));
}

// Empty: a line that says nothing about an upstream or about nginx's own limits (a missing static file, a body too large).
std::string kind_of(std::string_view message, std::string_view phase, int code) {
  if (contains(message, "client prematurely closed connection") || contains(message, "client closed connection while waiting") || contains(message, "client timed out")) return "client-gone";
  if (contains(message, "prematurely closed connection") || contains(message, "upstream closed connection")) return "closed-early";
  if (contains(message, "no live upstreams")) return "no-live";
  if (contains(message, "worker_connections are not enough")) return "too-many-connections";
  if (code == 24 || code == 23) return "too-many-files";
  const bool connecting = contains(phase, "connecting to") || contains(phase, "handshaking to upstream") || starts_with(message, "connect() ");
  const bool upstream = connecting || contains(message, "upstream") || contains(phase, "upstream");
  if (!upstream) return "";
  if (contains(message, "upstream timed out") || code == 110) {
    if (connecting) return "timed-out-connecting";
    return contains(phase, "sending") ? "timed-out-sending" : "timed-out-reading";
  }
  switch (code) {
    case 111: return "refused";
    case 2: return connecting ? "missing" : "other";
    case 13: return connecting ? "denied" : "other";
    case 11: return connecting ? "queue-full" : "other";
    case 104: case 32: return "reset";
    default: return "other";
  }
}

void read_request(std::string_view context, evidence::ProxyError& error) {
  const std::size_t request_at = context.find(", request: \"");
  if (request_at != none) {
    std::string_view request = context.substr(request_at + 12);
    const std::size_t blank = request.find_first_of(" \"");
    if (blank != none && blank > 0 && blank <= 32 && request[blank] == ' ') {
      error.method = std::string(request.substr(0, blank));
      request.remove_prefix(blank + 1);
      // The path alone: a query holds what should not be kept, and would split what belongs together.
      error.uri = std::string(request.substr(0, std::min({request.find_first_of(" ?\""), request.size(), std::size_t{512}})));
    }
  }
  const std::size_t from = request_at == none ? 0 : request_at + 12;
  if (const std::size_t at = context.find(", upstream: \"", from); at != none) {
    std::string_view upstream = context.substr(at + 13);
    upstream = upstream.substr(0, upstream.find('"'));
    // "http://127.0.0.1:8000/oom?x" or "http://unix:/run/g.sock:/oom": without the request's own path, which says the peer only.
    std::size_t end = none;
    if (const std::size_t scheme = upstream.find("://"); scheme != none) {
      const std::string_view peer = upstream.substr(scheme + 3);
      end = starts_with(peer, "unix:") ? peer.find(':', 5) : peer.find('/');
      if (end != none) end += scheme + 3;
    }
    error.upstream = std::string(upstream.substr(0, std::min(end, std::size_t{256})));
  }
}

// nginx's own life. nullopt: none of these.
std::optional<evidence::ProxyEvent> read_event(std::string_view message) {
  evidence::ProxyEvent event;
  if (std::string_view rest = message; take(rest, "worker process ") || take(rest, "unknown process ")) {
    const auto pid = base::take_number(rest);
    if (!pid || *pid <= 0 || *pid > INT_MAX) return std::nullopt;
    event.child = static_cast<int>(*pid);
    const bool killed = take(rest, " exited on signal ");
    if (!killed && !take(rest, " exited with code ")) return std::nullopt;
    const auto number = base::take_number(rest);
    if (!number || *number < 0 || *number > 255) return std::nullopt;
    event.event = killed ? "worker-killed" : "worker-exited";
    (killed ? event.signal : event.exit_code) = static_cast<int>(*number);
    return event;
  }
  if (std::string_view rest = message; take(rest, "signal ")) {
    const std::size_t at = rest.find(" received from ");
    if (at != none) {
      rest.remove_prefix(at + 15);
      if (const auto sender = base::take_number(rest); sender && *sender > 0 && *sender <= INT_MAX) event.sender = static_cast<int>(*sender);
    }
  }
  if (starts_with(message, "start worker processes")) event.event = "started";
  else if (starts_with(message, "signal ") && contains(message, ", reconfiguring")) event.event = "reloading";
  else if (starts_with(message, "signal ") && (contains(message, ", exiting") || contains(message, ", shutting down"))) event.event = "stopping";
  else return std::nullopt;
  return event;
}

constexpr std::string_view marks[] = {
    "[emerg] ", "[alert] ", "[crit] ", "[error] ", "[warn] ", "[notice] ", "[info] ", "[debug] ",
};

// A worker that was told to stop by somebody else than its master says so itself, and the master says only that it exited with 0.
struct Stopping : State { std::map<int, int> senders; };   // by worker; the most recent few

std::unique_ptr<State> start() { return std::make_unique<Stopping>(); }
void finish(State&, Sink&) {}

bool step(State& state, const Record& record, Sink& sink) {
  std::string_view text = record.text;
  take(text, "nginx: ");  // its syslog form and its words on stderr
  const auto head = take_head(text);
  if (!head) return false;
  // The envelope's time, where there is one with a zone, is better than local time without.
  const std::optional<base::Instant> when = record.when && record.when->clock == base::Clock::wall ? record.when : head->when;
  sink.saw(*when);
  Record mine = record;
  mine.level = head->level;
  std::string_view message = text, context;
  if (const std::size_t client = text.find(", client: "); client != none) {
    message = text.substr(0, client);
    context = text.substr(client);
  }
  if (auto event = read_event(message)) {
    evidence::Subject about;
    about.pid = head->pid;
    auto& senders = static_cast<Stopping&>(state).senders;
    if (event->event == "stopping" && event->sender && contains(message, "(SIGTERM)")) {
      if (senders.size() >= 256) senders.clear();
      senders[head->pid] = event->sender;
    }
    // Its own sender counts only where it is not its master, nor the one that stopped the master too.
    if (event->event == "worker-exited" && event->child)
      if (const auto own = senders.find(*event->child); own != senders.end() && own->second != head->pid && !senders.contains(head->pid)) event->sender = own->second;
    sink.add(std::move(*event), about, mine, when, head->pid);
    return true;
  }
  if (head->level == "debug" || head->level == "notice") return true;
  evidence::ProxyError error;
  error.code = errno_in(message);
  error.phase = phase_of(message);
  error.kind = kind_of(message, error.phase, error.code);
  if (error.kind.empty()) return true;
  error.alert = head->level == "alert" || head->level == "emerg" || head->level == "crit";
  error.connection = head->connection;
  read_request(context, error);
  evidence::Subject about;
  about.pid = head->pid;
  sink.add(std::move(error), about, mine, when, head->pid);
  return true;
}

}  // namespace

namespace formats_of {
extern const Format nginx_error = {"nginx error log", evidence::SourceKind::proxy_error_log, start, step, finish, marks};
}

}  // namespace parse
