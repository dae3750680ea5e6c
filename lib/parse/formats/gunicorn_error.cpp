// gunicorn's error log, 19 to 26: a row a message of its loggers, whatever its formatter put in front, and the tracebacks behind four of
// them. One file past 300 lines because it is one table (facts: glogging, arbiter, sock, workers of 20.1.0, 23.0.0, 26.2.2).
#include <algorithm>
#include <vector>

#include "base/text.hpp"
#include "parse/envelope_header.hpp"
#include "parse/format.hpp"
#include "parse/traceback.hpp"

namespace parse::formats_of {

namespace {

using evidence::AppFailed, evidence::AppSymptom, evidence::BindFailed, evidence::BootRefused, evidence::ControlSocket, evidence::MasterCrashed, evidence::MasterPromoted, evidence::MasterReloaded,
    evidence::MasterSignalled, evidence::MasterStopped, evidence::PidSpace, evidence::ServerListening, evidence::ServerStarted, evidence::ServerUses, evidence::SourceKind, evidence::Subject, evidence::What,
    evidence::WorkerBooted, evidence::WorkerDraining, evidence::WorkerExiting, evidence::WorkerOrphaned, evidence::WorkerOverstayed, evidence::WorkerReady, evidence::WorkerReaped, evidence::WorkerTimedOut;

// Not base::starts_with: compared with a literal, this is compiled in place.
bool starts_with(std::string_view text, std::string_view start) { return text.starts_with(start); }

constexpr std::size_t most_open = 16;

// A message whose traceback is being read. Several where lines of several processes are interleaved (journal, syslog).
struct Failing {
  int pid = 0;              // of the envelope: which writer's lines belong to it
  Kept kept;
  std::optional<base::Instant> when;
  int by = 0;
  AppFailed failed;
  Traceback trace;
};

struct Reading : State {
  std::vector<Failing> open;
  std::string control_socket;   // said again at every fork from 25.2 on
  int master = 0;               // from "Listening at: ... (pid)", for formatters that leave the writer's pid out
};

void close(Failing& failing, Sink& sink) {
  const Record record = failing.kept.record();
  const Subject about{failing.by, PidSpace::server, {}};
  // The log's own words for an exception without a traceback (a formatter that drops exc_info).
  add_failure(failing.failed, failing.trace, about, record, failing.when, failing.by, sink);
  if (failing.failed.phase != "request" && !failing.trace.empty()) {
    if (const std::string_view kind = refusal_of(failing.trace); !kind.empty())
      sink.add(BootRefused{std::string(kind), failing.trace.type + ": " + failing.trace.message}, about, record, failing.when, failing.by);
  }
}

// Everything a message needs.
struct Message {
  const Record& record;
  const Header& header;
  std::string_view text;
  Sink& sink;
  Reading& state;

