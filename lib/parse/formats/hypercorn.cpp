// hypercorn's log (hypercorn/logging.py, asyncio/run.py; measured with 0.13.2 and 0.17.3: servers.md 5). Each worker says where it listens; no
// version says that one died: 0.13 leaves the place empty, 0.17 stops as a whole, with exit status 0.
//   [2026-11-22 10:42:18 +0000] [23060] [INFO] Running on http://127.0.0.1:28121 (CTRL + C to quit)
#include "parse/envelope_header.hpp"
#include "parse/said.hpp"

namespace parse::formats_of {

namespace {

using namespace evidence;

struct Reading : State { bool named = false; };

bool step(State& base_state, const Record& record, Sink& sink) {
  auto& state = static_cast<Reading&>(base_state);
  if (record.from_kernel_form || !base::contains(record.text, "Running on http")) return false;
  const Header header = take_header(record);
  if (!header.text.starts_with("Running on http") || !header.text.ends_with("(CTRL + C to quit)") || header.pid == 0) return false;
  Record with = record;
  with.level = header.level;
  const Said say{with, sink, header.when, 0};
  if (!state.named) say(named_only("hypercorn"), 0);
  state.named = true;
  const std::string_view address = header.text.substr(11);
  say(ServerListening{some(address.substr(0, address.find(" (")), 256)}, 0);
  say(WorkerBooted{}, header.pid);
  return say(WorkerReady{}, header.pid);
}

void finish(State&, Sink&) {}

constexpr std::string_view marks[] = {"Running on http"};

std::unique_ptr<State> start() { return std::make_unique<Reading>(); }

}  // namespace

extern const Format hypercorn = {"hypercorn log", SourceKind::server_log, start, step, finish, marks};

}  // namespace parse::formats_of
