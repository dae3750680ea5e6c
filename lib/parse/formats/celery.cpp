// Celery's worker log with the prefork pool (celery/worker/request.py, billiard/pool.py; measured with 5.2.6 and 5.5.2: servers.md 5):
//   [2026-11-22 11:02:10,485: ERROR/MainProcess] Process 'ForkPoolWorker-2' pid:4088 exited with 'signal 9 (SIGKILL)'
// Its time is local and has no zone. The main process's pid stands nowhere in it.
#include <deque>

#include "parse/envelope_stamp.hpp"
#include "parse/said.hpp"
#include "parse/traceback.hpp"

namespace parse::formats_of {

namespace {

using base::contains;
using namespace evidence;

bool starts_with(std::string_view text, std::string_view start) { return text.starts_with(start); }

// "Hard time limit (3s) exceeded for NAME[ID]" names no process; the next one that the main process killed is the one that ran it.
// lost: another process had ended within the limit. Its task stays known for ten seconds and more, and when its time is up the main process says
// this line and finds nobody to kill (billiard/pool.py on_hard_timeout, 4.1.0: _process_by_pid).
struct Pending { WorkerTimedOut what; std::optional<base::Instant> when; Kept kept; bool lost = false; };

struct Reading : State {
  bool named = false;
  bool swallowing = false;   // billiard's traceback under "Task handler raised error": it is the main process's, not the task's
  bool loading = false;      // "Unable to load celery application." stands above its reason
  std::deque<Pending> pending;
  std::optional<base::Instant> last_end;   // of a process that no limit ended
};

// "[2026-11-22 11:02:10,485: ERROR/MainProcess] "
std::optional<base::Instant> take_head(std::string_view& text, std::string_view& level, std::string_view& process) {
  if (text.size() < 32 || text[0] != '[' || text[20] != ',' || text[24] != ':') return std::nullopt;
  std::string_view stamp = text.substr(1, 23);
  const auto when = take_iso(stamp);
  const std::size_t slash = text.find('/', 26), close = text.find("] ");
  if (!when || slash == std::string_view::npos || close == std::string_view::npos || slash > close || slash > 40) return std::nullopt;
  level = text.substr(26, slash - 26);
  process = text.substr(slash + 1, close - slash - 1);
  text.remove_prefix(close + 2);
  return when;
}

void name(Reading& state, const Said& say) {
  if (state.named) return;
  state.named = true;
  say(named_only("celery"), 0);
}

bool process_ended(Reading& state, std::string_view text, const Said& say) {
  const int pid = number_after(text, " pid:");
  if (!pid) return false;
  name(state, say);
  WorkerReaped what;
  if (const int signal = number_after(text, "'signal ")) {
    what.signal = signal;
  } else if (const std::size_t at = text.find("'exitcode "); at != std::string_view::npos) {
    std::string_view rest = text.substr(at + 10);
    const auto code = base::take_number(rest);
    if (!code || *code < 0 || *code > 255) return false;
    what.exit_code = static_cast<int>(*code);
  } else {
    return false;
  }
  // A process that left by itself as its task's limit passed: the line about the limit may be this one's, so nobody else's kill is put down to it.
  if (what.exit_code && !state.pending.empty() && state.pending.front().when && say.when && say.when->at - state.pending.front().when->at <= base::second_ns) state.pending.pop_front();
  // TERM, 0.1 s, KILL (billiard/pool.py _process_timeout); the end is noticed within seconds.
  const auto near = [&](const Pending& one) { return !one.when || !say.when || say.when->at - one.when->at <= 10 * base::second_ns; };
  while (!state.pending.empty() && !near(state.pending.front())) state.pending.pop_front();
  if (!state.pending.empty() && (what.signal == 9 || what.signal == 15)) {
    const std::string task = state.pending.front().what.request;
    say(std::move(state.pending.front().what), pid);
    state.pending.pop_front();
    if (!task.empty()) say(interrupted("task " + task), pid);
  } else {
    state.last_end = say.when;
  }
  return say(what, pid);
}

bool step(State& base_state, const Record& record, Sink& sink) {
  auto& state = static_cast<Reading&>(base_state);
  std::string_view text = record.text, level, process;
  if (record.from_kernel_form) return false;
  auto when = take_head(text, level, process);
  if (!when) {
    // worker_log_format of one's own, JSON among them: the lines that nobody else writes.
    std::size_t at = text.find("Process 'ForkPoolWorker-");
    if (at == std::string_view::npos && contains(text, "s) exceeded for ")) at = text.find("Hard time limit (");
    if (at <= 100) {
      text.remove_prefix(at);
      std::string_view front = record.text;
      when = record.when ? record.when : take_iso(front);
      level = record.level;
      process = "MainProcess";
    }
  }
  if (when) { sink.saw(*when); state.swallowing = false; }
  Record with = record;
  with.level = level;
  const Said say{with, sink, record.when && record.when->clock == base::Clock::wall ? record.when : when, 0};
  if (!when) {
    if (state.swallowing && !starts_with(text, "worker: ")) return true;
    if (state.loading && !text.empty()) {
      state.loading = false;
      name(state, say);
      return say(BootRefused{contains(text, "was not found") || contains(text, "has no attribute") ? "app-not-found" : "import-error", some(text)}, 0);
    }
    // " -------------- celery@vm v5.2.6 (dawn-chorus)"
    if (starts_with(text, " -------------- ") && contains(text, "@") && contains(text, " v")) {
      state.named = true;
      state.pending.clear();
      std::string_view version = text.substr(text.rfind(" v") + 2);
      return say(ServerStarted{"celery", some(version.substr(0, version.find(' ')), 32)}, 0);
    }
    if (starts_with(text, "worker: ")) {
      state.swallowing = false;
      if (!contains(text, " shutdown (")) return true;
      name(state, say);
      return say(MasterSignalled{contains(text, "Warm") ? "term" : "quit", false}, 0);
    }
    if (starts_with(text, "Unable to load celery application")) return state.loading = true;
    if (starts_with(text, "Restarting celery worker")) { name(state, say); return say(MasterReloaded{}, 0); }
    return false;
  }
  if (process != "MainProcess") return starts_with(text, "Task ") && !contains(text, "] raised ");
  switch (text.empty() ? 0 : text[0]) {
    case 'P':
      if (starts_with(text, "Process '") && contains(text, " exited with '")) return process_ended(state, text, say);
      return false;
    case 'H':
      if (starts_with(text, "Hard time limit (")) {
        name(state, say);
        WorkerTimedOut what;
        what.limit_s = seconds_after(text, "Hard time limit (");
        what.request = some(base::between(text, "exceeded for ", "[").value_or(""), 200);
        if (state.pending.size() == 64) state.pending.pop_front();
        const bool lost = state.last_end && say.when && say.when->at >= state.last_end->at && static_cast<double>(say.when->at - state.last_end->at) <= (what.limit_s + 1) * 1e9;
        state.pending.push_back({std::move(what), say.when, Kept(with), lost});
        return true;
      }
      return false;
    case 'T':
      if (starts_with(text, "Timed out waiting for UP message")) {
        name(state, say);
        if (state.pending.size() == 64) state.pending.pop_front();
        WorkerTimedOut what;
        what.boot = true;
        state.pending.push_back({std::move(what), say.when, Kept(with), false});
        return true;
      }
      if (starts_with(text, "Task handler raised error: ")) { name(state, say); return state.swallowing = true; }
      return starts_with(text, "Task ") && contains(text, "] received");
    case 'U':
      if (starts_with(text, "Unrecoverable error: ")) { name(state, say); return say(BootRefused{"config", some(text)}, 0); }
      return false;
    default: return starts_with(text, "Connected to ") || starts_with(text, "mingle: ") || text.ends_with(" ready.");
  }
}

bool collecting(const State& state) { return static_cast<const Reading&>(state).swallowing || static_cast<const Reading&>(state).loading; }

// The log ends, or the server did, before it said which process had gone.
void unnamed(Reading& state, Sink& sink) {
  for (Pending& one : state.pending) {
    if (one.lost) continue;
    const Record record = one.kept.record();
    Said{record, sink, one.when, 0}(std::move(one.what), 0);
  }
  state.pending.clear();
}

void finish(State& base_state, Sink& sink) { unnamed(static_cast<Reading&>(base_state), sink); }

constexpr std::string_view marks[] = {": ERROR/MainProcess", ": INFO/MainProcess", ": WARNING/MainProcess", ": CRITICAL/MainProcess", ": INFO/ForkPoolWorker", ": ERROR/ForkPoolWorker", " -------------- ", "worker: Warm", "worker: Cold",
                                      "worker: Hitting", "Unable to load celery", "Restarting celery worker", "exited with '", "Hard time limit ("};

std::unique_ptr<State> start() { return std::make_unique<Reading>(); }

}  // namespace

extern const Format celery = {"Celery log", SourceKind::server_log, start, step, finish, marks, collecting};

}  // namespace parse::formats_of
