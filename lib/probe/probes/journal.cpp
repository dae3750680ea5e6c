// What the journal holds of each server's unit: the server's own lines when its output goes there, and the service manager's about it.
#include <set>

#include "base/text.hpp"
#include "parse/read.hpp"
#include "probe/gap.hpp"
#include "probe/journalctl.hpp"
#include "probe/look.hpp"
#include "probe/probe.hpp"

namespace probe {

namespace {

// journalctl takes UTC with a zone word; whole seconds, one before.
std::string since_word(const base::Instant& when) {
  std::string text = base::iso({base::Clock::wall, when.at - when.at % base::second_ns - base::second_ns, 0});
  if (const std::size_t t = text.find('T'); t != std::string::npos) text[t] = ' ';
  if (!text.empty() && text.back() == 'Z') text.replace(text.size() - 1, 1, " UTC");
  return "--since=" + text;
}

void observe(const source::Host& host, const Target& target, const Found& found, evidence::Evidence& evidence) {
  if (host.kind() != "live") return;
  std::set<std::string> done;
  for (const auto& server : found.servers) {
    const std::string& unit = server.cgroup.unit;
    // A login session's scope is no service: its journal is about the session.
    if (unit.size() < 9 || unit.substr(unit.size() - 8) != ".service" || base::starts_with(unit, "user@") || !done.insert(unit).second) continue;
    std::vector<std::string> words{"-u", unit};
    const auto since = target.window.since ? target.window.since : started_at(host, server.master);
    if (since && since->clock == base::Clock::wall) words.push_back(since_word(*since));
    auto journal = read_journal(words);
    if (!journal) {
      auto gap = gap_of("journal of " + unit, journal.error());
      gap.remedy += std::string(gap.remedy.empty() ? "" : "; ") + "or give it: journalctl -u " + unit + " -o json | triage --from -";
      evidence.gap(std::move(gap));
      continue;
    }
    const std::string name = "journalctl -u " + unit;
    const std::size_t before = evidence.sources.size();
    const auto stream = source::memory_stream(std::move(journal->out));
    parse::read_stream(*stream, name, target.window, evidence);
    for (std::size_t i = before; i < evidence.sources.size(); ++i) {
      evidence.sources[i].live = true;
      evidence.sources[i].lost = evidence.sources[i].lost || journal->cut || journal->late;
    }
    if (journal->cut || journal->late)
      evidence.gap({"journal of " + unit, journal->late ? "journalctl took more than 5 s" : "it is larger than 64 MiB", "narrow it: --since", 1, {}});
  }
}

Sight sight(const source::Host&) {
  Sight sight{Sight::State::ok, "journal", "", "", "", ""};
  const auto journal = read_journal({"-n", "1"}, 2000, 1 << 16);
  if (!journal) {
    sight.state = Sight::State::no;
    sight.detail = journal.error().answer;
    sight.remedy = journal.error().remedy;
  } else if (journal->out.empty()) {
    sight.state = Sight::State::no;
    sight.detail = "there are no journal files";
    sight.why = "journald does not run here, or its files are not mounted";
    sight.instead = "I read the servers' own log files";
  }
  return sight;
}

}  // namespace

namespace probes_of {
extern const Probe journal = {"journal", observe, sight};
}  // namespace probes_of
}  // namespace probe
