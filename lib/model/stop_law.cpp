#include "model/stop_law.hpp"

#include <array>
#include <optional>

#include "base/text.hpp"
#include "flavour/flavour.hpp"

namespace model {

namespace {

using Signal = StopLimits::Signal;

struct Row { std::string_view server, worker_class; StopLaw law; };  // worker_class "": any

// gunicorn: QUIT and INT end workers at once, but the threads of gthread: its worker leaves by sys.exit, which waits for them (gthread.py
// handle_quit@20.1.0, 23.0.0), until the master kills it at graceful_timeout. A worker whose master is gone ends its request first; only gevent's is
// cut at its next look, a second at most. What QUIT and INT do to uvicorn's depends on uvicorn: 0.17.6 was cut at once, 0.32.0 at graceful_timeout.
// puma: INT, TERM and (without stdout_redirect) HUP alike are graceful; workers die with their master at once. A phased restart (USR1) kills what is
// over worker_shutdown_timeout at its next check, each 5 s.
// unicorn: TERM and INT are quick, QUIT graceful, HUP a reload. uWSGI: TERM reloads unless die-on-term. php-fpm: QUIT is graceful for
// process_control_timeout, TERM and INT are quick; workers outlive their master.
constexpr std::array rows{
    Row{"gunicorn", "sync", {Signal::graceful, Signal::at_once, Signal::at_once, Signal::unknown, Orphans::finish, 0}},
    Row{"gunicorn", "gthread", {Signal::graceful, Signal::graceful, Signal::graceful, Signal::unknown, Orphans::finish, 0}},
    Row{"gunicorn", "gevent", {Signal::graceful, Signal::at_once, Signal::at_once, Signal::unknown, Orphans::end, 0}},
    Row{"gunicorn", "uvicorn", {Signal::graceful, Signal::unknown, Signal::unknown, Signal::unknown, Orphans::finish, 0}},
    Row{"gunicorn", "", {Signal::graceful, Signal::unknown, Signal::unknown, Signal::unknown, Orphans::unknown, 0}},
    Row{"puma", "", {Signal::graceful, Signal::graceful, Signal::at_once, Signal::unknown, Orphans::end, 5.6}},
    Row{"unicorn", "", {Signal::at_once, Signal::at_once, Signal::graceful, Signal::unknown, Orphans::finish, 2}},
    Row{"uwsgi", "", {Signal::reload, Signal::at_once, Signal::at_once, Signal::unknown, Orphans::finish, 1.6}},
    Row{"php-fpm", "", {Signal::at_once, Signal::at_once, Signal::graceful, Signal::unknown, Orphans::finish, 0.6}},
};

}  // namespace

StopLaw stop_law(std::string_view server, std::string_view worker_class) {
  if (flavour::like_gunicorn(server)) server = "gunicorn";
  for (const Row& row : rows)
    if (row.server == server && (row.worker_class.empty() || row.worker_class == worker_class)) return row.law;
  return {};
}

Signal meaning_of(const StopLaw& law, std::string_view signal) {
  const std::optional<int> number = base::signal_number(signal);
  if (!number) return Signal::unknown;
  switch (*number) {
    case 1: return law.hang_up;
    case 2: return law.interrupt;
    case 3: return law.quit;
    case 9: return Signal::at_once;
    case 15: return law.terminate;
    default: return Signal::unknown;
  }
}

std::string_view signal_sent(std::string_view command) {
  while (!command.empty() && base::contains("-@:+!", command.substr(0, 1))) command.remove_prefix(1);  // systemd's marks
  const auto words = base::split(command, ' ');
  if (words.empty() || (words.front() != "kill" && !words.front().ends_with("/kill")) || !base::contains(command, "MAINPID")) return {};
  for (std::size_t i = 1; i < words.size(); ++i) {
    std::string_view word = words[i];
    if (word == "-s" || word == "-n" || word == "--signal") return i + 1 < words.size() ? words[i + 1] : std::string_view();
    if (base::starts_with(word, "--signal=")) return word.substr(9);
    if (word.size() > 1 && word.front() == '-' && word != "--") return word.substr(base::starts_with(word, "-s") ? 2 : 1);
  }
  return "TERM";
}

}  // namespace model
