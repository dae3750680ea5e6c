// uWSGI 2.0. Sources: core/uwsgi.c, core/init.c, core/master.c, core/master_checks.c of unbit/uwsgi 6cbb2177; measured with 2.0.21, 2.0.28 and
// 2.0.31 (servers.md 1, 2, 5).
#include "flavour/command.hpp"
#include "flavour/flavour.hpp"

namespace flavour {

namespace {

std::string family(std::string_view version) { return version.empty() ? "" : "2"; }

// Its log has no levels: what it says it always says, unless --disable-logging, which is for requests. An exit and a SIGTERM to the worker read
// the same: "died :(".
std::optional<bool> would_log(std::string_view, std::string_view, Ending ending) {
  return ending != Ending::exit_zero;
}

std::optional<int> timeout_exit_code(std::string_view) { return std::nullopt; }

bool program(std::string_view word) { return last_part(word) == "uwsgi" || last_part(word) == "uwsgi-core" || last_part(word) == "pyuwsgi"; }

bool recognise(std::string_view args) {
  if (args.starts_with("uWSGI master") || args.starts_with("uWSGI worker ") || args.starts_with("uWSGI mule ") || args.starts_with("uWSGI spooler") || args.starts_with("uWSGI http ")) return true;  // --auto-procname
  std::string_view word = next_word(args);
  while (word.find('=') != std::string_view::npos && !word.starts_with('-') && !word.starts_with('/')) word = next_word(args);
  return program(word);
}

// Mules, spoolers and the http router are forked as workers are and have the same command line unless it renames them.
Kin kin(std::string_view args) {
  if (args.starts_with("uWSGI master")) return Kin::master;
  if (args.starts_with("uWSGI worker ")) return Kin::worker;
  if (args.find("--emperor") != std::string_view::npos || args.starts_with("uWSGI mule ") || args.starts_with("uWSGI spooler") || args.starts_with("uWSGI http ")) return Kin::aside;
  return Kin::either;
}

constexpr std::string_view comms[] = {"uwsgi", "uWSGI"};

constexpr Default defaults[] = {
    {"harakiri", "0", "s", "", ""},           // core/uwsgi.c: off
    {"processes", "1", "", "", ""},
    {"listen", "100", "", "", ""},            // core/init.c
    {"worker-reload-mercy", "60", "s", "", ""},
    {"threads", "1", "", "", ""},             // core/init.c: cores
};

constexpr Option options[] = {
    {"--harakiri", "timeout", "s"}, {"-t", "timeout", "s"}, {"--processes", "workers", ""}, {"-p", "workers", ""}, {"--workers", "workers", ""}, {"--listen", "backlog", ""}, {"-l", "backlog", ""},
    {"--worker-reload-mercy", "graceful_timeout", "s"}, {"--max-requests", "max_requests", ""}, {"-R", "max_requests", ""}, {"--reload-on-rss", "reload-on-rss", "MiB"}, {"--reload-on-as", "reload-on-as", "MiB"},
    {"--reload-on-uss", "reload-on-uss", "MiB"}, {"--reload-on-pss", "reload-on-pss", "MiB"}, {"--max-worker-lifetime", "max-worker-lifetime", "s"}, {"--ini", "config", ""}, {"--pidfile", "pidfile", ""},
    {"--threads", "threads", ""}, {"--reload-mercy", "graceful_timeout", "s"}, {"--cheaper", "cheaper", ""}, {"--evil-reload-on-rss", "evil-reload-on-rss", "MiB"}, {"--harakiri-graceful-timeout", "harakiri-graceful-timeout", "s"},
};

// --ini, or a bare name that ends as a configuration does: `uwsgi app.ini`. A ":section" behind it is left out.
std::vector<std::string> configs_named(std::string_view args) {
  constexpr std::string_view named[] = {"--ini", "--xml", "-x", "--yaml", "-y", "--json", "-j"};
  std::vector<std::string> files = values_of(args, named);
  next_word(args);
  bool value = false;
  for (std::string_view word = next_word(args); !word.empty() && files.size() < 16; word = next_word(args)) {
    const std::string_view path = word.substr(0, word.rfind(':') == std::string_view::npos ? word.size() : word.rfind(':'));
    const bool file = path.ends_with(".ini") || path.ends_with(".xml") || path.ends_with(".yaml") || path.ends_with(".yml") || path.ends_with(".json");
    if (file && !word.starts_with('-') && !value) files.emplace_back(word);
    value = word.starts_with("--") && word.find('=') == std::string_view::npos;
  }
  for (std::string& file : files)
    if (const auto section = file.rfind(':'); section != std::string::npos && section > 0) file.resize(section);
  return files;
}

constexpr Meaning signals[] = {
    {"TERM", Act::reload, "reloads, cutting requests", "it ends the server only with die-on-term (2.0; 2.1 ends it)"},
    {"INT", Act::at_once, "ends at once", ""},
    {"QUIT", Act::at_once, "ends at once", ""},
    {"HUP", Act::reload, "reloads by execve, the same pid; workers that do not leave within worker-reload-mercy are killed", "with lazy-apps the application is loaded anew, and so it is without: the whole process is"},
    {"USR1", Act::unknown, "prints statistics", ""},
};

constexpr Advice advice[] = {
    {"worker.saturated", "now", "see what each worker is at: its stats socket, where there is one (--stats ADDRESS; uwsgi --connect-and-read ADDRESS prints it), or py-spy dump --nonblocking --pid PID", "nothing", ""},
    {"worker.saturated", "then", "raise processes as far as the memory of so many allows, or threads where the requests wait for I/O; move slow work to a mule or the spooler", "memory", "processes = 8"},
    {"worker.hung", "now", "see where it is: py-spy dump --nonblocking --pid PID, or uwsgi --connect-and-read of the stats socket where there is one", "nothing", ""},
    {"worker.hung", "now", "end it, if nobody waits for it any more: kill -KILL PID", "its request", ""},
    {"worker.hung", "then", "set harakiri above what a request may rightly take: without it nobody ends one", "a reload", "harakiri = 60"},
    {"death.timeout", "now", "see where it was: harakiri-verbose = true prints the system call and what the kernel waits in", "a reload", "harakiri-verbose = true"},
    {"death.timeout", "then", "give what the request waits for its own deadline (database, HTTP client, lock), shorter than harakiri", "the slow requests fail early, with an error of yours", ""},
    {"death.timeout", "then", "if requests are rightly that slow, move them to a mule or the spooler; raise harakiri last: each stuck request then holds a worker for longer", "a reload", ""},
    {"death.exited", "then", "find who ends the process: sys.exit or os._exit in the application, or an extension in C; uWSGI logs no exit code", "nothing", ""},
    {"death.unknown", "then", "set log-date = true: uWSGI's lines about deaths have no time without it", "a reload", "log-date = true"},
};

}  // namespace

namespace flavours_of {

extern const Flavour uwsgi = {
    .name = "uwsgi",
    .family = family,
    .would_log = would_log,
    .timeout_exit_code = timeout_exit_code,
    .defaults = defaults,
    .recognise = recognise,
    .kin = kin,
    .comms = comms,
    .timeout = {Scope::request, "harakiri", 1, 2, 9},   // a clock of whole seconds: 1.4 to 3.4 s at 2 (measured)
    .gave_up = "one request took longer than harakiri",
    .gave_up_line = "HARAKIRI ON WORKER",
    .tells = Tells::status,
    .on_master_death = OnMasterDeath::workers_leave,
    .signals = signals,
    .reload = "kill -HUP of the master",
    .reload_late = 1.6,   // measured, 2.0.21
    .options = options,
    .configs_named = configs_named,
    .places = "threads",
    .advice = advice,
};

}  // namespace flavours_of
}  // namespace flavour
