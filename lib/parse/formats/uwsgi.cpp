// uWSGI's own log (core/uwsgi.c, master.c, master_utils.c, master_checks.c of 2.0; measured with 2.0.21, 2.0.28, 2.0.31: servers.md 5). Most of
// its lines have no time unless log-date is set; those about harakiri and the listen queue always have: "Sun Nov 22 10:28:02 2026 - ".
#include <map>

#include "parse/envelope_stamp.hpp"
#include "parse/said.hpp"

namespace parse::formats_of {

namespace {

using base::contains;
using namespace evidence;

bool starts_with(std::string_view text, std::string_view start) { return text.starts_with(start); }

constexpr int most_places = 4096;

// A worker keeps its number and its count of requests when its process is replaced.
struct Place { int pid = 0, before = 0; std::int64_t requests = 0; bool fresh = false; };

struct Reading : State {
  int master = 0, harakiri = 0;
  std::string version, addresses, in_use;
  bool reloading = false, named = false;
  std::map<int, Place> places;
  std::map<int, int> place_of;   // by pid
};

void name(Reading& state, const Said& say) {
  if (state.named) return;
  state.named = true;
  say(named_only("uwsgi"), 0);
}

bool born(Reading& state, std::string_view text, std::string_view mark, const Said& say) {
  const int place = number_after(text, "uWSGI worker "), pid = number_after(text, mark);
  if (!pid || !place || place > most_places) return false;
  name(state, say);
  Place& here = state.places[place];
  here.before = here.pid;
  here.pid = pid;
  here.fresh = true;
  if (state.place_of.size() > 4 * most_places) state.place_of.clear();
  state.place_of[pid] = place;
  return say(WorkerBooted{place}, pid);
}

// "[pid: 29641|app: 0|req: 2/1] 127.0.0.1 () {22 vars in 234 bytes} ...": the first number counts this worker's requests, those that it did not
// finish too, and goes on when its process is replaced (python_plugin: uwsgi_apps[].requests is shared memory; measured: 2/1 after a death in the
// first request, 1/1 after one of an idle worker).
bool request(Reading& state, std::string_view text, const Said& say) {
  const int pid = number_after(text, "[pid: ");
  const int count = number_after(text, "|req: ");
  const auto known = state.place_of.find(pid);
  if (!pid || known == state.place_of.end()) return pid != 0;
  Place& here = state.places[known->second];
  if (here.pid != pid) return true;
  if (here.fresh && here.before && count >= here.requests + 2) say(WorkerBusy{}, here.before);
  here.fresh = false;
  here.requests = count;
  return true;
}

int pid_of(const Reading& state, int place) {
  const auto found = state.places.find(place);
  return found == state.places.end() ? 0 : found->second.pid;
}

bool step(State& base_state, const Record& record, Sink& sink) {
  auto& state = static_cast<Reading&>(base_state);
  std::string_view text = record.text;
  if (record.from_kernel_form || text.size() < 12) return false;
  std::optional<base::Instant> when;
  // log-date alone, and log-date = %Y-%m-%d %H:%M:%S
  std::string_view rest = text;
  const bool digits = text[0] >= '0' && text[0] <= '9';
  if ((when = digits ? take_iso(rest) : take_ctime(rest)) && starts_with(rest, " - ")) text = rest.substr(3);
  else if (when && digits && starts_with(rest, " ")) text = rest.substr(1);   // log-encoder = format ${strftime:...} ${msg}
  else when.reset();
  // A line may have its own time behind that.
  if (when && digits && !text.empty() && text[0] >= 'A' && text[0] <= 'Z')
    if (std::string_view own = text; take_ctime(own) && starts_with(own, " - ")) text = own.substr(3);
  if (text.empty()) return false;
  const Said say{record, sink, when, state.master};
  const auto is = [&](std::string_view start) { return starts_with(text, start); };
  int pid = 0;
  switch (text[0]) {
    case '*':
      if (is("*** Starting uWSGI ")) {
        const auto version = base::between(text, "uWSGI ", " ");
        const auto at = base::between(text, " on [", "]");
        std::optional<base::Instant> started = when;
        if (std::string_view clock = at.value_or(""); !started) started = take_ctime(clock);
        state.version = some(version.value_or(""), 32);
        state.addresses.clear();
        if (state.reloading) return true;   // the same master, after execve
        state.named = true;
        state.master = 0;
        state.places.clear();
        state.place_of.clear();
        return Said{record, sink, started, 0}(ServerStarted{"uwsgi", state.version}, 0);
      }
      if (is("*** HARAKIRI ON WORKER ")) {
        if (!(pid = number_after(text, "(pid: "))) return false;
        name(state, say);
        state.harakiri = pid;
        return say(WorkerTimedOut{}, pid);
      }
      if (is("*** HARAKIRI ON MULE ") || is("*** HARAKIRI ON THE SPOOLER ")) {   // master_checks.c: mule-harakiri, spooler-harakiri
        name(state, say);
        return (pid = number_after(text, "(pid: ")) && say(WorkerTimedOut{}, pid);
      }
      // "*** /srv/app/reload has been touched... chain reload !!! ***", "... workers reload !!! ***" (master_utils.c); of "grace them all" the
      // next line speaks.
      if (contains(text, " has been touched... ") && contains(text, " reload !!!")) {
        name(state, say);
        return say(MasterReloaded{}, state.master);
      }
      if (is("*** uWSGI listen queue of socket ")) {
        name(state, say);
        const auto where = base::between(text, "socket \"", "\"");
        return say(ServerSaturated{"backlog", some(where.value_or(""), 256), static_cast<std::uint64_t>(number_after(text, "full !!! (")), static_cast<std::uint64_t>(number_after(text.substr(text.find("full !!!")), "/"))}, state.master);
      }
      if (is("*** no app loaded. GAME OVER")) return say(MasterStopped{"Master", ""}, state.master);
      return is("*** no app loaded");
    case 's':
      if (is("spawned uWSGI master process")) {
        if (!(pid = number_after(text, "(pid: "))) return false;
        name(state, say);
        state.master = pid;
        return Said{record, sink, when, pid}(ServerListening{state.addresses}, pid);
      }
      if (is("spawned uWSGI worker ")) return born(state, text, "(pid: ", say) || born(state, text, " pid: ", say);
      return is("spawned uWSGI ") || is("spawned the uWSGI ");
    case 'G':   // one of a chain reload, or of a stop that is graceful
      return is("Gracefully killing worker ") && (pid = number_after(text, "(pid: ")) && say(WorkerDraining{"reload"}, pid);
    case 'g':
      if (is("gracefully (RE)spawned uWSGI master process")) {
        state.reloading = false;
        if ((pid = number_after(text, "(pid: "))) state.master = pid;
        return true;
      }
      if (is("goodbye to uWSGI.")) {
        name(state, say);
        say(MasterStopped{"Master", ""}, state.master);
        state.master = 0;
        return true;
      }
      return is("graceful shutdown triggered") && say(MasterSignalled{"term", false}, state.master);
    case 'R': return is("Respawned uWSGI worker ") && born(state, text, "(new pid: ", say);
    case 'D':
      if (is("DAMN ! worker ")) {
        if (!(pid = number_after(text, "(pid: "))) return false;
        name(state, say);
        WorkerReaped what;
        if (const int signal = number_after(text, "killed by signal ")) what.signal = signal;
        else what.left = true;
        return say(what, pid);
      }
      return false;
    case 'w':
      if (is("worker respawning too fast !!!")) {   // master.c: one that died within a second of its start is held back
        name(state, say);
        return say(AppSymptom{"respawn-loop", some(text)}, state.master);
      }
      if (!is("worker ")) return false;
      if (contains(text, " killed successfully (pid: ")) return (pid = number_after(text, "(pid: ")) && say(WorkerExiting{}, pid);
      if (contains(text, " is taking too much time to die")) {
        if (!(pid = number_after(text, "(pid: "))) return false;
        name(state, say);
        return say(WorkerForced{}, pid);
      }
      // "worker 1 lifetime reached, it was running for 3601 second(s)" (max-worker-lifetime)
      if (contains(text, " lifetime reached, ")) return !(pid = pid_of(state, number_after(text, "worker "))) || say(WorkerDraining{"own-limit"}, pid);
      if (contains(text, " buried after ")) return !(pid = pid_of(state, number_after(text, "worker "))) || say(WorkerExiting{}, pid);
      return false;
    case '.':
      if (is("...gracefully killing workers") || is("...brutally killing workers")) {
        name(state, say);
        return say(MasterReloaded{}, state.master);
      }
      if (is("...The work of process ")) {
        if (!(pid = number_after(text, "process "))) return false;
        name(state, say);
        say(WorkerDraining{"own-limit"}, pid);
        return say(WorkerExiting{}, pid);
      }
      return false;
    case 'b':
      if (is("binary reloading uWSGI")) return state.reloading = true;
      if (is("bind(): ")) {
        name(state, say);
        const std::string_view reason = text.substr(8, text.find(" [") == std::string_view::npos ? 80 : text.find(" [") - 8);
        return say(BindFailed{state.in_use, some(reason), true}, 0);
      }
      return false;
    case 'p':
      if (is("probably another instance of uWSGI is running on the same address (")) { state.in_use = some(base::between(text, "address (", ")").value_or(""), 256); return true; }
      return false;
    case 'u':
      if (is("uwsgi socket ") && (contains(text, "address "))) {
        const auto address = base::between(text, "address ", " fd ");
        if (address && state.addresses.size() < 1024) state.addresses += (state.addresses.empty() ? "" : ",") + some(*address, 256);
        return true;
      }
      if (is("uWSGI worker ") && text.ends_with(" cheaped.")) {
        name(state, say);
        return !(pid = pid_of(state, number_after(text, "worker "))) || say(WorkerDraining{"fewer"}, pid);
      }
      if (is("unable to load app ")) {
        name(state, say);
        return say(BootRefused{"import-error", some(text)}, 0);
      }
      if (is("uWSGI worker ") && contains(text, "my master disconnected")) {
        name(state, say);
        pid = pid_of(state, number_after(text, "worker "));
        return !pid || say(WorkerOrphaned{}, pid);
      }
      return false;
    case 'S':
      if ((is("SIGINT/") || is("SIGTERM") || is("SIGQUIT")) && contains(text, "killing workers")) {
        name(state, say);
        return say(MasterSignalled{"int", false}, state.master);
      }
      return false;
    case 'F':
      if (is("F*CK !!! i must kill myself (pid: ")) {
        pid = number_after(text, "(pid: ");
        name(state, say);
        return pid && say(WorkerTimedOut{}, pid);
      }
      return false;
    case 'O':
      if (is("OOPS ! failed loading app in worker ")) {
        name(state, say);
        return say(BootRefused{"import-error", some(text)}, number_after(text, "(pid "));
      }
      // "OOOPS mule 1 (pid: 22959) crippled...trying respawn..." (master_checks.c): a child as a worker is, and how it ended is not said.
      if (is("OOOPS mule ") && contains(text, " crippled")) {
        name(state, say);
        return (pid = number_after(text, "(pid: ")) && say(WorkerReaped{}, pid);
      }
      return false;
    case 'L': return is("Listen queue size is greater than the system max") && (name(state, say), say(BootRefused{"config", some(text)}, 0));
    case 'H':
      // "HARAKIRI [core 0] 127.0.0.1 - GET /sleep?n=20 since 1795343279"
      if (is("HARAKIRI [core ") && state.harakiri) {
        if (const auto what = base::between(text, " - ", " since ")) say(interrupted(*what), state.harakiri);
        state.harakiri = 0;
        return true;
      }
      return is("HARAKIRI");
    case '!':
      if (is("!!! uWSGI process ") && contains(text, " got Segmentation Fault")) {
        name(state, say);
        pid = number_after(text, "process ");
        return pid && say(WorkerFaulted{11, some(text)}, pid);
      }
      return false;
    case '[': return is("[pid: ") && request(state, text, say);
    case '{': return contains(text, "} [pid: ") && request(state, text, say);
    default: return false;
  }
}

void finish(State&, Sink&) {}

constexpr std::string_view marks[] = {
    "*** Starting uWSGI ", "HARAKIRI", "uWSGI listen queue of socket", "*** no app loaded", "spawned uWSGI ", "uWSGI master process", "goodbye to uWSGI", "graceful shutdown triggered",
    "DAMN ! worker ", " killed successfully (pid: ", " is taking too much time to die", " buried after ", "killing workers", "...The work of process ", "binary reloading uWSGI", "bind(): ",
    "probably another instance of uWSGI", "uwsgi socket ", "unable to load app ", "my master disconnected", "i must kill myself", "failed loading app in worker", "Listen queue size is greater",
    " got Segmentation Fault", " vars in ", " has been touched... ", "Gracefully killing worker ", " lifetime reached, ", "worker respawning too fast", " cheaped.", "OOOPS mule ",
};

std::unique_ptr<State> start() { return std::make_unique<Reading>(); }

}  // namespace

extern const Format uwsgi = {"uWSGI log", SourceKind::server_log, start, step, finish, marks};

}  // namespace parse::formats_of
