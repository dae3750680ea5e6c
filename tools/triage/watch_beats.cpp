#include "watch_beats.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "flavour/flavour.hpp"
#include "model/build.hpp"
#include "probe/net_table.hpp"
#include "probe/stacks.hpp"

namespace triage {

namespace {

using namespace evidence;
using namespace std::chrono_literals;

constexpr auto longest_round = 2s;           // of snapshots; deaths wait meanwhile, and what is left comes in the next
constexpr auto read_again = 10s;             // a reload may have changed the timeout
constexpr auto seek_again = 500ms;           // a worker just forked still holds its siblings' files
constexpr std::size_t most_at_once = 16, most_threads_told = 32;

}  // namespace

std::optional<double> Beats::timeout_in_force(const probe::FoundServer& server) const {
  Evidence evidence;
  Source watch;                              // with one, a server is one without its log
  watch.kind = SourceKind::watch;
  watch.live = true;
  evidence.add_source(std::move(watch));
  probe::Found found;
  found.servers.push_back(server);
  for (const probe::Probe* const probe : probe::probes())
    if (probe->name == std::string_view("processes")) probe->observe(host_, {}, found, evidence);
  const model::Stack stack = model::build(evidence);
  for (const model::Server& known : stack.servers)
    if (const auto timeout = model::number_setting(known, "timeout")) return timeout;
  return std::nullopt;
}

void Beats::add(const probe::FoundServer& server) {
  const int master = server.master.pid;
  if (share_ <= 0 || !master || !flavour::like_gunicorn(server.flavour)) return;
  Server& known = servers_[master];
  const auto now = Steady::now();
  if (known.read == Steady::time_point{} || now - known.read > read_again) {
    known.timeout_s = timeout_in_force(server);
    known.read = now;
  }
  for (const probe::Process& worker : server.workers)
    if (!workers_.contains(worker.pid)) began(worker.pid, master);
}

void Beats::began(int pid, int master) {
  if (servers_.contains(master)) workers_.insert_or_assign(pid, Worker{master, {}, 0, {}});
}

void Beats::ended(int pid) {
  workers_.erase(pid);
  if (!servers_.erase(pid)) return;
  std::erase_if(workers_, [&](const auto& one) { return one.second.master == pid; });
}

void Beats::seek(int pid, Worker& worker) const {
  const auto descriptors = probe::read_descriptors(host_, pid);
  if (!descriptors) return;
  std::string file;
  for (const probe::Descriptor& open : *descriptors) {
    if (!base::contains(open.target, "/wgunicorn-")) continue;
    if (!file.empty()) return;               // its siblings', which it closes soon
    file = "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(open.fd);
  }
  worker.file = std::move(file);
}

void Beats::tell(int pid, double age_s, std::optional<double> timeout_s, Steady::time_point until, std::vector<Fact>& into) const {
  bool cut = false;
  std::vector<Gap> gaps;                     // a snapshot more: what cannot be read is said by the stack at its death
  const probe::ProcessDoing doing = probe::what_it_does(host_, pid, probe::read_net_table(host_, pid, cut), {probe::Native::to_python, false, sampler_.get(), until}, gaps);
  const auto span = [](double seconds) { return base::duration_text(static_cast<std::int64_t>(seconds * 1e9)); };
  const std::string moment = span(age_s) + " after its last heartbeat" + (timeout_s ? ", of " + span(*timeout_s) : std::string()) + ": ";
  std::size_t told = 0;
  for (const probe::ThreadDoing& thread : doing.threads) {
    if (++told > most_threads_told) break;
    Fact form;
    form.about = {pid, PidSpace::host, {}};
    form.when = host_.now();
    if (!thread.stack.python.empty()) {
      Fact fact = form;
      const StackFrame& frame = thread.stack.python.front();
      fact.text = moment + frame.function + " (" + frame.file + ":" + std::to_string(frame.line) + "), " + base::counted(thread.stack.python.size(), "frame");
      fact.what = thread.stack;
      into.push_back(std::move(fact));
    }
    if (thread.call.name.empty() || (thread.stack.python.empty() && thread.tid != pid)) continue;
    form.text = moment + "in " + thread.call.name + (thread.call.on.empty() ? "" : " on " + thread.call.on);
    form.what = TimeBlocked{thread.call.name, thread.call.on, thread.tid, thread.call.fd, 1};
    into.push_back(std::move(form));
  }
}

std::vector<Fact> Beats::look() {
  std::vector<Fact> facts;
  if (workers_.empty()) return facts;
  const auto now = Steady::now();
  double shortest = 30;
  for (const auto& [pid, server] : servers_)
    if (const double timeout = server.due_s(1); timeout > 0) shortest = std::min(shortest, timeout);
  // Four looks between the share and the timeout; 5 us a worker.
  const auto pause = std::clamp(std::chrono::milliseconds(static_cast<std::int64_t>(shortest * (1 - share_) * 250)), 50ms, 1000ms);
  if (now - looked_ < pause) return facts;
  looked_ = now;
  std::size_t told = 0;
  const auto until = now + longest_round;
  for (auto& [pid, worker] : workers_) {
    const auto server = servers_.find(worker.master);
    const double due = server == servers_.end() ? 0 : server->second.due_s(share_);
    if (due <= 0) continue;
    if (worker.file.empty()) {
      if (now - worker.sought < seek_again) continue;
      worker.sought = now;
      seek(pid, worker);
      if (worker.file.empty()) continue;
    }
    const auto stat = host_.stat(worker.file);
    if (!stat) {                             // ended, or the descriptor is another one's by now
      worker.file.clear();
      continue;
    }
    const double age = static_cast<double>(host_.now().at - stat->ctime_ns) / 1e9;
    if (age < due || stat->ctime_ns == worker.told_ns || told >= most_at_once || (told > 0 && Steady::now() >= until)) continue;
    worker.told_ns = stat->ctime_ns;
    ++told;
    tell(pid, age, server->second.timeout_s, until, facts);
  }
  return facts;
}

}  // namespace triage
