// The stack as it is: the hops a request passes, and for each server its processes' lives. Facts become lives by joining witnesses per
// process life - server instance, pid, start - never by time alone and never by "the last Killed line". Nothing is judged here.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "evidence/evidence.hpp"

namespace model {

using evidence::FactId;
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

/// One process from fork to end. Facts of one pid that belong to different lives (pid reuse, a restarted server) are different lives.
struct Life {
  LifeId id = 0;
  Role role = Role::worker;
  std::size_t server = 0;                                // index into Stack::servers
  int pid = 0;                                           // as the server names it
  int host_pid = 0;                                      // 0 = not known to differ
  std::optional<base::Instant> started, ended;
  std::vector<FactId> witnesses;                         // in the order they were read
  bool ended_known = false;                              // something says that it ended
  bool replaced = false;                                 // a new worker was booted in its place, with no other word about its end
  std::optional<int> wait_status;
};

/// What happened on purpose: start, reload, stop, recycle, scaling. Shown in the timeline, never a finding by itself.
struct Happening { std::string what; std::optional<base::Instant> when; FactId because = evidence::no_fact; LifeId life = no_life; };

/// One run of one server: from its master's start to its end. A log may hold several.
struct Server {
  std::string flavour = "gunicorn";
  std::string version;                                   // "" = the log does not say; family is then guessed from its lines
  std::string family;                                    // gunicorn: "20.0", "20.1", "21", "22", "24"; how a death is worded
  int master = 0;
  LifeId master_life = no_life;
  std::string worker_class, listening, log_level;        // log_level: the lowest level seen or set: "debug" "info" "warning" "error"
  std::map<std::string, Setting> settings;
  std::vector<LifeId> lives;
  std::vector<Happening> happenings;
  bool ended = false;                                    // "Shutting down", or its master's death
  std::optional<base::Instant> first, last;              // of its log lines
  evidence::SourceId source = 0;                         // its log
};

struct Hop { std::string role, flavour, version; int master = 0; std::size_t server = SIZE_MAX; std::vector<std::string> listeners; };

/// A kernel-log or other witness of killing that could be joined to no life.
struct Unjoined { FactId fact = evidence::no_fact; std::string why; };

/// What the evidence covers, so that silence can be reasoned from.
struct Coverage {
  bool kernel_log = false;                               // there is one with records
  bool kernel_lossless = false;                          // no gap, no suppressed lines
};

struct Stack {
  std::vector<Hop> hops;                                 // client side first
  std::vector<Server> servers;
  std::vector<Life> lives;
  std::vector<Unjoined> unjoined;
  Coverage coverage;
};

}  // namespace model
