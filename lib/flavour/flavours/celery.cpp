// Celery's worker with the prefork pool. Sources: celery/celery 5dc781f0b, celery/billiard bd2f803 billiard/pool.py; measured with 5.2.6 and 5.5.2
// (servers.md 2, 5).
#include "flavour/command.hpp"
#include "flavour/flavour.hpp"

namespace flavour {

namespace {

std::string family(std::string_view) { return "5"; }

// billiard/pool.py: "Process ... exited with ..." is an ERROR; an exit with 0 (max_tasks_per_child, max_memory_per_child) says nothing.
std::optional<bool> would_log(std::string_view, std::string_view level, Ending ending) { return ending != Ending::exit_zero && level != "critical"; }

std::optional<int> timeout_exit_code(std::string_view) { return std::nullopt; }

bool recognise(std::string_view args) {
  if (args.starts_with("[celeryd: ")) return true;
  return runs(args, "celery", "python") && (has_word(args, "worker") || has_word(args, "multi"));
}

Kin kin(std::string_view args) {
  if (!args.starts_with("[celeryd: ")) return Kin::either;
  return args.find(":MainProcess]") != std::string_view::npos ? Kin::master : Kin::worker;
}

constexpr std::string_view comms[] = {"[celeryd:", "celery", "python", "pypy"};

constexpr Default defaults[] = {{"task_time_limit", "0", "s", "", ""}, {"task_soft_time_limit", "0", "s", "", ""}};

constexpr Option options[] = {{"--time-limit", "timeout", "s"}, {"-c", "workers", ""}, {"--concurrency", "workers", ""}, {"--max-tasks-per-child", "max_requests", ""}, {"--max-memory-per-child", "max-memory-per-child", "KiB"}};

constexpr Meaning signals[] = {
    {"TERM", Act::graceful, "a warm shutdown: waits for running tasks", "without any limit"},
    {"QUIT", Act::at_once, "a cold shutdown: running tasks are lost", ""},
    {"HUP", Act::unknown, "restarts", ""},
};

constexpr Advice advice[] = {
    {"death.timeout", "then", "set a soft limit below the hard one (task_soft_time_limit): the task gets an exception and can clean up", "nothing", "task_soft_time_limit = 25"},
    {"death.timeout", "then", "give what the task waits for its own deadline, or cut the task into smaller ones; raise task_time_limit last", "a restart", ""},
    {"death.oom-cgroup", "then", "the task that it ran is lost unless acks_late and reject_on_worker_lost are both set (acks_late alone did not bring it back: measured)", "a task may run twice", "task_reject_on_worker_lost = True"},
};

}  // namespace

namespace flavours_of {

extern const Flavour celery = {
    .name = "celery",
    .family = family,
    .would_log = would_log,
    .timeout_exit_code = timeout_exit_code,
    .defaults = defaults,
    .recognise = recognise,
    .kin = kin,
    .comms = comms,
    .timeout = {Scope::task, "task_time_limit", 0, 1, 9},
    .gave_up = "its task ran longer than the hard time limit",
    .gave_up_line = "Hard time limit exceeded",
    .tells = Tells::status,
    .on_master_death = OnMasterDeath::workers_leave,
    .signals = signals,
    .options = options,
    .places = "1",
    .distribution = "celery",
    .advice = advice,
};

}  // namespace flavours_of
}  // namespace flavour
