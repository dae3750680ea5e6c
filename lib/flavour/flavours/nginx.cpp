// nginx's own workers. Source: nginx/nginx 3f6f7824d src/os/unix/ngx_process.c ngx_process_get_status; measured with 1.22.1 (servers.md 2, 3).
#include "flavour/command.hpp"
#include "flavour/flavour.hpp"

namespace flavour {

namespace {

std::string family(std::string_view) { return "1"; }

// An end by a signal is an ALERT, an exit a NOTICE.
std::optional<bool> would_log(std::string_view, std::string_view level, Ending ending) {
  if (ending == Ending::timeout_abort) return std::nullopt;
  return ending == Ending::exit_zero || ending == Ending::exit_nonzero ? level == "info" || level == "notice" || level == "debug" : true;
}

std::optional<int> timeout_exit_code(std::string_view) { return std::nullopt; }

bool recognise(std::string_view args) { return args.starts_with("nginx: master process") || args.starts_with("nginx: worker process") || args.starts_with("nginx: cache "); }

Kin kin(std::string_view args) { return args.starts_with("nginx: master") ? Kin::master : args.starts_with("nginx: worker") ? Kin::worker : Kin::aside; }

constexpr std::string_view comms[] = {"nginx"};
constexpr Meaning signals[] = {{"QUIT", Act::graceful, "ends when requests are done", ""}, {"TERM", Act::at_once, "ends at once", ""}, {"HUP", Act::reload, "reloads", "old workers stay until their requests end, without a limit unless worker_shutdown_timeout is set"}};

}  // namespace

namespace flavours_of {

extern const Flavour nginx = {
    .name = "nginx",
    .family = family,
    .would_log = would_log,
    .timeout_exit_code = timeout_exit_code,
    .defaults = {},
    .recognise = recognise,
    .kin = kin,
    .comms = comms,
    .timeout = {},
    .tells = Tells::status,
    .on_master_death = OnMasterDeath::workers_serve,
    .signals = signals,
    .reload = "nginx -s reload",
    .reopen = "nginx -s reopen",
    .language = "",
};

}  // namespace flavours_of
}  // namespace flavour
