// uvicorn with --workers, 0.17 to 0.53. Source: encode/uvicorn e6c7ce79 uvicorn/supervisors/multiprocess.py; measured with 0.17.6, 0.32.0 and
// 0.53.0 (servers.md 1.9, 2, 5).
#include "flavour/command.hpp"
#include "flavour/flavour.hpp"

namespace flavour {

namespace {

std::string family(std::string_view version) { return version.empty() ? "" : version.starts_with("0.1") ? "0.17" : "0.30"; }

// 0.30 and later say "Child process [N] died" for every end alike, for the supervisor's own kill too; before that the supervisor looked at nobody.
std::optional<bool> would_log(std::string_view, std::string_view, Ending) { return false; }

std::optional<int> timeout_exit_code(std::string_view) { return std::nullopt; }

bool recognise(std::string_view args) { return runs(args, "uvicorn", "python"); }

// 0.17 starts its workers and waits for the end of the first (supervisors/multiprocess.py:run@0.17.6): a dead one is a zombie until the stop.
OnWorkerDeath on_death(std::string_view family) { return family == "0.17" ? OnWorkerDeath::left_dead : OnWorkerDeath::replaced; }

constexpr std::string_view comms[] = {"uvicorn", "python", "pypy"};

constexpr Default defaults[] = {{"timeout_worker_healthcheck", "5", "s", "0.30", ""}};

constexpr Option options[] = {{"--workers", "workers", ""}, {"--timeout-worker-healthcheck", "timeout", "s"}, {"--backlog", "backlog", ""}, {"--limit-max-requests", "max_requests", ""}, {"--timeout-graceful-shutdown", "graceful_timeout", "s"}};

constexpr Meaning signals[] = {
    {"HUP", Act::unknown, "restarts its workers one by one", "before 0.30 it ends the supervisor, and the workers go on as orphans"},
    {"TERM", Act::graceful, "ends when requests are done", "without a limit unless timeout_graceful_shutdown is set"},
};

constexpr Advice advice[] = {
    {"death.timeout", "now", "look for what holds the interpreter's lock for 5 s and more: C code, or a process that was stopped; a blocked event loop alone never does", "nothing", ""},
    {"death.unknown", "then", "run it under gunicorn with uvicorn's worker class, which logs signals and exit codes", "a change of the start command", ""},
};

}  // namespace

namespace flavours_of {

extern const Flavour uvicorn = {
    .name = "uvicorn",
    .family = family,
    .would_log = would_log,
    .timeout_exit_code = timeout_exit_code,
    .defaults = defaults,
    .recognise = recognise,
    .kin = nullptr,
    .comms = comms,
    .timeout = {Scope::ping, "timeout_worker_healthcheck", 0, 1.1, 9},   // 5.4 s at 5 (measured)
    .gave_up = "its process answered no ping of the supervisor",
    .gave_up_line = "",
    .tells = Tells::end,
    .on_worker_death = on_death,
    .on_master_death = OnMasterDeath::workers_serve,
    .signals = signals,
    .reload = "kill -HUP of the supervisor, from 0.30 on (before that it ends it)",
    .options = options,
    .distribution = "uvicorn",
    .advice = advice,
};

}  // namespace flavours_of
}  // namespace flavour
