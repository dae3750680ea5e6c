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
// As the probe names what a futex leads to; for_a_time: it wakes by itself, as a wait for the GIL does every 5 ms.
constexpr std::string_view own_lock = "a lock in its own memory", own_lock_for_a_time = "a lock in its own memory, for a limited time";

bool one_of(std::string_view word, std::initializer_list<std::string_view> all) { return std::find(all.begin(), all.end(), word) != all.end(); }

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
  const auto weight = [&](const Standing& thread) { return (own_frame(*thread.stack) ? (in_the_background(*thread.stack) ? 1 : 8) : 0) + (thread.stack->gil ? 4 : 0) + (thread.stack->tid == pid ? 2 : 0); };
  const auto best = std::max_element(threads.begin(), threads.end(), [&](const Standing& a, const Standing& b) { return weight(a) < weight(b); });
  return best == threads.end() ? nullptr : &*best;
}

std::string place_text(const StackFrame& frame) {
  const std::string name = base::printable(frame.function, most_place);
  return frame.file.empty() ? name : fmt::format("{} ({}{})", name, base::printable(frame.file, most_place), frame.line > 0 ? ":" + std::to_string(frame.line) : "");
}

/// Is one of the frames inside of the application's own (all of them where there is none) in a file that ends like this, in this function ("": any)?
bool inside(const ThreadStack& stack, std::string_view file, std::string_view function = {}) {
  for (const StackFrame& frame : stack.python) {
    if (of_application(frame)) return false;
    if (frame.file.ends_with(file) && (function.empty() || frame.function == function || frame.function.ends_with("." + std::string(function)))) return true;
  }
  return false;
}

/// Is one of the frames inside of the application's own in this function of the standard library?
bool through(const ThreadStack& stack, std::string_view function) {
  for (const StackFrame& frame : stack.python) {
    if (of_application(frame)) return false;
    if (frame.function == function || frame.function.ends_with("." + std::string(function))) return true;
  }
  return false;
}

/// What the process as a whole, or one of its threads, waits in.
struct Wait { std::string state, call, on, wchan; };

Cause client_cause(const ConnectionSeen& connection, std::string_view call, bool sends, bool handshake) {
  const std::string who = connection.peer.empty() ? "at unix:" + base::printable(connection.local, 60) : base::printable(connection.peer, 60);
  const Step proxy{"then", "put a proxy that takes whole requests and answers in front (nginx, proxy_buffering on), or a worker class that gives no worker to each connection (gthread, gevent)", "", "a restart", ""};
  if (sends) return {"slow client", "its client " + who + " does not read the answer", {proxy}};
  if (connection.received && *connection.received == 0) return {"idle client", "its client " + who + " has sent nothing: an idle connection holds it", {proxy}};
  if (handshake) return {"slow client", "its client " + who + " has not finished the TLS handshake", {proxy}};
  // What a unix socket received is not counted, and a poll waits for either direction.
  if (!connection.received || !one_of(call, {"recvfrom", "recvmsg", "read", "readv"})) return {"slow client", "it waits for its client " + who, {proxy}};
  return {"slow client", "its client " + who + " has not sent the rest of its request", {proxy}};
}

// A thread that waits in a call of the kernel has given the lock away before it, unless C code forgot to.
std::optional<Cause> held_lock_cause(const std::vector<Standing>& threads, std::uint64_t count) {
  if (count == 1) return std::nullopt;         // nobody else wants it: what it waits for is the cause
  for (const Standing& thread : threads) {
    if (!thread.stack->gil || !thread.in || thread.stack->how != "asleep" || one_of(thread.in->call, {"futex", "clone", "clone3", "vfork"})) continue;
    const StackFrame* const own = own_frame(*thread.stack);
    return Cause{"GIL held in C", fmt::format("its thread {} holds the GIL while it waits in {}(){}: no other thread of it can run", thread.stack->tid, base::printable(thread.in->call, 40), own ? ", called in " + place_text(*own) : std::string()),
                 {{"then", "have the C code that waits there release the GIL around it (Py_BEGIN_ALLOW_THREADS; ctypes.CDLL instead of PyDLL)", "", "", ""}}};
  }
  return std::nullopt;
}

