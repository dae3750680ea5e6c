// The watch's loop: what happened goes into the scene, a death is judged at once and again when log and kernel have spoken. One thought, so one
// file, past 300 lines.
#include "watch.hpp"

#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <future>
#include <deque>
#include <list>
#include <thread>
#include <utility>

#include "base/text.hpp"
#include "model/build.hpp"
#include "probe/death_stacks.hpp"
#include "probe/gap.hpp"
#include "probe/requests_bpf.hpp"
#include "probe/servers.hpp"
#include "probe/watch.hpp"
#include "report/redacted.hpp"
#include "rule/judge.hpp"
#include "source/live_host.hpp"
#include "watch_beats.hpp"
#include "watch_calls.hpp"
#include "watch_line.hpp"
#include "watch_scene.hpp"

namespace triage {

namespace {

using Steady = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto amend_at_most = 2600ms;     // CONTRACT: amended at the latest after 3 s
constexpr auto after_log_line = 300ms;     // what else comes with it: a traceback, the kernel's report
constexpr auto look_again = 2s;            // for logs that a starting server opens, and a master that made itself a daemon

// First bytes of the programs that a server's master may run as: watched from their exec on, so that one that starts later is seen from its
// first instruction. A `python app.py` that is no server is let go at once.
const std::vector<std::string> server_names = {"gunicorn", "python", "pypy", "uvicorn", "triage-s", "uwsgi", "php-fpm", "ruby", "unicorn", "puma", "celery", "hypercor", "apache2", "httpd"};

struct Death {
  probe::Event end;
  std::string id, role;
  bool shown = false;                      // its provisional line is out
  bool worth = false;                      // a worker or master: always worth a line; another process only when a rule says so
  Steady::time_point seen, due;
};

double ms_of(Steady::duration took) { return std::chrono::duration<double, std::milli>(took).count(); }

probe::Target target_of_words(const std::vector<std::string>& words) {
  probe::Target target;
  for (const std::string& word : words) {
    if (const auto pid = base::read_number(word)) target.pids.push_back(static_cast<int>(*pid));
    else target.words.push_back(word);
  }
  return target;
}

/// What a start needs besides the attachment, gathered on another processor while the kernel checks the BPF programs, in the order of its need:
/// servers at once, the kernel log (whose older part takes a while to pass over) for the last one. The servers are
/// those of before the attachment, so what they fork meanwhile is searched when they are added, and they are looked at once more soon after.
class Beside {
 public:
  Beside(const Options& options, bool kernel_log)
      : servers_(found_.get_future()), kmsg_(opened_.get_future()), thread_([this, target = target_of_words(options.targets), kernel_log] { work(target, kernel_log); }) {}

  std::vector<probe::FoundServer> servers() { return servers_.get(); }
  std::future<base::Result<probe::KmsgFollower>> kmsg() { return std::move(kmsg_); }

 private:
  void work(const probe::Target& target, bool kernel_log) {
    const source::LiveHost host;
    found_.set_value(probe::find_servers(host, target));
    if (kernel_log) opened_.set_value(probe::KmsgFollower::open());
    else opened_.set_value(base::fail({base::Kind::refused, "reading /dev/kmsg", "switched off with --without kmsg", "leave --without away", 0}));
  }

