#include "bundle.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/owner.hpp"
#include "base/text.hpp"
#include "evidence/vocabulary.hpp"
#include "probe/kmsg.hpp"
#include "probe/servers.hpp"
#include "probe/settings.hpp"
#include "source/bundle.hpp"
#include "source/live_host.hpp"

namespace triage {

namespace {

const std::vector<std::string> kept_environment{"GUNICORN_CMD_ARGS", "WEB_CONCURRENCY", "PORT", "GUNICORN_PID"};

constexpr const char* machine_files[] = {"/etc/os-release", "/proc/version", "/proc/cmdline", "/proc/uptime", "/proc/loadavg", "/proc/meminfo", "/proc/vmstat", "/proc/swaps", "/proc/pressure/cpu", "/proc/pressure/memory",
                                         "/proc/pressure/io", "/proc/sys/vm/overcommit_memory", "/proc/sys/net/core/somaxconn", "/proc/sys/fs/file-nr", "/proc/net/netstat", "/proc/net/sockstat"};
constexpr const char* process_files[] = {"limits", "status", "wchan", "stack", "syscall", "smaps_rollup", "io", "oom_score", "oom_score_adj", "sched", "environ"};

// What people ask for next, beyond what the probes read; small files, and refusals are no loss.
void read_more(const source::Host& host, const probe::Target& target) {
  for (const char* path : machine_files) (void)host.read(path, 1 << 18);
  for (const auto& server : probe::find_servers(host, target)) {
    std::vector<int> pids{server.master.pid};
    for (const auto& worker : server.workers) pids.push_back(worker.pid);
    if (pids.size() > 70) pids.resize(70);
    for (const int pid : pids)
      for (const char* name : process_files)
        if (pid > 0) (void)host.read("/proc/" + std::to_string(pid) + "/" + name, 1 << 16);
    const auto command = probe::command_of(host, server);
    if (const auto config = probe::config_path(host, server, probe::settings_of(server, command)); !config.empty()) (void)host.read(server.path(config), 1 << 18);
    for (const auto& path : probe::server_files(host, server, command)) (void)host.read(path, 1 << 18);
    for (const auto& path : probe::unit_files(host, server.cgroup.unit)) (void)host.read(path, 1 << 18);
  }
  if (!host.stat("/etc/nginx/nginx.conf")) return;
  (void)host.read("/etc/nginx/nginx.conf", 1 << 20);
  for (const char* folder : {"/etc/nginx/conf.d", "/etc/nginx/sites-enabled", "/etc/nginx/snippets"})
    if (const auto entries = host.list(folder))
      for (const auto& entry : *entries) (void)host.read(std::string(folder) + "/" + entry.name, 1 << 20);
}

// Every process was looked at, in order to find the servers; what else runs here is nobody's business. A process that counts was read whole.
void forget_others(source::Files& files) {
  std::erase_if(files, [&](const auto& file) {
    std::string_view name = file.first;
    if (!base::starts_with(name, "proc/")) return false;
    name.remove_prefix(5);
    const auto pid = base::take_number(name);
    return pid && !name.empty() && name[0] == '/' && !files.contains("proc/" + std::to_string(*pid) + "/cgroup");
  });
}

// A mark in an unlucky place may break a line of JSON; better one fact less than a bundle that cannot be read.
std::string whole_lines(const std::string& ndjson, std::size_t& dropped) {
  std::string kept;
  for (const auto line : base::split(ndjson, '\n')) {
    if (line.empty()) continue;
    if (nlohmann::json::accept(line)) { kept += line; kept += '\n'; }
    else ++dropped;
  }
  return kept;
}

std::string read_me(const source::Files& files, bool redact, std::size_t secrets, std::size_t left_out) {
  std::string text = "What `triage bundle` collected. Read it again with:  triage --from THIS\n\n";
  text += redact ? fmt::format("Redacted: {} became marks, the same one the same mark. Look through it before you hand it on.\n", base::counted(secrets, "secret")) : "NOT redacted: it may hold passwords and tokens.\n";
  if (left_out) text += base::counted(left_out, "piece") + " did not fit or lost their form, and were left out.\n";
  text += "\nevidence.ndjson   what was understood, one fact a line; the verdict is made from it\nkernel/kmsg.txt   the kernel log\nstats.ndjson      times and sizes of files\n";
  text += "everything else   files under the path they had; NAME.link holds where a link led\n\nHolds " + base::counted(files.size(), "file") + ".\n";
  return text;
}

base::Result<> write_out(const std::string& path, const std::string& bytes) {
  base::Fd file;
  if (path != "-") {
    file = base::Fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!file) return base::fail(base::from_errno(errno, "writing " + path, "name a file that I may write: -o FILE"));
  }
  const int fd = path == "-" ? 1 : file.get();
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t count = ::write(fd, bytes.data() + at, bytes.size() - at);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return base::fail(base::from_errno(errno, "writing " + path));
    at += static_cast<std::size_t>(count);
  }
  return {};
}

int refuse(const base::Error& error) {
  std::fprintf(stderr, "triage: %s\n", base::printable(base::sentence(error), 500).c_str());
  return 3;
}

}  // namespace

int bundle(const BundleOptions& options) {
  if (options.output == "-" && ::isatty(1)) return refuse({base::Kind::usage, "writing the bundle", "standard output is a terminal", "name a file: triage bundle -o incident.tar.zst", 0});
  const source::LiveHost live;
  const source::RecordingHost host(live);
  evidence::Evidence evidence;
  probe::observe(host, options.target, evidence);
  read_more(host, options.target);
  const std::size_t facts = evidence.facts.size(), gaps = evidence.gaps.size();

  source::Files files = host.files();
  forget_others(files);
  files["evidence.ndjson"] = evidence::to_ndjson(evidence);
  if (const auto kernel = probe::read_kernel_text(16 << 20)) files["kernel/kmsg.txt"] = kernel->text;
  source::Redactor redactor;
  std::size_t dropped = 0;
  if (options.redact) {
    files = source::redacted(files, redactor, kept_environment);
    files["evidence.ndjson"] = whole_lines(files["evidence.ndjson"], dropped);
  }
  files["README.txt"] = read_me(files, options.redact, redactor.secrets(), host.left_out() + dropped);

  auto packed = source::pack(files, live.now().at / base::second_ns);
  if (!packed) return refuse(packed.error());
  if (const auto written = write_out(options.output, *packed); !written) return refuse(written.error());
  std::fprintf(stderr, "%s: %s, %s in %s, %s; %s redacted\n", options.output == "-" ? "bundle" : base::printable(options.output, 200).c_str(), base::bytes_text(packed->size()).c_str(),
               base::counted(facts, "fact").c_str(), base::counted(files.size(), "file").c_str(), base::counted(gaps, "gap").c_str(), options.redact ? base::counted(redactor.secrets(), "secret").c_str() : "nothing");
  if (options.output != "-") std::fprintf(stderr, "read it with: triage --from %s\n", base::printable(options.output, 200).c_str());
  return 0;
}

base::Result<evidence::Evidence> replay(const std::string& path, const probe::Target& target, base::Instant& at) {
  TRY(host, source::open_bundle(path));
  at = host->now();
  if (const auto text = host->read("/evidence.ndjson", 512u << 20)) return evidence::read_ndjson(*text);
  evidence::Evidence evidence;
  probe::observe(*host, target, evidence);
  return evidence;
}

}  // namespace triage