/// What a thread that stands at a futex wants, by the frames inside of its own; and how that comes when it is the only thread.
struct Wanted { std::string name, what, alone; std::vector<Step> steps; };

Wanted wanted_of(const ThreadStack* stack, int pid) {
  const Step see{"then", "see what its other threads do: triage stacks " + std::to_string(pid) + "; wait with a timeout", "", "", ""};
  if (!stack) return {"lock", "a lock", "held when it was forked, or taken twice", {}};
  const bool pool = std::any_of(stack->python.begin(), std::find_if(stack->python.begin(), stack->python.end(), of_application), [](const StackFrame& frame) {
    return base::contains(frame.file, "pool") && !base::contains(frame.file, "threadpool") && !base::contains(frame.file, "multiprocessing") && !base::contains(frame.file, "concurrent");
  });
  const bool taken = inside(*stack, "/queue.py", "get"), waits = inside(*stack, "/threading.py", "wait");
  if (pool && (taken || waits))
    return {"connection pool", "a free connection of its pool", "those that were taken are not given back",
            {{"then", "give each connection back (with, or a finally), let the pool hold as many as there are threads, and set its timeout", "", "a restart", ""}}};
  constexpr const char* no_thread = "the thread that would was not forked along, or never began";
  if (taken) return {"queue", "something to be put into a queue", no_thread, {see}};
  if (inside(*stack, "/queue.py", "put")) return {"queue", "room in a queue", no_thread, {see}};
  if (inside(*stack, "/threading.py", "join")) return {"other thread", "another thread to end", no_thread, {see}};
  if (inside(*stack, "/_base.py", "result")) return {"other thread", "the result of another thread", no_thread, {see}};
  if (waits) return {"other thread", "another thread to wake it", no_thread, {see}};
  return {"lock", "a lock", "held when it was forked, or taken twice", {}};
}

std::optional<Cause> lock_cause(const std::vector<Standing>& threads, std::uint64_t count, const LiveProcess& process, const Wait& wait, const Standing* thread, const std::string& at) {
  if (wait.on == own_lock_for_a_time)
    for (const Standing& other : threads) {
      if (!other.stack->gil || &other == thread) continue;
      const StackFrame* const own = own_frame(*other.stack);
      return Cause{"GIL", fmt::format("it waits{} for the GIL, which its thread {}{} holds", at, other.stack->tid, own ? ", in " + place_text(*own) + "," : std::string()),
                   {{"then", "take long work out of that thread (a process of its own), or have its C code release the GIL", "", "", ""}}};
    }
  const Wanted wanted = wanted_of(thread ? thread->stack : nullptr, process.pid);
  if (count == 1 && wait.on == own_lock) {
    const bool lock = wanted.name == "lock";
    std::vector<Step> steps{{"now", "end it: it will not come back by itself", "", "its request", ""}};
    if (wanted.name == "connection pool") steps.insert(steps.end(), wanted.steps.begin(), wanted.steps.end());
    else if (lock) steps.push_back({"then", "make locks, pools and clients that hold them in each worker after the fork (post_fork; no preload_app for what starts threads), and use RLock or with: where one thread takes a lock twice", "", "a restart", ""});
    else steps.push_back({"then", "start threads in each worker after the fork (post_fork; no preload_app for what starts them), and wait with a timeout", "", "a restart", ""});
    return Cause{lock ? "deadlock" : wanted.name, lock ? fmt::format("it waits{} for a lock that nobody can release, for it is its only thread: {}", at, wanted.alone) : fmt::format("it waits{} for {}, and is its only thread: {}", at, wanted.what, wanted.alone), std::move(steps)};
  }
  if (wanted.name != "lock") return Cause{wanted.name, fmt::format("it waits{} for {}{}", at, wanted.what, wait.on == own_lock_for_a_time ? ", for a limited time" : ""), wanted.steps};
  const char* const which = wait.on == own_lock_for_a_time ? ", for a limited time" : wait.on == own_lock || wait.on.empty() ? "" : " that processes share";
  return Cause{"lock", fmt::format("it waits{} for a lock{}", at, which), {{"then", "see which thread holds it: triage stacks " + std::to_string(process.pid) + "; take locks with a timeout", "", "", ""}}};
}

