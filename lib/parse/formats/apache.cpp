// Apache's error log with the prefork MPM and mod_wsgi's daemon processes (server/log.c, server/mpm_unix.c, prefork.c, mod_wsgi.c; measured with
// 2.4.68 and 2.4.71, mod_wsgi 4.9.4 and 5.0.2: servers.md 1.6-1.8, 5):
//   [Sun Nov 22 10:58:45.663845 2026] [wsgi:info] [pid 25607:tid 25607] mod_wsgi (pid=25609): Process 'trg' terminated by signal 11
// A child that ended by SIGKILL, SIGTERM, SIGHUP or SIGUSR1 leaves no line; mod_wsgi's words about its processes are at level info, and what it
// calls a signal may be an exit code.
#include "parse/envelope_stamp.hpp"
#include "parse/said.hpp"
#include "parse/traceback.hpp"

namespace parse::formats_of {

namespace {

using base::contains;
using namespace evidence;

bool starts_with(std::string_view text, std::string_view start) { return text.starts_with(start); }

struct Reading : State {
  int master = 0, script = 0;          // script: whose "Failed to exec Python script file" stands above its traceback
  bool named = false, tracing = false;
  bool informed = false, cut = false;  // mod_wsgi speaks at info; an answer that was cut off was told
  int tracer = 0;
  Kept kept;
  std::optional<base::Instant> when;
  Traceback trace;
};

struct Head { std::optional<base::Instant> when; int pid = 0; std::string_view level; };

int two(std::string_view text, std::size_t at) { return text[at] >= '0' && text[at] <= '9' && text[at + 1] >= '0' && text[at + 1] <= '9' ? (text[at] - '0') * 10 + text[at + 1] - '0' : -1; }

// "[Sun Nov 22 10:58:45.663845 2026] [wsgi:info] [pid 25607:tid 25607] [remote 127.0.0.1:35160] "; the envelope may have taken the time already.
std::optional<Head> take_head(std::string_view& text, const std::optional<base::Instant>& known) {
  std::string_view rest = text;
  Head head;
  if (rest.size() > 34 && rest[0] == '[' && rest[4] == ' ' && rest[8] == ' ' && rest[14] == ':' && rest[17] == ':') {
    const unsigned month = month_number(rest.substr(5, 3));
    const int day = rest[9] == ' ' ? rest[10] - '0' : two(rest, 9), hour = two(rest, 12), minute = two(rest, 15), second = two(rest, 18);
    const std::size_t close = rest.find("] ");
    if (month == 0 || day < 1 || day > 31 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 || close == std::string_view::npos || close < 25 || close > 40) return std::nullopt;
    const int century = two(rest, close - 4), year = two(rest, close - 2);
    if (century < 0 || year < 0) return std::nullopt;
    base::Civil civil{century * 100 + year, month, static_cast<unsigned>(day), static_cast<unsigned>(hour), static_cast<unsigned>(minute), static_cast<unsigned>(second), 0};
    std::int64_t give = base::second_ns / 2, into = give;
    if (rest[20] == '.' && close >= 32) {
      into = give = 0;
      for (std::size_t i = 21; i < 27; ++i) into = into * 10 + (rest[i] >= '0' && rest[i] <= '9' ? rest[i] - '0' : 0);
      into *= 1000;
    }
    head.when = base::Instant{base::Clock::naive, base::ns_from(civil) + into, give};
    rest.remove_prefix(close + 2);
  } else if (known) {
    head.when = known;
  } else {
    return std::nullopt;
  }
  if (rest.empty() || rest[0] != '[') return std::nullopt;
  const std::size_t module = rest.find("] ");
  if (module == std::string_view::npos || module > 48) return std::nullopt;
  const std::string_view named = rest.substr(1, module - 1);
  head.level = named.substr(named.rfind(':') == std::string_view::npos ? 0 : named.rfind(':') + 1);
  rest.remove_prefix(module + 2);
  if (!starts_with(rest, "[pid ")) return std::nullopt;
  head.pid = number_after(rest, "[pid ");
  if (!head.pid) return std::nullopt;
  rest.remove_prefix(std::min(rest.find("] "), rest.size() - 2) + 2);
  for (const std::string_view who : {"[remote ", "[client "})
    if (starts_with(rest, who)) rest.remove_prefix(std::min(rest.find("] "), rest.size() - 2) + 2);
  text = rest;
  return head;
}

void name(Reading& state, const Said& say) {
  if (state.named) return;
  state.named = true;
  Said{say.record, say.sink, say.when, 0}(named_only("apache"), 0);
}

void close(Reading& state, Sink& sink) {
  const Record record = state.kept.record();
  AppFailed failed;
  failed.phase = state.script == state.tracer ? "boot" : "request";
  add_failure(std::move(failed), state.trace, {state.tracer, PidSpace::server, {}}, record, state.when, state.tracer, sink);
  state.tracing = false;
  state.trace = {};
  state.script = 0;
}

bool wsgi(Reading& state, std::string_view text, const Said& said) {
  const int pid = number_after(text, "mod_wsgi (pid=");
  // What a process says of itself is no master's word.
  const Said say{said.record, said.sink, said.when, said.by == pid ? 0 : said.by};
  const std::size_t colon = text.find("): ");
  if (!pid || colon == std::string_view::npos) return false;
  text.remove_prefix(colon + 3);
  const auto is = [&](std::string_view start) { return starts_with(text, start); };
  if (is("Starting process '")) { name(state, say); return say(WorkerBooted{}, pid); }
  if (is("Daemon process request time limit exceeded") || is("Daemon process deadlock timer expired") || is("Application startup timer expired")) {
    name(state, say);
    WorkerTimedOut what;
    what.boot = is("Application startup");
    what.request = is("Daemon process deadlock") ? "deadlock" : "";
    return say(std::move(what), pid);
  }
  if (is("Maximum requests reached")) { name(state, say); return say(WorkerDraining{"max_requests"}, pid); }
  if (is("Daemon process idle ") || is("Daemon process inactivity ") || is("Process eviction requested") || is("Daemon process graceful timer expired") || is("Exceeded CPU time limit") || is("Application restart timer expired")) {
    name(state, say);
    return say(WorkerDraining{"own-limit"}, pid);
  }
  // By its handler of SIGTERM and SIGINT; at a stop or a restart its parent says so too.
  if (is("Shutdown requested '")) return say(WorkerDraining{"signal"}, pid);
  if (is("Process '")) {
    if (contains(text, "' has died, deregister and restart it") || contains(text, "' appears to have been lost")) { name(state, say); return say(WorkerReaped{}, pid); }
    // The status was decoded once too often: 0 is what an exit with 0 prints, and other codes are called signals (servers.md 1.6).
    if (contains(text, "' terminated normally, exit code ")) {
      WorkerReaped what;
      what.exit_code = number_after(text, ", exit code ");
      name(state, say);
      return say(what, pid);
    }
    if (const int number = number_after(text, "' terminated by signal ")) {
      WorkerReaped what;
      what.signal = number;
      what.either = true;
      name(state, say);
      return say(what, pid);
    }
    if (contains(text, "to be deregistered, as server is restarting or being shutdown") || contains(text, "' has died but server is being stopped")) { name(state, say); return say(WorkerDraining{"shutdown"}, pid); }
    return true;
  }
  if (is("Exiting process '")) { name(state, say); return say(WorkerExiting{}, pid); }
  if (is("Failed to exec Python script file")) {
    name(state, say);
    state.script = pid;
    return say(BootRefused{"import-error", some(text)}, pid);
  }
  if (is("Could not read/compile source file '") || is("Target WSGI script '")) {
    const bool missing = contains(text, "does not contain WSGI application") || contains(text, "not found or unable to stat");
    if (!missing && is("Target")) return true;
    name(state, say);
    return say(BootRefused{missing ? "app-not-found" : "import-error", some(text)}, pid);
  }
  if (is("Couldn't bind unix domain socket '")) { name(state, say); return say(BindFailed{some(base::between(text, "'", "'").value_or(""), 256), "", true}, 0); }
  if (contains(text, "Queue timeout expired for WSGI daemon process")) { name(state, say); return say(ServerSaturated{"queue", some(base::between(text, "process '", "'").value_or(""), 100), 0, 0}, 0); }
  return true;
}

// "(98)Address already in use: AH00072: make_sock: could not bind to address 127.0.0.1:80", "(13)Permission denied: AH00091: apache2: could not open
// error log file /var/log/apache2/error.log."
bool unopened(Reading& state, std::string_view text, const Said& say) {
  if (contains(text, "AH00072: make_sock: could not bind to address ")) {
    name(state, say);
    return say(BindFailed{some(base::between(text, "to address ", "").value_or(""), 256), contains(text, "in use") ? "Address already in use" : contains(text, "ermission denied") ? "Permission denied" : some(text), true}, say.by);
  }
  if (!contains(text, "AH00091: ")) return false;
  name(state, say);
  return say(BootRefused{contains(text, "ermission denied") ? "permission" : "log", some(text)}, 0);
}

bool message(Reading& state, std::string_view text, const Said& say) {
  if (starts_with(text, "mod_wsgi (pid=")) { state.informed = true; return wsgi(state, text, say); }
  // All that is said of a daemon process's end below wsgi:info (servers.md 1.8), by the process that waited for its answer.
  if (contains(text, "Truncated or oversized response headers received from daemon process")) {
    name(state, say);
    if (state.informed || state.cut) return true;
    state.cut = true;   // the line is the waiting process's
    return Said{say.record, say.sink, say.when, 0}(WorkerReaped{}, 0);
  }
  if (contains(text, "Queue timeout expired for WSGI daemon process")) { name(state, say); return say(ServerSaturated{"queue", some(base::between(text, "process '", "'").value_or(""), 100), 0, 0}, 0); }
  if (contains(text, "Too many open files")) { name(state, say); return say(AppSymptom{"too-many-files", some(text)}, say.by); }
  if (contains(text, "AH00072: make_sock: ")) return unopened(state, text, say);
  if (!starts_with(text, "AH")) return false;
  const auto is = [&](std::string_view start) { return starts_with(text, start); };
  if (is("AH00163: ") || is("AH00292: ") || is("AH00489: ")) {
    if (state.master == say.by) return true;   // after a restart
    state.master = say.by;
    state.named = true;
    return say(ServerStarted{"apache", some(base::between(text, "Apache/", " ").value_or(""), 32)}, say.by);
  }
  if (is("AH00052: ") || is("AH00051: ")) {
    const int pid = number_after(text, "child pid ");
    const std::size_t at = text.rfind('(');
    WorkerReaped what;
    std::string_view rest = at == std::string_view::npos ? "" : text.substr(at + 1);
    if (is("AH00051")) rest = text.substr(std::min(text.find('('), text.size() - 1) + 1);
    const auto signal = base::take_number(rest);
    if (!pid || !signal || *signal <= 0 || *signal > 64) return false;
    what.signal = static_cast<int>(*signal);
    what.core = is("AH00051");
    name(state, say);
    return say(what, pid);
  }
  if (is("AH00046: ")) { name(state, say); return say(WorkerForced{}, number_after(text, "child process ")); }
  if (is("AH00161: ") || is("AH00484: ")) { name(state, say); return say(ServerSaturated{"workers", "", 0, 0}, say.by); }
  if (is("AH00171: ") || is("AH00173: ") || is("AH00493: ") || is("AH00494: ")) { name(state, say); return say(MasterReloaded{}, say.by); }
  if (is("AH00169: ") || is("AH00170: ") || is("AH00491: ") || is("AH00492: ")) {
    name(state, say);
    say(MasterSignalled{"term", false}, say.by);
    say(MasterStopped{"Master", ""}, say.by);
    state.master = 0;
    return true;
  }
  return false;
}

bool step(State& base_state, const Record& record, Sink& sink) {
  auto& state = static_cast<Reading&>(base_state);
  std::string_view text = record.text;
  if (record.from_kernel_form || text.size() < 8) return false;
  const bool passenger = starts_with(text, "[ ");
  if (starts_with(text, "AH00") || (text[0] == '(' && contains(text, ": AH00")) || contains(text.substr(0, 64), ": Syntax error on line ")) {   // on stderr, before any log is open
    const Said say{record, sink, {}, 0};
    if (starts_with(text, "AH00526: ") || starts_with(text, "AH00534: ") || text[0] == 'a' || text[0] == 'h') {
      name(state, say);
      return say(BootRefused{"config", some(text)}, 0);
    }
    if (text[0] == '(') return unopened(state, text, say);
  }
  const auto head = passenger ? std::nullopt : take_head(text, record.when);
  if (!head) return false;
  Record with = record;
  with.level = head->level;
  const Said say{with, sink, head->when, head->pid};
  if (Traceback::begins(text)) {
    if (state.tracing) close(state, sink);
    state.tracing = true;
    state.tracer = head->pid;
    state.kept = Kept(with);
    state.when = head->when;
    return state.trace.take(text);
  }
  if (state.tracing && state.tracer == head->pid) {
    if (state.trace.take(text)) return true;
    close(state, sink);
  }
  return message(state, text, say);
}

void finish(State& base_state, Sink& sink) {
  auto& state = static_cast<Reading&>(base_state);
  if (state.tracing) close(state, sink);
}

constexpr std::string_view marks[] = {"mod_wsgi (pid=", "AH00163: ", "AH00292: ", "AH00489: ", "AH00051: ", "AH00052: ", "AH00046: ", "AH00161: ", "AH00484: ", "AH00171: ", "AH00173: ", "AH00493: ", "AH00494: ", "AH00169: ", "AH00170: ", "AH00491: ", "AH00492: ", "AH00072: ", "AH00526: ", "AH00534: ", "AH00091: ", ": Syntax error on line ", ":error] [pid ", "Queue timeout expired", "Truncated or oversized response headers", "Too many open files"};

std::unique_ptr<State> start() { return std::make_unique<Reading>(); }

}  // namespace

extern const Format apache = {"Apache error log", SourceKind::server_log, start, step, finish, marks};

}  // namespace parse::formats_of
