// The log of RQ's worker (rq/worker.py@1.13.0, logutils.py; measured with 1.13.0):
//   05:23:50 Moving job to FailedJobRegistry (Work-horse terminated unexpectedly; waitpid returned 9 (signal 9); )
// Its time has no date, and no line names the pid of a horse that ended by itself.
#include "parse/said.hpp"

namespace parse::formats_of {

namespace {

using base::contains;
using namespace evidence;

bool starts_with(std::string_view text, std::string_view start) { return text.starts_with(start); }

struct Reading : State {
  bool named = false, cold = false;
};

void name(Reading& state, const Said& say) {
  if (state.named) return;
  state.named = true;
  say(named_only("rq"), 0);
}

// "05:23:50 "; a service manager's envelope may have brought a better one.
bool take_clock(std::string_view& text) {
  if (text.size() < 10 || text[2] != ':' || text[5] != ':' || text[8] != ' ') return false;
  for (const std::size_t at : {0, 1, 3, 4, 6, 7})
    if (text[at] < '0' || text[at] > '9') return false;
  text.remove_prefix(9);
  return true;
}

// The wait status as the kernel gave it.
WorkerReaped status_of(int raw) {
  WorkerReaped what;
  if (raw & 0x7f) what.signal = raw & 0x7f;
  else what.exit_code = raw >> 8 & 0xff;
  what.core = raw & 0x80;
  return what;
}

bool step(State& base_state, const Record& record, Sink& sink) {
  auto& state = static_cast<Reading&>(base_state);
  std::string_view text = record.text;
  if (record.from_kernel_form || !take_clock(text)) return false;
  const Said say{record, sink, {}, 0};
  if (starts_with(text, "Worker ") && contains(text, ": started")) {
    // "Worker rq:worker:ID: started, version 1.13.0"; later "... started with PID 28118, version 1.16.2"
    state.named = true;
    const int pid = number_after(text, " with PID ");
    const std::size_t at = text.rfind("version ");
    return Said{record, sink, {}, pid}(ServerStarted{"rq", at == std::string_view::npos ? "" : some(text.substr(at + 8), 32)}, pid);
  }
  if (starts_with(text, "Moving job to FailedJobRegistry (") && contains(text, "waitpid returned ")) {
    name(state, say);
    const int raw = number_after(text, "waitpid returned ");
    return raw == 0 || say(status_of(raw), 0);
  }
  if (starts_with(text, "Killed horse pid ")) {
    const int pid = number_after(text, "horse pid ");
    name(state, say);
    if (state.cold) return pid && say(WorkerForced{}, pid);
    return pid && say(WorkerTimedOut{}, pid);
  }
  if (starts_with(text, "Warm shut down requested") || starts_with(text, "Cold shut down")) {
    name(state, say);
    state.cold = text[0] == 'C';
    return say(MasterSignalled{"term", false}, 0);
  }
  return starts_with(text, "*** Listening on ") || starts_with(text, "Subscribing to channel rq:") || starts_with(text, "Cleaning registries for queue") || contains(text, ": Job OK (");
}

void finish(State&, Sink&) {}

constexpr std::string_view marks[] = {"Worker rq:worker:", ": started, version ", ": started with PID ", "Moving job to FailedJobRegistry", "Killed horse pid ", "Warm shut down requested", "Cold shut down", "*** Listening on ", "Subscribing to channel rq:", "Cleaning registries for", ": Job OK ("};

std::unique_ptr<State> start() { return std::make_unique<Reading>(); }

}  // namespace

extern const Format rq = {"RQ log", SourceKind::server_log, start, step, finish, marks};

}  // namespace parse::formats_of
