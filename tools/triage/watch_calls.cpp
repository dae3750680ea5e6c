#include "watch_calls.hpp"

#include "base/text.hpp"
#include "model/build.hpp"
#include "probe/gap.hpp"
#include "probe/servers.hpp"
#include "probe/window.hpp"
#include "report/redacted.hpp"
#include "rule/judge.hpp"
#include "watch_line.hpp"

namespace triage {

namespace {

using namespace std::chrono_literals;

constexpr auto amend_after = 2600ms;       // CONTRACT: amended at the latest after 3 s
constexpr std::size_t most_told = 1024;    // then those that are done are forgotten; the kernel's table of refusals has as many rows

/// The id of a finding that rests on system calls, the same at each judgement; "" for another one.
std::string id_of(const rule::Finding& finding, const evidence::Evidence& evidence) {
  for (const evidence::FactId id : finding.because) {
    const evidence::Fact& fact = evidence.facts[id];
    const std::string start = "c-" + std::to_string(finding.subject.host_pid ? finding.subject.host_pid : finding.subject.pid) + "-";
    if (evidence::as<evidence::DescriptorRefused>(fact)) return start + "descriptors";
    if (const auto* used = evidence::as<evidence::SocketUsed>(fact); used && base::contains(used->pids, " ")) return start + "socket-" + std::to_string(used->inode);
  }
  return {};
}

}  // namespace

std::optional<WatchedCalls> WatchedCalls::open(const source::Host& host, const probe::Watch& watch, std::vector<evidence::Gap>& gaps) {
  const std::string wanted = "system calls (--syscalls): refused descriptors, who uses a shared connection";
  if (!watch.bpf()) {
    gaps.push_back({wanted, "they are seen through BPF only, and it is refused", "run as root, or grant CAP_BPF and CAP_PERFMON", 1, {}});
    return std::nullopt;
  }
  auto calls = probe::CallWatch::open(host, *watch.bpf());
  if (!calls) {
    gaps.push_back(probe::gap_of(wanted, calls.error()));
    return std::nullopt;
  }
  return WatchedCalls(host, std::move(*calls));
}

std::string WatchedCalls::look(const probe::Target& target) {
  const evidence::Evidence looked = probe::look_at_descriptors(*host_, probe::find(*host_, target));
  calls_.share(looked);
  std::size_t shared = 0;
  for (const evidence::Fact& fact : looked.facts) {
    const auto* one = evidence::as<evidence::DescriptorShared>(fact);
    shared += one && one->kind == "socket";
  }
  return (shared ? base::counted(shared, "connection") + (shared == 1 ? " is" : " are") : std::string("no connection is")) + " open in several processes";
}

void WatchedCalls::began(int pid) {
  calls_.began(pid);
  const std::string start = "c-" + std::to_string(pid) + "-";
  std::erase_if(told_, [&](const auto& one) { return one.second.done && base::starts_with(one.first, start); });
}

bool WatchedCalls::due(bool all) const {
  const auto now = Steady::now();
  if (all) return calls_.any();
  // A judgement reads /proc: never more than a fifth of our time.
  if (now - said_ < std::max<Steady::duration>(200ms, 5 * saying_)) return false;
  if (news_) return true;
  for (const auto& [id, told] : told_)
    if (!told.done && now >= told.due) return true;
  return false;
}

WatchedCalls::Said WatchedCalls::say(const Options& options, const probe::Target& target, const rule::Cards& cards, bool all) {
  said_ = Steady::now();
  news_ = false;
  evidence::Evidence evidence = probe::look_at_descriptors(*host_, probe::find(*host_, target));
  calls_.share(evidence);
  calls_.tell(evidence);
  const model::Stack stack = model::build(evidence);
  const rule::Findings findings = rule::judge(stack, evidence, cards);
  const bool json = options.format == "jsonl";
  Said said;
  for (rule::Finding finding : findings) {
    const std::string id = id_of(finding, evidence);
    if (id.empty()) continue;
    if (told_.size() >= most_told && !told_.contains(id)) std::erase_if(told_, [](const auto& one) { return one.second.done; });
    const auto [found, fresh] = told_.try_emplace(id);
    Told& told = found->second;
    if (told.done) continue;
    finding.id = id;
    finding.caused_by.clear();               // ids of this judgement mean nothing in a stream
    finding.members.clear();
    finding.group.clear();
    finding.count = 1;
    const auto written = [&](bool last) {
      finding.provisional = !last;
      finding.amends = last ? id : std::string();
      const rule::Findings one{finding};
      const report::Redacted safe = report::redacted({one, stack, evidence, "live", host_->now(), "triage watch"});
      return json ? verdict_json(safe.report(), safe.findings.front()) : verdict_text(safe.report(), safe.findings.front(), last ? Stage::final : Stage::provisional);
    };
    told.last = written(true);
    told.reaches = reaches(finding, options.fail_on);
    if (!fresh) continue;
    told.due = said_ + amend_after;
    said.text += written(false);
  }
  // Whose process has ended meanwhile keeps what was last known of it.
  for (auto& [id, told] : told_) {
    if (told.done || (!all && said_ < told.due)) continue;
    told.done = true;
    said.text += told.last;
    ++said.findings;
    said.failed |= told.reaches;
    told.last.clear();
  }
  saying_ = Steady::now() - said_;
  return said;
}

}  // namespace triage