  std::promise<std::vector<probe::FoundServer>> found_;
  std::promise<base::Result<probe::KmsgFollower>> opened_;
  std::future<std::vector<probe::FoundServer>> servers_;
  std::future<base::Result<probe::KmsgFollower>> kmsg_;
  std::jthread thread_;                    // last: it works on the others
};

std::string id_of(const probe::Event& end) { return "d-" + std::to_string(end.pid) + "-" + std::to_string(end.start_ns / 1'000'000); }

/// The finding about this end: deaths before what a death led to.
const rule::Finding* finding_about(const rule::Findings& findings, const probe::Event& end) {
  const rule::Finding* other = nullptr;
  for (const rule::Finding& finding : findings) {
    const rule::About& subject = finding.subject;
    if (subject.host_pid ? subject.host_pid != end.pid : subject.pid != (end.ns_pid ? end.ns_pid : end.pid)) continue;
    if (subject.role == "config" || subject.role == "socket") continue;
    // A pid's earlier life may stand in the log's tail.
    if (finding.when && finding.when->clock == base::Clock::wall && end.at_ns + wall_minus_boot() - finding.when->at > 60 * base::second_ns) continue;
    if (base::starts_with(finding.rule, "death.")) return &finding;
    if (!other) other = &finding;
  }
  return other;
}

/// Nothing in the rules speaks of this end (its server's log is out of reach): what is known of it is still said.
rule::Findings bare_finding(const Death& death, const evidence::Evidence& evidence, const rule::Cards& cards) {
  rule::Draft draft;
  draft.rule = "death.unknown";
  draft.truth = rule::Truth::unknown;
  draft.subject = {death.end.ns_pid ? death.end.ns_pid : death.end.pid, death.end.pid, "", death.role, "", {}};
  for (evidence::FactId id = 0; id < evidence.facts.size(); ++id) {
    const evidence::Fact& fact = evidence.facts[id];
    if (fact.about.pid != death.end.pid || evidence.source_of(fact).kind != evidence::SourceKind::watch) continue;
    if (evidence::as<evidence::ProcessForked>(fact)) continue;
    draft.because.push_back(id);
    draft.when = fact.when;
  }
  return rule::findings_of({draft}, cards);
}

class Session {
 public:
  Session(const Options& options, probe::Watch watch, Beside& beside, const rule::Cards& cards)
      : options_(options), beside_(beside), cards_(cards), watch_(std::move(watch)), scene_(host_, watch_.method(), beside.kmsg()), beats_(host_, options.snapshot_at / 100), began_(Steady::now()) {}

  /// `start`: where the time until now went, for --verbose.
  int run(int signals, bool stacks, std::vector<std::pair<std::string, double>> start);

 private:
  bool json() const { return options_.format == "jsonl"; }
  base::Instant now() const { return host_.now(); }
  void print(const std::string& text) const {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }
  void note(const std::string& event, const std::string& text, int pid = 0, int host_pid = 0, const std::string& amends = {}) const {
    print(json() ? note_json(now(), event, text, pid, host_pid, amends) : note_text(now(), text + (amends.empty() ? "" : " [takes back " + amends + "]")));
  }
  void gaps_of(const std::vector<evidence::Gap>& gaps, std::size_t& told) {
    for (; told < gaps.size(); ++told) print(json() ? gap_json_line(gaps[told]) : gap_text(gaps[told]));
  }

  void attach_to(const std::vector<probe::FoundServer>& servers, bool first);
  probe::Target target() const;
  void find_servers();
  void follow_calls();
  void follow_stacks(bool wanted);
  void follow_requests();
  void add_stacks(const probe::FoundServer& server);
  void drain();
  void say_calls(bool all);
  void take(const probe::Event& event);
  void consider_exec(const probe::Event& event);
  bool stranger(const probe::Event& event) const;
  void set_aside(const probe::Event& event);
  void admit();
  void tell_end(const Death& death, const model::Life* life) const;
  void judge_deaths(bool all);
  void show(Death& death, const rule::Finding* found, const report::Report& report, bool last);
  int summary();

