// Granian. Source only, for no Debian has it: emmett-framework/granian granian/server/common.py@01bedd0, and 9a20b17 (servers.md 2, 5).
#include "flavour/command.hpp"
#include "flavour/flavour.hpp"

namespace flavour {

namespace {

std::string family(std::string_view) { return ""; }
std::optional<bool> would_log(std::string_view, std::string_view, Ending) { return false; }   // "Unexpected exit from worker-N" names no status
std::optional<int> timeout_exit_code(std::string_view) { return std::nullopt; }

// With setproctitle: "granian INTERFACE ADDRESS TARGET", its workers with " worker-N" behind.
bool recognise(std::string_view args) { return runs(args, "granian", "python"); }

Kin kin(std::string_view args) { return args.find(" worker-") != std::string_view::npos ? Kin::worker : Kin::either; }

// respawn_failed_workers is False by default (common.py): then the end of one ends all, with exit status 1.
OnWorkerDeath on_death(std::string_view) { return OnWorkerDeath::ends_server; }

constexpr std::string_view comms[] = {"granian", "python", "pypy"};
constexpr Default defaults[] = {{"backlog", "1024", "", "", ""}, {"respawn_failed_workers", "False", "", "", ""}, {"respawn_interval", "3.5", "s", "", ""}};
constexpr Option options[] = {{"--workers", "workers", ""}, {"--backlog", "backlog", ""}, {"--workers-kill-timeout", "graceful_timeout", "s"}, {"--workers-max-rss", "workers_max_rss", "MiB"}, {"--workers-lifetime", "max_requests", "s"}};
constexpr Meaning signals[] = {{"HUP", Act::reload, "reloads: each worker is started anew before the old one is stopped", ""}, {"TERM", Act::graceful, "ends when requests are done", "without a limit unless workers_kill_timeout is set"}};
constexpr Advice advice[] = {
    {"death.unknown", "then", "let it start a failed worker again (--respawn-failed-workers): by default one death ends the server", "a restart", "--respawn-failed-workers"},
};

}  // namespace

namespace flavours_of {

extern const Flavour granian = {
    .name = "granian",
    .family = family,
    .would_log = would_log,
    .timeout_exit_code = timeout_exit_code,
    .defaults = defaults,
    .recognise = recognise,
    .kin = kin,
    .comms = comms,
    .timeout = {},
    .tells = Tells::end,
    .on_worker_death = on_death,
    .on_master_death = OnMasterDeath::workers_serve,
    .signals = signals,
    .reload = "kill -HUP of the master",
    .options = options,
    .distribution = "granian",
    .advice = advice,
};

}  // namespace flavours_of
}  // namespace flavour
