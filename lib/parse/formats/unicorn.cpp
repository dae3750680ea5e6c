// Unicorn's log through Ruby's Logger (lib/unicorn/http_server.rb, socket_helper.rb; measured with 6.0 and 6.1: servers.md 5):
//   E, [2026-11-22T10:44:53.091453 #24241] ERROR -- : reaped #<Process::Status: pid 24242 SIGKILL (signal 9)> worker=0
// A Rails application writes lines of this shape too: only messages of Unicorn are taken.
#include "parse/envelope_stamp.hpp"
#include "parse/said.hpp"
#include "parse/traceback.hpp"

namespace parse::formats_of {

namespace {

using base::contains;
using namespace evidence;

bool starts_with(std::string_view text, std::string_view start) { return text.starts_with(start); }

struct Reading : State {
  int master = 0;
  bool named = false;
  // An exception that Unicorn logs: "missing run or map statement (RuntimeError)", "app error: broken (ArgumentError)", and its backtrace, each
  // frame a line without head (Unicorn.log_error).
  bool tracing = false, loads = false, request = false;
  Kept kept;
  std::optional<base::Instant> when;
  int tracer = 0;
  std::size_t frames = 0;
  AppFailed failed;
};

constexpr std::size_t most_frames = 2000;

struct Head { std::optional<base::Instant> when; int pid = 0; std::string_view level; };

// "E, [2026-11-22T10:44:53.091453 #24241] ERROR -- progname: "
std::optional<Head> take_head(std::string_view& text) {
  if (text.size() < 30 || text[1] != ',' || text[2] != ' ' || text[3] != '[') return std::nullopt;
  std::string_view rest = text.substr(4);
  Head head;
  head.when = take_iso(rest);
  if (!head.when || !starts_with(rest, " #")) return std::nullopt;
  head.pid = number_after(rest, "#");
  const std::size_t close = rest.find("] "), dashes = rest.find(" -- ");
  if (!head.pid || close == std::string_view::npos || dashes == std::string_view::npos || dashes < close || dashes - close > 12) return std::nullopt;
  head.level = base::trim(rest.substr(close + 2, dashes - close - 2));
  rest.remove_prefix(dashes + 4);
  const std::size_t colon = rest.find(": ");
  if (colon == std::string_view::npos || colon > 40) return std::nullopt;
  text = rest.substr(colon + 2);
  return head;
}

void name(Reading& state, const Said& say) {
  if (state.named) return;
  state.named = true;
  Said{say.record, say.sink, say.when, 0}(named_only("unicorn"), 0);
}

void close(Reading& state, Sink& sink) {
  const Record record = state.kept.record();
  const Said say{record, sink, state.when, state.tracer};
  if (state.loads || state.request) {   // else it is the application's own logger
    name(state, say);
    if (state.failed.type == "Errno::EMFILE") say(AppSymptom{"too-many-files", state.failed.type + ": " + state.failed.message}, state.tracer);
    state.failed.phase = state.loads ? "boot" : "request";
    say(std::move(state.failed), state.tracer);
  }
  state.tracing = state.loads = state.request = false;
  state.failed = {};
  state.frames = 0;
}

// "PATH:LINE:in `method'"
bool frame(Reading& state, std::string_view text) {
  const std::size_t at = text.find(":in ");
  if (at == std::string_view::npos || at < 3 || at > 1024 || text[at - 1] < '0' || text[at - 1] > '9' || ++state.frames > most_frames) return false;
  state.loads |= contains(text, "build_app!");
  if (state.failed.where.empty() && !contains(text, "/kernel_require.rb")) state.failed.where = some(text.substr(0, at), 256);
  return true;
}

bool begins(Reading& state, std::string_view text, const Record& record, const Head& head) {
  const std::size_t open = text.rfind(" (");
  if (head.level != "ERROR" || open == std::string_view::npos || text.back() != ')') return false;
  const std::string_view type = text.substr(open + 2, text.size() - open - 3);
  if (type.empty() || type[0] < 'A' || type[0] > 'Z' || type.size() > 100 || type.find(' ') != std::string_view::npos) return false;
  text = text.substr(0, open);
  state.request = starts_with(text, "app error: ");
  if (state.request) text.remove_prefix(11);
  state.failed.type = some(type, 100);
  state.failed.message = some(text);
  state.kept = Kept(record);
  state.when = head.when;
  state.tracer = head.pid;
  return state.tracing = true;
}

bool message(Reading& state, std::string_view text, const Head& head, const Said& say) {
  const auto is = [&](std::string_view start) { return starts_with(text, start); };
  switch (text[0]) {
    case 'l':
      if (is("listening on addr=")) {
        if (state.master != head.pid) say(ServerStarted{"unicorn", ""}, head.pid);
        state.named = true;
        state.master = head.pid;
        return say(ServerListening{some(base::between(text, "addr=", " fd=").value_or(""), 256)}, head.pid);
      }
      if (is("listen loop error: ")) {
        name(state, say);
        return say(AppSymptom{contains(text, "Too many open files") ? "too-many-files" : "listen-error", some(text)}, head.pid);
      }
      return false;
    case 'w': {
      if (!is("worker=")) return false;
      std::string_view rest = text.substr(7);
      const auto place = base::take_number(rest);
      if (!place || *place < 0 || *place > 100000) return false;
      if (starts_with(rest, " spawning...")) {
        name(state, say);
        state.master = head.pid;
        return true;
      }
      if (starts_with(rest, " spawned pid=")) {
        name(state, say);
        return say(WorkerBooted{static_cast<int>(*place)}, number_after(rest, "pid="));
      }
      if (starts_with(rest, " ready")) { name(state, say); return say(WorkerReady{}, head.pid); }
      // "worker=0 PID:24143 timeout (4s > 3s), killing" (murder_lazy_workers)
      if (starts_with(rest, " PID:") && contains(rest, " timeout (")) {
        name(state, say);
        state.master = head.pid;
        return say(WorkerTimedOut{false, "", static_cast<double>(number_after(rest, "s > ")), static_cast<double>(number_after(rest, " timeout (")), false}, number_after(rest, " PID:"));
      }
      return false;
    }
    case 'r':
      // "reaped #<Process::Status: pid 24461 exit 3> worker=1"; worker=unknown: the child of an upgrade (USR2)
      if (is("reaped #<Process::Status: pid ")) {
        const int pid = number_after(text, ": pid ");
        if (!pid || contains(text, "worker=unknown") || contains(text, "exec()-ed")) return true;
        name(state, say);
        state.master = head.pid;
        WorkerReaped what;
        what.core = contains(text, "(core dumped)");
        if (const int signal = number_after(text, "(signal ")) {
          what.signal = signal;
        } else if (const std::size_t at = text.find(" exit "); at != std::string_view::npos) {
          std::string_view rest = text.substr(at + 6);
          const auto code = base::take_number(rest);
          if (!code || *code < 0 || *code > 255) return false;
          what.exit_code = static_cast<int>(*code);
          if (*code == 0) say(WorkerExiting{}, pid);
        } else {
          return false;
        }
        return say(what, pid);
      }
      if (is("reloading config_file=")) { name(state, say); return say(MasterReloaded{}, head.pid); }
      return is("retrying in ");
    case 'e':
      if (is("error reloading config_file=")) { name(state, say); return say(BootRefused{"config", some(text)}, head.pid); }
      if (is("executing [")) { name(state, say); return say(MasterSignalled{"usr2", false}, head.pid); }
      return false;
    case 'a':
      if (is("adding listener failed addr=")) {
        name(state, say);
        return say(BindFailed{some(base::between(text, "addr=", " (").value_or(""), 256), contains(text, "(in use)") ? "Address already in use" : some(text), false}, head.pid);
      }
      return false;
    case 'g':
      if (is("gracefully stopping all workers")) { name(state, say); return say(MasterSignalled{"winch", false}, head.pid); }
      return false;
    case 'm':
      if (is("master process ready")) { name(state, say); state.master = head.pid; return true; }
      if (is("master complete")) { name(state, say); return say(MasterStopped{"Master", ""}, head.pid); }
      if (is("master loop error: ")) { name(state, say); return say(AppSymptom{"master-error", some(text)}, head.pid); }
      return false;
    default: return is("Refreshing Gem list") || is("inherited addr=") || is("done reloading config_file=");
  }
}

// Another logger's form (JSON, "2026-11-23T09:31:29Z ERROR reaped ..."): the lines that nobody else writes, and that name the worker themselves.
bool loose(Reading& state, const Record& record, Sink& sink) {
  std::string_view text = record.text;
  std::optional<base::Instant> when = record.when;
  if (!when && !text.empty() && text[0] >= '0' && text[0] <= '9') {
    std::string_view rest = text;
    when = take_iso(rest);
  }
  std::size_t at = text.find("reaped #<Process::Status: pid ");
  if (at == std::string_view::npos && (contains(text, "s), killing") || contains(text, " spawned pid="))) at = text.find("worker=");
  if (at == std::string_view::npos || at > 100) return false;
  if (when) sink.saw(*when);
  return message(state, text.substr(at), {when, record.pid, record.level}, {record, sink, when, record.pid});
}

bool step(State& base_state, const Record& record, Sink& sink) {
  auto& state = static_cast<Reading&>(base_state);
  std::string_view text = record.text;
  if (record.from_kernel_form) return false;
  const auto head = take_head(text);
  if (state.tracing) {
    if (!head && frame(state, text)) return true;
    close(state, sink);
  }
  if (!head && loose(state, record, sink)) return true;
  if (!head || text.empty()) return false;
  Record with = record;
  with.level = head->level;
  return message(state, text, *head, {with, sink, head->when, head->pid}) || begins(state, text, with, *head);
}

bool collecting(const State& state) { return static_cast<const Reading&>(state).tracing; }

void finish(State& base_state, Sink& sink) {
  auto& state = static_cast<Reading&>(base_state);
  if (state.tracing) close(state, sink);
}

constexpr std::string_view marks[] = {"listening on addr=", "listen loop error: ", " INFO -- : worker=", "ERROR -- : worker=", " -- : worker=", "reaped #<Process::Status", "s), killing", " spawned pid=", "reloading config_file=", "retrying in ", "executing [",
                                      "adding listener failed addr=", "gracefully stopping all workers", "master process ready", "master complete", "master loop error: ", "Refreshing Gem list", "inherited addr=", " ERROR -- : "};

std::unique_ptr<State> start() { return std::make_unique<Reading>(); }

}  // namespace

extern const Format unicorn = {"Unicorn log", SourceKind::server_log, start, step, finish, marks, collecting};

}  // namespace parse::formats_of
