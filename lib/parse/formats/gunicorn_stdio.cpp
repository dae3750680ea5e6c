// What gunicorn says on its stderr only: why it cannot start, and tracebacks of its own and of the application that no logger wrote. Where
// the error log goes to stderr too, both formats read the same file. Rows: facts 4.3, app/base.py, app/wsgiapp.py, util.py of 20.1 to 26.2.
#include "base/text.hpp"
#include "parse/envelope_header.hpp"
#include "parse/format.hpp"
#include "parse/said.hpp"
#include "parse/traceback.hpp"

namespace parse::formats_of {

namespace {

using base::contains;
using evidence::AppFailed, evidence::AppSymptom, evidence::BindFailed, evidence::BootRefused, evidence::MasterHalted, evidence::SourceKind, evidence::Subject, evidence::What;

// Not base::starts_with: compared with a literal, this is compiled in place.
bool starts_with(std::string_view text, std::string_view start) { return text.starts_with(start); }

enum class Over : std::uint8_t {   // what stands above the traceback that is read
  nothing,
  config,         // "Failed to read config file: c.py"
  class_uri,      // "Error: class uri 'gevent' invalid or not found: "
  loading,        // "Error while loading the application:"
  thread,         // "Exception in thread Thread-1 (hold):"
};

struct Reading : State {
  Over over = Over::nothing;
  std::string named;            // the config file, the class uri
  bool waiting = false;         // the line above was read, its traceback did not begin yet
  std::size_t waited = 0;
  bool usage = false;           // argparse's usage lines were read
  Kept kept;
  Traceback trace;
  bool reading = false;
};

Subject whose(const Record& record) { return {record.pid, evidence::PidSpace::server, {}}; }

void say(What what, const Record& record, Sink& sink) { sink.add(std::move(what), whose(record), record); }

std::string exception_text(std::string_view type, std::string_view message) { return some(type) + (message.empty() ? "" : ": " + some(message)); }

// hypercorn logs none of its failed boots: the traceback is all there is. True when it said all of it.
bool hypercorn(const Traceback& trace, const Record& record, Sink& sink) {
  const bool binds = contains(trace.path, "/hypercorn/config.py") && (trace.type == "OSError" || trace.type == "PermissionError");
  if (!trace.in_hypercorn || !(trace.in_load || binds)) return false;
  say(named_only("hypercorn"), record, sink);
  if (binds) say(BindFailed{"", some(trace.message), true}, record, sink);
  else if (trace.type.ends_with("NoAppError")) say(BootRefused{"app-not-found", trace.message.empty() ? "the module has no such application (NoAppError)" : some(trace.message)}, record, sink);
  else return false;
  return true;
}

void close(Reading& state, Sink& sink) {
  Record record = state.kept.record();
  const Traceback& trace = state.trace;
  const Over over = state.over;
  const std::string text = exception_text(trace.type, trace.message);
  if (over == Over::nothing && !text.empty()) record.line = text;  // says more than "Traceback (most recent call last):"
  if (over == Over::class_uri) {
    // The first exception of the chain is the reason: "gevent worker requires gevent 1.4 or higher" is said for any ImportError.
    const std::string why = trace.first_type.empty() ? "" : ": " + exception_text(trace.first_type, trace.first_message) + (trace.first_type != trace.type ? "; " + text : "");
    say(BootRefused{"worker-class", "class uri '" + state.named + "' invalid or not found" + why}, record, sink);
  } else if (over == Over::config) {
    say(BootRefused{"config", state.named + ": " + text + (trace.where.empty() ? "" : " (" + trace.where + ")")}, record, sink);
  } else if (state.reading && trace.type.ends_with("HaltServer")) {
    // "<HaltServer 'Worker failed to boot.' 3>" (errors.py:14 __str__)
    MasterHalted halted;
    if (const auto reason = base::between(trace.message, "<HaltServer '", "'")) {
      halted.reason = some(*reason);
      std::string_view rest = std::string_view(trace.message).substr(static_cast<std::size_t>(reason->data() - trace.message.data()) + reason->size() + 1);
      rest = base::trim(rest);
      if (const auto code = base::take_number(rest); code && *code >= 0 && *code < 256) halted.code = static_cast<int>(*code);
    } else {
      halted.reason = some(trace.message);
    }
    say(std::move(halted), record, sink);
  } else if (state.reading && !hypercorn(trace, record, sink)) {
    AppFailed failed;
    // An import of the application that the master does itself (preload, --check-config) fails in the master; what went through workers/
    // failed in a request; the rest is whatever wrote on stderr.
    failed.phase = over == Over::loading || (trace.in_load && !trace.in_worker) ? "import" : trace.in_arbiter && !trace.in_worker ? "master" : trace.in_worker && !trace.in_load ? "request" : trace.in_load ? "boot" : "stdio";
    const bool own = failed.phase == "import" || failed.phase == "master" || failed.phase == "boot";
    if (trace.type == "ValueError" && trace.message.ends_with(" is not a socket") && trace.path.ends_with("gunicorn/sock.py")) {
      say(BindFailed{some(base::between(trace.message, "'", "'").value_or(trace.message)), "it is a file, not a socket", true}, record, sink);
    } else if (own || contains(trace.path, "/gunicorn/")) {
      if (const std::string_view kind = refusal_of(trace); !kind.empty()) say(BootRefused{std::string(kind), trace.type.ends_with("AppImportError") ? some(trace.message) : text}, record, sink);
    }
    add_failure(std::move(failed), trace, whose(record), record, {}, 0, sink);
  }
  state.over = Over::nothing;
  state.reading = state.waiting = false;
  state.trace = {};
}

void wait(Reading& state, Over over, std::string_view named, const Record& record) {
  state.over = over;
  state.named = some(named, 256);
  state.waiting = true;
  state.waited = 0;
  state.kept = Kept(record);
}

// "Error: <text>": app/base.py:38,74@20.1.0 print it after an empty line, for a configuration that cannot be used and for a RuntimeError
// while the server starts. The kind is told by gunicorn's own wording.
std::string_view error_kind(std::string_view text) {
  if (starts_with(text, "No application module specified")) return "app-not-found";
  if (starts_with(text, "No such user:") || starts_with(text, "No such group:")) return "user";
  if (contains(text, "isn't writable") || contains(text, "log config ") || contains(text, "logger_class")) return "log";
  if (contains(text, "Can't create pidfile") || starts_with(text, "Already running on PID")) return "pidfile";
  if (contains(text, "Can't create workertmp") || contains(text, "No usable temporary directory")) return "tmp";
  if (text.ends_with("is not a valid port number.")) return "bind";
  if (starts_with(text, "No module named")) return "dependency";
  if (starts_with(text, "Failed to find a") || starts_with(text, "Failed to parse ") || starts_with(text, "Function reference must") || starts_with(text, "Application object must")) return "app-not-found";
  if (contains(text, "worker requires ")) return "worker-class";
  if (contains(text, "[Errno 24]")) return "descriptors";
  if (contains(text, "Permission denied") || contains(text, "Operation not permitted")) return "permission";
  return "config";
}

// AppImportError's texts, printed bare by the worker (arbiter.py:594@20.1.0; util.py import_app), and what 24.1+ prints of any exception.
std::string_view import_kind(std::string_view text) {
  switch (text.empty() ? 0 : text[0]) {
    case 'F':
      if (starts_with(text, "Failed to find attribute '") || starts_with(text, "Failed to find application") || starts_with(text, "Failed to parse '") || starts_with(text, "Function reference must be a simple name: ")) return "app-not-found";
      return {};
    case 'A': return starts_with(text, "Application object must be callable.") ? "app-not-found" : std::string_view{};
    case 'N': return starts_with(text, "No module named '") && text.back() == '\'' ? "import-error" : std::string_view{};
    case 'i': return starts_with(text, "invalid syntax (") ? "import-error" : std::string_view{};
    default: return {};
  }
}

// "Error while loading the application:" and its relatives have no other mark of gunicorn than their place.
bool line(Reading& state, std::string_view text, const Record& record, Sink& sink) {
  if (Traceback::begins(text)) {
    if (!state.waiting) { state.kept = Kept(record); state.over = Over::nothing; }
    state.waiting = false;
    state.reading = true;
    state.trace = {};
    return state.trace.take(text);
  }
  switch (text[0]) {
    case 'E':
      if (starts_with(text, "Error: ") && record.after_blank) {
        std::string_view rest = text.substr(7);
        if (const auto uri = base::between(rest, "class uri ", " invalid or not found:"); uri && starts_with(rest, "class uri ")) {
          const std::string_view name = uri->size() > 2 && uri->front() == '\'' ? uri->substr(1, uri->size() - 2) : *uri;
          wait(state, Over::class_uri, name, record);
          return true;
        }
        if (starts_with(rest, "Error: ")) rest.remove_prefix(7);
        say(BootRefused{std::string(error_kind(rest)), some(rest)}, record, sink);
        return true;
      }
      if (starts_with(text, "Error while loading the application:")) { wait(state, Over::loading, {}, record); return true; }
      if (starts_with(text, "Exception in thread ")) { wait(state, Over::thread, {}, record); return true; }
      return false;
    case 'F':
      if (starts_with(text, "Failed to read config file: ")) { wait(state, Over::config, text.substr(28), record); return true; }
      if (starts_with(text, "Fatal Python error: ")) { say(AppSymptom{"python-fatal", some(text)}, record, sink); return true; }
      break;
    case 'I':
      if (starts_with(text, "Invalid value for ") && contains(text, ": ")) { say(BootRefused{"config", some(text)}, record, sink); return true; }
      break;
    case 'u':
      if (starts_with(text, "usage: ") && (contains(text, "gunicorn") || contains(text, "[OPTIONS] [APP_MODULE]") || contains(text, "__main__.py"))) { state.usage = true; return true; }
      break;
    case '/':
      // "/opt/python/pymongo/topology.py:175: UserWarning: MongoClient opened before fork. ..." (warnings.py formatwarning)
      if (const std::size_t at = text.find("Warning: MongoClient opened before fork"); at != std::string_view::npos) {
        say(AppSymptom{"shared-connection", some(text.substr(at + 9))}, record, sink);
        return true;
      }
      break;
    case 'g':
    case '_':
      // argparse: "<prog>: error: <text>" (argparse.py ArgumentParser.error), after its usage lines.
      if (const std::size_t mark = text.find(": error: "); mark != std::string_view::npos && mark < 64 && (state.usage || starts_with(text, "gunicorn: "))) {
        state.usage = false;
        say(BootRefused{"usage", some(text.substr(mark + 9))}, record, sink);
        return true;
      }
      break;
    default: break;
  }
  if (const std::string_view kind = import_kind(text); !kind.empty()) { say(BootRefused{std::string(kind), some(text)}, record, sink); return true; }
  return false;
}

bool step(State& base_state, const Record& record, Sink& sink) {
  auto& state = static_cast<Reading&>(base_state);
  if (record.from_kernel_form || record.ident == "systemd") return false;
  const std::string_view text = record.text;
  if (state.reading) {
    if (state.trace.take(text)) return true;
    close(state, sink);
  }
  if (text.empty()) return state.waiting;
  if (state.waiting && !Traceback::begins(text) && ++state.waited > 3) close(state, sink);
  if (state.usage && text[0] == ' ') return true;
  return line(state, text, record, sink);
}

bool collecting(const State& base_state) {
  const auto& state = static_cast<const Reading&>(base_state);
  return state.reading || state.waiting || state.usage;
}

void finish(State& base_state, Sink& sink) {
  auto& state = static_cast<Reading&>(base_state);
  if (state.reading || state.waiting) close(state, sink);
}

constexpr std::string_view marks[] = {
    "Traceback (most", "Error: ", "Error while loading the application", "Exception in thread ", "Failed to read config file: ",
    "Fatal Python error: ", "Invalid value for ", "usage: ", ": error: ", "Failed to find a", "Failed to parse ", "Function reference must",
    "Application object must", "No module named ", "invalid syntax (", "MongoClient opened before fork",
};

std::unique_ptr<State> start() { return std::make_unique<Reading>(); }

}  // namespace

extern const Format gunicorn_stdio = {"gunicorn stderr", SourceKind::stdio, start, step, finish, marks, collecting};

}  // namespace parse::formats_of
