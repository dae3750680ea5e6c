// An incident as data: the servers, what is done to them, and what must be seen. docs/repro.md has the table of every key.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "source/json_place.hpp"

namespace reproduce {

using Words = std::vector<std::string>;
using Pairs = std::vector<std::pair<std::string, std::string>>;

/// The servers that a scenario can run on, by the name that "on" and --server know.
inline constexpr std::string_view triage_server = "triage-server", gunicorn = "gunicorn";

/// Something that only some servers need says which; empty: every one.
using Only = Words;
bool meant(const Only& on, const std::string& server);

struct File {
  enum class Kind : std::uint8_t { file, folder, socket } kind = Kind::file;
  std::string path, text;          // below the scratch folder
  int mode = -1;                   // -1: 0644, 0755 of a folder
  std::string owner;               // "user" or a number
  std::string acl;                 // as setfacl -m takes it
  Only on;
};

struct Server {
  std::string like;                // triage-server's --like
  std::string app = "builtin:demo";  // gunicorn: the built-in application with the same paths and faults
  Pairs settings;                  // as gunicorn names them; times in seconds, unscaled
  Words args;                      // more words of its command line
  Words gunicorn_args;             // of gunicorn's alone
  std::vector<std::pair<std::string, Words>> also;   // by server: lines of its own configuration
  Words own_faults;                // the same of triage-server alone: what gunicorn does by nature
  Words faults;                    // name[=value][,path=/x][,every=N], as triage-server's --fault
  std::string bind = "tcp";        // "unix"; "held": somebody else listens and hands it over, as systemd does
  std::string user;                // its workers' user
  std::string config;              // a file of `files`: gunicorn's -c
  enum class Ready : std::uint8_t { workers, listening, started } ready = Ready::workers;   // what second 0 waits for
  bool debug = true;               // log-level debug, by which requests are told to their workers
};

struct Proxy {
  bool present = false;
  std::string conf;                // a file of `files` instead of one of ours
  std::string user = "root";
  Pairs set;                       // directives of the location; times as {5s}
  Words http, upstream;            // more lines there
  int peers = 1;                   // the same server so many times
};

// 0: none. machine: memory of the server and its neighbours together, as if they had the machine to themselves.
struct Limits { std::uint64_t memory = 0, machine = 0, descriptors = 0, pids = 0; double cpu = 0; };

struct Network {
  std::string blackhole;           // an address that swallows every packet
  struct Link {                    // a line with delay (seconds, each way) and loss (0 to 1): link.hpp
    std::string of;                // "clients" and whom they ask, "upstream": proxy and server, "peer": whoever asks {far}; "" none
    double delay = 0, loss = 0;
  } link;
};

/// When something happens: so many seconds after second 0, or after the count-th event of a kind.
struct Moment {
  double at = 0;
  std::string event, text;         // "" of event: at a time
  int count = 1;
  double delay = 0;
};

/// What clients do. Bounded: at most `most_connections` at once and `most_requests` in all.
struct Load {
  std::string name, method = "GET", path = "/hello", to;   // to: "server", "proxy" or "" (the proxy where there is one)
  Moment when;
  double rate = 0;                 // begun each second; 0: by `concurrency`
  int concurrency = 1, count = 0;  // count 0: as long as `lasts`
  double lasts = 0, patience = 60, pause = 0;   // seconds, scaled; patience: until the client gives up
  bool keep_alive = false, idle = false;        // idle: connects and says nothing
  std::uint64_t body = 0; int pieces = 1; double gap = 0;   // an upload in pieces
  int retries = 0;                 // of a request that failed
  bool bodies = false;             // what was answered is told, too
  bool background = false;         // the run does not wait for its end
};
inline constexpr int most_connections = 400, most_requests = 20'000;

struct Step {
  Moment when;
  std::string act;                 // one of step_acts()
  std::string what;                // the signal, the fault, the path
  std::string to = "master";       // signal, stop, go: master, worker, workers, newest, oldest, busy, all, proxy
  std::string text;                // of an edit
  int mode = -1;
  Only on;
};

/// What must be seen.
struct Expect {
  enum class Kind : std::uint8_t { clients, deaths, boots, log, triage, event } kind = Kind::event;
  Words any;                       // words one of which must be it: an outcome, a status, a rule; text of a log line
  std::string who;                 // the load, worker|master, the file, the event's name
  Words sure;                      // triage: certain, likely
  double over = -1;                // event: counts those with a number of at least this
  bool twice = false;              // event: counts those whose text has been there before
  int at_least = 1, at_most = -1;  // -1: any number
  double within = 0;               // seconds, scaled; 0: before the end
  Only on;
  source::Place place;
};

struct Scenario {
  std::string file, name, proves;
  Words set;                       // what was changed of the file, as set_value() takes it
  Words see;                       // where it is from
  Words on{std::string(triage_server)};
  bool scales = true;
  Words floors;                    // what does not scale, in words
  double lasts = 20;               // the most it may take after second 0
  Server server;
  Proxy proxy;
  Limits limits;
  Network network;
  std::vector<File> files;
  std::vector<Load> loads;
  std::vector<Step> steps;
  std::vector<Expect> expects;
  std::string verdict = "live";    // how triage looks: live, files, watch, none
  bool own_pids = true;            // a pid namespace of its own
  bool reaps = true;               // its PID 1 reaps what it adopts
  bool replaced = true;            // at the end every worker is there again
};

struct StepAct { std::string_view name, about; };
std::vector<StepAct> step_acts();
/// The kinds of events that a moment may wait for.
std::vector<std::string_view> event_words();
/// The settings that a server takes here, by gunicorn's names; `ours`: triage-server alone has it.
struct ServerSetting { std::string_view name, flag; bool is_time, is_switch, ours; };
const std::vector<ServerSetting>& server_settings();

/// Refuses what it does not know, at its place. `file` names it in complaints.
base::Result<Scenario> read_scenario(std::string_view text, const std::string& file);
base::Result<Scenario> read_scenario(const source::PlacedJson& root, const std::string& file);

/// "server.timeout=60", "nginx.proxy_read_timeout=75s", "limits.memory=256MiB": changes the text's values before they are read.
base::Result<> set_value(source::PlacedJson& root, const std::string& assignment);

}  // namespace reproduce
