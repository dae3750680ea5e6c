// What other pre-fork servers, and the memory watchdogs that run inside them, say when a worker passes a limit of the server's own: it is then
// replaced for its memory, or only warned for its time. Each row was read in the source it names; the lines of uWSGI were measured too
// (facts: servers.md 5).
#include "base/text.hpp"
#include "parse/envelope_stamp.hpp"
#include "parse/format.hpp"

namespace parse::formats_of {

namespace {

using evidence::LimitPassed, evidence::PidSpace, evidence::Subject;

bool starts_with(std::string_view text, std::string_view start) { return text.starts_with(start); }

struct Reading : State {};

bool say(LimitPassed what, std::int64_t pid, const Record& record, Sink& sink) {
  if (pid <= 0 || pid > INT32_MAX) return false;
  sink.add(std::move(what), Subject{static_cast<int>(pid), PidSpace::server, {}}, record);
  return true;
}

std::optional<std::int64_t> number_after(std::string_view text, std::string_view mark) {
  const std::size_t at = text.find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view rest = text.substr(at + mark.size());
  return base::take_number(rest);
}

// "*** EVIL RELOAD ON WORKER 1 RSS: 75665408 (pid: 30554) ***" (core/master_checks.c: the master then sends SIGKILL)
bool evil_reload(std::string_view text, const Record& record, Sink& sink) {
  const auto pid = number_after(text, "(pid: ");
  LimitPassed what{"uwsgi", "memory", "evil-reload-on-rss", 0, 0, true};
  if (base::contains(text, " ADDRESS SPACE: ")) what.detail = "evil-reload-on-as";
  const auto used = number_after(text, what.detail == "evil-reload-on-as" ? " ADDRESS SPACE: " : " RSS: ");
  if (used && *used > 0) what.usage = static_cast<double>(*used);
  return pid && say(std::move(what), *pid, record, sink);
}

// "E, [2026-11-22T10:00:00 #12]  WARN -- : #<Unicorn::HttpServer...>: worker (pid: 1234) exceeds memory limit (400 bytes > 300 bytes)"
// (unicorn-worker-killer, lib/unicorn/worker_killer.rb)
bool unicorn_killer(std::string_view text, const Record& record, Sink& sink) {
  const auto pid = number_after(text, "worker (pid: ");
  LimitPassed what{"unicorn", "memory", "unicorn-worker-killer", 0, 0, false};
  if (const auto used = number_after(text, "exceeds memory limit (")) what.usage = static_cast<double>(*used);
  if (const auto limit = number_after(text, " bytes > ")) what.limit = static_cast<double>(*limit);
  return pid && say(std::move(what), *pid, record, sink);
}

// "PumaWorkerKiller: Out of memory. 3 workers consuming total: 600.0 mb out of max: 500.0 mb. Sending TERM to pid 42 consuming 250.0 mb."
// (puma_worker_killer, lib/puma_worker_killer/reaper.rb); its rolling restart says "Rolling Restart" and is no limit.
bool puma_killer(std::string_view text, const Record& record, Sink& sink) {
  const auto pid = number_after(text, "to pid ");
  LimitPassed what{"puma", "memory", "puma_worker_killer", 0, 0, false};
  const std::size_t at = text.rfind(" consuming ");
  if (at != std::string_view::npos) {
    std::string_view rest = text.substr(at + 11);
    if (const auto used = base::take_number(rest)) what.usage = static_cast<double>(*used) * 1048576;
  }
  if (const auto limit = number_after(text, "out of max: ")) what.limit = static_cast<double>(*limit) * 1048576;
  return pid && say(std::move(what), *pid, record, sink);
}

// "[pool www] child 123, script '/srv/slow.php' (request: "GET /slow.php") executing too slow (1.234567 sec), logging" (fpm_request.c)
bool fpm_slow(std::string_view text, const Record& record, Sink& sink) {
  const auto pid = number_after(text, "] child ");
  LimitPassed what{"php-fpm", "soft-time", "", 0, 0, false};
  if (const auto request = base::between(text, "(request: \"", "\"")) what.detail = std::string(request->substr(0, 200));
  if (const auto seconds = number_after(text, "executing too slow (")) what.usage = static_cast<double>(*seconds);
  return pid && say(std::move(what), *pid, record, sink);
}

// "Soft time limit (3s) exceeded for tasks.report[b320b250-...]" (celery/worker/request.py on_timeout). It names the task, not the process.
bool celery_soft(std::string_view text, const Record& record, Sink& sink) {
  LimitPassed what{"celery", "soft-time", "", 0, 0, false};
  const auto limit = number_after(text, "Soft time limit (");
  const auto task = base::between(text, "exceeded for ", "[");
  if (!limit || !task) return false;
  what.limit = static_cast<double>(*limit);
  what.detail = std::string(task->substr(0, 200));
  sink.add(std::move(what), Subject{}, record);
  return true;
}

// "Task tasks.report[b320b250-...] raised unexpected: SoftTimeLimitExceeded()" (celery/app/trace.py)
bool celery_raised(std::string_view text, const Record& record, Sink& sink) {
  const auto task = base::between(text, "Task ", "[");
  if (!task) return false;
  sink.add(LimitPassed{"celery", "soft-time-raised", std::string(task->substr(0, 200)), 0, 0, false}, Subject{}, record);
  return true;
}

bool step(State&, const Record& record, Sink& sink) {
  const std::string_view text = record.text;
  if (record.from_kernel_form || text.size() < 32) return false;
  // With log-date, as Debian has it: "Mon Nov 23 09:05:38 2026 - *** EVIL RELOAD ON WORKER ".
  if (const auto at = text.find("*** EVIL RELOAD ON WORKER "); at == 0 || (at != std::string_view::npos && at < 40 && text.substr(0, at).ends_with(" - "))) {
    Record timed = record;
    if (std::string_view rest = text; !timed.when) timed.when = take_ctime(rest);
    return evil_reload(text.substr(at), timed, sink);
  }
  if (base::contains(text, "Soft time limit (")) return celery_soft(text, record, sink);
  if (base::contains(text, "SoftTimeLimitExceeded(") && base::contains(text, "] raised ")) return celery_raised(text, record, sink);
  if (base::contains(text, "] child ") && base::contains(text, " executing too slow (")) return fpm_slow(text, record, sink);
  if (base::contains(text, "PumaWorkerKiller: Out of memory.") && base::contains(text, "to pid ")) return puma_killer(text, record, sink);
  if (base::contains(text, " exceeds memory limit (") && base::contains(text, "worker (pid: ")) return unicorn_killer(text, record, sink);
  return false;
}

constexpr std::string_view marks[] = {"EVIL RELOAD ON WORKER ", "Soft time limit (", "SoftTimeLimitExceeded(", " executing too slow (", "PumaWorkerKiller: Out of memory.", " exceeds memory limit ("};

void finish(State&, Sink&) {}

std::unique_ptr<State> start() { return std::make_unique<Reading>(); }

}  // namespace

extern const Format limits = {"limits of a server's own", evidence::SourceKind::server_log, start, step, finish, marks};

}  // namespace parse::formats_of
