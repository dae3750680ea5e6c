// Puma's log in cluster mode (lib/puma/cluster.rb, cluster/worker_handle.rb, cluster/worker.rb, launcher.rb; measured with 5.6.5, 6.6.0, 8.0.2:
// servers.md 5). Lines carry "[pid] " and no time. A worker's death leaves no line: only the next boot in its place shows it.
#include "parse/envelope_stamp.hpp"
#include "parse/said.hpp"
#include "parse/traceback.hpp"

namespace parse::formats_of {

namespace {

using base::contains;
using namespace evidence;

bool starts_with(std::string_view text, std::string_view start) { return text.starts_with(start); }

struct Reading : State {
  int master = 0, unable = 0;   // unable: whose "Unable to start worker" stands above its reason
  std::size_t refused = 0;
  bool named = false, stopping = false;
  bool failing = false;               // "Rack app ("GET /x" - (127.0.0.1)): #<RuntimeError: broken>" was read, its place may follow
  Kept kept;
  AppFailed failed;
};

void name(Reading& state, const Said& say) {
  if (state.named) return;
  state.named = true;
  Said{say.record, say.sink, say.when, 0}(named_only("puma"), 0);
}

std::string refusal(std::string_view text) {
  if (contains(text, "cannot load such file")) return "dependency";
  if (contains(text, "ermission denied")) return "permission";
  return "import-error";
}

void close(Reading& state, Sink& sink) {
  const Record record = state.kept.record();
  const Said say{record, sink, {}, 0};
  name(state, say);
  if (state.failed.type == "Errno::EMFILE") say(AppSymptom{"too-many-files", state.failed.type + ": " + state.failed.message}, 0);
  say(std::move(state.failed), 0);
  state.failed = {};
  state.failing = false;
}

// "2026-11-23 04:33:09 +0000 Rack app ("GET /x" - (127.0.0.1)): #<Errno::EMFILE: Too many open files @ rb_sysopen - /dev/null>" (error_logger.rb)
bool failed(Reading& state, std::string_view text, const Record& record) {
  const std::size_t at = text.find("Rack app ("), error = text.find("): #<");
  if (at == std::string_view::npos || at > 40 || error == std::string_view::npos || error < at) return false;
  std::string_view what = text.substr(error + 5);
  if (what.ends_with(">")) what.remove_suffix(1);
  const std::size_t colon = what.find(": ");
  state.failed = interrupted(base::between(text, "(\"", "\"").value_or(""));
  state.failed.by_abort = false;
  state.failed.type = some(what.substr(0, colon), 100);
  if (colon != std::string_view::npos) state.failed.message = some(what.substr(colon + 2));
  state.kept = Kept(record);
  return state.failing = true;
}

bool step(State& base_state, const Record& record, Sink& sink) {
  auto& state = static_cast<Reading&>(base_state);
  std::string_view text = record.text;
  if (record.from_kernel_form || text.size() < 8) return false;
  if (state.failing) {
    const std::size_t at = text.find(":in ");
    const bool place = at != std::string_view::npos && at < 512 && text[0] != '[';
    if (place) state.failed.where = some(text.substr(0, at), 256);
    close(state, sink);
    if (place) return true;
  }
  if (text[0] >= '0' && text[0] <= '9') return failed(state, text, record);
  if (text[0] != '[') return false;
  std::string_view rest = text.substr(1);
  const auto number = base::take_number(rest);
  if (!number || *number <= 0 || *number > INT32_MAX || !starts_with(rest, "] ")) return false;
  text = rest.substr(2);
  const int by = static_cast<int>(*number);
  // log_formatter { |text| "[#{Time.now}] #{text}" }: behind the pid.
  std::optional<base::Instant> when;
  if (starts_with(text, "[20")) {
    std::string_view stamp = text.substr(1);
    when = take_iso(stamp);
    if (when && starts_with(stamp, "] ")) text = stamp.substr(2);
    else when.reset();
  }
  if (when) sink.saw(*when);
  const Said say{record, sink, record.when && record.when->clock == base::Clock::wall ? record.when : when, by};
  const auto is = [&](std::string_view start) { return starts_with(text, start); };
  if (state.unable == by) {
    state.unable = 0;
    if (++state.refused <= 8) say(BootRefused{refusal(text), some(text)}, by);
    return true;
  }
  if (text.empty()) return false;
  int pid = 0;
  switch (text[0]) {
    case 'P':
      if (is("Puma starting in cluster mode")) { state.master = by; state.stopping = false; return true; }
      return false;
    case '*':
      if (is("* Puma version: ")) {
        state.named = true;
        state.master = by;
        state.stopping = false;
        std::string_view version = text.substr(16);
        return say(ServerStarted{"puma", some(version.substr(0, version.find(' ')), 32)}, by);
      }
      if (is("* Listening on ")) { name(state, say); return say(ServerListening{some(text.substr(15), 256)}, by); }
      if (is("* Restarting...")) { name(state, say); return say(MasterReloaded{}, by); }
      return is("* Preloading application");
    case '-':
      if (is("- Worker ") && contains(text, " booted in ")) {
        if (!(pid = number_after(text, "(PID: "))) return false;
        name(state, say);
        std::string_view place = text.substr(9);
        say(WorkerBooted{static_cast<int>(base::take_number(place).value_or(-1))}, pid);
        return say(WorkerReady{}, pid);
      }
      if (is("- Starting phased worker restart")) { name(state, say); return say(MasterReloaded{}, by); }
      if (is("- Gracefully shutting down workers") || is("- Gracefully stopping, waiting")) {
        name(state, say);
        if (!state.stopping) say(MasterSignalled{"term", false}, by);
        return state.stopping = true;
      }
      if (is("- Goodbye!")) { name(state, say); return say(MasterStopped{"Master", ""}, by); }
      return false;
    case '=':
      if (is("=== puma shutdown: ")) {
        name(state, say);
        if (!state.stopping) say(MasterSignalled{"term", false}, by);
        return state.stopping = true;
      }
      return is("=== puma startup: ");
    case '!':
      // "(worker failed to check in within 6 seconds): P" in 5.6, "(Worker 1 failed to check in within 6 seconds): P" from 6 on; "failed to boot"
      // is worker_boot_timeout's.
      if (is("! Terminating timed out worker")) {
        if (!(pid = number_after(text, "): "))) return false;
        name(state, say);
        return say(WorkerTimedOut{false, "", seconds_after(text, " within "), 0, contains(text, "failed to boot")}, pid);
      }
      if (is("! Detected parent died, dying")) { name(state, say); return say(WorkerOrphaned{}, by); }
      if (is("! Unable to start worker")) { name(state, say); state.unable = by; return true; }
      if (is("! Unable to load application: ")) { name(state, say); return say(BootRefused{refusal(text), some(text.substr(30))}, by); }
      return false;
    case 'E': return is("Early termination of worker");
    case 'L':
      if (is("Listen loop: ") || is("Listen loop error: ")) {
        name(state, say);
        return !contains(text, "Too many open files") || say(AppSymptom{"too-many-files", some(text)}, by);
      }
      return false;
    default: return is("Use Ctrl-C to stop");
  }
}

bool collecting(const State& state) { return static_cast<const Reading&>(state).unable != 0 || static_cast<const Reading&>(state).failing; }

void finish(State& base_state, Sink& sink) {
  auto& state = static_cast<Reading&>(base_state);
  if (state.failing) close(state, sink);
}

constexpr std::string_view marks[] = {"Puma starting in ", "* Puma version: ", "* Listening on ", "* Restarting...", " booted in ", "- Starting phased", "- Gracefully s", "- Goodbye!", "=== puma ", "! Terminating timed out",
                                      "! Detected parent died", "! Unable to ", "Early termination of", "Listen loop", "Use Ctrl-C to stop", "Preloading application", " Rack app ("};

std::unique_ptr<State> start() { return std::make_unique<Reading>(); }

}  // namespace

extern const Format puma = {"Puma log", SourceKind::server_log, start, step, finish, marks, collecting};

}  // namespace parse::formats_of
