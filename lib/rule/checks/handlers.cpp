// Workers whose handlers of the server's own signals were taken away, by the masks that /proc shows. A handler that gave way to another one
// looks as before: only the behaviour tells (worker.ignores-term).
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "rule/live.hpp"

namespace rule {

using namespace evidence;

namespace {

// gunicorn's base worker sets both before it imports the application (workers/base.py init_process, init_signals: all of 19.0 to 26.2);
// uvicorn's worker classes give ABRT back and catch TERM in their loop.
struct Wanted { int signal; const char *ignored, *lost; };
constexpr std::array wanted{Wanted{15, "stops and reloads wait for the graceful timeout and end in SIGKILL", "a stop or reload ends it in the middle of its request"},
                            Wanted{6, "a timeout's first stage does nothing, SIGKILL comes a second later", "a timeout ends it without a traceback of what it did"}};

bool has_own_handlers(std::string_view worker_class) {
  return worker_class == "sync" || worker_class == "gthread" || worker_class == "gevent" || worker_class == "eventlet" || worker_class.ends_with("SyncWorker") || worker_class.ends_with("ThreadWorker") ||
         worker_class.ends_with("GeventWorker") || worker_class.ends_with("EventletWorker");
}

// "0000000008304226"; nullopt for what is no mask.
std::optional<std::uint64_t> mask_of(std::string_view hex) {
  std::uint64_t mask = 0;
  if (hex.empty() || hex.size() > 16) return std::nullopt;
  for (const char c : hex) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) return std::nullopt;
    mask = mask << 4 | static_cast<std::uint64_t>(digit);
  }
  return mask;
}

bool holds(std::uint64_t mask, int signal) { return mask >> (signal - 1) & 1; }

// One that has not begun to beat has not come to its handlers yet.
bool still_boots(const Look& look, const LiveProcess& worker) {
  return worker.beat != no_fact && std::get<Heartbeat>(look.evidence.facts[worker.beat].what).family == "unbooted";
}

std::vector<Draft> look_at(const Look& look) {
  std::vector<Draft> drafts;
  for (const LiveServer& live : live_servers(look)) {
    if ((live.server && live.server->flavour != "gunicorn") || !has_own_handlers(worker_class(look, live))) continue;
    for (const Wanted& want : wanted) {
      std::vector<const LiveProcess*> ignoring, lost;
      for (const LiveProcess& worker : live.workers) {
        const auto* seen = worker.seen == no_fact ? nullptr : as<ProcessSeen>(look.evidence.facts[worker.seen]);
        const auto caught = seen ? mask_of(seen->signals_caught) : std::nullopt, ignored = seen ? mask_of(seen->signals_ignored) : std::nullopt;
        if (!caught || holds(*caught, want.signal) || still_boots(look, worker)) continue;
        (ignored && holds(*ignored, want.signal) ? ignoring : lost).push_back(&worker);
      }
      const auto& which = ignoring.empty() ? lost : ignoring;
      if (which.empty()) continue;
      Draft draft = draft_about(look, "worker.handler-overridden", live, *which.front());
      draft.sure = Confidence::certain;
      draft.sure_because = "the masks of signals in /proc/PID/status";
      draft.values["workers"] = which.size() == live.workers.size() ? "every worker" : base::counted(which.size(), "worker");
      draft.values["signal"] = base::signal_text(want.signal);
      draft.values["reason"] = ignoring.empty() ? "has gone back to its default action" : "is ignored";
      draft.values["detail"] = ignoring.empty() ? want.lost : want.ignored;
      if (std::all_of(which.begin(), which.end(), [](const LiveProcess* worker) { return worker->beat == no_fact; })) {
        draft.truth = Truth::unknown;
        draft.sure = Confidence::unknown;
        draft.sure_because = "the masks in /proc/PID/status; whether it has come to the place where it sets its handlers is not seen";
        draft.missing.push_back("its heartbeat: the descriptors of its master (root, or the same user)");
      }
      because(draft, which.front()->seen);
      drafts.push_back(std::move(draft));
    }
  }
  return drafts;
}

}  // namespace

namespace checks_of {
extern const Check handlers = {"handlers", {"worker.handler-overridden"}, look_at};
}
}  // namespace rule
