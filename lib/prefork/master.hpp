// The master: gunicorn's arbiter. It listens, forks, watches the heartbeats, reaps, and does what the signals say; it never reads a request. All of its
// waiting is done in collect(), on a signalfd, so that a signal is never lost to a handler and none interrupts anything.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "prefork/admin.hpp"
#include "prefork/load.hpp"
#include "prefork/pidfile.hpp"
#include "prefork/title.hpp"
#include "prefork/user.hpp"
#include "prefork/worker.hpp"

namespace prefork {

/// How this process was started, for the upgrade by USR2, which starts the same again.
struct StartContext {
  std::vector<std::string> arguments;
  std::string program;                       // what to execute: the path, not the open file, so that a new binary in its place is taken
  std::string folder;
  std::vector<std::string> environment;
  std::function<base::Result<Settings>()> read_settings;   // anew, at HUP
  Title title;
};

class Master {
 public:
  Master(Settings settings, StartContext start);
  ~Master();
  /// Until the end of the server; its exit status (gunicorn's: 0, 1, 3, 4, 255).
  int run();

 private:
  struct Live {
    int pid = 0, age = 0;
    int slot = 0, terms = 0;
    Heartbeat heartbeat;
    bool aborted = false, termed = false, killed = false, known_booted = false;
    double spawned = 0, aborted_at = 0, forgiven = 0;
  };
  struct Halt { std::string reason; int status = 0; };

  base::Result<> start();
  base::Result<> open_listeners();
  base::Result<> load_preloaded();
  void announce();
  int loop();
  void collect(double seconds);              // waits for signals, a boot or the admin socket
  void pause(double seconds);                // collects for all of that time
  void handle(int signal);
  void reload();
  void reexec();
  void promote();
  void murder();
  void murder_one(Live& worker, double now);
  void manage();
  base::Result<> spawn();
  void spawn_missing();
  void reap();
  void reaped(int pid, int status);
  void say_death(int pid, int status, bool by_us);
  void stop(bool graceful);
  int halt();
  void kill_all(int signal);
  void kill_one(int pid, int signal);
  void close_listeners(bool unlink);
  void set_workers(int count);
  void look_for_boots();
  int defer_seconds() const;
  void apply_faults();                       // of those that a listener carries
  void set_title(std::string_view role);
  std::string figures() const;
  std::string do_command(std::string_view line);
  int child(Live& worker, sigset_t before);
  bool serve(Worker& worker);
  const App* app() const { return loaded_.app; }

  Settings settings_;
  StartContext start_;
  const Manner* manner_;
  Log log_;
  AccessLog access_;
  std::unique_ptr<AccessFormat> format_;
  Board* board_;
  AccessRoom* rooms_;
  Faults faults_;
  Inherited inherited_;
  Statsd statsd_;
  Admin admin_;
  Pidfile pidfile_;
  Owner owner_;
  Loaded loaded_;
  std::vector<Listener> listeners_;
  std::vector<Address> addresses_;
  std::map<int, Live> workers_;
  std::deque<int> queue_;
  std::optional<Halt> halt_;
  std::string name_ = "Master";
  base::Fd signals_, boots_;
  bool from_systemd_ = false, wake_ = false, ready_sent_ = false, quick_ = false;
  int pid_ = 0, old_master_ = 0, child_master_ = 0, age_ = 0, wanted_ = 0, failed_boots_ = 0;
  double murdered_at_ = 0, next_spawn_ = 0;
  std::uint64_t random_ = 0;
};

}  // namespace prefork
