#include "rule/stuck.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "rule/doing.hpp"

namespace rule {

using namespace evidence;

namespace {

constexpr std::size_t most_place = 120;
constexpr std::string_view own_lock = "a lock in its own memory";

struct Standing {
  FactId id = no_fact;                       // its ThreadStack
  const ThreadStack* stack = nullptr;
  const TimeBlocked* in = nullptr;           // the call it is in; nullptr none
};

bool of_application(const StackFrame& frame) { return owner_of(frame.file).empty(); }

const StackFrame* own_frame(const ThreadStack& stack) {
  const auto found = std::find_if(stack.python.begin(), stack.python.end(), of_application);
  return found == stack.python.end() ? nullptr : &*found;
}

std::vector<Standing> threads_of(const Look& look, int pid) {
  std::vector<Standing> threads;
  for (const FactId id : look.evidence.ids_of<ThreadStack>()) {
    const Fact& fact = look.evidence.facts[id];
    const auto* stack = as<ThreadStack>(fact);
    if (fact.about.pid == pid && fact.about.space == PidSpace::host && stack->how != "signal") threads.push_back({id, stack, nullptr});
  }
  for (const FactId id : look.evidence.ids_of<TimeBlocked>()) {
    const Fact& fact = look.evidence.facts[id];
    if (fact.about.pid != pid || fact.about.space != PidSpace::host) continue;
    for (Standing& thread : threads)
      if (thread.stack->tid == as<TimeBlocked>(fact)->tid) thread.in = as<TimeBlocked>(fact);
  }
  return threads;
}

// The thread that tells most: one in the application's code, the one that holds the lock, the main one.
const Standing* telling(const std::vector<Standing>& threads, int pid) {
  const auto weight = [&](const Standing& thread) { return (own_frame(*thread.stack) ? 8 : 0) + (thread.stack->gil ? 4 : 0) + (thread.stack->tid == pid ? 2 : 0); };
  const auto best = std::max_element(threads.begin(), threads.end(), [&](const Standing& a, const Standing& b) { return weight(a) < weight(b); });
  return best == threads.end() ? nullptr : &*best;
}

std::string place_text(const StackFrame& frame) {
  const std::string name = base::printable(frame.function, most_place);
  return frame.file.empty() ? name : fmt::format("{} ({}{})", name, base::printable(frame.file, most_place), frame.line > 0 ? ":" + std::to_string(frame.line) : "");
}

/// Is one of the frames inside of the application's own in this function of the standard library?
bool through(const ThreadStack& stack, std::string_view function) {
  for (const StackFrame& frame : stack.python) {
    if (of_application(frame)) return false;
    if (frame.function == function || frame.function.ends_with("." + std::string(function))) return true;
  }
  return false;
}

bool one_of(std::string_view word, std::initializer_list<std::string_view> all) { return std::find(all.begin(), all.end(), word) != all.end(); }

/// What the process as a whole, or one of its threads, waits in.
struct Wait { std::string state, call, on, wchan; };

Cause client_cause(const ConnectionSeen& connection, bool sends) {
  const std::string who = base::printable(connection.peer, 60);
  const Step proxy{"then", "put a proxy that takes whole requests and answers in front (nginx, proxy_buffering on), or a worker class that gives no worker to each connection (gthread, gevent)", "", "a restart", ""};
  if (sends) return {"slow client", "its client " + who + " does not read the answer", {proxy}};
  if (connection.received && *connection.received == 0) return {"idle client", "its client " + who + " has sent nothing: an idle connection holds it", {proxy}};
  return {"slow client", "its client " + who + " has not sent the rest of its request", {proxy}};
}

// A thread that waits in a call of the kernel has given the lock away before it, unless C code forgot to.
std::optional<Cause> held_lock_cause(const std::vector<Standing>& threads) {
  for (const Standing& thread : threads) {
    if (!thread.stack->gil || !thread.in || thread.stack->how != "asleep" || thread.in->call == "futex") continue;
    const StackFrame* const own = own_frame(*thread.stack);
    return Cause{"GIL held in C", fmt::format("its thread {} holds the GIL while it waits in {}(){}: no other thread of it can run", thread.stack->tid, base::printable(thread.in->call, 40), own ? ", called in " + place_text(*own) : std::string()),
                 {{"then", "have the C code that waits there release the GIL around it (Py_BEGIN_ALLOW_THREADS; ctypes.CDLL instead of PyDLL)", "", "", ""}}};
  }
  return std::nullopt;
}

std::optional<Cause> lock_cause(const Look& look, const LiveProcess& process, const Wait& wait, const std::string& at) {
  const auto* seen = process.seen == no_fact ? nullptr : as<ProcessSeen>(look.evidence.facts[process.seen]);
  if (seen && seen->threads == 1 && wait.on == own_lock)
    return Cause{"deadlock", fmt::format("it waits{} for a lock that nobody can release, for it is its only thread: held when it was forked, or taken twice", at),
                 {{"now", "end it: it will not come back by itself", "", "its request", ""},
                  {"then", "make locks, pools and clients that hold them in each worker after the fork (post_fork; no preload_app for what starts threads), and use RLock or with: where one thread takes a lock twice", "", "a restart", ""}}};
  return Cause{"lock", fmt::format("it waits{} for a lock{}", at, wait.on == own_lock || wait.on.empty() ? "" : " that processes share"),
               {{"then", "see which thread holds it: triage stacks " + std::to_string(process.pid) + "; take locks with a timeout", "", "", ""}}};
}

std::optional<Cause> kernel_cause(const Wait& wait, const std::string& at) {
  const std::string where = wait.wchan.empty() ? std::string() : " (" + base::printable(wait.wchan, 60) + ")";
  if (base::contains(wait.wchan, "vfork")) return Cause{"child", fmt::format("it waits{} for a child that it has just started to become its program{}", at, where), {}};
  const bool network = base::contains(wait.wchan, "nfs") || base::contains(wait.wchan, "rpc") || base::contains(wait.wchan, "cifs") || base::contains(wait.wchan, "fuse") || base::contains(wait.wchan, "ceph");
  return Cause{network ? "network file system" : "disk", fmt::format("it waits{} inside the kernel for {}{}: no signal ends it", at, network ? "a network file system" : "a disk or a network file system", where),
               {{"now", "see the kernel log and the mount: dmesg | tail, df (it hangs at the mount that does), iostat -x 1", "", "", ""}}};
}

// Which kind of thing a thread in the application's own code waits for.
std::optional<Cause> call_cause(const Look& look, const LiveProcess& process, const Wait& wait, const Standing* thread) {
  const StackFrame* const own = thread ? own_frame(*thread->stack) : nullptr;
  const std::string at = own ? " in " + place_text(*own) : std::string();
  const std::string on = base::printable(wait.on, most_place);
  if (wait.state == "D") return kernel_cause(wait, at);
  if (wait.state == "R" && wait.call.empty()) {
    if (!own) return std::nullopt;
    return Cause{"CPU", "it computes" + at, {{"then", fmt::format("make {} shorter, or give the work to a queue outside of the request; until then a time-out only repeats it", base::printable(own->function, 60)), "", "", ""}}};
  }
  if (thread && through(*thread->stack, "getaddrinfo"))
    return Cause{"DNS", fmt::format("it waits{} for a name to be resolved{}", at, on.empty() ? "" : ", by " + on),
                 {{"then", "see /etc/resolv.conf of the worker (options timeout:1 attempts:2), and ask a name server or cache that answers", "", "", ""}}};
  if (wait.call == "futex") return lock_cause(look, process, wait, at);
  if (one_of(wait.call, {"nanosleep", "clock_nanosleep"}))
    return Cause{"sleep", "it sleeps" + at, own ? std::vector<Step>{{"then", fmt::format("do not sleep in a request: {}", base::printable(own->function, 60)), "", "", ""}} : std::vector<Step>{}};
  if (one_of(wait.call, {"wait4", "waitid"})) return Cause{"child", "it waits" + at + " for a child process to end", {{"then", "give the child a time limit: subprocess.run(..., timeout=...)", "", "", ""}}};
  if (one_of(wait.call, {"flock", "fcntl"})) return Cause{"file lock", fmt::format("it waits{} for the lock on {}", at, on.empty() ? "a file" : on), {{"now", "see who holds it: lslocks", "", "", ""}}};
  if (wait.on.empty() || base::starts_with(wait.on, "the listener ")) return std::nullopt;
  const bool sends = one_of(wait.call, {"sendto", "write", "writev", "sendmsg", "sendfile"});
  for (const FactId id : process.connections)
    if (const auto& connection = std::get<ConnectionSeen>(look.evidence.facts[id].what); connection.peer == wait.on) return client_cause(connection, sends);
  if (wait.on.front() == '/') return Cause{"disk", fmt::format("it waits{} for the file {}", at, on), {}};
  if (!base::contains(wait.on, ":") || !one_of(wait.call, {"recvfrom", "recvmsg", "read", "readv", "sendto", "sendmsg", "write", "writev", "connect", "sendfile", "poll", "ppoll"})) return std::nullopt;
  if (wait.on.ends_with(":53")) return Cause{"DNS", fmt::format("it waits{} for the name server {}", at, on), {{"then", "see /etc/resolv.conf of the worker (options timeout:1 attempts:2), and ask a name server or cache that answers", "", "", ""}}};
  return Cause{"slow upstream", fmt::format("it waits{} for {}{}", at, on, wait.call == "connect" ? ", which does not take its connection" : sends ? ", which does not read what it sends" : ", which does not answer"),
               {{"then", fmt::format("give the call{} a timeout below the worker's own, and see why {} is slow", at, on), "", "", ""}}};
}

}  // namespace

void tell_stack(const Look& look, const LiveProcess& process, Draft& draft) {
  const std::vector<Standing> threads = threads_of(look, process.pid);
  const Standing* const best = telling(threads, process.pid);
  if (!best) return;
  draft.was_doing.python = folded(best->stack->python);
  draft.was_doing.native = native_lines(best->stack->native, !best->stack->python.empty());
  const StackFrame* const own = own_frame(*best->stack);
  const auto also = own ? std::count_if(threads.begin(), threads.end(), [&](const Standing& other) { const StackFrame* there = own_frame(*other.stack); return &other != best && there && there->function == own->function && there->file == own->file; }) : 0;
  if (also > 0) draft.was_doing.python.push_back(also == 1 ? "another thread is there, too" : fmt::format("{} other threads are there, too", also));
  if (!best->stack->doubt.empty()) draft.was_doing.python.push_back("(" + best->stack->doubt + ")");
  if (best->in) {
    draft.was_doing.syscall = best->in->call;
    draft.was_doing.fd = best->in->fd;
    draft.was_doing.peer = base::printable(best->in->on, most_place);
  }
  because(draft, best->id);
}

std::optional<Cause> cause_of(const Look& look, const LiveProcess& process) {
  const std::vector<Standing> threads = threads_of(look, process.pid);
  const Standing* const best = telling(threads, process.pid);
  Wait wait;
  if (process.waits != no_fact) {
    const auto& waits = std::get<ProcessWaits>(look.evidence.facts[process.waits].what);
    wait = {waits.state, waits.call, waits.on, waits.wchan};
  }
  if (wait.state == "T" || wait.state == "t") return std::nullopt;      // a finding of its own
  // Another thread than the main one tells what it is about. One that polls (sleeps a moment, again and again) moves, too, and was met in a call.
  const bool on_processor = best && !best->in && (best->stack->how == "moving" || best->stack->how == "sample");
  if (best && best->stack->tid != process.pid && own_frame(*best->stack)) wait = {on_processor ? "R" : "S", best->in ? best->in->call : "", best->in ? best->in->on : "", ""};
  if (auto held = held_lock_cause(threads)) return held;
  return call_cause(look, process, wait, best);
}

void tell_most(const Look& look, const std::vector<LiveProcess>& workers, Draft& draft) {
  struct Place { std::size_t count = 0; const LiveProcess* first = nullptr; Cause cause; };
  std::map<std::string, Place> places;
  const Place* most = nullptr;
  for (const LiveProcess& worker : workers) {
    const std::vector<Standing> threads = threads_of(look, worker.pid);
    const Standing* const best = telling(threads, worker.pid);
    auto cause = best ? cause_of(look, worker) : std::nullopt;
    if (!cause) continue;
    const StackFrame* const own = own_frame(*best->stack);
    Place& place = places[cause->name + " " + (own ? own->function + " " + own->file : std::string())];
    if (!place.first) place = {0, &worker, std::move(*cause)};
    ++place.count;
    if (!most || place.count > most->count) most = &place;
  }
  if (!most) return;
  const std::string who = workers.size() == 1 ? "" : most->count == workers.size() ? "all of them: " : fmt::format("{} of them: ", most->count);
  draft.values["reason"] += "; " + who + most->cause.text;
  draft.values["cause"] = most->cause.name;
  tell_stack(look, *most->first, draft);
  for (const Step& step : most->cause.steps) draft.first.push_back(step);
}

}  // namespace rule
