// The logs of every server, found by its open descriptors and its container, and of the proxies before them; where its words go to nowhere,
// a Gap says so and how to see them.
#include <set>

#include "base/text.hpp"
#include "parse/read.hpp"
#include "probe/gap.hpp"
#include "probe/look.hpp"
#include "probe/outputs.hpp"
#include "probe/probe.hpp"

namespace probe {

namespace {

std::string stream_name(int fd) { return fd == 1 ? "standard output" : "standard error"; }

// Reads `paths` once and marks what came from them as live: it covers until now. `writer`: the server's host pid, 0 for none.
void read(const source::Host& host, const std::vector<std::string>& paths, const parse::Window& window, int writer, std::set<std::string>& done, evidence::Evidence& evidence) {
  std::vector<std::string> fresh;
  for (const auto& path : paths) {
    if (done.insert(path).second) fresh.push_back(path);
    else
      for (evidence::Source& source : evidence.sources)
        if (source.name == path && source.writer != writer) source.writer = 0;  // two write it
  }
  if (fresh.empty()) return;
  const std::size_t before = evidence.sources.size();
  parse::read(host, fresh, window, evidence);
  for (std::size_t i = before; i < evidence.sources.size(); ++i) {
    evidence.sources[i].live = true;
    evidence.sources[i].writer = writer;
  }
}

void say_unseen(const FoundServer& server, const Output& output, bool others, evidence::Evidence& evidence) {
  const std::string wanted = stream_name(output.fd) + " of " + name_of(server);
  const std::string fetch = server.cgroup.container.empty() ? "" : "docker logs " + server.cgroup.container.substr(0, 12) + " 2>&1 | triage --from -";
  const std::string keep = "start it with its output to a file or the journal";
  switch (output.kind) {
    case Output::Kind::null:
      evidence.gap({wanted, "its " + std::string(output.fd == 2 ? "stderr" : "stdout") + " goes to /dev/null", keep + (others ? "; boot errors stand only there" : ""), 1, {}});
      return;
    case Output::Kind::terminal:
      evidence.gap({wanted, "it goes to the terminal " + output.target, "copy it from there: triage --from - ; " + keep, 1, {}});
      return;
    case Output::Kind::pipe:
      evidence.gap({wanted, "it goes into a pipe" + (output.reader.empty() ? std::string(" whose reader cannot be seen") : ", read by " + output.reader),
                    !fetch.empty() ? fetch : "give what the reader writes: triage --from FILE", 1, {}});
      return;
    case Output::Kind::socket:
      evidence.gap({wanted, "it goes to a socket (the journal, or a log collector)",
                    !fetch.empty() ? fetch : server.cgroup.unit.empty() ? "journalctl _PID=" + std::to_string(server.pid()) + " -o json | triage --from -" : "journalctl -u " + server.cgroup.unit + " -o json | triage --from -", 1, {}});
      return;
    case Output::Kind::file:
    case Output::Kind::deleted: return;
  }
}

bool journal_speaks(const FoundServer& server, const evidence::Evidence& evidence) {
  for (const auto& source : evidence.sources)
    if (!server.cgroup.unit.empty() && source.name == "journalctl -u " + server.cgroup.unit && source.lines > 0) return true;
  return false;
}

void of_server(const source::Host& host, const FoundServer& server, const Target& target, std::set<std::string>& done, evidence::Evidence& evidence) {
  parse::Window window = target.window;
  // From the start of its master; one that is gone may be long gone, so its log is read whole.
  if (!window.since && server.master.pid) {
    window.since = started_at(host, server.master);
    if (window.since) window.since->at -= base::second_ns;  // its first line is as old as the process, and its log prints whole seconds
  }
  for (const auto& path : container_logs(host, server.cgroup.container)) read(host, {path}, window, server.pid(), done, evidence);
  const bool container = !container_logs(host, server.cgroup.container).empty();

  auto outputs = outputs_of(host, server);
  if (!outputs) {
    evidence.gap({"logs of " + name_of(server), "its descriptors cannot be read: " + outputs.error().answer, "run as root, or give the log: triage --from FILE", 1, {}});
    return;
  }
  bool any_file = container;
  for (const auto& output : *outputs) any_file = any_file || !output.readable.empty();
  for (const auto& output : *outputs) {
    if (output.kind == Output::Kind::deleted) {
      const auto source = add_live_source(evidence, "/proc", evidence::SourceKind::proc, host);
      auto fact = seen(evidence::LogDeleted{output.target}, server.pid(), source, host);
      fact.about.unit = server.cgroup.unit;
      fact.text = output.readable + " -> " + output.target + " (deleted)";
      evidence.add(std::move(fact));
    }
    if (!output.readable.empty()) {
      // The place of a deleted log may be taken by a new file that this server does not write.
      read(host, output.kind == Output::Kind::file ? with_rotated(host, output.readable, window.since) : std::vector<std::string>{output.readable}, window, server.pid(), done, evidence);
      continue;
    }
    if (container && (output.kind == Output::Kind::pipe || output.kind == Output::Kind::socket)) continue;  // the runtime's end of it was read
    if (output.kind == Output::Kind::socket && journal_speaks(server, evidence)) continue;
    say_unseen(server, output, any_file, evidence);
  }
}

void observe(const source::Host& host, const Target& target, const Found& found, evidence::Evidence& evidence) {
  std::set<std::string> done;
  std::optional<base::Instant> first;
  for (const auto& server : found.servers) {
    of_server(host, server, target, done, evidence);
    const auto started = started_at(host, server.master);
    if (started && (!first || started->at < first->at)) first = started;
  }
  parse::Window window = target.window;
  if (!window.since) window.since = first;
  // No server runs any more, and nginx's log is all that is left of it: what it says of now, not of last week.
  if (!window.since && found.servers.empty()) {
    window.since = host.now();
    window.since->at -= 3600 * base::second_ns;
  }
  for (const auto& proxy : found.proxies) {
    FoundServer hop;  // only for its root
    hop.master = proxy;
    const auto outputs = outputs_of(host, proxy, "");
    if (!outputs) {
      evidence.gap({"logs of nginx (pid " + std::to_string(proxy.pid) + ")", "its descriptors cannot be read: " + outputs.error().answer, "run as root, or give them: triage --from /var/log/nginx", 1, {}});
      continue;
    }
    for (const auto& output : *outputs)
      if (!output.readable.empty()) read(host, {output.readable}, window, 0, done, evidence);
  }
}

Sight sight(const source::Host& host) {
  Sight sight{Sight::State::ok, "servers' logs", "", "", "", ""};
  std::size_t files = 0, blind = 0, refused = 0;
  for (const auto& server : find_servers(host)) {
    const auto outputs = outputs_of(host, server);
    if (!outputs) { ++refused; continue; }
    for (const auto& output : *outputs) {
      if (!output.readable.empty() && host.open(output.readable)) ++files;
      else if (output.fd == 2) { ++blind; sight.why = "the stderr of " + name_of(server) + " goes to " + (output.reader.empty() ? output.target : output.reader); }
    }
    files += container_logs(host, server.cgroup.container).size();
  }
  sight.detail = base::counted(files, "log file");
  if (blind) { sight.state = Sight::State::partial; sight.remedy = "start it with its output to a file or the journal"; }
  if (refused) {
    sight.state = files ? Sight::State::partial : Sight::State::no;
    sight.why = "/proc/PID/fd needs the same user or CAP_SYS_PTRACE";
    sight.remedy = "run as root, or give the logs: triage --from FILE";
  }
  return sight;
}

}  // namespace

namespace probes_of {
extern const Probe logs = {"logs", observe, sight};
}  // namespace probes_of
}  // namespace probe
