// gunicorn 19.9 to 26.2. Lines are cited as file:line@version of benoitc/gunicorn.
#include <algorithm>

#include "base/text.hpp"
#include "flavour/flavour.hpp"
#include "flavour/gunicorn_settings.hpp"

namespace flavour {

namespace {

// Five families, by how the end of a worker is noticed and worded: arbiter.py is the same in 21.0-21.2 and, but for HTTP 500 on a timeout
// and the heartbeat's clock, in 22.0-23.0.
std::string family(std::string_view text) {
  const Version version = read_version(text);
  if (!version.known()) return "";
  if (version < Version{20, 1, 0}) return "20.0";
  if (version < Version{21, 0, 0}) return "20.1";
  if (version < Version{22, 0, 0}) return "21";
  if (version < Version{24, 0, 0}) return "22";
  return "24";
}

enum class Said : std::uint8_t { never, info, warning, error, critical };

// At which level the master words an end.
struct Wording { std::string_view family; Said kill, term, other, nonzero; };

constexpr Wording wordings[] = {
    {"20.0", Said::never, Said::never, Said::never, Said::never},      // reap_workers logs nothing: arbiter.py@20.0.4
    {"20.1", Said::warning, Said::warning, Said::warning, Said::never},  // "was terminated due to signal": arbiter.py:530@20.1.0; exit codes: no line
    {"21", Said::error, Said::error, Said::error, Said::error},        // arbiter.py:526-553@21.2.0
    {"22", Said::error, Said::error, Said::error, Said::error},        // arbiter.py:526,537,543-553@23.0.0
    {"24.0", Said::warning, Said::warning, Said::warning, Said::error},  // 24.0.x only: one day old when 24.1 came
    {"24", Said::error, Said::info, Said::warning, Said::error},       // 24.1+: arbiter.py:664-678@26.2.2
};

// glogging.py:198@20.1.0: letters' case is no matter, and a word that names no level means INFO ("warn" too).
std::optional<Said> level_named(std::string_view text) {
  std::string level;
  for (const char c : text.substr(0, 16)) level += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  if (level.empty()) return std::nullopt;
  if (level == "warning") return Said::warning;
  if (level == "error") return Said::error;
  if (level == "critical") return Said::critical;
  return Said::info;
}

std::optional<bool> would_log(std::string_view of, std::string_view log_level, Ending ending) {
  if (ending == Ending::exit_zero) return false;     // no version: the reaper only looks at a status other than 0
  if (ending == Ending::timeout_abort) return true;  // "WORKER TIMEOUT" is CRITICAL in all: arbiter.py:501@20.1.0, :618@26.2.2
  const Wording* wording = nullptr;
  for (const Wording& row : wordings)
    if (row.family == of || (row.family == "24.0" && base::starts_with(of, "24.0"))) { wording = &row; break; }
  if (!wording) return std::nullopt;
  Said said = Said::never;
  switch (ending) {
    case Ending::signal_kill: said = wording->kill; break;
    case Ending::signal_term: said = wording->term; break;
    case Ending::signal_other: said = wording->other; break;
    default: said = wording->nonzero; break;
  }
  if (said == Said::never) return false;
  const auto lowest = level_named(log_level);
  if (!lowest) return std::nullopt;
  return said >= *lowest;
}

// A sync worker whose timeout's SIGABRT reaches Python ends by sys.exit(1) (base.py:200-203). Up to 21 the SystemExit passes and the code is
// 1, said from 21 on; from 22.0 `except BaseException` in the request loop takes it and the worker ends with 0, of which no version speaks.
std::optional<int> timeout_exit_code(std::string_view of) {
  if (of == "20.0" || of == "20.1" || of == "21") return 1;
  if (of == "22" || base::starts_with(of, "24")) return 0;
  return std::nullopt;
}

// The next word of a command line as ps prints it or as /proc/PID/cmdline holds it (NUL between words).
std::string_view take_word(std::string_view& args) {
  constexpr std::string_view blanks(" \t\n\0", 4);
  const auto begin = args.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return args = {};
  args.remove_prefix(begin);
  const auto end = std::min(args.find_first_of(blanks), args.size());
  std::string_view word = args.substr(0, end);
  args.remove_prefix(end);
  while (!word.empty() && (word.front() == '"' || word.front() == '\'')) word.remove_prefix(1);
  while (!word.empty() && (word.back() == '"' || word.back() == '\'')) word.remove_suffix(1);
  return word.empty() ? std::string_view("\"\"") : word;
}

std::string_view file_name(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

// After USR2 a `python -m gunicorn` runs as `python /usr/lib/python3/dist-packages/gunicorn/__main__.py` (measured, 20.1.0).
bool is_program(std::string_view word) {
  constexpr std::string_view module = "/gunicorn/__main__.py";
  return file_name(word) == "gunicorn" || file_name(word) == "gunicorn3" || (word.size() > module.size() && word.substr(word.size() - module.size()) == module);
}

// A process that is gunicorn itself: `gunicorn ...`, `python /usr/bin/gunicorn ...`, `python -m gunicorn ...`, with VAR=value before it, or the
// title that setproctitle gives. Not one that only names it: `systemctl restart gunicorn`, `sudo gunicorn`.
bool recognise(std::string_view args) {
  if (base::starts_with(args, "gunicorn: master [") || base::starts_with(args, "gunicorn: worker [")) return true;
  std::string_view word = take_word(args);
  while (base::contains(word, "=") && !base::starts_with(word, "-") && !base::starts_with(word, "/")) word = take_word(args);
  if (is_program(word)) return true;
  if (!base::starts_with(file_name(word), "python") && !base::starts_with(file_name(word), "pypy")) return false;
  for (word = take_word(args); !word.empty(); word = take_word(args)) {
    if (word == "-m") {
      const auto module = take_word(args);
      return module == "gunicorn" || module == "gunicorn.app.wsgiapp";
    }
    if (word == "-W" || word == "-X") take_word(args);
    else if (word.front() != '-') return is_program(word);
  }
  return false;
}

Kin kin(std::string_view args) {
  if (base::starts_with(args, "gunicorn: master [")) return Kin::master;
  return base::starts_with(args, "gunicorn: worker [") ? Kin::worker : Kin::either;
}

// triage-server --like gunicorn-23 writes gunicorn's log, and the kernel calls it by its own name.
constexpr std::string_view comms[] = {"gunicorn", "python", "uvicorn", "pypy", "triage-server"};

// The arbiter polls once a second (arbiter.py:486-505@20.1.0): kills of sync workers came 0.1 to 1.0 s after the timeout in 12 of 12 runs, and up to
// 1 s more for code in C. Workers with a loop touch their heartbeat once a second (gthread, gevent, tornado, asgi), so a blocked loop may be a second
// old when its request begins; the uvicorn worker does it every half of the timeout only, which is no fixed number of seconds (model/budget.cpp).
constexpr Timeout sync_timeout{Scope::request, "timeout", 0, 1.1, 9, 1.1};
constexpr Timeout loop_timeout{Scope::loop, "timeout", 1, 1.1, 9, 1.1};

// QUIT and INT end workers at once, but the threads of gthread: its worker leaves by sys.exit, which waits for them (gthread.py handle_quit@20.1.0,
// 23.0.0), until the master kills it at graceful_timeout. What they do to uvicorn's depends on uvicorn: 0.17.6 was cut at once, 0.32.0 at
// graceful_timeout. Measured with 20.1.0 and 23.0.0, requests of 1.5 to 8 s, the signal after 0.5 s.
constexpr std::string_view gracefully = "ends when requests are done, graceful_timeout at most", at_once = "ends at once", reloads = "reloads its configuration, and the application unless preload_app", promotes = "starts a new master beside the old one";
constexpr Meaning plain_signals[] = {{"TERM", Act::graceful, gracefully, ""}, {"INT", Act::at_once, at_once, ""}, {"QUIT", Act::at_once, at_once, "the opposite of nginx's and Unicorn's"}, {"HUP", Act::reload, reloads, ""}, {"USR2", Act::unknown, promotes, ""}};
constexpr Meaning thread_signals[] = {{"TERM", Act::graceful, gracefully, ""}, {"INT", Act::graceful, gracefully, ""}, {"QUIT", Act::graceful, gracefully, ""}, {"HUP", Act::reload, reloads, ""}, {"USR2", Act::unknown, promotes, ""}};
constexpr Meaning other_signals[] = {{"TERM", Act::graceful, gracefully, ""}, {"HUP", Act::reload, reloads, ""}, {"USR2", Act::unknown, promotes, ""}};

// A worker whose master is gone ends its request first; only gevent's is cut at its next look, a second at most.
constexpr Kind kinds[] = {
    {"sync", sync_timeout, plain_signals, OnMasterDeath::workers_leave},   {"gthread", loop_timeout, thread_signals, OnMasterDeath::workers_leave}, {"gevent", loop_timeout, plain_signals, OnMasterDeath::workers_end},
    {"uvicorn", loop_timeout, other_signals, OnMasterDeath::workers_leave}, {"", loop_timeout, other_signals, OnMasterDeath::unknown},
};

// From 22.0 SystemExit of the abort handler reaches handle_error, which answers the request: commit 40232284 (22.0.0); measured on 20.1 and 26.1.
std::optional<bool> answers_on_timeout(std::string_view of, std::string_view worker_class) {
  if (worker_class != "sync") return false;
  if (of.empty()) return std::nullopt;
  return of == "22" || base::starts_with(of, "24") || of == "own";   // own: triage-server
}

}  // namespace

namespace flavours_of {

extern const Flavour gunicorn = {
    .name = "gunicorn",
    .like_gunicorn = true,
    .family = family,
    .would_log = would_log,
    .timeout_exit_code = timeout_exit_code,
    .defaults = gunicorn_defaults(),
    .recognise = recognise,
    .kin = kin,
    .comms = comms,
    .timeout = loop_timeout,
    .gave_up = "it gave no heartbeat for longer than its timeout",
    .gave_up_line = "WORKER TIMEOUT",
    .answers_on_timeout = answers_on_timeout,
    .signals = other_signals,
    .kinds = kinds,
    .config_file = "gunicorn.conf.py",
};

}  // namespace flavours_of
}  // namespace flavour
