// A small evidence made by hand: a server log and a kernel log, their facts with times in seconds.
#pragma once

#include "model/build.hpp"

namespace scene {

using namespace evidence;

constexpr std::int64_t day = 1'795'340'000LL;  // an arbitrary second of 2026

struct Scene {
  Evidence evidence;
  SourceId log, kernel;

  Scene() {
    log = source("error.log", SourceKind::server_log);
    kernel = source("dmesg.txt", SourceKind::kernel_log);
  }
  SourceId source(std::string name, SourceKind kind) {
    Source s;
    s.name = std::move(name);
    s.kind = kind;
    return evidence.add_source(std::move(s));
  }
  static base::Instant wall(double second) { return {base::Clock::wall, static_cast<std::int64_t>((static_cast<double>(day) + second) * 1e9), base::second_ns / 2}; }
  static base::Instant boot(double second) { return {base::Clock::boot, static_cast<std::int64_t>(second * 1e9), 500}; }

  /// A line of the server's log: `by` wrote it, `about` is meant.
  FactId line(double second, int by, What what, int about = 0) {
    Fact fact;
    fact.what = std::move(what);
    fact.about.pid = about;
    fact.by = by;
    fact.when = wall(second);
    fact.level = "INFO";
    fact.origin.source = log;
    return evidence.add(std::move(fact));
  }
  FactId record(double second, What what, int pid = 0) {
    Fact fact;
    fact.what = std::move(what);
    fact.about.pid = pid;
    fact.about.space = PidSpace::host;
    fact.when = boot(second);
    fact.origin.source = kernel;
    return evidence.add(std::move(fact));
  }
  void started(double second, int master, std::initializer_list<int> workers, std::string version = "23.0.0") {
    line(second, master, ServerStarted{"gunicorn", std::move(version)});
    line(second, master, ServerListening{"http://127.0.0.1:8000"});
    for (const int pid : workers) line(second, pid, WorkerBooted{}, pid);
  }
  static WorkerReaped killed(int signal, bool hint = true) { WorkerReaped r; r.signal = signal; r.says_out_of_memory = hint && signal == 9; return r; }
  static OomKill oom(int pid, std::string comm = "gunicorn: worke", std::string cgroup = "/app") {
    OomKill kill;
    kill.pid = pid;
    kill.tgid = pid;
    kill.comm = std::move(comm);
    kill.constraint = "memcg";
    kill.oom_memcg = kill.task_memcg = std::move(cgroup);
    kill.anon_rss = 1000u + static_cast<unsigned>(pid);
    return kill;
  }
};

inline const model::Life* life(const model::Stack& stack, int pid, std::size_t nth = 0) {
  for (const model::Life& one : stack.lives)
    if (one.pid == pid && one.role == model::Role::worker && nth-- == 0) return &one;
  return nullptr;
}

}  // namespace scene
