// What systemd's manager says about units: src/core/unit.c, service.c and job.c of v219 (el7) to v257. The wordings that count name the
// unit first ("gunicorn.service: Main process exited, ..."); job results name it last ("Started gunicorn.service - Web.").
#include <algorithm>
#include <array>
#include <climits>
#include <memory>
#include <optional>
#include <string>

#include "base/text.hpp"
#include "parse/format.hpp"

namespace parse {
namespace {

using base::contains;
using base::starts_with;
using evidence::UnitEvent;
constexpr auto none = std::string_view::npos;
constexpr std::size_t longest_unit = 256;  // UNIT_NAME_MAX

bool take(std::string_view& text, std::string_view front) {
  if (!starts_with(text, front)) return false;
  text.remove_prefix(front.size());
  return true;
}

bool ends_with(std::string_view text, std::string_view end) { return text.size() >= end.size() && text.substr(text.size() - end.size()) == end; }

// Processes live in services and scopes; mounts, timers and targets have no worker to lose.
bool has_processes(std::string_view unit) { return unit.size() <= longest_unit && !contains(unit, " ") && (ends_with(unit, ".service") || ends_with(unit, ".scope")); }

bool other_unit(std::string_view unit) {
  static constexpr std::array<std::string_view, 9> kinds{".socket", ".timer", ".mount", ".target", ".path", ".swap", ".device", ".automount", ".slice"};
  return std::any_of(kinds.begin(), kinds.end(), [&](std::string_view kind) { return ends_with(unit, kind); });
}

std::optional<int> number_in(std::string_view text) {
  const auto number = base::take_number(text);
  if (!number || *number < 0 || *number > INT_MAX) return std::nullopt;
  return static_cast<int>(*number);
}

// "code=killed, status=9/KILL"
void read_status(std::string_view text, UnitEvent& event) {
  const auto code = base::between(text, "code=", ",");
  const auto status = base::between(text, "status=", "");
  if (!code || !status) return;
  const auto number = number_in(*status);
  if (*code == "exited") {
    event.status = number;
    event.result = number && *number == 0 ? "success" : "exit-code";
  } else {
    event.signal = number;
    event.result = *code == "dumped" ? "core-dump" : "signal";
  }
}

// "process 123 (gunicorn) with signal SIGKILL" behind "Killing ", "Sent signal SIGKILL to main process 123 (gunicorn) on client request."
void read_victim(std::string_view text, UnitEvent& event) {
  const std::size_t at = text.find("process ");
  if (at == none) return;
  std::string_view rest = text.substr(at + 8);
  const auto pid = base::take_number(rest);
  if (pid && *pid > 0 && *pid <= INT_MAX) event.pid = static_cast<int>(*pid);
  if (take(rest, " (")) {
    const std::size_t end = rest.rfind(')');
    if (end != none && end < 64) event.comm = std::string(rest.substr(0, end));
  }
}

std::optional<int> signal_after(std::string_view text, std::string_view words) {
  const auto found = base::between(text, words, "");
  if (!found) return std::nullopt;
  std::size_t end = 0;
  while (end < found->size() && ((*found)[end] >= 'A' && (*found)[end] <= 'Z')) ++end;
  return base::signal_number(found->substr(0, end));
}

// The words after "unit: " (or "unit " in v219). An empty event: systemd's, and nothing that concerns a death.
std::optional<UnitEvent> read_about_unit(std::string_view text) {
  UnitEvent event;
  if (starts_with(text, "Main process exited, ") || starts_with(text, "main process exited, ")) {
    event.event = "main-exited";
    read_status(text, event);
    return event;
  }
  if (starts_with(text, "Control process exited, ") || starts_with(text, "control process exited, ")) {
    event.event = "control-exited";
    read_status(text, event);
    return event;
  }
  if (take(text, "Failed with result '") || take(text, "Unit entered failed state") || take(text, "failed.")) {
    event.event = "failed";
    event.result = std::string(text.substr(0, std::min(text.find('\''), std::size_t{64})));
    if (!contains(text, "'")) event.result.clear();
    return event;
  }
  if (contains(text, "killed by the OOM killer") || contains(text, "OOM killer killed some process")) {
    event.event = "oom-kill";
    return event;
  }
  if (contains(text, "killed by systemd-oomd") || starts_with(text, "systemd-oomd killed ")) {
    event.event = "oom-kill";
    event.result = "systemd-oomd";
    return event;
  }
  if (starts_with(text, "Watchdog timeout")) {
    event.event = "watchdog";
    event.result = "watchdog";
    return event;
  }
  // "State 'stop-sigterm' timed out. Killing." "Stopping timed out. Terminating." "start operation timed out. Terminating."
  if (const std::size_t at = text.find(" timed out"); at != none && at < 64) {
    const std::string_view phase = text.substr(0, at);
    event.event = contains(phase, "tart") || contains(phase, "uspend") || contains(phase, "eload") ? "start-timeout" : "stop-timeout";
    event.result = "timeout";
    if (contains(text, "Killing")) event.signal = 9;
    else if (contains(text, "Terminating") || contains(text, "Stopping")) event.signal = 15;
    return event;
  }
  if (starts_with(text, "Killing process ")) {
    event.event = "killing";
    event.signal = signal_after(text, " with signal ");
    read_victim(text, event);
    return event;
  }
  if (starts_with(text, "Sent signal ")) {
    event.event = "killing";
    event.result = "client-request";
    event.signal = signal_after(text, "Sent signal ");
    read_victim(text, event);
    return event;
  }
  if (contains(text, "cheduled restart job") || contains(text, "scheduling restart")) {
    event.event = "restart";
    if (const auto count = base::between(text, "restart counter is at ", ".")) event.result = std::string(count->substr(0, 16));
    return event;
  }
  if (starts_with(text, "Start request repeated too quickly") || starts_with(text, "start request repeated too quickly")) {
    event.event = "failed";
    event.result = "start-limit-hit";
    return event;
  }
  if (starts_with(text, "Deactivated successfully") || starts_with(text, "Succeeded")) {
    event.event = "stopped";
    event.result = "success";
    return event;
  }
  return std::nullopt;
}

// "Started gunicorn.service - Web.", "Stopping Web...", "Failed to start Web."
std::optional<UnitEvent> read_job(std::string_view text, std::string& unit) {
  struct Word { std::string_view front, event; };
  static constexpr std::array<Word, 10> words{{{"Starting ", "starting"}, {"Started ", "started"}, {"Stopping ", "stopping"}, {"Stopped ", "stopped"}, {"Reloading ", "reloading"},
                                               {"Reloaded ", "reloaded"}, {"Finished ", "stopped"}, {"Failed to start ", "failed"}, {"Failed to reload ", "failed"}, {"Deactivated ", "stopped"}}};
  for (const Word& word : words) {
    if (!take(text, word.front)) continue;
    while (!text.empty() && text.back() == '.') text.remove_suffix(1);
    const std::size_t dash = text.find(" - ");
    if (dash != none && (has_processes(text.substr(0, dash)) || other_unit(text.substr(0, dash)))) text = text.substr(0, dash);
    if (text.empty() || other_unit(text)) return std::nullopt;
    unit = std::string(text.substr(0, longest_unit));
    UnitEvent event;
    event.event = std::string(word.event);
    return event;
  }
  return std::nullopt;
}

bool step(State&, const Record& record, Sink& sink) {
  std::string_view text = record.text;
  if (record.ident == "systemd") {
  } else if (record.ident.empty() || record.from_kernel_form) {
    // In the kernel's ring, and in a line without an envelope, systemd names itself: "systemd[1]: ...".
    if (!take(text, "systemd[")) return false;
    const auto pid = base::take_number(text);
    if (!pid || !take(text, "]: ")) return false;
  } else {
    return false;
  }
  // The journal gives the unit a field of its own; _SYSTEMD_UNIT is init.scope, systemd's own.
  std::string unit(record.field("UNIT").substr(0, longest_unit));
  if (unit.empty()) unit = std::string(record.field("USER_UNIT").substr(0, longest_unit));
  std::optional<UnitEvent> event;
  if (const std::size_t colon = text.find(": "); colon != none && has_processes(text.substr(0, colon))) {
    unit = std::string(text.substr(0, colon));
    event = read_about_unit(text.substr(colon + 2));
  } else if (const std::size_t blank = text.find(' '); blank != none && has_processes(text.substr(0, blank))) {
    unit = std::string(text.substr(0, blank));  // v219: "gunicorn.service stop-sigterm timed out. Killing."
    event = read_about_unit(text.substr(blank + 1));
  } else if (std::string_view rest = text; take(rest, "Unit ") && contains(rest, " entered failed state")) {
    const std::string_view named = rest.substr(0, rest.find(' '));
    if (has_processes(named)) {
      unit = std::string(named);
      event = UnitEvent{};
      event->event = "failed";
    }
  } else {
    std::string named;
    event = read_job(text, named);
    if (unit.empty()) unit = std::move(named);
  }
  if (!event || unit.empty() || other_unit(unit)) return true;
  evidence::Subject about;
  about.unit = std::move(unit);
  if (event->pid) {
    about.pid = *event->pid;
    about.space = evidence::PidSpace::host;
  }
  sink.add(std::move(*event), std::move(about), record);
  return true;
}

constexpr std::string_view marks[] = {
    "systemd", "init.scope",
};

std::unique_ptr<State> start() { return std::make_unique<State>(); }
void finish(State&, Sink&) {}

}  // namespace

namespace formats_of {
extern const Format systemd = {"systemd's own lines", evidence::SourceKind::journal, start, step, finish, marks};
}

}  // namespace parse
