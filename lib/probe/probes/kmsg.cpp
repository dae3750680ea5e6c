// The kernel log of the running machine. What a recording holds of it are its facts and, in a bundle, its text.
#include <time.h>

#include "base/text.hpp"
#include "parse/read.hpp"
#include "probe/child.hpp"
#include "probe/gap.hpp"
#include "probe/journalctl.hpp"
#include "probe/kmsg.hpp"
#include "probe/look.hpp"
#include "probe/probe.hpp"

namespace probe {

namespace {

constexpr const char* saved_logs[] = {"/var/log/kern.log", "/var/log/messages", "/var/log/syslog"};

std::int64_t clock_ns(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return time.tv_sec * base::second_ns + time.tv_nsec;
}

// printk stamps with local_clock(), which stands still in suspend as CLOCK_MONOTONIC does; what was suspended may lie between any record
// and now, so it widens the give.
void tie_clocks(evidence::SourceId source, evidence::Evidence& evidence) {
  const std::int64_t monotonic = clock_ns(CLOCK_MONOTONIC), wall = clock_ns(CLOCK_REALTIME), suspended = clock_ns(CLOCK_BOOTTIME) - monotonic;
  // local_clock is not steered by NTP, the other two are: they drift apart by the crystal's error, which stays below 20 ppm on servers.
  const std::int64_t give = 20'000'000 + monotonic / 50'000 + (suspended > base::second_ns ? suspended : 0);
  evidence.sources[source].zero = base::Instant{base::Clock::wall, wall - monotonic, give};
}

std::optional<evidence::SourceId> read_text(std::string text, const std::string& name, const parse::Window& window, evidence::Evidence& evidence) {
  const std::size_t before = evidence.sources.size();
  const auto stream = source::memory_stream(std::move(text));
  parse::read_stream(*stream, name, window, evidence);
  if (evidence.sources.size() == before) return std::nullopt;
  evidence.sources[before].live = true;
  return static_cast<evidence::SourceId>(before);
}

void observe(const source::Host& host, const Target& target, const Found&, evidence::Evidence& evidence) {
  if (host.kind() != "live") return;
  // Boot times carry no date: the window's wall times are no measure for them, and the ring is small.
  parse::Window window = target.window;
  window.since.reset();
  window.until.reset();
  auto kernel = read_kernel_text();
  if (kernel) {
    const auto source = read_text(std::move(kernel->text), kernel->name, window, evidence);
    if (!source) return;
    auto& about = evidence.sources[*source];
    about.kind = evidence::SourceKind::kernel_log;
    about.lost = about.lost || kernel->lost;
    about.whole_boot = about.whole_boot || kernel->from_start;
    about.kernel_facility_known = kernel->records;
    tie_clocks(*source, evidence);
    return;
  }
  if (const auto journal = read_journal({"-k", "-b"}); journal && !journal->out.empty()) {
    if (const auto source = read_text(journal->out, "journalctl -k", window, evidence)) {
      auto& about = evidence.sources[*source];
      about.kind = evidence::SourceKind::kernel_log;
      about.lost = about.lost || journal->cut || journal->late;
      tie_clocks(*source, evidence);
      return;
    }
  }
  for (const char* path : saved_logs) {
    const std::size_t before = evidence.sources.size();
    if (!host.stat(path) || !host.open(path)) continue;
    parse::read(host, {path}, target.window, evidence);
    for (std::size_t i = before; i < evidence.sources.size(); ++i)
      if (evidence.sources[i].kind == evidence::SourceKind::kernel_log && evidence.sources[i].understood > 0) { evidence.sources[i].live = true; return; }
  }
  evidence.gap(gap_of("kernel log", kernel.error()));
}

Sight sight(const source::Host& host) {
  Sight sight{Sight::State::ok, "kernel log", "", "", "", ""};
  const auto kernel = read_kernel_text(1 << 20);
  if (kernel) {
    sight.detail = kernel->name + (kernel->from_start ? ", whole since boot" : ", its oldest records are gone");
    return sight;
  }
  sight.detail = kernel.error().doing + ": " + kernel.error().answer;
  for (const char* path : saved_logs)
    if (host.open(path)) {
      sight.state = Sight::State::partial;
      sight.instead = std::string("I read ") + path;
      break;
    }
  if (sight.state == Sight::State::ok) {
    sight.state = Sight::State::no;
    sight.instead = "I use the cgroup's oom_kill counter (a number, no victim)";
  }
  const auto restricted = host.read("/proc/sys/kernel/dmesg_restrict", 16);
  sight.why = kernel.error().code == ENOENT ? "the container has no /dev/kmsg" : restricted && base::trim(*restricted) == "1" ? "dmesg_restrict = 1 and no CAP_SYSLOG" : "no CAP_SYSLOG, or seccomp refuses syslog(2)";
  sight.remedy = kernel.error().code == ENOENT ? "docker run --device /dev/kmsg --cap-add SYSLOG ..., or run on the host" : "run as root, grant CAP_SYSLOG, or sysctl kernel.dmesg_restrict=0";
  return sight;
}

}  // namespace

namespace probes_of {
extern const Probe kmsg = {"kmsg", observe, sight};
}  // namespace probes_of
}  // namespace probe
