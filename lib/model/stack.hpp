// The stack as it is: the hops a request passes, and for each server its processes' lives. Facts become lives by joining witnesses per
// process life - server instance, pid, start - never by time alone and never by "the last Killed line". Nothing is judged here.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "evidence/evidence.hpp"
#include "model/voices.hpp"

namespace model {

using evidence::FactId;
using evidence::no_fact;
using LifeId = std::uint32_t;
constexpr LifeId no_life = UINT32_MAX;

enum class Role : std::uint8_t { worker, master, child, proxy, other };
std::string_view role_text(Role role);

enum class From : std::uint8_t { unknown, built_in, configured, inherited };
struct Possible { std::string value, when; };           // when: the condition under which it holds; empty = always
struct Setting {
  std::string name;
  std::vector<Possible> values;                          // one when it is certain; several = depends
  std::string unit;                                      // "s", "bytes", ""
  From from = From::unknown;
  FactId because = evidence::no_fact;
  std::string where;                                     // "gunicorn.conf.py:4:1", "command line", "default of 20.1"
};

/// How a witness that names another pid space was joined to a life.
enum class Join : std::uint8_t {
  none,
  by_pid,       // the same pid, in the same namespace as far as anything tells
  by_map,       // host pid and inner pid were seen together
  by_elimination,  // the only death and the only witness that fit each other: an indirect witness
};

/// Why a process was meant to end, in the server's own words.
enum class Asked : std::uint8_t { nobody, stop, reload, scaled_down, recycled, upgrade };

/// One process from fork to end. Facts of one pid that belong to different lives (pid reuse, a restarted server) are different lives.
struct Life {
  LifeId id = 0;
  Role role = Role::worker;
  std::size_t server = SIZE_MAX;                         // index into Stack::servers; SIZE_MAX = of no server we know
  int pid = 0;                                           // as the server names it
  int host_pid = 0;                                      // 0 = not known to differ
  std::optional<base::Instant> started, ended;           // by the server log's clock, or the watcher's
  std::vector<FactId> witnesses;                         // everything joined to it, in the order it was read

  // The witnesses that decide, by what they are; no_fact where there is none.
  FactId booted = no_fact, ready = no_fact, timed_out = no_fact, exiting = no_fact, reaped = no_fact, draining = no_fact, orphaned = no_fact, overstayed = no_fact;
  FactId forced = no_fact;                               // its master killed it, for it did not leave in time at a stop or a reload
  FactId faulted = no_fact, busy = no_fact;              // its own last words from a handler of a fault; it was in a request
  FactId boot_failed = no_fact;                          // its "Exception in worker process", or an exit with 3 or 4 before it was ready
  FactId aborted_in = no_fact;                           // AppFailed by_abort: what the timeout interrupted
  FactId oom = no_fact, crash = no_fact, unit_kill = no_fact, userspace_kill = no_fact, sent = no_fact, exited = no_fact, container = no_fact;
  std::vector<FactId> stacks, blocked, requests;         // ThreadStack, TimeBlocked, RequestServed of its threads, as they were read
  Join oom_join = Join::none, crash_join = Join::none;

  std::optional<int> signal, exit_code;                  // how it ended, where a line or a wait status says
  std::optional<int> told;                               // a number that the log calls a signal though it may be an exit code (mod_wsgi)
  bool left = false;                                     // no signal ended it; its code is not told
  int place = -1;                                        // which of its master's workers, where the log numbers them
  bool core = false, hint = false;                       // hint: the log asks "Perhaps out of memory?"
  bool ended_known = false;                              // something says that it ended
  bool replaced = false;                                 // another worker was booted in its place and nothing else tells of its end
  Asked asked = Asked::nobody;
  FactId asked_by = no_fact;
};

/// What happened on purpose: start, reload, stop, recycle, scaling. Shown in the timeline, never a finding by itself.
struct Happening { std::string what; std::optional<base::Instant> when; FactId because = evidence::no_fact; LifeId life = no_life; };

/// One run of one server: from its master's start to its end. A log may hold several.
struct Server {
  std::string flavour = "gunicorn";
  std::string version;                                   // "" = the log does not say; family is then guessed from its lines
  std::string family;                                    // gunicorn: "20.0", "20.1", "21", "22", "24"; how a death is worded
  int master = 0;
  int host_master = 0;                                   // the master's pid on the host, where a live look or a watch says whose log it is
  LifeId master_life = no_life;
  std::string worker_class, listening, log_level;        // log_level: the lowest level seen or set: "debug" "info" "warning" "error"
  std::string ident;                                     // syslog ident or container its lines carried
  std::map<std::string, Setting> settings;
  std::vector<LifeId> lives;                             // its workers, in the order they appeared
  std::vector<Happening> happenings;
  std::optional<base::Instant> first, last;              // of its log lines
  evidence::SourceId source = 0;                         // its log, the first of them
  std::vector<Voice> voices;                             // all that told of it: rotated files, stderr, a copy in the journal
  std::size_t unit = SIZE_MAX;                           // index into Stack::units; SIZE_MAX = of no unit we know
  bool silent = false;                                   // watched, and no log of it can be read: what it does not say means nothing
  bool seen_start = false;                               // "Starting gunicorn" is in the log: nothing of this run is before it
  bool namespaced = false;                               // its pids are of a pid namespace other than the host's
  bool host_pids = false;                                // a host-side witness names its pids: the namespaces are one

