// php-fpm's log (sapi/fpm/fpm/fpm_children.c, fpm_request.c, fpm_events.c, fpm_process_ctl.c; measured with 8.2 and 8.4: servers.md 5):
//   [22-Nov-2026 10:54:06] WARNING: [pool www] child 8706 exited on signal 15 (SIGTERM) after 4.004875 seconds from start
// In syslog the time is the envelope's and the level stands in brackets. Its time is local and has no zone.
#include "parse/envelope_stamp.hpp"
#include "parse/said.hpp"

namespace parse::formats_of {

namespace {

using base::contains;
using namespace evidence;

bool starts_with(std::string_view text, std::string_view start) { return text.starts_with(start); }

struct Reading : State {
  int master = 0;
  bool reloading = false, named = false, refused = false;
};

int two(std::string_view text, std::size_t at) { return text[at] >= '0' && text[at] <= '9' && text[at + 1] >= '0' && text[at + 1] <= '9' ? (text[at] - '0') * 10 + text[at + 1] - '0' : -1; }

// "[22-Nov-2026 10:54:25] " or "[22-Nov-2026 10:54:25.123456] " (zlog.c, zlog_print_time)
std::optional<base::Instant> take_time(std::string_view& text) {
  if (text.size() < 24 || text[0] != '[' || text[3] != '-' || text[7] != '-' || text[12] != ' ' || text[15] != ':' || text[18] != ':') return std::nullopt;
  const int day = two(text, 1), century = two(text, 8), year = two(text, 10), hour = two(text, 13), minute = two(text, 16), second = two(text, 19);
  const unsigned month = month_number(text.substr(4, 3));
  if (day < 1 || day > 31 || month == 0 || century < 0 || year < 0 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return std::nullopt;
  const std::size_t close = text.find("] ");
  if (close == std::string_view::npos || close > 40) return std::nullopt;
  base::Civil civil{century * 100 + year, month, static_cast<unsigned>(day), static_cast<unsigned>(hour), static_cast<unsigned>(minute), static_cast<unsigned>(second), 0};
  std::int64_t give = base::second_ns / 2, into = give;
  if (close == 28 && text[21] == '.') {
    into = give = 0;
    for (std::size_t i = 22; i < 28; ++i) into = into * 10 + (text[i] >= '0' && text[i] <= '9' ? text[i] - '0' : 0);
    into *= 1000;
  }
  text.remove_prefix(close + 2);
  return base::Instant{base::Clock::naive, base::ns_from(civil) + into, give};
}

std::string_view take_level(std::string_view& text) {
  for (const std::string_view level : {"NOTICE", "WARNING", "ERROR", "ALERT", "DEBUG"}) {
    const bool bare = starts_with(text, level) && starts_with(text.substr(level.size()), ": ");
    const bool bracketed = starts_with(text, "[") && starts_with(text.substr(1), level) && starts_with(text.substr(level.size() + 1), "] ");
    if (!bare && !bracketed) continue;
    text.remove_prefix(level.size() + (bare ? 2 : 3));
    return level;
  }
  return {};
}

void name(Reading& state, const Said& say) {
  if (state.named) return;
  state.named = true;
  say(named_only("php-fpm"), 0);
}

// "child 8706 exited on signal 15 (SIGTERM) after ..." or "exited with code 3 after ..." or "... - core dumped after ..."
bool child(Reading& state, std::string_view text, const Said& say) {
  const int pid = number_after(text, "child ");
  if (!pid) return false;
  name(state, say);
  if (contains(text, " said into std")) {
    if (contains(text, "Allowed memory size of ") && contains(text, " bytes exhausted")) return Said{say.record, say.sink, say.when, pid}(AppSymptom{"memory-error", some(base::between(text, "PHP Fatal error:", "").value_or(text))}, pid);
    if (contains(text, "Too many open files")) return Said{say.record, say.sink, say.when, pid}(AppSymptom{"too-many-files", some(base::between(text, "PHP Warning:", "").value_or(text))}, pid);
    return true;
  }
  if (contains(text, " execution timed out (")) {
    WorkerTimedOut what;
    what.took_s = seconds_after(text, " execution timed out (");
    const auto request = base::between(text, "(request: \"", "\")");
    if (request) what.request = some(*request, 2048);
    // Said again at each heartbeat while it still runs.
    say(std::move(what), pid);
    return !request || say(interrupted(*request), pid);
  }
  WorkerReaped what;
  if (const int signal = number_after(text, " exited on signal ")) {
    // The master's own way to end an idle child (fpm_process_ctl.c, FPM_PCTL_QUIT): said at NOTICE.
    if (signal == 3) return say(WorkerDraining{"fewer"}, pid) && say(WorkerExiting{}, pid);
    what.signal = signal;
    what.core = contains(text, " - core dumped");
  } else if (const std::size_t at = text.find(" exited with code "); at != std::string_view::npos) {
    std::string_view rest = text.substr(at + 18);
    const auto code = base::take_number(rest);
    if (!code || *code < 0 || *code > 255) return false;
    what.exit_code = static_cast<int>(*code);
    // exit() in a script ends the request, not the child: it leaves with 0 after pm.max_requests, or asked by the master.
    if (*code == 0) {
      say(WorkerDraining{"own-limit"}, pid);
      say(WorkerExiting{}, pid);
    }
  } else if (contains(text, " has been stopped for tracing") || contains(text, "stopped for tracing")) {
    return true;
  } else {
    return contains(text, " started") && say(WorkerBooted{}, pid);
  }
  return say(what, pid);
}

bool step(State& base_state, const Record& record, Sink& sink) {
  auto& state = static_cast<Reading&>(base_state);
  std::string_view text = record.text;
  if (record.from_kernel_form || text.size() < 16) return false;
  const auto when = take_time(text);
  const bool ours = when || starts_with(record.ident, "php-fpm") || starts_with(record.ident, "php");
  const std::string_view level = ours ? take_level(text) : std::string_view{};
  if (level.empty()) return false;
  if (when) sink.saw(*when);
  // With log_level = debug: "WARNING: pid 12982, fpm_children_bury(), line 257: [pool www] child ..."; what is said at DEBUG are steps of a stop.
  if (level == "DEBUG" && starts_with(text, "pid ")) return true;
  if (starts_with(text, "pid ") && contains(text.substr(0, 100), "(), line "))
    if (const std::size_t place = text.find(": ", text.find("(), line ")); place != std::string_view::npos) {
      if (!state.master) state.master = number_after(text, "pid ");
      text.remove_prefix(place + 2);
    }
  Record with = record;
  with.level = level;
  const Said say{with, sink, record.when && record.when->clock == base::Clock::wall ? record.when : when, state.master};
  if (contains(text, " executing too slow (")) return false;   // formats/limits.cpp
  if (starts_with(text, "fpm is running, pid ")) {
    const int pid = number_after(text, ", pid ");
    const bool same = state.reloading && pid == state.master;
    state.reloading = false;
    state.master = pid;
    state.named = true;
    return same || Said{with, sink, say.when, pid}(ServerStarted{"php-fpm", ""}, pid);
  }
  std::string pool;
  if (starts_with(text, "[pool ")) {
    pool = some(base::between(text, "[pool ", "]").value_or(""), 100);
    const std::size_t close = text.find("] ");
    if (close != std::string_view::npos) text.remove_prefix(close + 2);
  }
  if (starts_with(text, "child ")) return child(state, text, say);
  if (starts_with(text, "server reached pm.max_children setting (") || starts_with(text, "server reached max_children setting (")) {
    name(state, say);
    return say(ServerSaturated{"workers", pool, 0, static_cast<std::uint64_t>(number_after(text, "setting ("))}, state.master);
  }
  if (starts_with(text, "Reloading in progress") || starts_with(text, "failed processes threshold (")) {
    name(state, say);
    state.reloading = true;
    return say(MasterReloaded{}, state.master);
  }
  if (starts_with(text, "reloading: execvp(")) return state.reloading = true;
  if (starts_with(text, "Terminating ...") || starts_with(text, "Finishing ...")) {
    name(state, say);
    return say(MasterSignalled{text[0] == 'T' ? "term" : "quit", false}, state.master);
  }
  if (starts_with(text, "exiting, bye-bye!")) {
    name(state, say);
    say(MasterStopped{"Master", ""}, state.master);
    state.master = 0;
    return true;
  }
  if (starts_with(text, "PHP message: ") || starts_with(text, "PHP Fatal error:") || starts_with(text, "PHP Warning:")) {
    name(state, say);
    if (contains(text, "Too many open files")) return say(AppSymptom{"too-many-files", some(text)}, 0);
    return !contains(text, "Allowed memory size of ") || say(AppSymptom{"memory-error", some(text)}, 0);
  }
  if (level != "ERROR" && level != "ALERT") return true;
  name(state, say);
  if (starts_with(text, "unable to bind listening socket for address ")) {
    const auto address = base::between(text, "address '", "'");
    const std::size_t at = text.find("': ");
    return say(BindFailed{some(address.value_or(""), 256), at == std::string_view::npos ? "" : some(text.substr(at + 3)), true}, 0);
  }
  if (starts_with(text, "Another FPM instance seems to already listen on ")) return say(BindFailed{some(text.substr(48), 256), "Address already in use", true}, 0);
  if (contains(text, "Too many open files")) return say(AppSymptom{"too-many-files", some(text)}, 0);
  // Before it runs, every error is why it does not; the first says most.
  if (state.master == 0 && !state.refused && !starts_with(text, "FPM initialization failed") && !starts_with(text, "failed to post process")) {
    state.refused = true;
    return say(BootRefused{contains(text, "ermission denied") ? "permission" : contains(text, "cannot get uid") || contains(text, "cannot get gid") ? "user" : "config", some(text)}, 0);
  }
  return true;
}

void finish(State&, Sink&) {}

constexpr std::string_view marks[] = {"] NOTICE: ", "] WARNING: ", "] ERROR: ", "] ALERT: ", "] DEBUG: ", "[NOTICE] ", "[WARNING] ", "[ERROR] ", "[ALERT] "};

std::unique_ptr<State> start() { return std::make_unique<Reading>(); }

}  // namespace

extern const Format php_fpm = {"php-fpm log", SourceKind::server_log, start, step, finish, marks};

}  // namespace parse::formats_of
