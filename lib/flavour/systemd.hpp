// systemd's own rules about units: which files make one, in which order they count, and what their values mean (systemd 252: path-lookup.c,
// dropin.c, load-fragment.c; man systemd.unit, systemd.time). Pure: names and texts in, no file is opened here.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace flavour {

/// Where the system manager's units stand, the strongest first.
std::span<const std::string_view> unit_folders();
/// Where the manager's own defaults stand besides /etc/systemd/system.conf: folders of drop-ins for it, the strongest first.
std::span<const std::string_view> manager_folders();

/// The file names that a unit may be read from: "web@blue.service", then its template "web@.service".
std::vector<std::string> unit_names(std::string_view unit);
/// The names of its folders of drop-ins, the most specific first: "web@blue.service.d", "web@.service.d", with dashes in the name their prefixes
/// ("shop-.service.d"), and "service.d", which all services have.
std::vector<std::string> drop_in_folders(std::string_view unit);

/// Of these paths (full ones, below any root) those that make the unit: its own file first, then drop-ins in the order in which they are applied.
/// A drop-in takes the place of one with the same name in a weaker folder.
std::vector<std::string> files_of_unit(const std::vector<std::string>& paths, std::string_view unit);

/// "5", "5s", "1min 30s", "infinity" (HUGE_VAL). nullopt for what is no time span.
std::optional<double> systemd_seconds(std::string_view text);
/// "512M", "1.5G", "65536" (bytes); "infinity" is UINT64_MAX; nullopt for percentages, which depend on the machine, and for what is no size.
std::optional<std::uint64_t> systemd_bytes(std::string_view text);
/// The soft limit of "1024", "1024:4096", "infinity" (UINT64_MAX).
std::optional<std::uint64_t> systemd_limit(std::string_view text);
/// "yes", "true", "on", "1" and their opposites; PrivateTmp= and others know further words: nullopt for those.
std::optional<bool> systemd_truth(std::string_view text);

}  // namespace flavour
