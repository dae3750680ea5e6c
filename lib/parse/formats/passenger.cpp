// Passenger's own log, in Apache's or nginx's error log or a file of its own (LoggingKit; Core/ApplicationPool; measured with 6.0.17:
// servers.md 5). What the application prints stands behind "App PID output: ".
//   [ W 2026-11-22 11:08:50.0598 13544/T3 age/Cor/App/Poo/AnalyticsCollection.cpp:101 ]: Process (pid=13633, group=/srv/app (production)) no longer exists! Detaching it from the pool.
#include "parse/envelope_stamp.hpp"
#include "parse/said.hpp"

namespace parse::formats_of {

namespace {

using base::contains;
using namespace evidence;

bool starts_with(std::string_view text, std::string_view start) { return text.starts_with(start); }

struct Reading : State { int core = 0; bool named = false; };

void name(Reading& state, const Said& say) {
  if (state.named) return;
  state.named = true;
  Said{say.record, say.sink, say.when, 0}(named_only("passenger"), 0);
}

bool step(State& base_state, const Record& record, Sink& sink) {
  auto& state = static_cast<Reading&>(base_state);
  std::string_view text = record.text;
  if (record.from_kernel_form || text.size() < 12) return false;
  if (starts_with(text, "App ")) {
    const int pid = number_after(text, "App ");
    const auto said = base::between(text, " output: ", "");
    if (!pid || !said) return false;
    const Said say{record, sink, {}, pid};
    // Ruby's report of a fault comes in pieces.
    if (starts_with(*said, "Segmentation fault at 0x") || contains(*said, "[BUG] Segmentation fault")) { name(state, say); say(WorkerFaulted{11, some(*said)}, pid); }
    return true;
  }
  if (!starts_with(text, "[ ") || text.size() < 40 || text[3] != ' ') return false;
  std::string_view rest = text.substr(4);
  const auto when = take_iso(rest);
  const std::size_t end = rest.find(" ]: ");
  if (!when || end == std::string_view::npos || rest.empty() || rest[0] != ' ') return false;
  const int by = number_after(rest, " ");
  text = rest.substr(end + 4);
  const Said say{record, sink, when, by};
  if (starts_with(text, "Passenger core online, PID ")) {
    state.core = number_after(text, "PID ");
    state.named = true;
    return Said{record, sink, when, state.core}(ServerStarted{"passenger", ""}, state.core);
  }
  if (starts_with(text, "Process (pid=") && contains(text, ") no longer exists! Detaching it from the pool")) {
    name(state, say);
    return say(WorkerReaped{}, number_after(text, "(pid="));
  }
  if (starts_with(text, "Signal received. Gracefully shutting down")) { name(state, say); return say(MasterSignalled{"term", false}, by); }
  if (starts_with(text, "Passenger core shutdown finished")) { name(state, say); return say(MasterStopped{"Master", ""}, by); }
  if (contains(text, "Request queue full (configured max. size: ")) {
    name(state, say);
    return say(ServerSaturated{"queue", "", 0, static_cast<std::uint64_t>(number_after(text, "max. size: "))}, by);
  }
  if (starts_with(text, "Could not spawn process for application ") || starts_with(text, "Cannot spawn application ")) { name(state, say); return say(BootRefused{"import-error", some(text)}, by); }
  return false;
}

void finish(State&, Sink&) {}

constexpr std::string_view marks[] = {"Passenger core online", "no longer exists! Detaching", "Gracefully shutting down", "Passenger core shutdown", "Request queue full", "Could not spawn process", "Cannot spawn application", " output: "};

std::unique_ptr<State> start() { return std::make_unique<Reading>(); }

}  // namespace

extern const Format passenger = {"Passenger log", SourceKind::server_log, start, step, finish, marks};

}  // namespace parse::formats_of