  bool say(What what, int pid, int by) const {
    sink.add(std::move(what), Subject{pid, PidSpace::server, {}}, record, header.when, by);
    return true;
  }
  bool say(What what, int pid) const { return say(std::move(what), pid, header.pid); }
  int by_master() const { return header.pid ? header.pid : state.master; }
  bool master(What what) const { return say(std::move(what), by_master(), by_master()); }
  bool master_of(What what, int pid) const { return say(std::move(what), pid, by_master()); }  // the master about its worker
  // About the writer itself: without its pid it is about nobody.
  bool worker(What what) const { return header.pid == 0 || say(std::move(what), header.pid); }
  bool fails(AppFailed failed) const {
    if (state.open.size() == most_open) {
      close(state.open.front(), sink);
      state.open.erase(state.open.begin());
    }
    Failing failing;
    failing.pid = record.pid;
    failing.kept = Kept(record);
    failing.when = header.when;
    failing.by = header.pid;
    failing.failed = std::move(failed);
    state.open.push_back(std::move(failing));
    return true;
  }
};

// The pid between `before` and `after`, and nothing behind it; 0 when the text is not that.
int pid_between(std::string_view text, std::string_view before, std::string_view after) {
  if (!starts_with(text, before)) return 0;
  text.remove_prefix(before.size());
  const auto pid = base::take_number(text);
  return pid && *pid > 0 && *pid <= INT32_MAX && text == after ? static_cast<int>(*pid) : 0;
}

// "('127.0.0.1', 81)" -> "127.0.0.1:81", "('::1', 81, 0, 0)" -> "[::1]:81"; a path stays.
std::string address_of(std::string_view text) {
  text = base::trim(text);
  if (const auto host = base::between(text, "('", "', ")) {
    std::string_view port = text.substr(static_cast<std::size_t>(host->data() - text.data()) + host->size() + 3);
    if (const auto number = base::take_number(port)) {
      const bool six = base::contains(*host, ":");
      return (six ? "[" : "") + std::string(host->substr(0, 256)) + (six ? "]:" : ":") + std::to_string(*number);
    }
  }
  return std::string(text.substr(0, 256));
}

std::string some(std::string_view text, std::size_t most = 400) { return std::string(text.substr(0, most)); }

// "Worker (pid:743) was sent SIGKILL! Perhaps out of memory?" (21+), "... exited with code 3" (21-23), "... exited with code 3." (21+).
bool reaped(const Message& m) {
  std::string_view text = m.text.substr(std::string_view("Worker (pid:").size());
  const auto pid = base::take_number(text);
  if (!pid || *pid <= 0 || *pid > INT32_MAX) return false;
  WorkerReaped what;
  if (starts_with(text, ") was sent ")) {
    text.remove_prefix(11);
    const std::size_t end = text.find('!');
    if (end == std::string_view::npos) return false;
    std::string_view name = text.substr(0, end);
    what.says_out_of_memory = base::contains(text.substr(end), "out of memory");
    if (starts_with(name, "code ")) {
      // 21.0-23.0 print the raw wait status when it has the core bit: 139 = 128 + SIGSEGV (arbiter.py:543@23.0.0).
      const auto status = base::read_number(name.substr(5));
      if (!status || *status < 0) return false;
      what.core = (*status & 0x80) != 0;
      if ((*status & 0x7f) != 0) what.signal = static_cast<int>(*status & 0x7f);
    } else {
      what.signal = base::signal_number(name);
    }
    return m.master_of(what, static_cast<int>(*pid));
  }
  if (starts_with(text, ") exited with code ")) {
    text.remove_prefix(19);
    const auto code = base::take_number(text);
    if (!code || *code < 0 || *code > 255 || (!text.empty() && text != ".")) return false;
    what.exit_code = static_cast<int>(*code);
    return m.master_of(what, static_cast<int>(*pid));
  }
  return false;
}

// "Error handling request", "... /uri" (to 25.1), "... GET /uri" (25.2+), "... (no URI read)" (22+).
bool request_failed(const Message& m) {
  AppFailed failed;
  failed.phase = "request";
  std::string_view rest = m.text.substr(std::string_view("Error handling request").size());
  if (!rest.empty() && rest[0] != ' ') return false;
  rest = base::trim(rest);
  if (rest == "(no URI read)") {
    failed.no_request = true;
  } else if (!rest.empty()) {
    const std::size_t blank = rest.find(' ');
    const bool method = blank != std::string_view::npos && blank > 0 && blank <= 32 && std::all_of(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(blank), [](char c) { return (c >= 'A' && c <= 'Z') || c == '-' || c == '_'; });
    if (method) {
      failed.method = some(rest.substr(0, blank));
      rest.remove_prefix(blank + 1);
    }
    failed.uri = some(rest, 2048);
  }
  return m.fails(std::move(failed));
}

bool fails_in(const Message& m, std::string_view phase) {
  AppFailed failed;
  failed.phase = std::string(phase);
  return m.fails(std::move(failed));
}

// "INFO:     Started server process [12]": uvicorn's own log, which says neither time nor process; its format reads that.
bool of_uvicorn(const Message& m) { return !m.header.usual && !m.header.pid && m.header.logger.empty() && !m.header.when; }

bool message(const Message& m) {
  const std::string_view text = m.text;
  if (text.size() < 8) return false;
  const auto is = [&](std::string_view start) { return starts_with(text, start); };
  const auto after = [&](std::string_view start) { return text.substr(start.size()); };
  int pid = 0;
  switch (text[0]) {
    case 'A':
      if (is("Autorestarting worker after current request.")) return m.worker(WorkerDraining{"max_requests"});
      if (is("Application startup complete.")) return !of_uvicorn(m) && m.worker(WorkerReady{});
      if (is("Application startup failed. Exiting.")) return m.worker(BootRefused{"import-error", some(text)});
      if (is("ASGI server listening on ")) return m.worker(WorkerReady{});
      return is("Application shutdown complete.") && !of_uvicorn(m);
    case 'B':
      if ((pid = pid_between(text, "Booting worker with pid: ", ""))) return m.say(WorkerBooted{}, pid);
      return false;
    case 'C':
      if (is("Connection in use: ")) return m.master(BindFailed{address_of(after("Connection in use: ")), "Address already in use", false});
      if (is("Can't connect to ")) return m.master(BindFailed{address_of(after("Can't connect to ")), "", true});
      if (is("Control socket listening at ")) {
        std::string path = some(after("Control socket listening at "), 1024);
        if (path == m.state.control_socket) return true;
        m.state.control_socket = path;
        return m.master(ControlSocket{std::move(path), ""});
      }
      if (is("Control server error: ")) {
        const auto path = base::between(text, ": '", "'");
        return m.master(ControlSocket{path ? some(*path, 1024) : "", some(after("Control server error: "))});
      }
      return false;
    case 'D':
      if ((pid = pid_between(text, "DIRTY WORKER TIMEOUT (pid:", ")"))) return m.master_of(WorkerTimedOut{true, "", 0, 0, false}, pid);
      return is("Dirty arbiter (pid:") || is("Dirty worker ");
    case 'E':
      if (text == "Exception in worker process" || is("Exception in worker process\n")) return fails_in(m, "boot");
      if (is("Exception while loading the application")) return fails_in(m, "boot");
      if (is("Exception during worker exit:")) return fails_in(m, "request");
      if (is("Exception in ASGI application")) return fails_in(m, "request");
      if (is("Error handling request")) return request_failed(m);
      return is("Error while closing socket ") || is("Error processing SSL request.");
    case 'F':
      if (is("Failed to start control socket: ")) return m.master(ControlSocket{"", some(after("Failed to start control socket: "))});
      if (is("Forcing close of ")) return m.worker(WorkerOverstayed{});
      return !of_uvicorn(m) && pid_between(text, "Finished server process [", "]") != 0;
    case 'H':
      if (is("Handling signal: ")) {
        std::string name = some(after("Handling signal: "), 16);
        if (name == "cld" || name == "chld") return true;
        // Printed whether it has an effect or not; a WINCH that has one is followed by "graceful stop of workers" (arbiter.py:303@20.1.0).
        const bool ignored = name == "winch";
        return m.master(MasterSignalled{std::move(name), ignored});
      }
      if (is("Hang up: ")) return m.master(MasterReloaded{});
      return false;
    case 'I':
      if (is("Invalid address: ")) return m.master(BindFailed{address_of(after("Invalid address: ")), "Cannot assign requested address", false});
      return is("Invalid request from ip=");
    case 'L':
      if (is("Listening at: ")) {
        std::string_view list = after("Listening at: ");
        // Its pid is the master's own, in its own namespace; a formatter without pid has it nowhere else.
        int own = 0;
        if (const std::size_t mark = list.rfind(" ("); mark != std::string_view::npos && list.back() == ')') {
          const auto number = base::read_number(list.substr(mark + 2, list.size() - mark - 3));
          if (number && *number > 0 && *number <= INT32_MAX) own = m.state.master = static_cast<int>(*number);
          list = list.substr(0, mark);
        }
        return m.say(ServerListening{some(base::trim(list), 2048)}, own ? own : m.header.pid);
      }
      return false;
    case 'M':
      if (is("Master has been promoted.")) return m.master(MasterPromoted{});
      if (is("Maximum request limit of ") && !of_uvicorn(m)) return m.worker(WorkerDraining{"max_requests"});
      return false;
    case 'N': return is("No keepalived connections can be handled.");
    case 'P':
      if (is("Parent changed, shutting down: ")) {
        const auto named = base::between(text, "<Worker ", ">");
        const auto number = named ? base::read_number(*named) : std::nullopt;
        return m.say(WorkerOrphaned{}, number && *number > 0 && *number <= INT32_MAX ? static_cast<int>(*number) : m.header.pid);
      }
      return false;
    case 'Q': return is("Quick shutdown requested");
    case 'R':
      // Without gunicorn's own header only the two reasons that it gives (arbiter.py:524-533@20.1.0) are taken for one.
      if (is("Reason: ") && (m.header.usual || text == "Reason: Worker failed to boot." || text == "Reason: App failed to load.")) return m.master(MasterStopped{"", some(after("Reason: "))});
      return is("Retrying in 1 second.") || is("Reaped unknown child process (pid:") || is("Reloader is on.");
    case 'S':
      if (is("Starting gunicorn ") && text.size() > 18 && text[18] >= '0' && text[18] <= '9') return m.master(ServerStarted{"gunicorn", some(after("Starting gunicorn "), 32)});
      if (is("Starting triage-server ")) return m.master(ServerStarted{"reference", some(after("Starting triage-server "), 32)});
      if (is("Shutting down: Master")) return m.master(MasterStopped{some(after("Shutting down: "), 64), ""});
      if (text == "Shutting down" && m.header.usual) return m.worker(WorkerDraining{"shutdown"});
      if (is("Socket error processing request.")) return fails_in(m, "request");
      if (is("SIGWINCH ignored.")) return m.master(MasterSignalled{"winch", true});
      return !of_uvicorn(m) && pid_between(text, "Started server process [", "]") != 0;
    case 'U':
      if (is("Using worker: ")) return m.master(ServerUses{some(after("Using worker: "), 200)});
      if (is("Unhandled exception in main loop")) {
        m.master(MasterCrashed{});
        return fails_in(m, "master");
      }
      if (is("USR2 signal ignored.")) return m.master(MasterSignalled{"usr2", true});
      return false;
    case 'W':
      if ((pid = pid_between(text, "WORKER TIMEOUT (pid:", ")"))) return m.master_of(WorkerTimedOut{false, "", 0, 0, false}, pid);
      if ((pid = pid_between(text, "Worker exiting (pid: ", ")"))) return m.say(WorkerExiting{}, pid);
      if (is("Worker (pid:")) return reaped(m);
      if (is("Worker with pid ")) {  // 20.1.x only (arbiter.py:530)
        std::string_view rest = after("Worker with pid ");
        const auto dead = base::take_number(rest);
        if (!dead || *dead <= 0 || *dead > INT32_MAX || !starts_with(rest, " was terminated due to signal ")) return false;
        const auto signal = base::read_number(rest.substr(30));
        if (!signal || *signal <= 0 || *signal > 64) return false;
        WorkerReaped what;
        what.signal = static_cast<int>(*signal);
        return m.master_of(what, static_cast<int>(*dead));
      }
      if ((pid = pid_between(text, "Worker graceful timeout (pid:", ")"))) return m.say(WorkerOverstayed{}, pid);
      if (is("Worker reloading: ")) return m.worker(WorkerDraining{"reloader"});
      if (is("Worker shutting down...")) return m.worker(WorkerDraining{"shutdown"});
      if (is("Waiting for ") && base::contains(text, "connections to ")) return m.worker(WorkerDraining{"connections"});
      return !of_uvicorn(m) && (is("Waiting for application startup.") || is("Waiting for application shutdown."));
    case 'c':
      if (is("connection to ")) {
        const std::size_t mark = text.find(" failed: ");
        if (mark == std::string_view::npos) return false;
        return m.master(BindFailed{address_of(text.substr(14, mark - 14)), some(text.substr(mark + 9)), false});
      }
      return false;
    case 'g':
      if (is("graceful stop of workers")) return m.master(MasterSignalled{"winch", false});
      return false;
    default: return false;
  }
}

bool step(State& state, const Record& record, Sink& sink) {
  auto& reading = static_cast<Reading&>(state);
  if (record.from_kernel_form || record.ident == "systemd") return false;
  std::size_t mine = 0;
  while (mine < reading.open.size() && reading.open[mine].pid != record.pid) ++mine;
  const bool collecting = mine < reading.open.size();
  if (record.text.empty()) return collecting && reading.open[mine].trace.take({});
  const Header header = take_header(record);
  if (collecting) {
    if (!header.usual && reading.open[mine].trace.take(record.text)) return true;
    close(reading.open[mine], sink);
    reading.open.erase(reading.open.begin() + static_cast<std::ptrdiff_t>(mine));
  }
  if (header.text.empty()) return header.usual;
  if (header.usual && header.when) sink.saw(*header.when);
  Record with = record;
  with.level = header.level;
  with.pid = record.pid;
  const Message one{with, header, header.text, sink, reading};
  if (message(one)) return true;
  const bool own = (header.usual && !starts_with(header.text, "Running on http")) || starts_with(header.logger, "gunicorn.error");
  if (own && (header.level == "ERROR" || header.level == "CRITICAL" || header.level == "WARNING")) {
    if (const std::string_view kind = symptom_of(header.text); !kind.empty()) sink.add(AppSymptom{std::string(kind), some(header.text)}, {header.pid, PidSpace::server, {}}, with, header.when, header.pid);
  }
  return own;
}

bool collecting(const State& state) { return !static_cast<const Reading&>(state).open.empty(); }

void finish(State& state, Sink& sink) {
  auto& reading = static_cast<Reading&>(state);
  for (Failing& failing : reading.open) close(failing, sink);
  reading.open.clear();
}

// Its own header, its loggers' names, and the messages that any other formatter leaves.
constexpr std::string_view marks[] = {
    "] [INFO]", "] [ERROR]", "] [DEBUG]", "] [WARNI", "] [WARN]", "] [CRITI", "] [NOTIC", "] [FATAL", "] [TRACE", "gunicorn", "Autorestarting worker",
    "Application startup", "ASGI server listening", "Application shutdown", "Booting worker", "Connection in use: ", "Can't connect to ",
    "Control socket listening", "Control server error", "DIRTY WORKER TIMEOUT", "Dirty arbiter", "Dirty worker ", "Exception in worker process",
    "Exception while loading", "Exception during worker exit", "Exception in ASGI", "Error handling request", "Error while closing socket",
    "Error processing SSL", "Failed to start control", "Forcing close of ", "Finished server process", "Handling signal: ", "Hang up: ",
    "Invalid address: ", "Invalid request from", "Listening at: ", "Master has been promoted", "Maximum request limit", "No keepalived connections",
    "Parent changed, shutting", "Quick shutdown", "Reason: ", "Retrying in 1 second", "Reaped unknown child", "Reloader is on", "Starting gunicorn", "Starting triage-server",
    "Shutting down", "Socket error processing", "SIGWINCH ignored", "Started server process", "Using worker: ", "Unhandled exception in main",
    "USR2 signal ignored", "WORKER TIMEOUT", "Worker exiting", "Worker (pid:", "Worker with pid", "Worker graceful", "Worker reloading",
    "Worker shutting", "Waiting for ", "connection to ", "graceful stop of workers",
};

std::unique_ptr<State> start() { return std::make_unique<Reading>(); }

}  // namespace

extern const Format gunicorn_error = {"gunicorn error log", SourceKind::server_log, start, step, finish, marks, collecting};

}  // namespace parse::formats_of
