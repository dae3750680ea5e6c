#include "reproduce/run.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "base/text.hpp"
#include "reproduce/child.hpp"
#include "reproduce/server_kind.hpp"

namespace reproduce {

namespace {

void send_line(int fd, std::string line) {
  line += '\n';
  for (std::string_view rest = line; !rest.empty();) {
    const ssize_t sent = ::send(fd, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return;
    rest.remove_prefix(static_cast<std::size_t>(sent));
  }
}

// Every descriptor but these: a sibling's end that we kept open would hide from it that its reader is gone.
void close_others(int keep) {
  ::dup2(keep, 3);
  ::syscall(SYS_close_range, 4u, ~0u, 0u);
}

[[noreturn]] void be_player(const Job& job, const Ground& ground, std::vector<std::string> gaps, pid_t janitor) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_NAME, "repro-player");
  if (::getppid() != janitor) ::_exit(1);
  const Run run = play(*job.scenario, job.server, ground, std::move(gaps), job.wish, 3, [](const Event& event) { send_line(3, line_of(event)); });
  if (job.wish.keep) {
    std::string lines;
    for (const Event& event : run.events) lines += line_of(event) + "\n";
    write_file(ground.folder + "/events.ndjson", lines);
    write_file(ground.folder + "/run.json", json_of(run));
    write_file(ground.folder + "/kept", "");
  }
  send_line(3, json_line_of(run));
  ::_exit(0);
}

// The janitor: `line` is the socket to our caller, who may be killed at any moment. It does nothing but wait, so that nothing can go wrong with it.
[[noreturn]] void be_janitor(const Job& job, Ground ground, int line) {
  ::setsid();
  ::prctl(PR_SET_NAME, "repro-janitor");
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE}) ::signal(number, SIG_IGN);
  close_others(line);
  std::vector<std::string> gaps;
  make_cgroups(ground, job.scenario->limits, gaps);
  const pid_t self = ::getpid(), player = ::fork();
  if (player == 0) be_player(job, ground, std::move(gaps), self);
  const int fd = static_cast<int>(::syscall(SYS_pidfd_open, player, 0));
  pollfd both[2] = {{fd, POLLIN, 0}, {3, 0, 0}};
  while (fd >= 0 && ::poll(both, 2, -1) < 0 && errno == EINTR) {}
  // A run that is over ends by itself; one whose caller is gone is cut.
  if (fd < 0 || (both[0].revents & POLLIN) == 0) ::kill(player, SIGKILL);
  ::waitpid(player, nullptr, 0);
  sweep(ground, job.wish.keep && (both[1].revents & POLLHUP) == 0);
  // Whatever escaped the cgroups (there may be none) was left to us.
  for (;;) {
    const std::string children = read_file("/proc/self/task/" + std::to_string(self) + "/children");
    for (const auto word : base::split(children, ' '))
      if (const auto pid = base::read_number(word); pid && *pid > 0) ::kill(static_cast<pid_t>(*pid), SIGKILL);
    if (::waitpid(-1, nullptr, WNOHANG) < 0) break;
    timespec nap{0, 5'000'000};
    ::nanosleep(&nap, nullptr);
  }
  ::_exit(0);
}

struct Active { std::size_t job = 0; pid_t janitor = 0; base::Fd line; Ground ground; std::string rest; bool told = false; };

Run failed(const Job& job, std::string why) {
  Run run;
  run.scenario = job.scenario->name;
  run.file = job.scenario->file;
  run.proves = job.scenario->proves;
  run.server = job.server;
  run.seed = job.wish.seed;
  run.scale = job.wish.scale;
  run.error = std::move(why);
  return run;
}

}  // namespace

std::vector<std::string> servers_for(const Scenario& scenario, const Words& wanted, std::vector<Run>& skipped) {
  std::vector<std::string> servers;
  for (const std::string& server : scenario.on) {
    if (!meant(wanted, server)) continue;
    std::string why;
    if (server_program(server).empty()) why = server + " is not installed here" + (server_kind(server) ? " (" + std::string(server_kind(server)->package) + ")" : "");
    else if (with_front(scenario, server).proxy.present && program("nginx").empty()) why = "nginx is not installed here";
    if (why.empty()) {
      servers.push_back(server);
      continue;
    }
    Run run = failed({&scenario, server, {}}, "");
    run.skipped = why;
    skipped.push_back(std::move(run));
  }
  return servers;
}

std::vector<Run> run_jobs(const std::vector<Job>& jobs, int together, const Watch& watch, const std::function<bool()>& stop) {
  std::vector<Run> runs(jobs.size());
  std::vector<Active> active;
  std::size_t next = 0;
  bool stopping = false;
  const auto begin = [&](std::size_t index) {
    auto ground = make_folder(static_cast<int>(index));
    if (!ground) {
      runs[index] = failed(jobs[index], base::sentence(ground.error()));
      return;
    }
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
      runs[index] = failed(jobs[index], "no socket for its janitor");
      return;
    }
    Active one;
    one.line = base::Fd(ends[0]);
    base::Fd theirs(ends[1]);
    std::fflush(nullptr);
    one.job = index;
    one.ground = *ground;
    one.janitor = ::fork();
    if (one.janitor == 0) {
      ::close(ends[0]);
      be_janitor(jobs[index], *ground, ends[1]);
    }
    active.push_back(std::move(one));
  };
  const auto take = [&](Active& one) {
    char room[65536];
    const ssize_t got = ::recv(one.line.get(), room, sizeof room, 0);
    if (got < 0 && errno == EINTR) return true;
    if (got <= 0) return false;
    one.rest.append(room, static_cast<std::size_t>(got));
    for (auto end = one.rest.find('\n'); end != std::string::npos; end = one.rest.find('\n')) {
      const std::string line = one.rest.substr(0, end);
      one.rest.erase(0, end + 1);
      if (auto run = run_of(line)) {
        runs[one.job] = std::move(*run);
        one.told = true;
      } else if (const auto event = event_of(line)) watch(one.job, *event);
    }
    return true;
  };
  while (next < jobs.size() || !active.empty()) {
    if (!stopping && stop()) {
      stopping = true;
      for (Active& one : active) ::shutdown(one.line.get(), SHUT_RDWR);   // the janitor sees the end of the line
      for (; next < jobs.size(); ++next) runs[next] = failed(jobs[next], "it was interrupted");
    }
    while (!stopping && next < jobs.size() && static_cast<int>(active.size()) < together) begin(next++);
    std::vector<pollfd> fds;
    for (const Active& one : active) fds.push_back({one.line.get(), POLLIN, 0});
    if (!fds.empty() && ::poll(fds.data(), fds.size(), 200) < 0 && errno != EINTR) break;
    for (std::size_t i = active.size(); i-- > 0;) {
      if (fds[i].revents == 0 || take(active[i])) continue;
      Active one = std::move(active[i]);
      active.erase(active.begin() + static_cast<std::ptrdiff_t>(i));
      int status = 0;
      while (::waitpid(one.janitor, &status, 0) < 0 && errno == EINTR) {}
      if (!WIFEXITED(status)) sweep(one.ground, false);   // somebody killed the janitor: its work is ours
      if (!one.told) runs[one.job] = failed(jobs[one.job], stopping ? "it was interrupted" : "the run ended without a word");
    }
  }
  return runs;
}

}  // namespace reproduce
