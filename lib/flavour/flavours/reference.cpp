// triage-server, this project's own: its master words ends as gunicorn 24 and later does (lib/prefork/master.cpp say_death), under every --like in that
// version's words, which then are gunicorn's lines with gunicorn's version in them.
#include <array>

#include "base/text.hpp"
#include "flavour/flavour.hpp"

namespace flavour {
namespace {

std::string reference_family(std::string_view version) { return version.empty() ? "" : "own"; }

// lib/prefork/master.cpp say_death with DeathWords::v24.
std::optional<bool> reference_would_log(std::string_view family, std::string_view log_level, Ending ending) {
  if (ending == Ending::exit_zero) return false;
  if (ending == Ending::timeout_abort) return true;  // CRITICAL at every level
  if (family != "own" || log_level.empty()) return std::nullopt;
  if (log_level == "critical") return false;
  if (log_level == "error") return ending == Ending::signal_kill || ending == Ending::exit_nonzero;
  if (log_level == "warning") return ending != Ending::signal_term;
  return true;
}

// lib/prefork/manner.hpp abort_status: the SIGABRT handler leaves with 1.
std::optional<int> reference_timeout_exit_code(std::string_view family) { return family == "own" ? std::optional<int>(1) : std::nullopt; }

// lib/prefork/settings.hpp; gunicorn's but for those that gunicorn does not have.
constexpr std::array reference_defaults{
    Default{"timeout", "30", "s", "", ""},          Default{"graceful_timeout", "30", "s", "", ""}, Default{"keepalive", "2", "s", "", ""},
    Default{"workers", "1", "", "", ""},            Default{"threads", "1", "", "", ""},            Default{"worker_class", "sync", "", "", ""},
    Default{"worker_connections", "1000", "", "", ""}, Default{"backlog", "2048", "", "", ""},      Default{"max_requests", "0", "", "", ""},
    Default{"boot_timeout", "120", "s", "", ""},    Default{"header_timeout", "10", "s", "", ""},   Default{"body_timeout", "30", "s", "", ""},
};

bool reference_recognise(std::string_view args) {
  if (base::starts_with(args, "triage-server: master [") || base::starts_with(args, "triage-server: worker [")) return true;
  const std::string_view program = args.substr(0, args.find_first_of(std::string_view(" \t\n\0", 4)));
  return program.substr(program.rfind('/') + 1) == "triage-server";
}

}  // namespace

namespace flavours_of {

extern const Flavour reference = {
    .name = "reference",
    .family = reference_family,
    .would_log = reference_would_log,
    .timeout_exit_code = reference_timeout_exit_code,
    .defaults = reference_defaults,
    .recognise = reference_recognise,
};

}  // namespace flavours_of
}  // namespace flavour
