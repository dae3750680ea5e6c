// Unicorn's log through Ruby's Logger (lib/unicorn/http_server.rb, socket_helper.rb; measured with 6.0 and 6.1: servers.md 5):
//   E, [2026-11-22T10:44:53.091453 #24241] ERROR -- : reaped #<Process::Status: pid 24242 SIGKILL (signal 9)> worker=0
// A Rails application writes lines of this shape too: only messages of Unicorn are taken.
#include "parse/envelope_stamp.hpp"
#include "parse/said.hpp"

namespace parse::formats_of {

namespace {

using base::contains;
using namespace evidence;

bool starts_with(std::string_view text, std::string_view start) { return text.starts_with(start); }

struct Reading : State { int master = 0; bool named = false; };

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

bool step(State& base_state, const Record& record, Sink& sink) {
  auto& state = static_cast<Reading&>(base_state);
  std::string_view text = record.text;
  if (record.from_kernel_form) return false;
  const auto head = take_head(text);
  if (!head || text.empty()) return false;
  Record with = record;
  with.level = head->level;
  const Said say{with, sink, head->when, head->pid};
  const auto is = [&](std::string_view start) { return starts_with(text, start); };
  switch (text[0]) {
    case 'l':
      if (is("listening on addr=")) {
        if (state.master != head->pid) say(ServerStarted{"unicorn", ""}, head->pid);
        state.named = true;
        state.master = head->pid;
        return say(ServerListening{some(base::between(text, "addr=", " fd=").value_or(""), 256)}, head->pid);
      }
      if (is("listen loop error: ")) {
        name(state, say);
        return say(AppSymptom{contains(text, "Too many open files") ? "too-many-files" : "listen-error", some(text)}, head->pid);
      }
      return false;
    case 'w': {
      if (!is("worker=")) return false;
      std::string_view rest = text.substr(7);
      const auto place = base::take_number(rest);
      if (!place || *place < 0 || *place > 100000) return false;
      if (starts_with(rest, " spawning...")) {
        name(state, say);
        state.master = head->pid;
        return true;
      }
      if (starts_with(rest, " spawned pid=")) {
        name(state, say);
        return say(WorkerBooted{static_cast<int>(*place)}, number_after(rest, "pid="));
      }
      if (starts_with(rest, " ready")) { name(state, say); return say(WorkerReady{}, head->pid); }
      // "worker=0 PID:24143 timeout (4s > 3s), killing" (murder_lazy_workers)
      if (starts_with(rest, " PID:") && contains(rest, " timeout (")) {
        name(state, say);
        state.master = head->pid;
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
        state.master = head->pid;
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
      if (is("reloading config_file=")) { name(state, say); return say(MasterReloaded{}, head->pid); }
      return is("retrying in ");
    case 'e':
      if (is("error reloading config_file=")) { name(state, say); return say(BootRefused{"config", some(text)}, head->pid); }
      if (is("executing [")) { name(state, say); return say(MasterSignalled{"usr2", false}, head->pid); }
      return false;
    case 'a':
      if (is("adding listener failed addr=")) {
        name(state, say);
        return say(BindFailed{some(base::between(text, "addr=", " (").value_or(""), 256), contains(text, "(in use)") ? "Address already in use" : some(text), false}, head->pid);
      }
      return false;
    case 'g':
      if (is("gracefully stopping all workers")) { name(state, say); return say(MasterSignalled{"winch", false}, head->pid); }
      return false;
    case 'm':
      if (is("master process ready")) { name(state, say); state.master = head->pid; return true; }
      if (is("master complete")) { name(state, say); return say(MasterStopped{"Master", ""}, head->pid); }
      if (is("master loop error: ")) { name(state, say); return say(AppSymptom{"master-error", some(text)}, head->pid); }
      return false;
    default: return is("Refreshing Gem list") || is("inherited addr=") || is("done reloading config_file=");
  }
}

void finish(State&, Sink&) {}

constexpr std::string_view marks[] = {"listening on addr=", "listen loop error: ", " INFO -- : worker=", "ERROR -- : worker=", " -- : worker=", "reaped #<Process::Status", "reloading config_file=", "retrying in ", "executing [",
                                      "adding listener failed addr=", "gracefully stopping all workers", "master process ready", "master complete", "master loop error: ", "Refreshing Gem list", "inherited addr="};

std::unique_ptr<State> start() { return std::make_unique<Reading>(); }

}  // namespace

extern const Format unicorn = {"Unicorn log", SourceKind::server_log, start, step, finish, marks};

}  // namespace parse::formats_of
