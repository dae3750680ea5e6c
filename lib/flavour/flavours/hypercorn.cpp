// hypercorn. Source: pgjones/hypercorn 0e2311f (0.18); measured with 0.13.2 and 0.17.3 (servers.md 1.9, 2, 5).
#include "flavour/command.hpp"
#include "flavour/flavour.hpp"

namespace flavour {

namespace {

std::string family(std::string_view) { return ""; }
std::optional<bool> would_log(std::string_view, std::string_view, Ending) { return false; }   // no version logs a worker's end
std::optional<int> timeout_exit_code(std::string_view) { return std::nullopt; }
bool recognise(std::string_view args) { return runs(args, "hypercorn", "python"); }

constexpr std::string_view comms[] = {"hypercorn", "python", "pypy"};
constexpr Option options[] = {{"-w", "workers", ""}, {"--workers", "workers", ""}, {"--backlog", "backlog", ""}, {"--max-requests", "max_requests", ""}, {"--graceful-timeout", "graceful_timeout", "s"}};
constexpr Meaning signals[] = {{"HUP", "ends the master (to 0.17), and the workers go on as orphans", "0.18 reloads"}, {"TERM", "ends when requests are done", ""}};
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
    .on_worker_death = OnWorkerDeath::ends_server,   // 0.17; 0.13 leaves its place empty
    .on_master_death = OnMasterDeath::workers_serve,
    .signals = signals,
    .options = options,
    .advice = advice,
};

}  // namespace flavours_of
}  // namespace flavour