  const Options& options_;
  Beside& beside_;
  const rule::Cards& cards_;
  source::LiveHost host_;
  probe::Watch watch_;
  Scene scene_;
  Beats beats_;
  std::optional<WatchedCalls> calls_;
  std::optional<probe::DeathStacks> stacks_;
  std::optional<probe::RequestsBpf> requests_;
  Steady::time_point began_, looked_{}, judged_{};
  Steady::duration judging_{};
  std::list<Death> deaths_;
  std::deque<std::pair<Steady::time_point, probe::Event>> strangers_;
  std::size_t died_ = 0, findings_ = 0, scene_gaps_ = 0, watch_gaps_ = 0;
  std::uint64_t lost_told_ = 0, calls_lost_told_ = 0, stacks_lost_told_ = 0, requests_lost_told_ = 0;
  bool failed_ = false, news_ = false, look_soon_ = false;
};

probe::Target Session::target() const {
  probe::Target target = target_of_words(options_.targets);
  if (!target.pids.empty() || !target.words.empty()) {
    // After USR2 the next master is a child of the one that was asked for, and outlives it.
    const auto children = scene_.children_of_masters();
    target.pids.insert(target.pids.end(), children.begin(), children.end());
  }
  return target;
}

void Session::find_servers() {
  looked_ = Steady::now();
  attach_to(probe::find_servers(host_, target()), false);
  admit();
  if (calls_) calls_->look(target());
}

void Session::follow_calls() {
  std::vector<evidence::Gap> gaps;
  calls_ = WatchedCalls::open(host_, watch_, gaps);
  std::size_t told = 0;
  gaps_of(gaps, told);
  if (calls_) note("syscalls", "following system calls: descriptors that are refused; " + calls_->look(target()));
}

// A kernel that refuses this object keeps the death watch, which is another one.
void Session::follow_stacks(bool wanted) {
  if (!watch_.bpf()) return;                 // that BPF is refused has been said
  auto stacks = wanted ? probe::DeathStacks::open(*watch_.bpf()) : base::fail({base::Kind::refused, "reading stacks", "switched off with --without stacks", "leave --without away", 0});
  if (stacks) stacks_ = std::move(*stacks);
  else scene_.miss(probe::gap_of("the Python stack of a worker as it is killed", stacks.error()));
}

void Session::follow_requests() {
  const std::string wanted = "the requests that workers serve (--requests)";
  if (!watch_.bpf()) return scene_.miss({wanted, "they are seen through BPF only, and it is refused", "run as root, or grant CAP_BPF and CAP_PERFMON", 1, {}});
  auto requests = probe::RequestsBpf::open(*watch_.bpf());
  if (requests) requests_ = std::move(*requests);
  else scene_.miss(probe::gap_of(wanted, requests.error()));
}

void Session::add_stacks(const probe::FoundServer& server) {
  if (!stacks_) return;
  std::vector<evidence::Gap> gaps;
  // Forks share their master's; a worker that became another program (uvicorn's) has its own, and workers may outlive their master.
  if (!stacks_->knows(server.pid())) stacks_->add(server.pid(), gaps);
  stacks_->follow(server.pid(), server.pid());
  for (const probe::Process& worker : server.workers) stacks_->follow(worker.pid, server.pid());
  stacks_->look();
  for (const probe::Process& worker : server.workers)
    if (!stacks_->knows(worker.pid) && !stacks_->add_fork(worker.pid, server.pid())) stacks_->add(worker.pid, gaps);
  if (!gaps.empty()) scene_.miss(std::move(gaps.front()));
}

// Stacks after the events: that of a thread is in its ring before its process's end is in the other.
void Session::drain() {
  for (const probe::Event& event : watch_.drain()) stranger(event) ? set_aside(event) : take(event);
  for (evidence::Fact& fact : beats_.look()) scene_.take(std::move(fact));
  if (!stacks_) return;
  for (evidence::Fact& fact : stacks_->drain(wall_minus_boot())) scene_.take(std::move(fact));
  stacks_->look();
}

void Session::say_calls(bool all) {
  if (!calls_) return;
  calls_->drain();
  if (calls_->due(all)) {
    const WatchedCalls::Said said = calls_->say(options_, target(), cards_, all);
    if (!said.text.empty()) print(said.text);
    findings_ += said.findings;
    failed_ |= said.failed;
  }
  if (const std::uint64_t lost = calls_->lost(); lost != calls_lost_told_) {
    note("lost", base::counted(lost - calls_lost_told_, "system call") + " lost: counts are too low, and who got in whose way may be wrong");
    calls_lost_told_ = lost;
  }
}

void Session::attach_to(const std::vector<probe::FoundServer>& servers, bool first) {
  for (const probe::FoundServer& server : servers) {
    const int master = server.master.pid;
    const bool known = scene_.is_master(master);
    std::vector<int> pids;
    if (!known) pids.push_back(server.pid());
    for (const probe::Process& worker : server.workers)      // of a master that is gone, too
      if (!known || !scene_.knows(worker.pid)) pids.push_back(worker.pid);
    if (!pids.empty()) watch_.add(pids);
    scene_.add(server);
    add_stacks(server);
    beats_.add(server);
    if (!watch_.sees_senders()) scene_.count_oom_kills(server);      // BPF sees the OOM killer itself
    if (known) continue;
    std::string text = (first ? "attached: " : "attached to a new server: ") + server.flavour + " master " + std::to_string(master) + ", " + base::counted(server.workers.size(), "worker") + ", by " + watch_.method();
    const auto logs = scene_.log_names();
    if (!logs.empty()) text += "; log " + base::printable(logs.back(), 200);
    note("attached", text, server.master.ns_pid ? server.master.ns_pid : master, master);
  }
}

void Session::consider_exec(const probe::Event& event) {
  if (scene_.is_master(event.pid)) return;
  const auto cmdline = host_.read("/proc/" + std::to_string(event.pid) + "/cmdline", 1 << 16);
  const auto argv = cmdline ? probe::read_cmdline(*cmdline) : std::vector<std::string>();
  if ((options_.targets.empty() || scene_.master_of(event.pid)) && !probe::server_started_by(argv).empty()) look_soon_ = true;      // it is found as a server when it has become one
  else if (!scene_.master_of(event.pid) && !event.parent) watch_.remove(event.pid);
}

// Who might be a server is watched from its first instruction on, whoever it is: with a target named, only its own are told.
bool Session::stranger(const probe::Event& event) const {
  return !options_.targets.empty() && event.what != probe::Event::What::oom && !scene_.belongs(event.pid) && !scene_.belongs(event.parent);
}

// It may be the target's next master (a unit that was restarted): what it did is kept until a look has told.
void Session::set_aside(const probe::Event& event) {
  constexpr std::size_t most = 4096;
  if (event.what == probe::Event::What::exec) {
    const auto cmdline = host_.read("/proc/" + std::to_string(event.pid) + "/cmdline", 1 << 16);
    if (!cmdline || probe::server_started_by(probe::read_cmdline(*cmdline)).empty()) return watch_.remove(event.pid);
    look_soon_ = true;
  }
  if (strangers_.size() >= most) strangers_.pop_front();
  strangers_.emplace_back(Steady::now(), event);
}

void Session::admit() {
  constexpr std::chrono::seconds until_told{10};
  std::deque<std::pair<Steady::time_point, probe::Event>> others;
  for (auto& [came, event] : std::exchange(strangers_, {})) {
    if (!stranger(event)) take(event);
    else if (Steady::now() - came < until_told) others.emplace_back(came, std::move(event));
    else if (event.what != probe::Event::What::exit) watch_.remove(event.pid);
  }
  strangers_ = std::move(others);
}

void Session::take(const probe::Event& event) {
  scene_.take(event);
  if (event.what == probe::Event::What::exec) consider_exec(event);
  if (calls_ && event.what == probe::Event::What::fork) calls_->began(event.pid);
  if (event.what == probe::Event::What::fork) beats_.began(event.pid, event.parent);
  if (event.what == probe::Event::What::fork && stacks_ && scene_.is_master(event.parent)) stacks_->follow(event.pid, event.parent);
  if (event.what != probe::Event::What::exit) return;
  if (calls_) calls_->ended(event.pid);
  beats_.ended(event.pid);
  if (stacks_) stacks_->ended(event.pid);
  if (requests_) {
    for (evidence::Fact& fact : probe::facts_of(event.pid, requests_->of(event.pid), event.at_ns, wall_minus_boot())) scene_.take(std::move(fact));
    requests_->ended(event.pid);
  }
  const bool master = scene_.is_master(event.pid), worker = scene_.master_of(event.pid) != 0;
  const bool killed = !event.status_known || (event.status & 0x7f) != 0;
  if (master) look_soon_ = true;
  if (!master && !worker && !killed) return;
  Death death;
  death.end = event;
  death.id = id_of(event);
  death.role = master ? "master" : worker ? "worker" : "child";
  death.worth = master || worker;
  death.seen = Steady::now();
  death.due = death.seen + amend_at_most;
  deaths_.push_back(std::move(death));
  if (master || worker) ++died_;
  news_ = true;
}

void Session::show(Death& death, const rule::Finding* found, const report::Report& report, bool last) {
  if (!found) return;
  rule::Finding finding = *found;
  finding.id = death.id;
  finding.provisional = !last;
  if (last) finding.amends = death.id;
  finding.caused_by.clear();                 // ids of this judgement mean nothing in a stream
  finding.members.clear();
  finding.group.clear();
  finding.count = 1;
  if (!finding.subject.host_pid) finding.subject.host_pid = death.end.pid;
  if (!last && death.shown) return;
  death.shown = true;
  const rule::Findings one{finding};
  const report::Redacted safe = report::redacted({one, report.stack, report.evidence, report.source, report.at, report.command});
  print(json() ? verdict_json(safe.report(), safe.findings.front()) : verdict_text(safe.report(), safe.findings.front(), last ? Stage::final : Stage::provisional));
  if (!last) return;
  ++findings_;
  failed_ |= reaches(finding, options_.fail_on);
}

void Session::tell_end(const Death& death, const model::Life* life) const {
  const int host_pid = death.end.pid, pid = death.end.ns_pid ? death.end.ns_pid : host_pid, status = death.end.status;
  std::string text = death.role + " " + std::to_string(pid);
  if (pid != host_pid) text += " (host " + std::to_string(host_pid) + ")";
  // No line and no signal that asked it to go: its log may be kept at a level that does not say.
  const bool asked = death.role == "master" || !life || life->asked != model::Asked::nobody || life->draining != evidence::no_fact || life->exiting != evidence::no_fact || life->sent != evidence::no_fact;
  text += asked ? " ended as it was asked to" : " ended, whether anybody asked it to is not seen";
  if (death.end.status_known) text += status & 0x7f ? ", by " + base::signal_text(status & 0x7f) : ": exit code " + std::to_string(status >> 8 & 0xff);
  note("ended", text, pid, host_pid, death.shown ? death.id : std::string());
}

void Session::judge_deaths(bool all) {
  evidence::Evidence evidence = scene_.evidence(watch_.lost());
  const model::Stack stack = model::build(evidence);
  const rule::Findings findings = rule::judge(stack, evidence, cards_);
  const report::Report report{findings, stack, evidence, "live", now(), "triage watch"};
  const auto at = Steady::now();
  for (auto death = deaths_.begin(); death != deaths_.end();) {
    const rule::Finding* found = finding_about(findings, death->end);
    // A process that the stack knows and no rule speaks of ended on purpose; one it does not know (its server's log is out of reach) is
    // still told with what was seen.
    const model::Life* known = nullptr;
    for (const model::Life& life : stack.lives) {
      if ((life.host_pid ? life.host_pid : life.pid) != death->end.pid || life.server == SIZE_MAX) continue;
      known = &life;
      if (life.reaped != evidence::no_fact) death->due = std::min(death->due, std::max(at, death->seen) + after_log_line);
    }
    rule::Findings bare;
    if (!found && !known && death->worth && (!death->end.status_known || death->end.status != 0)) {
      bare = bare_finding(*death, evidence, cards_);
      if (!bare.empty()) found = &bare.front();
    }
    const bool last = all || at >= death->due;
    // An end with 0 is a fault only when no line about it comes.
    const bool quiet = found && death->end.status_known && death->end.status == 0 && (found->rule == "death.exited" || found->rule == "death.unknown");
    if (last || !quiet) show(*death, found, report, last);
    if (last && !found && death->worth) tell_end(*death, known);
    death = last ? deaths_.erase(death) : std::next(death);
  }
}

int Session::summary() {
  const auto seconds = std::chrono::duration_cast<std::chrono::nanoseconds>(Steady::now() - began_).count();
  const std::uint64_t lost = watch_.lost();
  note("detached", "detached after " + base::duration_text(seconds) + ": " + base::counted(died_, "end") + ", " + base::counted(findings_, "verdict") + "; " + base::counted(lost, "event") +
       " and " + base::counted(scene_.kernel_records_lost(), "kernel record") + " lost");
  return failed_ && !options_.exit_zero ? 1 : 0;
}

int Session::run(int signals, bool stacks, std::vector<std::pair<std::string, double>> start) {
  const auto servers = beside_.servers();
  looked_ = Steady::now();
  start.emplace_back("servers", ms_of(looked_ - began_));
  const auto looked = Steady::now();
  follow_stacks(stacks);
  if (options_.requests) follow_requests();
  const auto followed = Steady::now();
  attach_to(servers, true);
  look_soon_ = true;
  gaps_of(watch_.gaps(), watch_gaps_);
  gaps_of(scene_.gaps(), scene_gaps_);
  if (options_.syscalls) follow_calls();
  if (servers.empty()) note("waiting", "attached by " + watch_.method() + "; waiting for a server to start");
  if (options_.verbose) {
    std::string text = "start:";
    for (const auto& [step, ms] : start) text += fmt::format(" {} {:.1f} ms", step, ms);
    note("start", text + fmt::format(" add {:.1f} ms stacks {:.1f} ms", ms_of(Steady::now() - followed), ms_of(followed - looked)));
  }
  const auto end = options_.for_s ? began_ + std::chrono::nanoseconds(static_cast<std::int64_t>(*options_.for_s * 1e9)) : Steady::time_point::max();
  bool stop = false;
  while (!stop && Steady::now() < end) {
    pollfd ready[4] = {{watch_.fd(), POLLIN, 0}, {signals, POLLIN, 0}, {calls_ ? calls_->fd() : -1, POLLIN, 0}, {stacks_ ? stacks_->fd() : -1, POLLIN, 0}};
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Steady::now());
    const auto pause = std::max(0ms, std::min(left, deaths_.empty() ? watch_.pause() : std::min<std::chrono::milliseconds>(watch_.pause(), 50ms)));
    ::poll(ready, 4, static_cast<int>(pause.count()));
    if (ready[1].revents & POLLIN) stop = true;
    say_calls(false);                      // before the ends: whoever was refused a descriptor may die of it
    drain();
    const bool came = scene_.poll();
    const auto at = Steady::now();
    bool due = false;
    bool unshown = false;
    for (const Death& death : deaths_) {
      due |= at >= death.due;
      unshown |= !death.shown;
    }
    // What came in a log may let a verdict be given or amended early; looking for that never takes more than a fifth of our time.
    const bool early = (came || unshown) && at - judged_ > std::max<Steady::duration>(200ms, 5 * judging_);
    if (!deaths_.empty() && (news_ || due || early)) {
      judge_deaths(false);
      judged_ = Steady::now();
      judging_ = judged_ - at;
      news_ = false;
    }
    if (const std::uint64_t lost = watch_.lost(); lost != lost_told_) {
      note("lost", base::counted(lost - lost_told_, "event") + " lost: a death may be missing, or its cause");
      lost_told_ = lost;
    }
    if (const std::uint64_t lost = stacks_ ? stacks_->lost() : 0; lost != stacks_lost_told_) {
      note("lost", base::counted(lost - stacks_lost_told_, "frame") + " of stacks lost: stacks of this moment are missing or cut");
      stacks_lost_told_ = lost;
    }
    if (const std::uint64_t lost = requests_ ? requests_->lost() : 0; lost != requests_lost_told_) {
      note("lost", base::counted(lost - requests_lost_told_, "connection") + " not followed, for there are too many: some deaths will name no request");
      requests_lost_told_ = lost;
    }
    if (look_soon_ && at - looked_ > 300ms) {
      look_soon_ = false;
      find_servers();
    } else if (at - looked_ > look_again * (at - began_ < 60s ? 1 : 10)) {
      find_servers();
    }
    gaps_of(scene_.gaps(), scene_gaps_);
  }
  drain();
  // Deaths of the last moment get what their logs still say.
  const auto grace = Steady::now() + 300ms;
  while (!deaths_.empty() && Steady::now() < grace) {
    pollfd nothing{-1, 0, 0};
    ::poll(&nothing, 1, 50);
    scene_.poll();
    drain();
  }
  say_calls(true);
  if (!deaths_.empty()) judge_deaths(true);
  return summary();
}

}  // namespace