  FactId stop_asked = no_fact, stopped = no_fact, reason = no_fact, crashed = no_fact, halted = no_fact, promoted = no_fact, upgraded = no_fact;
  std::vector<FactId> reloads, boot_refused, bind_failed, master_exceptions, scaled_down, scaled_up, control_socket, commands;
  std::vector<FactId> saturated;                         // ServerSaturated
  std::vector<FactId> faults;                            // WorkerFaulted that name no process and found none yet
  std::vector<FactId> failures, symptoms;                // AppFailed in requests, AppSymptom
  std::vector<LifeId> heirs;                             // booted in the place of a worker that ended without a line; which one is not known
};

/// A systemd unit as its files say it. Settings by systemd's own names ("TimeoutStopSec"), a drop-in over the unit's file, the manager's defaults
/// below both; TimeoutSec= counts as TimeoutStopSec= and TimeoutStartSec=. Time spans in seconds, sizes in bytes, "infinity" as it is.
/// From::unknown: the file that sets it was changed after the unit was started, and systemd may not have been told (daemon-reload).
struct Unit {
  std::string name, manager;                             // "web.service"; "system", "user", "" not known
  int master = 0;                                        // host pid of the server it started; 0 = not known
  FactId seen = evidence::no_fact;                       // UnitSeen, of a live look
  std::vector<std::string> files;                        // that make it, in the order in which they count; its socket's after them
  std::map<std::string, Setting> settings;
};

struct Hop { std::string role, flavour, version; int master = 0; std::size_t server = SIZE_MAX; std::vector<std::string> listeners; std::size_t unit = SIZE_MAX; };

/// A witness of killing that could be joined to no life of any server, and why.
struct Unjoined { FactId fact = evidence::no_fact; std::string why; };

/// A kernel log and what its silence is worth. Its clock is tied to a server log's by pairs that name the same event.
struct KernelLog {
  evidence::SourceId source = 0;
  std::optional<std::int64_t> wall_minus_own;            // ns to add to its times to get wall time; nothing ties them when empty
  std::int64_t tie_give = 0;                             // +- ns
  struct Hole { FactId last_kill = evidence::no_fact, suppressed = evidence::no_fact; };
  std::vector<Hole> holes;                               // lines were left out between the two; no_fact: since the log's beginning
};

struct Stack {
  std::vector<Hop> hops;                                 // client side first
  std::vector<Server> servers;
  std::vector<Unit> units;                               // that start servers
  std::vector<Life> lives;
  std::unordered_map<int, std::vector<LifeId>> by_pid;   // workers, as their server names them, in the order they appeared
  std::vector<Unjoined> unjoined;
  std::vector<KernelLog> kernel_logs;
  std::vector<int> unheard;                              // host pids of masters that a live look saw and no log tells of
  std::vector<Strangers> strangers;                      // logs of different servers, whatever pids they name
  std::vector<evidence::Gap> gaps;                       // what the model wanted and did not find: a setting that is not known, and why
};

/// Did one log tell of both? Of two such runs that follow each other the second took the place of the first.
bool same_log(const Server& a, const Server& b);

/// Does a kernel log cover this moment without a hole: records before and after, nothing lost or suppressed? Its place in the list, or nullopt.
std::optional<std::size_t> covering_kernel_log(const Stack& stack, const evidence::Evidence& evidence, const std::optional<base::Instant>& when);

/// The value of a setting where it is certain; nullopt when it is unknown or depends.
std::optional<double> number_setting(const Server& server, std::string_view name);
std::optional<std::string> text_setting(const Server& server, std::string_view name);
/// The same of a unit. seconds: HUGE_VAL for infinity.
std::optional<std::string> text_setting(const Unit& unit, std::string_view name);
std::optional<double> number_setting(const Unit& unit, std::string_view name);

}  // namespace model