// State D alone says neither disk nor network: it is also where a fork, memory that is short, and locks of the kernel are waited for.
std::optional<Cause> kernel_cause(const Wait& wait, const std::string& at) {
  const std::string where = wait.wchan.empty() ? std::string() : " (" + base::printable(wait.wchan, 60) + ")";
  const auto in = [&](std::initializer_list<std::string_view> words) { return std::any_of(words.begin(), words.end(), [&](std::string_view word) { return base::contains(wait.wchan, word); }); };
  if (one_of(wait.call, {"clone", "clone3", "vfork"}) || in({"vfork"})) return Cause{"child", fmt::format("it waits{} for a child that it has just started to become its program{}", at, where), {}};
  if (in({"refrigerator"})) return std::nullopt;            // frozen: a finding of its own
  const Step look{"now", "see the kernel log and the mount: dmesg | tail, df (it hangs at the mount that does), iostat -x 1", "", "", ""};
  if (in({"nfs", "rpc", "cifs", "fuse", "ceph"})) return Cause{"network file system", fmt::format("it waits{} inside the kernel for a network file system{}: no signal ends it", at, where), {look}};
  if (in({"reclaim", "mem_cgroup", "try_charge", "congestion_wait", "over_high"}))
    return Cause{"memory", fmt::format("it waits{} inside the kernel for memory to be freed{}", at, where), {{"now", "see the pressure: cat /proc/pressure/memory, and memory.high and memory.max of its cgroup", "", "", ""}}};
  const bool file = !wait.on.empty() && wait.on.front() == '/' && wait.on.find("/dev/") != 0;
  if (file || one_of(wait.call, {"fsync", "fdatasync"}) || in({"io_schedule", "folio", "page_bit", "blk_", "bio", "ext4", "xfs", "btrfs", "jbd2"}))
    return Cause{"disk", fmt::format("it waits{} inside the kernel for a disk or a network file system{}: no signal ends it", at, where), {look}};
  return Cause{"kernel", fmt::format("it waits{} inside the kernel{}: no signal ends it", at, where), {{"now", "see the kernel log: dmesg | tail", "", "", ""}}};
}