int watch(const Options& options) {
  const auto complain = [](const base::Error& error) {
    std::fputs(("triage watch: " + base::printable(base::sentence(error)) + "\n").c_str(), stderr);
    return error.kind == base::Kind::usage ? 2 : 3;
  };
  if (options.format != "text" && options.format != "plain" && options.format != "jsonl")
    return complain({base::Kind::usage, "reading --format", "watch does not write \"" + options.format + "\"", "text or jsonl", 0});
  const auto rungs = probe::rungs_without(options.without);
  if (!rungs) return complain(rungs.error());
  rule::Cards cards;
  if (!options.rules.empty()) {
    auto more = rule::cards_with(source::LiveHost(), options.rules);
    if (!more) return complain(more.error());
    cards = std::move(*more);
  }
  // Blocked and read from a descriptor: a stop comes between two events, never inside one.
  sigset_t stops;
  sigemptyset(&stops);
  sigaddset(&stops, SIGINT);
  sigaddset(&stops, SIGTERM);
  sigprocmask(SIG_BLOCK, &stops, nullptr);
  const base::Fd signals(signalfd(-1, &stops, SFD_CLOEXEC | SFD_NONBLOCK));

  // A second thread's heap grows by a page and a system call at a time otherwise.
  ::mallopt(M_TOP_PAD, 1 << 20);
  std::vector<std::pair<std::string, double>> start;
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  start.emplace_back("program", static_cast<double>(used.tv_sec) * 1e3 + static_cast<double>(used.tv_nsec) / 1e6);   // linking, options
  Beside beside(options, rungs->kmsg);
  probe::Watch watch = probe::Watch::open(*rungs, server_names);
  if (watch.bpf()) start.insert(start.end(), watch.bpf()->times().begin(), watch.bpf()->times().end());
  return Session(options, std::move(watch), beside, cards).run(signals.get(), rungs->stacks, std::move(start));
}

}  // namespace triage
