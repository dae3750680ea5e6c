// Where a server's words go: the files, pipes and sockets behind its descriptors, with the file that can be read in their place.
#pragma once

#include <string>
#include <vector>

#include "probe/servers.hpp"

namespace probe {

struct Output {
  enum class Kind : std::uint8_t { file, deleted, null, terminal, pipe, socket } kind = Kind::file;
  int fd = 0;                     // 1, 2, or a log file's own
  std::string target;             // as the descriptor names it, "/var/log/app.log"
  std::string readable;           // what to open in order to read it; "" when nothing can
  std::string reader;             // pipe: who reads the other end, "tee (pid 12)"
};

/// Standard output and error of the master (of a worker when it is gone), and every file it appends to: with gunicorn those are its error and
/// access logs, whatever its settings call them. An Error when its descriptors may not be read.
base::Result<std::vector<Output>> outputs_of(const source::Host& host, const FoundServer& server);
base::Result<std::vector<Output>> outputs_of(const source::Host& host, const Process& process, const std::string& root);

/// The log files that docker, containerd (CRI) or cri-o keep of a container, newest last.
std::vector<std::string> container_logs(const source::Host& host, const std::string& container);

/// A log and those of its rotated predecessors that were still written after `since`: web.log, web.log.1, web.log-20261122.gz.
std::vector<std::string> with_rotated(const source::Host& host, const std::string& path, const std::optional<base::Instant>& since);

}  // namespace probe