// Which kind of thing a thread in the application's own code waits for.
std::optional<Cause> call_cause(const Look& look, const LiveProcess& process, const Wait& wait, const Standing* thread, const std::vector<Standing>& threads, std::uint64_t count) {
  const StackFrame* const own = thread ? own_frame(*thread->stack) : nullptr;
  const std::string at = own ? " in " + place_text(*own) : std::string();
  const std::string on = base::printable(wait.on, most_place);
  if (wait.state == "D") return kernel_cause(wait, at);
  if (wait.state == "R" && wait.call.empty()) {
    if (!own) return std::nullopt;
    return Cause{"CPU", "it computes" + at, {{"then", fmt::format("make {} shorter, or give the work to a queue outside of the request; until then a time-out only repeats it", base::printable(own->function, 60)), "", "", ""}}};
  }
  if (thread && own && inside(*thread->stack, "/subprocess.py"))
    return Cause{"child", "it waits" + at + " for a child process", {{"then", "give the child a time limit: subprocess.run(..., timeout=...); see what the child does: triage stacks, or ps --ppid " + std::to_string(process.pid), "", "", ""}}};
  if (thread && wait.call != "futex" && through(*thread->stack, "getaddrinfo"))
    return Cause{"DNS", fmt::format("it waits{} for a name to be resolved{}", at, base::contains(on, ":") ? ", by " + on : ""),
                 {{"then", "see /etc/resolv.conf of the worker (options timeout:1 attempts:2), and ask a name server or cache that answers", "", "", ""}}};
  if (wait.call == "futex") return lock_cause(threads, count, process, wait, thread, at);
  if (one_of(wait.call, {"nanosleep", "clock_nanosleep"}))
    return Cause{"sleep", "it sleeps" + at, own ? std::vector<Step>{{"then", fmt::format("do not sleep in a request: {}", base::printable(own->function, 60)), "", "", ""}} : std::vector<Step>{}};
  if (one_of(wait.call, {"wait4", "waitid"})) return Cause{"child", "it waits" + at + " for a child process to end", {{"then", "give the child a time limit: subprocess.run(..., timeout=...)", "", "", ""}}};
  if (one_of(wait.call, {"flock", "fcntl"})) return Cause{"file lock", fmt::format("it waits{} for the lock on {}", at, on.empty() ? "a file" : on), {{"now", "see who holds it: lslocks", "", "", ""}}};
  if (wait.on.empty() || base::starts_with(wait.on, "the listener ")) return std::nullopt;
  const bool sends = one_of(wait.call, {"sendto", "write", "writev", "sendmsg", "sendfile"});
  for (const FactId id : process.connections) {
    const auto& connection = std::get<ConnectionSeen>(look.evidence.facts[id].what);
    // A port that a service is known by may be a client's, too: then its name is behind it.
    const bool client = connection.peer.empty() ? !connection.local.empty() && (wait.on == "unix:" + connection.local || wait.on == connection.local) : wait.on == connection.peer || base::starts_with(wait.on, connection.peer + " (");
    if (client) return client_cause(connection, wait.call, sends, thread && inside(*thread->stack, "/ssl.py", "do_handshake"));
    if (!connection.peer.empty() && !connection.local.empty() && (wait.on == connection.local || base::starts_with(wait.on, connection.local + " (")))
      return Cause{"itself", fmt::format("it waits{} for an answer of its own server at {}: a request that needs another worker to be free", at, on),
                   {{"then", "call the function instead of the address, or give the work to a queue: enough such requests at once hold every worker, and none ends", "", "a restart", ""}}};
  }
  if (wait.on == "a pipe") {
    if (!one_of(wait.call, {"write", "writev"})) return std::nullopt;
    return Cause{"full pipe", fmt::format("it waits{} to write into a pipe, which is full: who reads it does not", at), {{"now", fmt::format("see who has its other end: lsof +E -p {}; where it is the log, whoever collects it", process.pid), "", "", ""}}};
  }
  // Data of a file is waited for in state D; what a path leads to and can be waited for in S is no file.
  if (base::starts_with(wait.on, "/dev/pts/") || base::starts_with(wait.on, "/dev/tty")) return Cause{"terminal", fmt::format("it waits{} for the terminal {}", at, on), {{"then", "take input() and breakpoint() out of what serves requests", "", "a restart", ""}}};
  // Of sockets only: not "anon_inode:[eventfd]", not "unix:PATH", which is the name of its own end.
  const bool address = base::starts_with(wait.on, "the unix socket ") || (!wait.on.empty() && wait.on.front() != '/' && base::contains(wait.on, ":") && !base::starts_with(wait.on, "anon_inode:") && !base::starts_with(wait.on, "unix:"));
  if (!address || !one_of(wait.call, {"recvfrom", "recvmsg", "read", "readv", "sendto", "sendmsg", "write", "writev", "connect", "sendfile", "poll", "ppoll", "select", "pselect6"})) return std::nullopt;
  if (wait.on.ends_with(":53")) return Cause{"DNS", fmt::format("it waits{} for the name server {}", at, on), {{"then", "see /etc/resolv.conf of the worker (options timeout:1 attempts:2), and ask a name server or cache that answers", "", "", ""}}};
  constexpr std::string_view unconnected = ", not yet connected";
  const std::string who = on.ends_with(unconnected) ? on.substr(0, on.size() - unconnected.size()) : on;
  return Cause{"slow upstream", fmt::format("it waits{} for {}{}", at, who, wait.call == "connect" || who.size() < on.size() ? ", which does not take its connection" : sends ? ", which does not read what it sends" : one_of(wait.call, {"poll", "ppoll", "select", "pselect6"}) ? "" : ", which does not answer"),
               {{"then", fmt::format("give the call{} a timeout below the worker's own, and see why {} is slow", at, who), "", "", ""}}};
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
  const auto* seen = process.seen == no_fact ? nullptr : as<ProcessSeen>(look.evidence.facts[process.seen]);
  const std::uint64_t count = seen ? seen->threads : 0;      // 0: not known
  if (auto held = held_lock_cause(threads, count)) return held;
  return call_cause(look, process, wait, best, threads, count);
}

