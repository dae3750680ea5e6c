// hypercorn. Source: pgjones/hypercorn 0e2311f (0.18); measured with 0.13.2 and 0.17.3 (servers.md 1.9, 2, 5).
#include "flavour/command.hpp"
#include "flavour/flavour.hpp"

namespace flavour {

namespace {

std::string family(std::string_view version) { return version.starts_with("0.13") || version.starts_with("0.14") ? "0.13" : version.empty() ? "" : "0.17"; }
std::optional<bool> would_log(std::string_view, std::string_view, Ending) { return false; }   // no version logs a worker's end
std::optional<int> timeout_exit_code(std::string_view) { return std::nullopt; }
bool recognise(std::string_view args) { return runs(args, "hypercorn", "python"); }

// 0.13 joins its workers in their order and looks at nobody else; from run.py of 0.15 on the end of one ends all, with exit status 0 (measured).
OnWorkerDeath on_death(std::string_view family) { return family.empty() ? OnWorkerDeath::unknown : family == "0.13" ? OnWorkerDeath::left_dead : OnWorkerDeath::ends_server; }

constexpr std::string_view comms[] = {"hypercorn", "python", "pypy"};
constexpr Option options[] = {{"-w", "workers", ""}, {"--workers", "workers", ""}, {"--backlog", "backlog", ""}, {"--max-requests", "max_requests", ""}, {"--graceful-timeout", "graceful_timeout", "s"}};
constexpr Meaning signals[] = {{"HUP", Act::unknown, "ends the master (to 0.17), and the workers go on as orphans", "0.18 reloads"}, {"TERM", Act::graceful, "ends when requests are done", ""}};
constexpr Advice advice[] = {
    {"death.unknown", "then", "let the service manager restart it always (Restart=always): when a worker dies 0.17 ends as a whole, with exit status 0", "nothing", "Restart=always"},
};

}  // namespace

namespace flavours_of {

extern const Flavour hypercorn = {
    .name = "hypercorn",
    .family = family,
    .would_log = would_log,
    .timeout_exit_code = timeout_exit_code,
    .defaults = {},
    .recognise = recognise,
    .kin = nullptr,
    .comms = comms,
    .timeout = {},
    .tells = Tells::nothing,
    .on_worker_death = on_death,
    .on_master_death = OnMasterDeath::workers_serve,
    .signals = signals,
    .options = options,
    .distribution = "hypercorn",
    .advice = advice,
};

}  // namespace flavours_of
}  // namespace flavour
