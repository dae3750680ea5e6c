// earlyoom (kill.c): it sends SIGTERM, later SIGKILL, to one process when memory and swap fall under its limits.
//   1.2-1.6: sending SIGTERM to process 123 uid 1000 "chromium": badness 800, VmRSS 200 MiB
//   1.7 on:  sending SIGTERM to process 123 uid 1000 "chromium": oom_score 800, VmRSS 200 MiB, cmdline "..."
//   before:  Killing process 123 (chromium)
#include <climits>
#include <memory>
#include <string>

#include "base/text.hpp"
#include "parse/format.hpp"

namespace parse {
namespace {

using base::starts_with;
constexpr auto none = std::string_view::npos;

constexpr std::string_view marks[] = {
    "earlyoom", "sending SIG",
};

std::unique_ptr<State> start() { return std::make_unique<State>(); }
void finish(State&, Sink&) {}

bool step(State&, const Record& record, Sink& sink) {
  std::string_view text = record.text;
  const bool named = record.ident == "earlyoom";
  if (!named) {
    if (!record.ident.empty() && !record.from_kernel_form) return false;
    // Without an ident only its whole wording counts: "sending SIGTERM to process 123 uid 0 ".
    if (starts_with(text, "earlyoom[")) {
      const std::size_t at = text.find("]: ");
      if (at == none || at > 24) return false;
      text.remove_prefix(at + 3);
    } else if (!starts_with(text, "sending SIG") || !base::contains(text, " uid ")) {
      return false;
    }
  }
  evidence::UserspaceKill kill;
  kill.killer = "earlyoom";
  std::string_view rest = text;
  if (starts_with(text, "sending SIG")) {
    const auto signal = base::between(text, "sending ", " ");
    const auto process = base::between(text, " to process ", "");
    if (!signal || !process) return true;
    kill.signal = base::signal_number(*signal);
    rest = *process;
  } else if (starts_with(text, "Killing process ") || starts_with(text, "killing process ")) {
    kill.signal = 9;
    rest = text.substr(16);
  } else {
    return named;
  }
  const auto pid = base::take_number(rest);
  if (!pid || *pid <= 0 || *pid > INT_MAX) return true;
  kill.pid = static_cast<int>(*pid);
  const bool old = starts_with(rest, " (");
  const std::size_t from = old ? 2 : rest.find('"');
  if (from != none && from < rest.size()) {
    rest.remove_prefix(old ? from : from + 1);
    // The name is a comm, which may hold the closing mark itself; what follows it is fixed.
    std::size_t end = old ? rest.rfind(')') : rest.find("\": ");
    if (end == none && !old) end = rest.rfind('"');
    if (end != none && end <= 64) {
      kill.comm = std::string(rest.substr(0, end));
      if (!old && rest.size() > end + 3) {
        // The command line at the end may hold secrets: only the figures are kept.
        std::string_view why = rest.substr(end + 3);
        why = why.substr(0, why.find(", cmdline"));
        kill.why = std::string(why.substr(0, 120));
      }
    }
  }
  evidence::Subject about;
  about.pid = *kill.pid;
  about.space = evidence::PidSpace::host;
  sink.add(std::move(kill), about, record);
  return true;
}

}  // namespace

namespace formats_of {
extern const Format earlyoom = {"earlyoom", evidence::SourceKind::journal, start, step, finish, marks};
}

}  // namespace parse
