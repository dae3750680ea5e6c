// Small words that several probes of a live look share: the present moment, the facts' subject, the wall time of a process start.
#pragma once

#include "evidence/evidence.hpp"
#include "probe/proc.hpp"
#include "probe/servers.hpp"

namespace probe {

/// A fact read now from `source`, about a process as our /proc names it.
evidence::Fact seen(evidence::What what, int host_pid, evidence::SourceId source, const source::Host& host);

/// When a process started, by wall clock: now - uptime + its start since boot. +- 20 ms (two clocks of 10 ms ticks); nullopt without /proc/uptime.
std::optional<base::Instant> started_at(const source::Host& host, const Process& process);

/// The source a probe's facts come from; its records cover until now.
evidence::SourceId add_live_source(evidence::Evidence& evidence, std::string name, evidence::SourceKind kind, const source::Host& host);

/// "gunicorn (pid 450)", for Gaps and remedies.
std::string name_of(const FoundServer& server);

}  // namespace probe
