// Bjoern: a WSGI server in C, for which the application forks by itself. Not run here; source: its README: bjoern.listen() in the parent, os.fork() for each worker, bjoern.run().
#include "flavour/flavour.hpp"

namespace flavour {

namespace {

std::string family(std::string_view) { return ""; }
std::optional<bool> would_log(std::string_view, std::string_view, Ending) { return false; }   // it has no log: whoever forked may write one
std::optional<int> timeout_exit_code(std::string_view) { return std::nullopt; }
bool recognise(std::string_view) { return false; }   // its command line is the application's: the library that it has mapped tells

constexpr std::string_view comms[] = {"python", "pypy"};

// Whether anybody starts another one is the application's matter, too; a worker that nobody waits for stays a zombie.
OnWorkerDeath on_death(std::string_view) { return OnWorkerDeath::unknown; }

constexpr Advice advice[] = {
    {"death.unknown", "then", "run it under gunicorn, which starts a new worker for one that died and logs how it ended; or wait for the workers in the parent and print their status", "a change of the start command", ""},
};

}  // namespace

namespace flavours_of {

extern const Flavour bjoern = {
    .name = "bjoern",
    .family = family,
    .would_log = would_log,
    .timeout_exit_code = timeout_exit_code,
    .defaults = {},
    .recognise = recognise,
    .comms = comms,
    .timeout = {},   // none of its own
    .tells = Tells::nothing,
    .on_worker_death = on_death,
    .on_master_death = OnMasterDeath::workers_serve,   // they were only forked: nothing tells them
    .module = "/_bjoern.",
    .advice = advice,
};

}  // namespace flavours_of
}  // namespace flavour
