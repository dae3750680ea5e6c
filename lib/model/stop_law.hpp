// What a server makes of the signals that stop and reload it, and of the end of its master, for the walk of a request: read from its flavour, by
// the class of its workers.
#pragma once

#include <string_view>

#include "model/budget.hpp"

namespace model {

struct StopLaw {
  using Signal = StopLimits::Signal;
  Signal terminate = Signal::unknown, interrupt = Signal::unknown, quit = Signal::unknown, hang_up = Signal::unknown;
  Orphans orphans = Orphans::unknown;
  double reload_late = 0;          // what the end of an old worker may come later than its limit at a reload
};
StopLaw stop_law(std::string_view server, std::string_view worker_class);

/// What the signal means to it: "SIGTERM", "TERM", "15".
StopLimits::Signal meaning_of(const StopLaw& law, std::string_view signal);

/// The signal that a command line sends to the main process: "/bin/kill -s QUIT $MAINPID" -> "QUIT"; "" for a command that is no kill.
std::string_view signal_sent(std::string_view command);

}  // namespace model
