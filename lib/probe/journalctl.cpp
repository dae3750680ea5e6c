#include "probe/journalctl.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include "base/text.hpp"

namespace probe {

base::Result<Printed> read_journal(const std::vector<std::string>& words, int deadline_ms, std::size_t most) {
  std::string program;
  for (const char* path : {"/usr/bin/journalctl", "/bin/journalctl"})
    if (program.empty() && ::access(path, X_OK) == 0) program = path;
  if (program.empty()) return base::fail({base::Kind::missing, "reading the journal", "journalctl is not installed here", "run on the host that keeps the journal", 0});
  std::vector<std::string> argv{program, "-o", "json", "--no-pager", "-q", "-n", "100000"};
  argv.insert(argv.end(), words.begin(), words.end());
  TRY(printed, run(argv, deadline_ms, most));
  const bool refused = WIFEXITED(printed.status) && WEXITSTATUS(printed.status) != 0;
  if (printed.out.empty() && (refused || !base::trim(printed.err).empty())) {
    const std::string answer(base::trim(printed.err));
    return base::fail({base::Kind::refused, "reading the journal", answer.empty() ? "journalctl ended with " + std::to_string(WEXITSTATUS(printed.status)) : base::printable(answer, 300),
                       "run as root, or as a member of systemd-journal", 0});
  }
  return printed;
}

}  // namespace probe
