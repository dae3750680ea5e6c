#include "probe/look.hpp"

#include "base/text.hpp"
#include "probe/probe.hpp"

namespace probe {

void observe(const source::Host& host, const Target& target, evidence::Evidence& evidence, const std::function<bool()>& stop) {
  const Found found = find(host, target);
  for (const Probe* probe : probes()) {
    if (stop && stop()) evidence.gap({std::string(probe->name), "the time given with --budget was over", "give more time", 1, {}});
    else probe->observe(host, target, found, evidence);
  }
}

evidence::Fact seen(evidence::What what, int host_pid, evidence::SourceId source, const source::Host& host) {
  evidence::Fact fact;
  fact.what = std::move(what);
  fact.about.pid = host_pid;
  fact.about.space = evidence::PidSpace::host;
  fact.when = host.now();
  fact.origin.source = source;
  return fact;
}

std::optional<base::Instant> started_at(const source::Host& host, const Process& process) {
  const auto text = host.read("/proc/uptime", 128);
  if (!text || process.started_ns <= 0) return std::nullopt;
  std::string_view rest = *text;
  const auto seconds = base::take_number(rest);
  if (!seconds || rest.size() < 3 || rest[0] != '.') return std::nullopt;
  const auto hundredths = base::read_number(rest.substr(1, 2));
  if (!hundredths) return std::nullopt;
  const std::int64_t uptime = *seconds * base::second_ns + *hundredths * 10'000'000;
  return base::Instant{base::Clock::wall, host.now().at - uptime + process.started_ns, 20'000'000};
}

evidence::SourceId add_live_source(evidence::Evidence& evidence, std::string name, evidence::SourceKind kind, const source::Host& host) {
  evidence::Source source;
  source.name = std::move(name);
  source.kind = kind;
  source.live = true;
  source.first = source.last = host.now();
  return evidence.add_source(std::move(source));
}

std::string name_of(const FoundServer& server) {
  return server.flavour + (server.master.pid ? " (pid " + std::to_string(server.master.pid) + ")" : " whose master is gone (worker " + std::to_string(server.pid()) + ")");
}

}  // namespace probe
