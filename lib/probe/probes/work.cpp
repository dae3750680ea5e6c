// What the threads of a stuck worker are doing: where each stands in its Python code, and the call that it waits in. Read only of workers that do not
// look free: that hold an unanswered connection, whose heartbeat is old, or that are in a call in which a free worker does not wait. Live hosts only,
// for it is memory that is read; nothing is stopped.
#include <unistd.h>

#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "probe/gap.hpp"
#include "probe/look.hpp"
#include "probe/probe.hpp"
#include "probe/samples_bpf.hpp"
#include "probe/stacks.hpp"
#include "probe/native/unwind.hpp"

namespace probe {

namespace {

using namespace evidence;

constexpr std::size_t most_stuck = 24, most_told = 32, most_unwound = 8;   // workers; threads of each; workers with native stacks, which take longer
constexpr std::chrono::seconds longest_of_all{8};         // for all workers together
constexpr double answered_s = 1.0, beaten_s = 5.0;       // a request or a loop that takes less is nothing to look at

struct Signs { double beat_s = 0, silent_s = -1; const ProcessWaits* waits = nullptr; };

std::map<int, Signs> signs_of(const Evidence& evidence) {
  std::map<int, Signs> all;
  const auto each = [&]<class T>(auto&& put) {
    for (const FactId id : evidence.ids_of<T>())
      if (const Fact& fact = evidence.facts[id]; fact.about.space == PidSpace::host) put(all[fact.about.pid], *as<T>(fact));
  };
  each.template operator()<Heartbeat>([](Signs& signs, const Heartbeat& beat) { signs.beat_s = beat.age_s; });
  each.template operator()<ProcessWaits>([](Signs& signs, const ProcessWaits& waits) { signs.waits = &waits; });
  each.template operator()<ConnectionSeen>([](Signs& signs, const ConnectionSeen& connection) { signs.silent_s = std::max(signs.silent_s, connection.silent_s.value_or(0)); });
  return all;
}

// Where a free worker waits: for a connection, on several descriptors at once, or for its loop's next turn.
bool free_call(const ProcessWaits& waits) {
  if (waits.call.empty()) return waits.state != "R" && waits.state != "D";
  if (waits.on.starts_with("the listener ")) return true;
  if (waits.fd && (waits.call == "poll" || waits.call == "ppoll")) return false;
  static constexpr std::string_view free[] = {"select", "pselect6", "poll", "ppoll", "epoll_wait", "epoll_pwait", "accept", "accept4", "wait4", "rt_sigtimedwait"};
  return std::find(std::begin(free), std::end(free), waits.call) != std::end(free);
}

bool looks_stuck(const Signs& signs) {
  if (!signs.waits) return false;
  const bool free = free_call(*signs.waits);
  if (signs.silent_s >= answered_s || signs.waits->state == "D") return true;
  return !free && (signs.waits->state != "R" || signs.beat_s >= beaten_s);
}

std::string stack_text(const ThreadDoing& thread) {
  std::string text = "thread " + std::to_string(thread.tid);
  if (!thread.call.name.empty()) text += " in " + thread.call.name + "()" + (thread.call.on.empty() ? "" : " on " + thread.call.on);
  if (thread.stack.gil) text += ", holds the GIL";
  if (thread.stack.python.empty()) return text;
  const StackFrame& frame = thread.stack.python.front();
  return text + ": " + frame.function + " (" + frame.file + ":" + std::to_string(frame.line) + "), " + base::counted(thread.stack.python.size(), "frame");
}

void observe(const source::Host& host, const Target&, const Found& found, Evidence& evidence) {
  if (host.kind() != "live" || found.servers.empty()) return;
  const auto signs = signs_of(evidence);
  NetTables tables(host);
  Sampler sampler;
  const auto until = HowToRead::Steady::now() + longest_of_all;
  std::optional<SourceId> source;
  std::size_t looked = 0, left_out = 0, late = 0;
  for (const FoundServer& server : found.servers)
    for (const Process& worker : server.workers) {
      const auto known = signs.find(worker.pid);
      if (known == signs.end() || worker.state == 'Z' || !looks_stuck(known->second)) continue;
      if (++looked > most_stuck) { ++left_out; continue; }
      if (HowToRead::Steady::now() >= until) { ++late; continue; }
      std::vector<Gap> gaps;
      const ProcessDoing doing = what_it_does(host, worker.pid, [&]() -> const NetTable& { return tables.of(worker.pid); }, {looked <= most_unwound ? Native::to_python : Native::none, false, &sampler, until}, gaps);
      for (Gap& gap : gaps) {
        gap.wanted = "what the stuck workers of " + name_of(server) + " are doing";
        evidence.gap(std::move(gap));
      }
      const bool native_only = doing.runtime.empty();
      std::size_t told = 0;
      for (const ThreadDoing& thread : doing.threads) {
        if ((thread.stack.python.empty() && (!native_only || thread.stack.native.empty())) || ++told > most_told) continue;
        if (!source) source = add_live_source(evidence, "process memory", SourceKind::proc, host);
        auto stack = seen(thread.stack, worker.pid, *source, host);
        stack.about.unit = server.cgroup.unit;
        stack.text = stack_text(thread);
        evidence.add(std::move(stack));
        if (thread.call.name.empty()) continue;
        TimeBlocked blocked;
        blocked.call = thread.call.name;
        blocked.on = thread.call.on;
        blocked.fd = thread.call.fd;
        blocked.tid = thread.tid;
        blocked.count = 1;
        auto fact = seen(std::move(blocked), worker.pid, *source, host);
        fact.about.unit = server.cgroup.unit;
        fact.text = "thread " + std::to_string(thread.tid) + " in " + thread.call.name + "(" + thread.call.arguments + ")" + (thread.call.on.empty() ? "" : " on " + thread.call.on);
        evidence.add(std::move(fact));
      }
    }
  if (left_out) evidence.gap({"the stacks of some stuck workers", "there are more than " + std::to_string(most_stuck), "triage stacks PID", left_out, {}});
  if (late) evidence.gap({"the stacks of some stuck workers", "the time for reading them was over", "triage stacks PID", late, {}});
}

Sight sight(const source::Host&) {
  Sight sight{Sight::State::ok, "native stacks", "", "", "", ""};
  const auto own = Unwinder::open(::getpid());
  if (own) sight.detail = "unwound by libdwfl, nothing is stopped";
  else {
    sight.state = Sight::State::partial;
    sight.why = own.error().answer;
    sight.remedy = own.error().remedy;
    sight.instead = "Python's stacks and system calls";
  }
  return sight;
}

}  // namespace

namespace probes_of {
extern const Probe work = {"stacks", observe, sight};
}  // namespace probes_of
}  // namespace probe
