// Which files the configuration of a running nginx consists of: its -c and -p, or what its build would take, and what they include.
#pragma once

#include <string>
#include <vector>

#include "probe/proc.hpp"
#include "source/host.hpp"

namespace probe {

struct NginxFiles {
  std::string root;                   // "/proc/PID/root" when it sees another file system than we do, else ""
  std::string main;                   // as nginx sees it
  std::vector<std::string> all;       // main first, then what is included, each once, as nginx sees them; at most 2000
  std::vector<std::string> missing;   // named without a wildcard and not there: nginx would not start with it any more
};

NginxFiles nginx_files(const source::Host& host, const Process& master, const std::string& root);
/// The same from a main file, for `--nginx CONF` and folders that were collected.
NginxFiles nginx_files_of(const source::Host& host, const std::string& root, const std::string& main);

/// Does a file name fit a pattern of * ? [...] as glob(3) reads it within one folder?
bool fits(std::string_view name, std::string_view pattern);

}  // namespace probe
