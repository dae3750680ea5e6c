// The systemd unit behind a server, for checks that name where a limit or a stop comes from.
#pragma once

#include "rule/live.hpp"

namespace rule {

using evidence::no_fact;

/// The unit of a server; null where none is known.
const model::Unit* unit_of(const Look& look, const Server& server);
const model::Unit* unit_of(const Look& look, const LiveServer& live);

/// A setting as its unit's files say it, in the words that stand there: "TimeoutStopSec=5s at /etc/systemd/system/web.service:16". "" where no file
/// that was seen sets it. Printable.
std::string set_at(const Look& look, const model::Unit& unit, const std::string& key);

/// Does it set this soft limit of open files, so that what runs with that limit has it from there?
bool sets_files(const model::Unit& unit, std::uint64_t soft);

/// The size in bytes; nullopt where it is unlimited, unknown or not set in a file.
std::optional<std::uint64_t> memory_max(const model::Unit& unit);

/// Was that file as it is already at that moment? False too where its last change is not known to lie before it.
bool stood_then(const Look& look, const model::Unit& unit, const std::string& key, const std::optional<base::Instant>& when);

/// Who speaks of a unit: systemd names services and scopes, supervisord plain programs.
std::string_view manager_of(std::string_view unit);

/// What made systemd end all processes of the unit at that moment: its stop-timeout, and before that an OOM kill of one of its processes
/// (OOMPolicy=stop). no_fact where the log has no such line within the minute before.
struct Ended { FactId stop_timeout = no_fact, oom = no_fact; };
Ended ended_by_systemd(const Look& look, const std::string& unit, const std::optional<base::Instant>& when);

/// Did systemd itself end this unit because it took longer to stop than TimeoutStopSec=? The line that says so, no_fact else.
FactId stop_timeout_of(const Look& look, const model::Unit& unit);

}  // namespace rule
