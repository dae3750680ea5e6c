// Granian's log (granian/server/common.py@01bedd0, read in source): "[INFO] Spawning worker-1 with PID: 5122".
#include <map>

#include "parse/envelope_header.hpp"
#include "parse/said.hpp"

namespace parse::formats_of {

namespace {

using base::contains;
using namespace evidence;

bool starts_with(std::string_view text, std::string_view start) { return text.starts_with(start); }

struct Reading : State {
  int master = 0;
  bool named = false;
  std::map<int, int> places;   // pid by the worker's number
};

void name(Reading& state, const Said& say) {
  if (state.named) return;
  state.named = true;
  Said{say.record, say.sink, say.when, 0}(named_only("granian"), 0);
}

bool step(State& base_state, const Record& record, Sink& sink) {
  auto& state = static_cast<Reading&>(base_state);
  if (record.from_kernel_form) return false;
  const Header header = take_header(record);
  const std::string_view text = header.text;
  Record with = record;
  with.level = header.level;
  const Said say{with, sink, header.when, state.master};
  const auto pid_of = [&](std::string_view mark) {
    const auto found = state.places.find(number_after(text, mark));
    return found == state.places.end() ? 0 : found->second;
  };
  if (starts_with(text, "Starting granian (main PID: ")) {
    state.master = number_after(text, "PID: ");
    state.named = true;
    state.places.clear();
    return Said{with, sink, header.when, state.master}(ServerStarted{"granian", ""}, state.master);
  }
  if (starts_with(text, "Spawning worker-")) {
    const int place = number_after(text, "worker-"), pid = number_after(text, "PID: ");
    if (!place || !pid || place > 4096) return false;
    name(state, say);
    state.places[place] = pid;
    return say(WorkerBooted{place}, pid);
  }
  if (starts_with(text, "Unexpected exit from worker-")) {
    const int pid = pid_of("worker-");
    name(state, say);
    return !pid || say(WorkerReaped{}, pid);
  }
  // Said before the new one is spawned: the old one is asked to go, unless it is gone already.
  if (starts_with(text, "Respawning worker-")) {
    const int pid = pid_of("worker-");
    name(state, say);
    return !pid || say(WorkerDraining{"own-limit"}, pid);
  }
  if (starts_with(text, "Killing old worker-")) {   // the new one has its number already, and its pid is not said
    name(state, say);
    return true;
  }
  if (starts_with(text, "Shutting down granian")) { name(state, say); return say(MasterSignalled{"term", false}, state.master); }
  if (starts_with(text, "Granian shutdown completed")) { name(state, say); return say(MasterStopped{"Master", ""}, state.master); }
  return false;
}

void finish(State&, Sink&) {}

constexpr std::string_view marks[] = {"Starting granian", "Spawning worker-", "Unexpected exit from worker-", "Respawning worker-", "Killing old worker-", "Shutting down granian", "Granian shutdown"};

std::unique_ptr<State> start() { return std::make_unique<Reading>(); }

}  // namespace

extern const Format granian = {"Granian log", SourceKind::server_log, start, step, finish, marks};

}  // namespace parse::formats_of
