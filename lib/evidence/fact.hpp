// What was observed, one struct a kind of observation: plain values in SI units (seconds, bytes), nothing concluded. A fact says who it is
// about, when, and where it was read; its words and NDJSON form are in vocabulary.hpp. Adding a kind: the struct here, in `What`, and its
// row in vocabulary.hpp (docs/vocabulary.md is printed from that and a test holds it fresh).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/instant.hpp"
#include "evidence/boxed.hpp"

namespace evidence {

using FactId = std::uint32_t;    // index into Evidence::facts
using SourceId = std::uint32_t;  // index into Evidence::sources
constexpr FactId no_fact = UINT32_MAX;

/// Where it was read. Line and column count from 1; 0 = not a place in a text.
struct Origin {
  SourceId source = 0;
  std::uint32_t line = 0, column = 0;
  std::uint64_t offset = 0;
};

/// Who a fact is about. `pid` is as the witness names it; `space` says in which pid namespace that is.
enum class PidSpace : std::uint8_t {
  server,  // as the server's own log names it: its own namespace, which may be the host's
  host,    // the initial namespace: kernel log, BPF, our /proc
};

struct Subject {
  int pid = 0;  // 0 = nobody in particular
  PidSpace space = PidSpace::server;
  std::string unit;       // systemd unit, container or pod, where the witness names one
};

// ---- the server's own log -------------------------------------------------------------------------------------------
struct ServerStarted   { std::string flavour, version; };               // "Starting gunicorn 23.0.0"; about the master
struct ServerListening { std::string addresses; };                       // "Listening at: http://127.0.0.1:8000,unix:/run/x (12)"
struct ServerUses      { std::string worker_class; };                    // "Using worker: sync"
/// Forked; the application is not imported yet. place: which of the master's workers it is, where the line numbers them ("worker 1"); -1 not said.
struct WorkerBooted    { int place = -1; };
struct WorkerReady     {};                                               // the application runs (uvicorn: "Application startup complete.")
struct WorkerExiting   {};                                               // the worker's own last word, by exit or after an abort
/// "WORKER TIMEOUT (pid:N)": the master's first stage; of other servers the line in which it gives up on a worker. request, limit_s and took_s
/// (seconds, 0 not said) where the line names them; boot: it was never ready.
struct WorkerTimedOut  { bool dirty = false; std::string request; double limit_s = 0, took_s = 0; bool boot = false; };
/// The master's line about a child's end. Neither signal nor exit code when the line says only that it ended. left: no signal ended it, its code
/// is not told (uWSGI). either: the line calls `signal` what may as well be an exit code (mod_wsgi).
struct WorkerReaped    { std::optional<int> signal, exit_code; bool core = false, says_out_of_memory = false, left = false, either = false; };
struct WorkerForced    {};                                               // the master kills it: at a stop or a reload it did not leave in time
struct WorkerFaulted   { int signal = 0; std::string text; };            // its own last words, from a handler of SIGSEGV and its like
struct WorkerBusy      {};                                               // the server's counters show that it was in a request when it ended
/// The server says that it is full. what: workers (all busy, and no more allowed), queue (its own), backlog (the socket's). 0 not said.
struct ServerSaturated { std::string what, where; std::uint64_t used = 0, limit = 0; };
struct WorkerDraining  { std::string why; };                             // "max_requests", "shutdown", "connections", "reloader"
struct WorkerOrphaned  {};                                               // "Parent changed, shutting down": the master is gone
struct WorkerOverstayed{};                                               // "Worker graceful timeout" (gevent)
struct MasterSignalled { std::string signal; bool ignored = false; };    // "Handling signal: hup"; lower-case name
struct MasterReloaded  {};                                               // "Hang up: Master"
struct MasterStopped   { std::string name, reason; };                    // "Shutting down: Master", "Reason: Worker failed to boot."
struct MasterCrashed   {};                                               // "Unhandled exception in main loop"
struct MasterHalted    { std::string reason; int code = 0; };            // HaltServer raised inside stop(): only on stderr
struct MasterPromoted  {};                                               // after USR2, the new master took over
struct AppFailed {                                                       // an exception with its traceback, in the log or on stderr
  std::string phase;                                                     // "boot", "request", "master", "stdio", "import"
  std::string type, message;                                             // "ModuleNotFoundError", "No module named 'x'"
  std::string where;                                                     // innermost frame: path:line
  std::string function;
  std::string method, uri;                                               // phase request, where the line names them
  bool by_abort = false;                                                 // SystemExit from handle_abort: this was the timeout's first stage
  bool no_request = false;                                               // "(no URI read)": an idle connection
};
/// The server says it cannot start (or go on after HUP). kind: app-not-found import-error worker-class dependency config bind permission
/// address-in-use usage user pidfile log tmp descriptors processes threads.
struct BootRefused     { std::string kind, detail; };
struct BindFailed      { std::string address, reason; bool last = false; };  // last: "Can't connect to", after five tries
struct ControlSocket   { std::string path, problem; };                   // gunicorn 25.1+; problem empty when it listens
/// A line whose cause is known from its text: "shared-connection", "cuda-after-fork", "too-many-files", "no-threads", "memory-error",
/// "no-space", "fork-failed", "tmp-missing"; "shared-connection?" and "cuda-after-fork?": its text is as usual for another cause.
struct AppSymptom      { std::string kind, text; };
/// Access-log rows, added up; one fact a file and kind of log, rewritten as rows come.
struct AccessRows      { std::uint64_t rows = 0, server_errors = 0, rows_502 = 0, rows_504 = 0, rows_499 = 0; double slowest_s = 0, p50_s = 0, p99_s = 0; };

// ---- the kernel log -------------------------------------------------------------------------------------------------
struct OomInvoked      { std::string comm; int order = 0, oom_score_adj = 0; std::optional<int> pid; };
/// "Killed process". `pid` may be a thread's; `tgid` stands in the oom-kill: line, where that was not rate-limited away.
struct OomKill {
  std::optional<int> tgid;
  int pid = 0;
  std::string comm;
  std::string constraint;                                                // "memcg", "none", "cpuset", "mempolicy", "" unknown
  std::string oom_memcg, task_memcg;
  std::uint64_t anon_rss = 0, total_vm = 0, limit = 0, usage = 0;        // bytes; 0 unknown
  std::optional<int> uid;
  bool group = false;                                                    // killed because of memory.oom.group
  bool forged = false;                                                   // written by user space (facility is not kern)
};
struct OomCandidate    { int pid = 0; std::string comm; };               // <= 5.0: "Kill process P ... or sacrifice child"; not the victim
struct OomTask         { int pid = 0, tgid = 0; std::uint64_t rss = 0; std::string comm; };  // a row of the task table
struct OomGroup        { std::string cgroup; };
struct OomReaped       { int pid = 0; std::string comm; };
struct KernelSuppressed{ std::string what; std::uint64_t count = 0; };   // "oom_kill_process: N callbacks suppressed"
struct KernelCrash     { int tid = 0; std::string comm, kind, library; std::string address; };  // kind: segfault, general-protection, divide, invalid-opcode, bus
struct KernelHung      { int pid = 0; std::string comm; double seconds = 0; };
struct KernelRefused   { std::string kind, who, detail; };               // pids, file-max, syn-flood, tcp-memory, seccomp, apparmor, oom-no-victim
/// A record of the kernel log that also carries wall time (audit(T:N), the rtc line), or what a live look measured: ties the two clocks.
struct ClockPair       { std::int64_t wall_ns = 0, give_ns = 0; };
struct KernelPanic     { std::string reason; };
struct KernelBooted    {};                                               // "Linux version ...": nothing before it in this boot

// ---- the service manager, user-space killers, containers -----------------------------------------------------------
/// event: starting started stopping stopped reloading reloaded failed main-exited control-exited start-timeout stop-timeout watchdog
/// killing oom-kill restart probe-failed
struct UnitEvent {
  std::string event, result;                                             // result: "oom-kill", "signal", "exit-code", "timeout", "core-dump"
  std::optional<int> pid, status, signal;
  std::string comm, control_group;
};
struct UserspaceKill   { std::string killer, comm, cgroup, why; std::optional<int> pid, signal; };  // systemd-oomd, earlyoom, oomd, kubelet
/// From `kubectl get pod -o json` or `docker inspect`. state: running waiting terminated; last: it is lastState.
struct ContainerState  { std::string pod, container, state, reason, id; std::optional<int> exit_code, signal; int restarts = 0; bool last = false, oom_killed = false;
                         std::uint64_t memory_limit = 0; std::string started, finished; };
struct ClusterEvent    { std::string reason, message, object; int count = 1; };

// ---- the proxy ------------------------------------------------------------------------------------------------------
/// kind: closed-early timed-out-reading timed-out-connecting timed-out-sending refused missing denied queue-full reset no-live
/// client-gone too-many-files too-many-connections worker-died other
struct ProxyError {
  std::string kind, phase, method, uri, upstream;
  int code = 0;                                                          // errno, 0 none
  int connection = 0;                                                    // nginx's *N
  bool alert = false;
};
/// event: started reloading stopping worker-started worker-exited worker-killed. sender: the pid that the signal came from, 0 not said.
struct ProxyEvent      { std::string event; std::optional<int> child, signal, exit_code; int sender = 0; };

// ---- what was running, and how it was set -----------------------------------------------------------------------
struct ProcessSeen {
  int ppid = 0, ns_pid = 0;                                              // ns_pid: innermost, 0 unknown
  std::string state, comm, args, exe, cgroup, cwd;
  std::uint64_t rss = 0;
  std::optional<std::int64_t> started_ns;                                // since boot
  std::string signals_caught, signals_ignored;                           // SigCgt, SigIgn, hex
  std::optional<int> exit_code;                                          // of a zombie: the raw wait status
  std::uint32_t uid = 0;
  std::uint64_t pid_namespace = 0, threads = 0;
};
struct ServerCommand   { std::string args, environment; };               // how the server was started, from a file or /proc; environment: GUNICORN_CMD_ARGS, WEB_CONCURRENCY, PORT only
/// One setting where it is set; possible values when it depends on a condition. from: file command-line environment environment-default (weaker
/// than a file: WEB_CONCURRENCY) default (under this condition the file leaves it). literal: the value can be told without running the file.
struct SettingRead     { std::string name, value, from, condition; bool literal = true; };
/// The systemd unit (about.unit) that the subject was started by at the fact's time, and the files that make it: its own, then its drop-ins in
/// the order in which they are read, blanks between; empty when none was found. manager: system user.
struct UnitSeen        { std::string manager, files; };
/// What says that the subject runs in a container. runtime: docker podman containerd cri-o lxc "" ; pod: its uid; marks: the files and the names
/// of variables that show it ("/.dockerenv KUBERNETES_SERVICE_HOST"), never their values.
struct ContainerSeen   { std::string runtime, id, pod, marks; };
/// Soft limits that the subject runs under (/proc/PID/limits), with the hard one of its descriptors; nullopt unlimited. memory: address space, bytes.
struct ProcessLimits   { std::optional<std::uint64_t> files, files_hard, processes, memory, core; };
/// CPU quota of a cgroup in processors (0 none), and how often it held the group back, since the group was made.
struct CgroupCpu       { std::string path; double quota = 0; std::uint64_t periods = 0, throttled = 0; };
struct FileChanged     { std::string path, kind; };                      // kind: config, unit, app, package
struct LogDeleted     { std::string path; };                            // the open file has no name any more; what is written to it goes away with the process
/// role: "backup" for a member that nginx asks only when all others failed, else "".
struct ProxyRoute      { std::string upstream, address, location, role; };
/// The one request that was sent because --send was given. status 0: no answer, and `error` says why.
struct RequestSent     { std::string url, error; int status = 0; double seconds = 0; };
/// The way that the URL asked about takes: server and location as text, the pass with its place, its peers ("unix:/run/a 127.0.0.1:80"); no
/// pass: the proxy answers by itself.
struct RequestRouted   { std::string url, server, location, pass, where, upstream, peers, notes; };
/// A listening socket. `holders`: host pids that have it open, "450 451"; empty when none that we looked at. queue: connections that wait to
/// be accepted, limit: how many may (0 unknown). file: "INODE@DEVICE" of a unix socket's file, "" for TCP. named: "yes" that file is still at its
/// path as the holder sees it, "no" it was removed or replaced, "" unknown.
struct ListenerSeen    { std::string address, holders, file, named; std::uint64_t inode = 0, queue = 0, limit = 0, net_namespace = 0; };
/// The walk of one proxy process (the subject) to a unix socket that it connects to, decided as the kernel does. result: open denied missing
/// not-a-socket loop unseen. wall: the component where it ended; need: "x" on a folder, "w" on the socket. file as in ListenerSeen. steps: every
/// component that was asked, "drwx------ app:app x denied /run/app", with "; " between; answer: ok, denied, link, missing.
struct SocketWalk {
  std::string path, result, wall, need, decided_as, mode, user, group, walker, confined, file, steps;
  std::uint32_t owner_uid = 0, owner_gid = 0;
  bool by_acl = false;
};
/// Unix listeners were sought in so many of the host's network namespaces; unseen: those that could not be looked into.
struct NamespacesListed { std::uint64_t listed = 0, unseen = 0; };
/// A peer of the proxy (the subject) on another machine: how many connections to it stand, and how many wait for their first answer (SYN_SENT).
struct RemotePeer      { std::string address; std::uint64_t connected = 0, connecting = 0; };
/// The pid file that the server (the subject: its master) was started with. state: right (names the master) dead other missing garbled unseen;
/// named: the pid in it, 0 none; comm: of the other process.
struct PidFileSeen     { std::string path, state, comm; int named = 0; };
/// Processes that ended and that the subject, PID 1 of a pid namespace (ns_pid 1) or who took their place, has not waited for.
struct Unreaped        { std::string comm, pids, children; int ns_pid = 0; std::uint64_t count = 0; bool ignores = false; };
/// Connections that the kernel dropped because an accept queue was full, in a network namespace since it was made (TcpExt, /proc/net/netstat).
struct ListenDrops     { std::uint64_t overflows = 0, drops = 0, net_namespace = 0; };
/// An accepted connection: who holds it, what waits unread in it, what has come in all, and how long nothing came.
struct ConnectionSeen  { std::string local, peer; std::uint64_t inode = 0, unread = 0; std::optional<std::uint64_t> received; std::optional<double> silent_s; };
/// Open descriptors of the subject, by kind, against its limits (0 unlimited or unknown). most: the target that is open most often, how often.
/// from: who gave it its limit, in words; "" unknown.
struct DescriptorsSeen { std::uint64_t used = 0, soft = 0, hard = 0, listeners = 0, inet = 0, local = 0, files = 0, pipes = 0, epolls = 0, others = 0; std::string most; std::uint64_t most_count = 0; std::string from; };
/// The subject's descriptors at an earlier look and at this one. most: what it has open most often now, and how often it had that before.
struct DescriptorsGrown { std::uint64_t before = 0, used = 0; double seconds = 0; std::string most; std::uint64_t most_before = 0, most_count = 0; };
/// Calls of the subject that the kernel refused for want of a descriptor, as they came. error: EMFILE ENFILE; used, soft: right after (0 unknown);
/// limit: which one it was, "RLIMIT_NOFILE"; seconds: from the first to the last.
struct DescriptorRefused { std::string call, error, limit; std::uint64_t count = 0, used = 0, soft = 0; double seconds = 0; };
/// Who really read and wrote a connection that processes share, by its socket's inode. turns: how often another process took over; mixed:
/// writes while another one waited for its reply; stray: reads of what another one had asked for. full: there was more than is counted.
struct SocketUsed { std::uint64_t inode = 0; std::string pids; std::uint64_t reads = 0, writes = 0, turns = 0, mixed = 0, stray = 0; double seconds = 0; bool full = false; };
/// A counter against its limit, of the machine or of a cgroup. what: files pids threads.
struct LimitSeen       { std::string what, where; std::uint64_t used = 0, limit = 0; };
/// Memory of one process in bytes; nullopt where it cannot be read. own: private to it (USS); anonymous: no file behind it; shared: written and
/// still one page with other processes (Shared_Dirty), which a fork makes and a write ends.
struct MemorySeen      { std::uint64_t rss = 0; std::optional<std::uint64_t> pss, own, swap, anonymous, shared; int oom_score_adj = 0; };
/// Memory of a process at an earlier look and at this one, in bytes. what: "own" (not shared with anybody), else "rss".
struct MemoryGrown     { std::uint64_t before = 0, used = 0; double seconds = 0; std::string what; };
/// The machine's memory in bytes, and the share of time in which some or all tasks waited for it (PSI, 10 s, percent; nullopt without PSI).
struct HostMemory      { std::uint64_t total = 0, available = 0, swap_total = 0, swap_free = 0; std::optional<double> some10, full10; };
/// The processors that the subject may run on, the quota of its cgroup (in processors), the share of time in which some task waited for one (PSI, 10 s, percent).
struct CpuSeen         { std::uint64_t cpus = 0; std::optional<double> quota, some10; };
/// A driver in C that a process has mapped: "psycopg2". It waits in C, where gevent and eventlet cannot switch.
struct DriverMapped    { std::string name, path, peer; };
/// The callable that the server serves, as its own file makes it: "app:app", made by "FastAPI". speaks: asgi wsgi.
struct ApplicationSeen { std::string app, made_by, speaks; };
/// What the subject does this moment: its state letter, the system call it is in ("" running or unknown), on which descriptor, where that leads.
struct ProcessWaits    { std::string state, call, on, wchan; std::optional<int> fd; double cpu_s = 0; };
/// A place in a stack. Python: the code's qualified name, its file, its line (0 where the table has none). Native: the symbol ("" none) and the
/// module that it stands in, line 0.
struct StackFrame      { std::string function, file; int line = 0; };
/// Where one thread of the subject was, innermost frame first. runtime: "CPython 3.11", "" none known. how: signal (as `signal` was delivered to
/// it), asleep (it did not run meanwhile), sample (taken on the processor), stop (it was stopped), moving (it ran meanwhile: may be mixed).
/// gil: it held the interpreter's lock. beyond: frames outside of those here; doubt: what could not be read, in words.
struct ThreadStack     { int tid = 0, signal = 0; std::string runtime, how, doubt; bool gil = false; std::vector<StackFrame> python, native; std::uint64_t beyond = 0; };
/// The request that the subject was serving at the fact's time, from the first bytes that it read: redacted line, chosen headers ("Host: a"
/// with "; " between), who sent it, for how long already.
struct RequestServed   { std::string line, headers, peer; int tid = 0; std::optional<int> fd; double seconds = 0; };
/// Time that a thread waited in a call on one peer since its last request began. ended: it is no longer in it.
struct TimeBlocked     { std::string call, on; int tid = 0; std::optional<int> fd; std::uint64_t count = 0; double seconds = 0; bool ended = false; };
/// What a server's own status told about the subject, its master: how many requests it can work on at once, how many it does, and its own queue.
/// kind: "uwsgi stats" "php-fpm status" "puma control" "server-status" "stub_status"; pool: where it has several; full: how often it was, since its
/// start. 0 not said.
struct ServerStatus { std::string kind, where, pool; std::uint64_t workers = 0, places = 0, busy = 0, queue = 0, queue_limit = 0, full = 0; };
/// The same of one worker. state: as it calls it; queue: requests that it took and does not work on yet.
struct WorkerStatus { std::string kind, state, pool; std::uint64_t places = 0, busy = 0, queue = 0, handled = 0; };
/// One open file or socket that several processes of a server share though it should be one's own. kind: socket epoll; pids: "450 451".
struct DescriptorShared { std::string kind, peer, guess, pids; std::uint64_t inode = 0; };
/// A device or its library mapped or opened before the fork: "/dev/nvidia0".
struct DeviceHeld      { std::string path; };
/// A file that its own reader would refuse; the place is the fact's origin. what: "configuration", "JSON document", "bundle", "proxy configuration".
struct SyntaxWrong     { std::string what, path, message, check; };      // check: the command that says the same, may be empty
/// A server or a watchdog in it says that a worker passed a limit of the server's own. kind: "memory" (bytes), "soft-time"
/// (seconds), "soft-time-raised" (only its exception is seen): it is then replaced, or only warned; 0 = the line does not say how much.
struct LimitPassed     { std::string flavour, kind, detail; double limit = 0, usage = 0; bool killed = false; };
/// The cgroup is frozen: nothing in it runs until it is thawed, and no signal ends what is in it (v1).
struct CgroupFrozen    { std::string path; int version = 0; };
/// Memory accounting of a cgroup. v1 or v2; 0 limit = none; cache: inactive page cache, which it gives back first.
struct CgroupMemory    { std::string path; int version = 0; std::uint64_t limit = 0, usage = 0, peak = 0; std::optional<std::uint64_t> oom_kills, oom_events; bool group = false; std::uint64_t cache = 0; std::optional<std::uint64_t> oom_kills_before; };  // before: when the watch attached
/// From the heartbeat file's descriptor. family: "chmod" (<= 21), "utime" (>= 22), "unbooted".
struct Heartbeat       { double age_s = 0; std::string family; };

// ---- watched as it happened (BPF, proc connector, polling) -----------------------------------------------------------
/// how: user (kill by a process), kernel (SEND_SIG_PRIV), noinfo (cgroup.kill, parent-death), fault, self, thread
struct SignalSent      { int signal = 0, code = 0; std::string how; int sender = 0; std::string sender_comm, sender_exe, sender_cgroup; bool cgroup_kill = false, parent_death = false, cpu_limit = false, namespace_ended = false; };
struct ProcessForked   { int parent = 0, ns_pid = 0; std::string comm; };
struct ProcessExec     { std::string comm, args; };
/// status: wait status, 0 when nobody could tell it any more (unknown); by: bpf connector pidfd poll
struct ProcessExited   { int status = 0, ns_pid = 0, parent = 0; std::string comm; std::string by; bool unknown = false; };
struct OomMarked       { std::string constraint, cgroup; };              // mark_victim
struct EventsLost      { std::uint64_t count = 0; std::string where; };

// Boxed: those that are large and few.
using AnyWhat = std::variant<ServerStarted, ServerListening, ServerUses, WorkerBooted, WorkerReady, WorkerExiting, WorkerTimedOut, WorkerReaped, WorkerForced, WorkerFaulted, WorkerBusy, ServerSaturated, WorkerDraining, WorkerOrphaned,
                          WorkerOverstayed, MasterSignalled, MasterReloaded, MasterStopped, MasterCrashed, MasterHalted, MasterPromoted, Boxed<AppFailed>, BootRefused, BindFailed, ControlSocket,
                          AppSymptom, AccessRows, OomInvoked, OomKill, OomCandidate, OomTask, OomGroup, OomReaped, KernelSuppressed, KernelCrash, KernelHung, KernelRefused, ClockPair, KernelPanic,
                          KernelBooted, UnitEvent, UserspaceKill, Boxed<ContainerState>, ClusterEvent, ProxyError, ProxyEvent, Boxed<ProcessSeen>, ServerCommand, SettingRead, Boxed<UnitSeen>, ContainerSeen, ProcessLimits, CgroupCpu, FileChanged, LogDeleted, ProxyRoute,
                          Boxed<RequestRouted>, RequestSent, ListenerSeen, Boxed<SocketWalk>, NamespacesListed, RemotePeer, PidFileSeen, Unreaped, ListenDrops, ConnectionSeen, DescriptorsSeen, DescriptorsGrown, DescriptorRefused, SocketUsed, LimitSeen, MemorySeen, MemoryGrown, HostMemory, CpuSeen, DriverMapped, ApplicationSeen, ProcessWaits, Boxed<ThreadStack>, Boxed<RequestServed>, TimeBlocked, Boxed<ServerStatus>, WorkerStatus, DescriptorShared, DeviceHeld, SyntaxWrong, LimitPassed, CgroupFrozen, CgroupMemory, Heartbeat, SignalSent, ProcessForked, ProcessExec, ProcessExited, OomMarked, EventsLost>;

template <class Any> struct Takes;
template <class T, class Any> inline constexpr bool kind_of = false;
template <class T, class... Kinds> inline constexpr bool kind_of<T, std::variant<Kinds...>> = (std::is_same_v<T, Kinds> || ...) || (std::is_same_v<Boxed<T>, Kinds> || ...);

/// One of them. What makes, copies, moves and destroys eighty kinds is compiled once, in fact.cpp: in every file that moved a fact it was half
/// of the time to compile it.
struct What : AnyWhat {
  What() noexcept;
  What(const What& other);
  What(What&& other) noexcept;
  What& operator=(const What& other);
  What& operator=(What&& other) noexcept;
  ~What();
  template <class T>
    requires kind_of<T, AnyWhat>
  What(T kind) : What() { take(std::move(kind)); }

 private:
  template <class Any> friend struct Takes;
  template <class T> void take(T&& kind);
};

struct Fact {
  What what;
  Subject about;
  std::optional<base::Instant> when;
  Origin origin;
  int by = 0;              // the pid that wrote the log line (gunicorn's second bracket); 0 unknown
  std::string server;      // which server instance's log this is, where the line names it (syslog ident, container); else empty
  std::string level;       // the line's own level ("ERROR"), where it has one
  std::string text;        // the line as it stood, at most excerpt_limit bytes, raw
};

constexpr std::size_t excerpt_limit = 512;

}  // namespace evidence
