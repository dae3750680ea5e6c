// Which file a running nginx reads its configuration from: its -c and -p, or what its build would take.
#pragma once

#include <string>

#include "parse/nginx/tree.hpp"
#include "probe/proc.hpp"
#include "source/host.hpp"

namespace probe {

/// As that nginx names it. `root`: "/proc/PID/root" when it sees another file system than we do, else "".
std::string nginx_main_file(const source::Host& host, const Process& master, const std::string& root);

/// "/proc/PID/root" when that process sees another file system than we do, else "".
std::string root_of(const source::Host& host, int pid);

}  // namespace probe
