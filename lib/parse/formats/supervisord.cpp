// supervisord's own log (supervisor 3.0 to 4.2.5): process.py spawn, finish, transition; options.py decode_wait_status; supervisord.py. Its lines name
// the program and, but for the birth and the last SIGKILL, no pid: the pid of an end is that of the program's last birth.
#include <algorithm>
#include <array>
#include <climits>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/text.hpp"
#include "parse/envelope_stamp.hpp"
#include "parse/format.hpp"

namespace parse {
namespace {

using base::starts_with;
using evidence::UnitEvent;

constexpr std::size_t longest_name = 128, most_programs = 256;

struct Programs : State {
  std::map<std::string, int, std::less<>> pids;   // of the last birth
};

bool take(std::string_view& text, std::string_view front) {
  if (!starts_with(text, front)) return false;
  text.remove_prefix(front.size());
  return true;
}

// "2026-11-23 05:08:33,843 INFO message": loggers.py asctime and level. The message is left.
std::optional<base::Instant> take_header(std::string_view& text) {
  const auto when = take_iso(text);
  if (!when || !take(text, " ")) return std::nullopt;
  static constexpr std::array<std::string_view, 7> levels{"CRIT ", "ERRO ", "WARN ", "INFO ", "DEBG ", "TRAC ", "BLAT "};
  const bool known = std::any_of(levels.begin(), levels.end(), [&](std::string_view level) { return take(text, level); });
  return known ? when : std::nullopt;
}

// "'web' ", where spawnings and killings quote the name.
std::string take_quoted(std::string_view& text) {
  if (!take(text, "'")) return {};
  const auto end = text.find('\'');
  if (end == std::string_view::npos || end == 0 || end > longest_name) return {};
  std::string name(text.substr(0, end));
  text.remove_prefix(end + 1);
  return name;
}

std::optional<int> take_pid(std::string_view& text) {
  const auto number = base::take_number(text);
  return number && *number > 0 && *number <= INT_MAX ? std::optional(static_cast<int>(*number)) : std::nullopt;
}

// "exit status 3; not expected", "terminated by SIGKILL (core dumped); not expected"
void read_end(std::string_view text, UnitEvent& event) {
  if (take(text, "exit status ")) {
    const auto code = base::take_number(text);
    if (!code || *code < 0 || *code > 255) return;
    event.status = static_cast<int>(*code);
    event.result = *code == 0 ? "success" : "exit-code";
  } else if (take(text, "terminated by ")) {
    event.result = base::contains(text, "(core dumped)") ? "core-dump" : "signal";
    take(text, "signal ");
    std::size_t end = 0;
    while (end < text.size() && end < 16 && text[end] != ' ' && text[end] != ')' && text[end] != ';') ++end;
    event.signal = base::signal_number(text.substr(0, end));
  }
}

constexpr std::string_view of_no_program[] = {"supervisord started with pid ", "has stayed up for > than", "reaped unknown pid ", "Supervisor is running as root", "RPC interface '", "running without any HTTP authentication",
                                             " indicating exit request", "spawnerr: "};

bool step(State& state, const Record& record, Sink& sink) {
  auto& programs = static_cast<Programs&>(state);
  std::string_view text = record.text;
  const auto when = take_header(text);
  if (!when) return false;
  UnitEvent event;
  std::string name;
  if (take(text, "spawned: ")) {
    name = take_quoted(text);
    if (name.empty() || !take(text, " with pid ") || !(event.pid = take_pid(text))) return false;
    event.event = "started";
    if (programs.pids.size() < most_programs || programs.pids.contains(name)) programs.pids[name] = *event.pid;
  } else if (take(text, "killing ")) {
    name = take_quoted(text);   // at INFO and above only the last one: stopwaitsecs is over
    if (name.empty() || !take(text, " (") || !(event.pid = take_pid(text)) || !take(text, ") with SIGKILL")) return false;
    event.event = "killing";
    event.signal = 9;
    UnitEvent over;
    over.event = "stop-timeout";
    over.result = "timeout";
    evidence::Subject about;
    about.unit = name;
    sink.add(std::move(over), std::move(about), record, when);
  } else if (starts_with(text, "exited: ") || starts_with(text, "stopped: ")) {
    const bool stopped = take(text, "stopped: ");
    if (!stopped) take(text, "exited: ");
    const auto open = text.find(" (");
    if (open == std::string_view::npos || open == 0 || open > longest_name) return false;
    name = text.substr(0, open);
    event.event = "main-exited";
    read_end(text.substr(open + 2), event);
    if (event.result.empty()) return false;
    if (const auto known = programs.pids.find(name); known != programs.pids.end()) event.pid = known->second;
    programs.pids.erase(name);
  } else if (take(text, "gave up: ")) {
    const auto end = text.find(" entered FATAL state");
    if (end == std::string_view::npos || end > longest_name) return false;
    name = text.substr(0, end);
    event.event = "failed";
    event.result = "start-limit-hit";
  } else if (take(text, "waiting for ")) {
    const auto end = std::min(text.find(" to stop"), text.find(" to die"));
    if (end == std::string_view::npos || end > longest_name || base::contains(text.substr(0, end), ",")) return end != std::string_view::npos;
    name = text.substr(0, end);
    event.event = "stopping";
    if (const auto known = programs.pids.find(name); known != programs.pids.end()) event.pid = known->second;
  } else {
    return std::any_of(std::begin(of_no_program), std::end(of_no_program), [&](std::string_view words) { return base::contains(text, words); });
  }
  evidence::Subject about;
  about.unit = name;
  if (event.pid) about.pid = *event.pid;
  sink.add(std::move(event), std::move(about), record, when);
  return true;
}

constexpr std::string_view marks[] = {" INFO spawned: '", " WARN exited: ", " INFO exited: ", " WARN stopped: ", " INFO stopped: ", " WARN killing '", " INFO gave up: ", " INFO waiting for ", "supervisord started with pid ",
                                      "has stayed up for > than", "reaped unknown pid ", "Supervisor is running as root", "RPC interface '", "running without any HTTP authentication", " indicating exit request", " INFO spawnerr: "};

std::unique_ptr<State> start() { return std::make_unique<Programs>(); }
void finish(State&, Sink&) {}

}  // namespace

namespace formats_of {
extern const Format supervisord = {"supervisord's own log", evidence::SourceKind::journal, start, step, finish, marks};
}

}  // namespace parse
