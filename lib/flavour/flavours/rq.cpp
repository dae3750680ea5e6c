// RQ's worker: it forks a work horse for each job, and waits for it. Source: rq/worker.py@1.13.0 (monitor_work_horse, kill_horse, procline); its
// titles and lines measured with 1.13.0 of Debian 12.
#include "flavour/command.hpp"
#include "flavour/flavour.hpp"

namespace flavour {

namespace {

std::string family(std::string_view) { return "1"; }

// "Moving job to FailedJobRegistry (Work-horse terminated unexpectedly; waitpid returned 9 (signal 9); )" is a WARNING, and names the status, never
// the pid; a horse that ended with 0 had done its job.
std::optional<bool> would_log(std::string_view, std::string_view level, Ending ending) {
  if (ending == Ending::exit_zero) return false;
  return level != "error" && level != "critical";
}

std::optional<int> timeout_exit_code(std::string_view) { return std::nullopt; }

// With setproctitle "rq: Listening on default", "rq: Forked 28118 at 1795411428.18", and of the horse "rq: Processing jobs.f from default since ...";
// later versions put the worker's name before it. Without: rq worker, python -m rq.cli worker.
bool recognise(std::string_view args) {
  if (args.starts_with("rq: ") || args.starts_with("rq:worker:")) return true;
  std::string_view rest = args;
  return (runs(rest, "rq", "python") && has_word(rest, "worker")) || (runs(args, "rq.cli", "python") && has_word(args, "worker"));
}

Kin kin(std::string_view args) {
  if (!args.starts_with("rq:")) return Kin::either;
  return args.find(" Processing ") != std::string_view::npos ? Kin::worker : Kin::master;
}

constexpr std::string_view comms[] = {"rq", "python", "pypy"};

constexpr Meaning signals[] = {
    {"TERM", Act::graceful, "ends when its job is done", "a second one within seconds kills the job"},
    {"INT", Act::graceful, "ends when its job is done", "a second one kills the job"},
};

constexpr Advice advice[] = {
    {"death.oom-cgroup", "then", "what it ran is in the FailedJobRegistry: rq requeue brings it back, but the next horse needs as much memory; cut the job, or give its queue a worker of its own", "a job may run twice", ""},
    {"death.unknown", "then", "see the failed job's text: rq info, or job.exc_info; it says which signal the work horse ended by", "nothing", ""},
};

}  // namespace

namespace flavours_of {

// job_timeout is raised inside the horse by SIGALRM (timeouts.py), so it ends by an exception; only a horse that does not run Python any more is
// killed by its worker, a minute later, and so it is at a cold shutdown: no timeout of the kind that a check could reason from.
extern const Flavour rq = {
    .name = "rq",
    .family = family,
    .would_log = would_log,
    .timeout_exit_code = timeout_exit_code,
    .defaults = {},
    .recognise = recognise,
    .kin = kin,
    .comms = comms,
    .timeout = {},
    .tells = Tells::status,
    .on_master_death = OnMasterDeath::workers_leave,
    .signals = signals,
    .places = "1",
    .distribution = "rq",
    .advice = advice,
};

}  // namespace flavours_of
}  // namespace flavour
