#include "model/stop_law.hpp"

#include <optional>

#include "base/text.hpp"
#include "flavour/flavour.hpp"

namespace model {

namespace {

using Signal = StopLimits::Signal;

Signal act_of(const flavour::Kind& kind, std::string_view signal) {
  const flavour::Meaning* const meaning = flavour::meaning_of(kind.signals, signal);
  return meaning ? meaning->act : Signal::unknown;
}

Orphans orphans_of(flavour::OnMasterDeath what) {
  switch (what) {
    case flavour::OnMasterDeath::workers_leave:
    case flavour::OnMasterDeath::workers_serve: return Orphans::finish;
    case flavour::OnMasterDeath::workers_end: return Orphans::end;
    default: return Orphans::unknown;
  }
}

}  // namespace

StopLaw stop_law(std::string_view server, std::string_view worker_class) {
  if (flavour::like_gunicorn(server)) server = "gunicorn";
  const flavour::Flavour* const known = flavour::flavour(server);
  if (!known) return {};
  const flavour::Kind kind = flavour::kind_of(*known, worker_class);
  return {act_of(kind, "TERM"), act_of(kind, "INT"), act_of(kind, "QUIT"), act_of(kind, "HUP"), orphans_of(kind.on_master_death), known->reload_late};
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
