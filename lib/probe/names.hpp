// Users and groups by number, as a root's own /etc/passwd and /etc/group call them. No name service is asked: it may hang on a bad day.
#pragma once

#include <cstdint>
#include <string>

#include "source/host.hpp"

namespace probe {

/// "www-data", or "33" where no line says more. `root`: "" or "/proc/PID/root".
std::string user_name(const source::Host& host, const std::string& root, std::uint32_t uid);
std::string group_name(const source::Host& host, const std::string& root, std::uint32_t gid);

}  // namespace probe
