// The heartbeat of every gunicorn worker: how long ago it touched its temporary file. The file has no name any more; it is reached through
// the descriptor of the master or of the worker (gunicorn.md 3.1: workers/workertmp.py:19-49@20.1.0, :43-48@22.0.0).
#include <map>
#include <set>

#include "base/text.hpp"
#include "flavour/flavour.hpp"
#include "probe/gap.hpp"
#include "probe/look.hpp"
#include "probe/probe.hpp"

namespace probe {

namespace {

using File = std::pair<std::uint64_t, std::uint64_t>;  // device, inode

struct Beat { source::Stat stat; std::string where; };

base::Result<std::map<File, Beat>> beats_of(const source::Host& host, int pid) {
  TRY(descriptors, read_descriptors(host, pid));
  std::map<File, Beat> beats;
  for (const auto& open : descriptors) {
    if (!base::contains(open.target, "/wgunicorn-")) continue;
    const std::string where = "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(open.fd);
    if (const auto stat = host.stat(where)) beats[{stat->device, stat->inode}] = {*stat, where};
  }
  return beats;
}

// From 22.0 on the file's mtime is set to the monotonic clock, some uptime after 1970; the years of a wall clock are 30 and more.
constexpr std::int64_t ten_years_ns = 10LL * 365 * 86'400 * base::second_ns;

std::string_view family_of(const source::Stat& stat) {
  if ((stat.mode & 0777) <= 1) return "chmod";
  return stat.mtime_ns < ten_years_ns ? "utime" : "unbooted";
}

void observe(const source::Host& host, const Target&, const Found& found, evidence::Evidence& evidence) {
  std::optional<evidence::SourceId> source;
  for (const auto& server : found.servers) {
    if (!flavour::like_gunicorn(server.flavour) || server.workers.empty()) continue;
    std::map<int, std::map<File, Beat>> own;
    std::map<File, int> holders;
    for (const auto& worker : server.workers) {
      if (worker.state == 'Z') continue;
      auto beats = beats_of(host, worker.pid);
      if (!beats) {
        evidence.gap(gap_of("heartbeat of " + name_of(server), {beats.error().kind, "reading the descriptors of its workers", beats.error().answer, "run as root, or grant CAP_SYS_PTRACE", beats.error().code}));
        continue;
      }
      for (const auto& [file, beat] : *beats) ++holders[file];
      own[worker.pid] = std::move(*beats);
    }
    for (const auto& [pid, beats] : own) {
      // A worker just forked still holds its siblings' files: its own is the one nobody else has.
      const Beat* mine = nullptr;
      for (const auto& [file, beat] : beats)
        if (beats.size() == 1 || holders[file] == 1) mine = &beat;
      if (!mine) continue;
      if (!source) source = add_live_source(evidence, "heartbeat files", evidence::SourceKind::proc, host);
      const double age = static_cast<double>(host.now().at - mine->stat.ctime_ns) / static_cast<double>(base::second_ns);
      auto fact = seen(evidence::Heartbeat{age < 0 ? 0 : age, std::string(family_of(mine->stat))}, pid, *source, host);
      fact.about.unit = server.cgroup.unit;
      fact.text = mine->where + " touched " + base::duration_text(host.now().at - mine->stat.ctime_ns) + " ago";
      evidence.add(std::move(fact));
    }
  }
}

Sight sight(const source::Host& host) {
  Sight sight{Sight::State::ok, "workers' heartbeats", "", "", "", ""};
  std::size_t workers = 0, refused = 0;
  for (const auto& server : find_servers(host))
    for (const auto& worker : server.workers) {
      ++workers;
      if (!read_descriptors(host, worker.pid)) ++refused;
    }
  if (workers == 0) sight.detail = "no worker runs";
  else if (refused == 0) sight.detail = "of " + base::counted(workers, "worker");
  else {
    sight.state = refused == workers ? Sight::State::no : Sight::State::partial;
    sight.detail = "refused for " + std::to_string(refused) + " of " + base::counted(workers, "worker");
    sight.why = "/proc/PID/fd needs the same user or CAP_SYS_PTRACE";
    sight.remedy = "run as root, or as the server's user";
    sight.instead = "a stuck worker is told from its log alone";
  }
  return sight;
}

}  // namespace

namespace probes_of {
extern const Probe heartbeat = {"heartbeat", observe, sight};
}  // namespace probes_of
}  // namespace probe