std::optional<Cause> cause_at_death(const Look& look, const model::Life& life, bool of_python) {
  const FactId id = stack_at_death(look, life);
  if (id == no_fact) return std::nullopt;
  Standing thread{id, as<ThreadStack>(look.evidence.facts[id]), nullptr};
  const ThreadStack& stack = *thread.stack;
  const StackFrame* const own = own_frame(stack);
  if (!own || in_the_background(stack)) return std::nullopt;
  for (const FactId blocked : life.blocked)
    if (const auto* in = as<TimeBlocked>(look.evidence.facts[blocked]); in->tid == stack.tid && !in->ended) thread.in = in;
  if (!thread.in && stack.how != "signal" && stack.how != "sample") return std::nullopt;
  const Wait wait = thread.in ? Wait{"S", thread.in->call, thread.in->on, ""} : Wait{"R", "", "", ""};
  const bool socket = base::contains(wait.on, ":") && wait.on.front() != '/' && !base::starts_with(wait.on, "anon_inode:");
  if (socket) {
    const FactId request = served_by(look, life);
    const std::string peer = request == no_fact ? std::string() : as<RequestServed>(look.evidence.facts[request])->peer;
    const bool of_server = std::any_of(stack.python.begin(), stack.python.end(), [&](const StackFrame& frame) { return &frame < own && one_of(owner_of(frame.file), {"gunicorn", "uvicorn", "hypercorn", "waitress", "werkzeug"}); });
    if (of_server || (!peer.empty() && (wait.on == peer || base::starts_with(wait.on, peer + " "))))
      return Cause{"slow client", "it waited for its client in " + place_text(*own), {{"then", "put a proxy that takes whole requests and answers in front (nginx, proxy_buffering on), or a worker class that gives no worker to each connection (gthread, gevent)", "", "a restart", ""}}};
    if (!of_python && peer.empty()) return std::nullopt;
  }
  LiveProcess process;
  process.pid = life.host_pid ? life.host_pid : life.pid;
  auto cause = call_cause(look, process, wait, &thread, {thread}, 0);
  // It is gone: nothing of it can be looked at any more.
  if (cause) std::erase_if(cause->steps, [](const Step& step) { return base::contains(step.text, "triage stacks") || base::contains(step.text, "lsof") || base::contains(step.text, "ps --ppid"); });
  return cause;
}

void tell_most(const Look& look, const std::vector<LiveProcess>& workers, Draft& draft) {
  struct Place { std::size_t count = 0; const LiveProcess* first = nullptr; Cause cause; };
  std::map<std::string, Place> places;
  const Place* most = nullptr;
  for (const LiveProcess& worker : workers) {
    const std::vector<Standing> threads = threads_of(look, worker.pid);
    const Standing* const best = telling(threads, worker.pid);
    if (!best) continue;
    const StackFrame* const own = own_frame(*best->stack);
    auto cause = cause_of(look, worker);
    // Where it is can be told without knowing what that is for.
    if (!cause && own && !in_the_background(*best->stack))
      cause = Cause{"", "it is in " + place_text(*own) + (best->in ? fmt::format(", in {}(){}", base::printable(best->in->call, 40), best->in->on.empty() ? "" : " on " + base::printable(best->in->on, most_place)) : std::string()), {}};
    if (!cause) continue;
    Place& place = places[cause->name + " " + (own ? own->function + " " + own->file : std::string())];
    if (!place.first) place = {0, &worker, std::move(*cause)};
    ++place.count;
    if (!most || place.count > most->count) most = &place;
  }
  if (!most) return;
  const std::string who = workers.size() == 1 ? "" : most->count == workers.size() ? "all of them: " : fmt::format("{} of them: ", most->count);
  draft.values["reason"] += "; " + who + most->cause.text;
  if (!most->cause.name.empty()) draft.values["cause"] = most->cause.name;
  tell_stack(look, *most->first, draft);
  for (const Step& step : most->cause.steps) draft.first.push_back(step);
}

}  // namespace rule
