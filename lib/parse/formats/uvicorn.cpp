// uvicorn's own console log, alone or with its --workers supervisor (server.py, supervisors/multiprocess.py of 0.17 to 0.53):
// "INFO:     Started server process [12]", with colours where it had a terminal. Under gunicorn its lines carry gunicorn's header and are
// read there.
#include <string>

#include "base/text.hpp"
#include "parse/said.hpp"

namespace parse::formats_of {

namespace {

using base::starts_with;
using evidence::MasterReloaded, evidence::MasterSignalled, evidence::MasterStopped, evidence::PidSpace, evidence::ServerListening, evidence::ServerStarted, evidence::Subject, evidence::WorkerBooted, evidence::WorkerExiting,
    evidence::WorkerReaped;

struct Reading : State {
  int parent = 0;      // of the supervisor, once it has said so
  int limits = 0;      // "Maximum request limit of 3 exceeded." was said, by a worker that did not say who it is
  std::string plain;   // the line without its colours
};

int bracketed(std::string_view text, std::string_view before) {
  if (!starts_with(text, before)) return 0;
  text.remove_prefix(before.size());
  const auto pid = base::take_number(text);
  return pid && *pid > 0 && *pid <= INT32_MAX && starts_with(text, "]") ? static_cast<int>(*pid) : 0;
}

void without_colour(std::string_view text, std::string& out) {
  out.clear();
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\x1b' && at + 1 < text.size() && text[at + 1] == '[') {
      at += 2;
      while (at < text.size() && (text[at] < '@' || text[at] > '~')) ++at;
    } else {
      out += text[at];
    }
  }
}

// "INFO:     " and its relatives are padded to ten columns (logging.py ColourizedFormatter).
bool take_level(std::string_view& text, std::string_view& level) {
  if (text[0] != 'I' && text[0] != 'W' && text[0] != 'E' && text[0] != 'C' && text[0] != 'D') return false;
  for (const std::string_view word : {"INFO", "WARNING", "ERROR", "CRITICAL", "DEBUG"}) {
    if (!starts_with(text, word) || text.size() < 11 || text[word.size()] != ':') continue;
    for (std::size_t i = word.size() + 1; i < 10; ++i)
      if (text[i] != ' ') return false;
    level = word;
    text.remove_prefix(10);
    return true;
  }
  return false;
}

bool step(State& base_state, const Record& record, Sink& sink) {
  auto& state = static_cast<Reading&>(base_state);
  std::string_view text = record.text;
  if (text.size() < 16 || record.from_kernel_form) return false;
  if (text[0] == '\x1b') {
    without_colour(text.substr(0, 1024), state.plain);
    text = state.plain;
  }
  std::string_view level;
  if (!take_level(text, level) || text.empty()) return false;
  Record with = record;
  with.level = level;
  const auto say = [&](evidence::What what, int pid, int by) {
    sink.add(std::move(what), Subject{pid, PidSpace::server, {}}, with, {}, by);
    return true;
  };
  const int parent = state.parent;
  int pid = 0;
  switch (text[0]) {
    case 'S':
      if ((pid = bracketed(text, "Started parent process ["))) { state.parent = pid; return say(ServerStarted{"uvicorn", ""}, pid, pid); }
      if ((pid = bracketed(text, "Started server process ["))) return say(WorkerBooted{}, pid, pid);
      if ((pid = bracketed(text, "Stopping parent process ["))) return say(MasterStopped{"Master", ""}, pid, pid);
      return text == "Shutting down";
    case 'U':
      if (starts_with(text, "Uvicorn running on ")) {
        const std::string_view address = text.substr(19);
        return say(ServerListening{std::string(address.substr(0, std::min(address.find(" ("), std::size_t{256})))}, parent, parent);
      }
      return false;
    case 'E':
      // 'Error loading ASGI app. Attribute "app" not found in module "app".' (config.py:load@0.17.6), by each worker or by the supervisor
      if (starts_with(text, "Error loading ASGI app. ")) {
        if (!state.parent) say(named_only("uvicorn"), 0, 0);
        return say(evidence::BootRefused{"app-not-found", some(text)}, 0, parent);
      }
      return false;
    case '[':
      // "[Errno 98] Address already in use" (config.py:bind_socket), "[Errno 98] error while attempting to bind on address ('127.0.0.1', 8000): ..."
      if (level == "ERROR" && starts_with(text, "[Errno ")) {
        if (!state.parent) say(named_only("uvicorn"), 0, 0);
        const auto host = base::between(text, "on address ('", "'");
        const int port = host ? number_after(text, "', ") : 0;
        return say(evidence::BindFailed{host ? some(*host, 100) + ":" + std::to_string(port) : "", some(text), true}, 0, parent);
      }
      return false;
    case 'F':
      if ((pid = bracketed(text, "Finished server process ["))) {
        if (state.limits > 0) {
          --state.limits;
          say(evidence::WorkerDraining{"max_requests"}, pid, pid);
        }
        return say(WorkerExiting{}, pid, pid);
      }
      return false;
    case 'C':
      if ((pid = bracketed(text, "Child process [")) && base::contains(text, "died")) return say(WorkerReaped{}, pid, parent);
      // 0.53: said of a child that exited with 3, STARTUP_FAILURE, whenever it did (supervisors/multiprocess.py:225).
      if (pid && base::contains(text, "failed to start")) {
        WorkerReaped what;
        what.exit_code = 3;
        return say(what, pid, parent);
      }
      return false;
    case 'R':
      if (starts_with(text, "Received SIG")) {
        std::string_view name = text.substr(12, 16);
        name = name.substr(0, name.find(','));
        std::string lower(name);
        for (char& c : lower) if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
        state.limits = 0;
        if (lower == "hup") return say(MasterReloaded{}, parent, parent);
        return say(MasterSignalled{lower, false}, parent, parent);
      }
      return false;
    case 'A': return starts_with(text, "Application startup complete.") || starts_with(text, "Application shutdown complete.");
    case 'T':
      if ((pid = bracketed(text, "Terminated child process ["))) return say(evidence::WorkerDraining{"shutdown"}, pid, parent);
      return false;
    case 'M':   // server.py: on_tick
      if (starts_with(text, "Maximum request limit of ")) return ++state.limits > 0;
      return false;
    case 'W': return starts_with(text, "Waiting for ");
    default: return false;
  }
}

void finish(State&, Sink&) {}

constexpr std::string_view marks[] = {
    "Started parent process", "Started server process", "Stopping parent process", "Shutting down", "Uvicorn running on ", "Finished server process",
    "Child process [", "Received SIG", "Application startup complete", "Application shutdown complete", "Terminated child process", "Waiting for ", "Error loading ASGI app", "[Errno ", "Maximum request limit",
};

std::unique_ptr<State> start() { return std::make_unique<Reading>(); }

}  // namespace

extern const Format uvicorn = {"uvicorn log", evidence::SourceKind::server_log, start, step, finish, marks};

}  // namespace parse::formats_of
