// One file past 300 lines' worth of columns on purpose: it is a table, a row a kind of fact, read beside fact.hpp.
#include "evidence/vocabulary.hpp"

#include <nlohmann/json.hpp>

#include "base/text.hpp"

namespace evidence {

namespace {

using Json = nlohmann::ordered_json;

// Row<T>: the word, what it means, and its fields by name for both directions.
template <class T> struct Row;
template <class T> using Kind = typename Unboxed<std::decay_t<T>>::Type;
#define ROW(TYPE, WORD, MEANS, ...)                                    \
  template <> struct Row<TYPE> {                                      \
    static constexpr std::string_view word = WORD, means = MEANS;    \
    template <class S, class V> static void fields([[maybe_unused]] S& s, [[maybe_unused]] V&& v) { __VA_ARGS__ } \
  };
#define F(NAME) v(#NAME, s.NAME);

ROW(ServerStarted, "server.started", "the master says which server and version starts", F(flavour) F(version))
ROW(ServerListening, "server.listening", "the addresses it listens on", F(addresses))
ROW(ServerUses, "server.uses", "the worker class it says it uses", F(worker_class))
ROW(WorkerBooted, "worker.booted", "a worker was forked; its application is not imported yet", F(place))
ROW(WorkerReady, "worker.ready", "the worker's application runs", )
ROW(WorkerExiting, "worker.exiting", "the worker's own last word", )
ROW(WorkerTimedOut, "worker.timed_out", "the master gave up on a worker that missed its timeout", F(dirty) F(request) F(limit_s) F(took_s) F(boot))
ROW(WorkerReaped, "worker.reaped", "the master's line about a worker's end", F(signal) F(exit_code) F(core) F(says_out_of_memory) F(left) F(either))
ROW(WorkerForced, "worker.forced", "the master kills a worker that did not leave in time at a stop or a reload", )
ROW(WorkerFaulted, "worker.faulted", "the worker's own last words, from its handler of a fault", F(signal) F(text))
ROW(WorkerBusy, "worker.busy", "the server's counters show that it was in a request when it ended", )
ROW(ServerSaturated, "server.saturated", "the server says that its workers, its queue or its backlog are full", F(what) F(where) F(used) F(limit))
ROW(WorkerDraining, "worker.draining", "the worker finishes what it has and takes nothing new", F(why))
ROW(WorkerOrphaned, "worker.orphaned", "the worker noticed that its master is gone", )
ROW(WorkerOverstayed, "worker.overstayed", "the worker was still busy after the graceful timeout", )
ROW(MasterSignalled, "master.signalled", "the master handles a signal", F(signal) F(ignored))
ROW(MasterReloaded, "master.reloaded", "the master begins a reload", )
ROW(MasterStopped, "master.stopped", "the master says that it shuts down", F(name) F(reason))
ROW(MasterCrashed, "master.crashed", "an exception ended the master's loop", )
ROW(MasterHalted, "master.halted", "the master was halted while it stopped; only on its stderr", F(reason) F(code))
ROW(MasterPromoted, "master.promoted", "after USR2 the new master took over", )
ROW(AppFailed, "app.failed", "an exception and its innermost frame", F(phase) F(type) F(message) F(where) F(function) F(method) F(uri) F(by_abort) F(no_request))
ROW(BootRefused, "boot.refused", "the server says why it cannot start", F(kind) F(detail))
ROW(BindFailed, "bind.failed", "the master could not bind its address", F(address) F(reason) F(last))
ROW(ControlSocket, "control.socket", "gunicorn's control socket", F(path) F(problem))
ROW(AppSymptom, "app.symptom", "a line whose cause is known from its text", F(kind) F(text))
ROW(AccessRows, "access.rows", "rows of an access log, added up", F(rows) F(server_errors) F(rows_502) F(rows_504) F(rows_499) F(slowest_s) F(p50_s) F(p99_s))
ROW(OomInvoked, "oom.invoked", "the kernel looks for memory to free, on behalf of this process", F(comm) F(order) F(oom_score_adj) F(pid))
ROW(OomKill, "oom.kill", "the kernel killed a process for memory", F(tgid) F(pid) F(comm) F(constraint) F(oom_memcg) F(task_memcg) F(anon_rss) F(total_vm) F(limit) F(usage) F(uid) F(group) F(forged))
ROW(OomCandidate, "oom.candidate", "an old kernel names its candidate, which need not be the victim", F(pid) F(comm))
ROW(OomTask, "oom.task", "a row of the task table that the kernel printed", F(pid) F(tgid) F(rss) F(comm))
ROW(OomGroup, "oom.group", "memory.oom.group: the whole cgroup is killed", F(cgroup))
ROW(OomReaped, "oom.reaped", "the memory of a victim was taken back", F(pid) F(comm))
ROW(KernelSuppressed, "kernel.suppressed", "the kernel left lines out", F(what) F(count))
ROW(KernelCrash, "kernel.crash", "the kernel saw a fault that killed a process", F(tid) F(comm) F(kind) F(library) F(address))
ROW(KernelHung, "kernel.hung", "a task did not move for long", F(pid) F(comm) F(seconds))
ROW(KernelRefused, "kernel.refused", "the kernel refused something for a limit or a policy", F(kind) F(who) F(detail))
ROW(ClockPair, "clock.pair", "a moment told by the kernel's clock and by wall time", F(wall_ns) F(give_ns))
ROW(KernelPanic, "kernel.panic", "the kernel gave up", F(reason))
ROW(KernelBooted, "kernel.booted", "the machine booted here", )
ROW(UnitEvent, "unit.event", "the service manager's line about a unit", F(event) F(result) F(pid) F(status) F(signal) F(comm) F(control_group))
ROW(UserspaceKill, "userspace.kill", "a daemon killed for memory or policy", F(killer) F(comm) F(cgroup) F(why) F(pid) F(signal))
ROW(ContainerState, "container.state", "a container's state as its runtime tells it", F(pod) F(container) F(state) F(reason) F(id) F(exit_code) F(signal) F(restarts) F(last) F(oom_killed) F(memory_limit) F(started) F(finished))
ROW(ClusterEvent, "cluster.event", "an event of the cluster", F(reason) F(message) F(object) F(count))
ROW(ProxyError, "proxy.error", "the proxy's line about an upstream", F(kind) F(phase) F(method) F(uri) F(upstream) F(code) F(connection) F(alert))
ROW(ProxyEvent, "proxy.event", "the proxy's own life", F(event) F(child) F(signal) F(exit_code) F(sender))
ROW(ProcessSeen, "process.seen", "a process as it was listed", F(ppid) F(ns_pid) F(state) F(comm) F(args) F(exe) F(cgroup) F(cwd) F(rss) F(started_ns) F(signals_caught) F(signals_ignored) F(exit_code) F(uid) F(pid_namespace) F(threads))
ROW(ServerCommand, "server.command", "how the server was started", F(args) F(environment))
ROW(SettingRead, "setting.read", "a setting where it is set", F(name) F(value) F(from) F(condition) F(literal))
ROW(UnitSeen, "unit.seen", "the systemd unit that started the process, and the files that make it", F(manager) F(files))
ROW(ContainerSeen, "container.seen", "what says that the process runs in a container", F(runtime) F(id) F(pod) F(marks))
ROW(ProcessLimits, "process.limits", "the limits that a process runs under", F(files) F(files_hard) F(processes) F(memory) F(core))
ROW(CgroupCpu, "cgroup.cpu", "the CPU quota of a cgroup", F(path) F(quota) F(periods) F(throttled))
ROW(FileChanged, "file.changed", "when a file was changed last", F(path) F(kind))
ROW(LogDeleted, "log.deleted", "a server writes to a log file that was deleted or rotated away", F(path))
ROW(ProxyRoute, "proxy.route", "where the proxy sends requests", F(upstream) F(address) F(location) F(role))
ROW(RequestRouted, "request.routed", "the way that a URL takes through the proxy's configuration", F(url) F(server) F(location) F(pass) F(where) F(upstream) F(peers) F(notes))
ROW(RequestSent, "request.sent", "the answer to the one request that --send allows", F(url) F(error) F(status) F(seconds))
ROW(ListenerSeen, "listener.seen", "a listening socket and its queue", F(address) F(holders) F(file) F(named) F(inode) F(queue) F(limit) F(net_namespace))
ROW(SocketWalk, "socket.walk", "whether a proxy's process may connect to a unix socket, component by component", F(path) F(result) F(wall) F(need) F(decided_as) F(mode) F(user) F(group) F(walker) F(confined) F(file) F(steps) F(owner_uid) F(owner_gid) F(by_acl))
ROW(NamespacesListed, "namespaces.listed", "in how many network namespaces unix listeners were sought", F(listed) F(unseen))
ROW(RemotePeer, "peer.remote", "a peer of the proxy on another machine, and the connections to it", F(address) F(connected) F(connecting))
ROW(PidFileSeen, "pidfile.seen", "the server's pid file, and whom it names", F(path) F(state) F(comm) F(named))
ROW(Unreaped, "process.unreaped", "ended processes that the one who should has not waited for", F(comm) F(pids) F(children) F(ns_pid) F(count) F(ignores))
ROW(ListenDrops, "listen.drops", "connections dropped because an accept queue was full", F(overflows) F(drops) F(net_namespace))
ROW(ConnectionSeen, "connection.seen", "an accepted connection and what waits in it", F(local) F(peer) F(inode) F(unread) F(received) F(silent_s))
ROW(DescriptorsSeen, "descriptors.seen", "open descriptors of a process by kind, against its limits", F(used) F(soft) F(hard) F(listeners) F(inet) F(local) F(files) F(pipes) F(epolls) F(others) F(most) F(most_count) F(from))
ROW(DescriptorsGrown, "descriptors.grown", "open descriptors of a process at an earlier look and at this one", F(before) F(used) F(seconds) F(most) F(most_before) F(most_count))
ROW(DescriptorRefused, "descriptor.refused", "calls that the kernel refused for want of a descriptor, as they came", F(call) F(error) F(limit) F(count) F(used) F(soft) F(seconds))
ROW(SocketUsed, "socket.used", "who really read and wrote a connection that processes share", F(inode) F(pids) F(reads) F(writes) F(turns) F(mixed) F(stray) F(seconds) F(full))
ROW(LimitSeen, "limit.seen", "a counter of the machine or a cgroup against its limit", F(what) F(where) F(used) F(limit))
ROW(MemorySeen, "memory.seen", "memory of one process", F(rss) F(pss) F(own) F(swap) F(anonymous) F(shared) F(oom_score_adj))
ROW(MemoryGrown, "memory.grown", "memory of a process at an earlier look and at this one", F(before) F(used) F(seconds) F(what))
ROW(HostMemory, "memory.host", "the machine's memory and the pressure on it", F(total) F(available) F(swap_total) F(swap_free) F(some10) F(full10))
ROW(CpuSeen, "cpu.seen", "the processors that a server may use", F(cpus) F(quota) F(some10))
ROW(DriverMapped, "driver.mapped", "a driver in C that a process has mapped", F(name) F(path) F(peer))
ROW(ApplicationSeen, "application.seen", "the callable that is served, as its file makes it", F(app) F(made_by) F(speaks))
ROW(ProcessWaits, "process.waits", "what a process does this moment", F(state) F(call) F(on) F(wchan) F(fd) F(cpu_s))
ROW(ThreadStack, "thread.stack", "where a thread was, innermost frame first", F(tid) F(signal) F(runtime) F(how) F(doubt) F(gil) F(python) F(native) F(beyond))
ROW(RequestServed, "request.served", "the request that a worker was serving", F(line) F(headers) F(peer) F(tid) F(fd) F(seconds))
ROW(TimeBlocked, "time.blocked", "how long a thread waited in a call on one peer since its last request began", F(call) F(on) F(tid) F(fd) F(count) F(seconds) F(ended))
ROW(ServerStatus, "server.status", "what a server's own status told: places, how many are taken, its queue", F(kind) F(where) F(pool) F(workers) F(places) F(busy) F(queue) F(queue_limit) F(full))
ROW(WorkerStatus, "worker.status", "what a server's own status told of one worker", F(kind) F(state) F(pool) F(places) F(busy) F(queue) F(handled))
ROW(DescriptorShared, "descriptor.shared", "a socket or epoll that several processes of a server have open", F(kind) F(peer) F(guess) F(pids) F(inode))
ROW(DeviceHeld, "device.held", "a device that a process has open or mapped", F(path))
ROW(SyntaxWrong, "syntax.wrong", "a file that its own reader would refuse, at this place", F(what) F(path) F(message) F(check))
ROW(LimitPassed, "limit.passed", "a worker passed a limit of the server's own", F(flavour) F(kind) F(detail) F(limit) F(usage) F(killed))
ROW(CgroupFrozen, "cgroup.frozen", "the cgroup is frozen: nothing in it runs", F(path) F(version))
ROW(CgroupMemory, "cgroup.memory", "memory accounting of a cgroup", F(path) F(version) F(limit) F(usage) F(peak) F(oom_kills) F(oom_events) F(group) F(cache) F(oom_kills_before))
ROW(Heartbeat, "worker.heartbeat", "how long ago the worker touched its heartbeat file", F(age_s) F(family))
ROW(SignalSent, "signal.sent", "a signal as it was sent", F(signal) F(code) F(how) F(sender) F(sender_comm) F(sender_exe) F(sender_cgroup) F(cgroup_kill) F(parent_death) F(cpu_limit) F(namespace_ended))
ROW(ProcessForked, "process.forked", "a process was forked", F(parent) F(ns_pid) F(comm))
ROW(ProcessExec, "process.exec", "a process began another program", F(comm) F(args))
ROW(ProcessExited, "process.exited", "a process ended, with its wait status", F(status) F(ns_pid) F(parent) F(comm) F(by) F(unknown))
ROW(OomMarked, "oom.marked", "the kernel marked a process as OOM victim", F(constraint) F(cgroup))
ROW(EventsLost, "events.lost", "events that were dropped before they were read", F(count) F(where))
#undef F
#undef ROW

template <class T> void put(Json& json, std::string_view name, const T& value) { json[std::string(name)] = value; }
// Log bytes may be no UTF-8; JSON must be. Strings go through printable(), which keeps ASCII as it is.
void put(Json& json, std::string_view name, const std::string& value) { json[std::string(name)] = base::printable(value); }
template <class T> void put(Json& json, std::string_view name, const std::optional<T>& value) { if (value) json[std::string(name)] = *value; }
void put(Json& json, std::string_view name, const std::vector<StackFrame>& value) {
  Json frames = Json::array();
  for (const StackFrame& frame : value) frames.push_back(Json{{"function", base::printable(frame.function)}, {"file", base::printable(frame.file)}, {"line", frame.line}});
  json[std::string(name)] = std::move(frames);
}

// A fraction is no count: converting one that is out of reach is undefined.
template <class T> bool holds(const Json& value) { return std::is_integral_v<T> ? value.is_number_integer() : value.is_number(); }
template <class T> void take(const Json& json, std::string_view name, T& value) {
  const auto found = json.find(std::string(name));
  if (found == json.end()) return;
  if constexpr (std::is_same_v<T, bool>) { if (found->is_boolean()) value = found->get<bool>(); }
  else if constexpr (std::is_arithmetic_v<T>) { if (holds<T>(*found)) value = found->get<T>(); }
  else if (found->is_string()) value = found->get<std::string>();
}
template <class T> void take(const Json& json, std::string_view name, std::optional<T>& value) {
  const auto found = json.find(std::string(name));
  if (found != json.end() && holds<T>(*found)) value = found->get<T>();
}
void take(const Json& json, std::string_view name, std::vector<StackFrame>& value) {
  const auto found = json.find(std::string(name));
  if (found == json.end() || !found->is_array()) return;
  for (const Json& of : *found) {
    if (!of.is_object()) continue;
    StackFrame& frame = value.emplace_back();
    take(of, "function", frame.function);
    take(of, "file", frame.file);
    take(of, "line", frame.line);
  }
}

constexpr std::string_view clock_word(base::Clock clock) { return clock == base::Clock::wall ? "wall" : clock == base::Clock::naive ? "naive" : "boot"; }

Json json_of(const Evidence& evidence, FactId id) {
  const Fact& fact = evidence.facts[id];
  Json json;
  json["id"] = id;
  json["word"] = word_of(fact.what);
  if (fact.about.pid) { json["pid"] = fact.about.pid; if (fact.about.space == PidSpace::host) json["space"] = "host"; }
  if (!fact.about.unit.empty()) put(json, "unit", fact.about.unit);
  if (fact.by) json["by_pid"] = fact.by;
  if (!fact.server.empty()) put(json, "server", fact.server);
  if (!fact.level.empty()) put(json, "level", fact.level);
  if (fact.when) { json["clock"] = clock_word(fact.when->clock); json["at_ns"] = fact.when->at; json["give_ns"] = fact.when->give; json["when"] = base::iso(*fact.when); }
  json["source"] = fact.origin.source;
  if (fact.origin.line) json["line"] = fact.origin.line;
  if (fact.origin.column) json["column"] = fact.origin.column;
  json["offset"] = fact.origin.offset;
  std::visit([&](const auto& what) { Row<Kind<decltype(what)>>::fields(unboxed(what), [&](std::string_view name, const auto& value) { put(json, std::string("f.") + std::string(name), value); }); }, fact.what);
  if (!fact.text.empty()) put(json, "text", fact.text);
  return json;
}

template <std::size_t I = 0> bool make(std::string_view word, What& what) {
  if constexpr (I < std::variant_size_v<AnyWhat>) {
    using T = typename Unboxed<std::variant_alternative_t<I, AnyWhat>>::Type;
    if (Row<T>::word == word) { what = T{}; return true; }
    return make<I + 1>(word, what);
  } else return false;
}

template <std::size_t... I> std::vector<Word> words(std::index_sequence<I...>) {
  std::vector<Word> all;
  (([&] {
     using T = typename Unboxed<std::variant_alternative_t<I, AnyWhat>>::Type;
     Word word{Row<T>::word, Row<T>::means, {}};
     T empty{};
     Row<T>::fields(empty, [&](std::string_view name, auto&) { word.fields.push_back(name); });
     all.push_back(std::move(word));
   }()), ...);
  return all;
}

// So that a difference of two times, or a time and its give, can be taken without overflow.
bool in_reach(const base::Instant& when) {
  constexpr std::int64_t most = std::int64_t{1} << 62;
  return when.at > -most && when.at < most && when.give >= 0 && when.give < most / 2;
}

base::Error bad_line(std::size_t line, std::string answer) { return {base::Kind::malformed, "reading evidence, line " + std::to_string(line), std::move(answer), "give what `--show evidence` printed", 0}; }

}  // namespace

std::string_view word_of(const What& what) { return std::visit([](const auto& w) { return Row<Kind<decltype(w)>>::word; }, what); }
std::vector<Word> vocabulary() { return words(std::make_index_sequence<std::variant_size_v<AnyWhat>>()); }

void each_text(What& what, const std::function<void(std::string&)>& change) {
  const auto text = [&](std::string_view, auto& field) {
    if constexpr (std::is_same_v<std::decay_t<decltype(field)>, std::string>) change(field);
    if constexpr (std::is_same_v<std::decay_t<decltype(field)>, std::vector<StackFrame>>)
      for (StackFrame& frame : field) { change(frame.function); change(frame.file); }
  };
  std::visit([&](auto& kind) { Row<Kind<decltype(kind)>>::fields(unboxed(kind), text); }, what);
}

std::string to_ndjson(const Evidence& evidence, FactId id) { return json_of(evidence, id).dump(); }

std::string to_ndjson(const Gap& gap) {
  Json json;
  json["word"] = "gap";
  put(json, "wanted", gap.wanted);
  put(json, "reason", gap.reason);
  put(json, "remedy", gap.remedy);
  json["count"] = gap.count;
  return json.dump();
}

std::string to_ndjson(const Source& source) {
  Json json;
  json["word"] = "source";
  put(json, "name", source.name);
  json["kind"] = static_cast<int>(source.kind);
  json["kind_text"] = source_text(source.kind);
  const auto instant = [&](const char* name, const std::optional<base::Instant>& when) { if (when) json[name] = Json::array({static_cast<int>(when->clock), when->at, when->give}); };
  instant("first", source.first);
  instant("last", source.last);
  instant("zero", source.zero);
  instant("kernel_first", source.kernel_first);
  instant("kernel_last", source.kernel_last);
  json["bytes"] = source.bytes; json["lines"] = source.lines; json["understood"] = source.understood;
  json["suppressed"] = source.suppressed; json["lost"] = source.lost; json["facility"] = source.kernel_facility_known; json["whole_boot"] = source.whole_boot; json["live"] = source.live;
  return json.dump();
}

std::string to_ndjson(const Evidence& evidence) {
  std::string text;
  for (const Source& source : evidence.sources) text += to_ndjson(source) + "\n";
  for (FactId id = 0; id < evidence.facts.size(); ++id) text += to_ndjson(evidence, id) + "\n";
  for (const Gap& gap : evidence.gaps) text += to_ndjson(gap) + "\n";
  return text;
}

base::Result<Evidence> read_ndjson(std::string_view text) {
  Evidence evidence;
  std::size_t number = 0;
  for (const auto line : base::split(text, '\n')) {
    ++number;
    if (base::trim(line).empty()) continue;
    const Json json = Json::parse(line, nullptr, false);
    if (!json.is_object()) return base::fail(bad_line(number, "not a JSON object"));
    std::string word;
    take(json, "word", word);
    if (word == "source") {
      Source source;
      int kind = 0;
      take(json, "name", source.name);
      take(json, "kind", kind);
      if (kind < 0 || kind > static_cast<int>(SourceKind::watch)) return base::fail(bad_line(number, "unknown kind of source"));
      source.kind = static_cast<SourceKind>(kind);
      const auto instant = [&](const char* name, std::optional<base::Instant>& when) {
        const auto found = json.find(name);
        if (found == json.end() || !found->is_array() || found->size() != 3) return;
        for (const auto& part : *found) if (!part.is_number_integer()) return;
        const int clock = (*found)[0].get<int>();
        if (clock < 0 || clock > 2) return;
        const base::Instant read{static_cast<base::Clock>(clock), (*found)[1].get<std::int64_t>(), (*found)[2].get<std::int64_t>()};
        if (in_reach(read)) when = read;
      };
      instant("first", source.first);
      instant("last", source.last);
      instant("zero", source.zero);
      instant("kernel_first", source.kernel_first);
      instant("kernel_last", source.kernel_last);
      take(json, "bytes", source.bytes); take(json, "lines", source.lines); take(json, "understood", source.understood);
      take(json, "suppressed", source.suppressed); take(json, "lost", source.lost); take(json, "facility", source.kernel_facility_known); take(json, "whole_boot", source.whole_boot); take(json, "live", source.live);
      evidence.add_source(std::move(source));
      continue;
    }
    if (word == "gap") {
      Gap gap;
      take(json, "wanted", gap.wanted); take(json, "reason", gap.reason); take(json, "remedy", gap.remedy); take(json, "count", gap.count);
      evidence.gap(std::move(gap));
      continue;
    }
    Fact fact;
    if (!make(word, fact.what)) return base::fail(bad_line(number, "no such word: " + base::printable(word, 60)));
    take(json, "pid", fact.about.pid);
    std::string space, clock;
    take(json, "space", space);
    if (space == "host") fact.about.space = PidSpace::host;
    take(json, "unit", fact.about.unit); take(json, "by_pid", fact.by); take(json, "server", fact.server); take(json, "level", fact.level); take(json, "text", fact.text);
    take(json, "clock", clock);
    if (!clock.empty()) {
      base::Instant when;
      when.clock = clock == "wall" ? base::Clock::wall : clock == "naive" ? base::Clock::naive : base::Clock::boot;
      take(json, "at_ns", when.at); take(json, "give_ns", when.give);
      if (!in_reach(when)) return base::fail(bad_line(number, "a time out of reach"));
      fact.when = when;
    }
    take(json, "source", fact.origin.source); take(json, "line", fact.origin.line); take(json, "column", fact.origin.column); take(json, "offset", fact.origin.offset);
    if (fact.origin.source >= evidence.sources.size()) return base::fail(bad_line(number, "its source is not listed before it"));
    std::visit([&](auto& what) { Row<Kind<decltype(what)>>::fields(unboxed(what), [&](std::string_view name, auto& value) { take(json, std::string("f.") + std::string(name), value); }); }, fact.what);
    evidence.add(std::move(fact));
  }
  return evidence;
}

}  // namespace evidence
