// Over 300 lines: a run is one loop over its clients, its processes, its logs and its steps, and the steps act on all of them.
#include "reproduce/play.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <set>

#include "base/instant.hpp"
#include "base/text.hpp"
#include "reproduce/client.hpp"
#include "reproduce/expect.hpp"
#include "reproduce/link.hpp"
#include "reproduce/samples.hpp"
#include "reproduce/server_kind.hpp"
#include "reproduce/verdict.hpp"
#include "reproduce/watched.hpp"

namespace reproduce {

namespace {

constexpr double tick = 0.02, sample_every = 0.25;
constexpr std::size_t most_events = 20'000, most_log_lines = 3'000;
constexpr std::size_t most_watched = 8 << 20;
constexpr double ready_within = 40;             // on a machine with other work
constexpr double end_give = 8;                  // after `lasts`: what boots a second time boots slowly there

/// A file that grows; told line by line.
struct Tail {
  std::string path, name;
  base::Fd fd;
  std::string rest;
};

int free_port() {
  base::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof in;
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&in), sizeof in) != 0 || ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&in), &size) != 0) return 0;
  return ntohs(in.sin_port);
}

std::string shown(const Command& command) {
  std::string text;
  for (const std::string& word : command.words) text += (text.empty() ? "" : " ") + (word.find_first_of(" ;") == std::string::npos ? word : "'" + word + "'");
  return text;
}

class Play {
 public:
  Play(const Scenario& scenario, const std::string& server, const Ground& ground, const Wish& wish, int gone, const std::function<void(const Event&)>& tell)
      : scenario_(with_front(scenario, server)), kind_(server_kind(server)), ground_(ground), gone_(gone), tell_(tell), watched_(ground, server_kind(server) ? server_kind(server)->title : std::string_view(), [this](Event event) { note(std::move(event)); }) {
    site_.folder = ground.folder + "/site";
    site_.server = server;
    site_.scale.by = scenario.scales ? wish.scale : 1;
    site_.seed = wish.seed;
    run_.scenario = scenario.name;
    run_.file = scenario.file;
    run_.proves = scenario.proves;
    run_.server = server;
    run_.seed = wish.seed;
    run_.scale = site_.scale.by;
    run_.floors = scenario.floors;
    run_.set = scenario.set;
    if (wish.keep) run_.folder = ground.folder;
  }

  Run run(std::vector<std::string> gaps) {
    const double start = now_s();
    zero_ = start;
    run_.gaps = std::move(gaps);
    if (auto done = all(); !done) run_.error = base::sentence(done.error());
    std::ranges::stable_sort(run_.events, {}, &Event::at);
    if (run_.error.empty())
      for (const Expect& one : wanted_) run_.checks.push_back(check(one, run_.events, site_.scale));
    run_.took = now_s() - start;
    return std::move(run_);
  }

 private:
  double now() const { return now_s() - zero_; }

  void note(Event event) {
    if (run_.events.size() >= most_events) {
      if (run_.events.size() == most_events) run_.gaps.push_back("more than " + std::to_string(most_events) + " events: the rest is left out");
      return;
    }
    if (event.what == "answered" || event.what.ends_with("-dead") || event.what.ends_with("-born")) last_change_ = now_s();
    tell_(event);
    run_.events.push_back(std::move(event));
  }

  base::Result<> all() {
    for (const Expect& one : scenario_.expects)
      if (meant(one.on, site_.server)) wanted_.push_back(one);
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    space_ = make_space(scenario_, ground_, site_.scale, site_.seed, run_.gaps);
    site_.back = scenario_.server.bind == "unix" ? Address{0, site_.folder + "/app.sock"} : Address{own_port(0), ""};
    site_.front = {own_port(1), ""};
    if (auto done = lay_out(scenario_, site_); !done) return done;
    for (const std::string& name : left_out(scenario_, site_.server)) run_.gaps.push_back(site_.server + " has no '" + name + "': left out");
    run_.version = version_of(site_.server);
    run_.versions.push_back(run_.version);
    if (scenario_.proxy.present) run_.versions.push_back(version_of("nginx"));
    for (const char* name : {"error.log", "server.out", "requests.log", "nginx-error.log", "nginx.out"}) tails_.push_back({site_.folder + "/" + name, name, {}, {}});
    KernelLog kernel(ground_.folder.substr(ground_.folder.rfind('/') + 1));
    if (scenario_.server.bind == "held" && !hold()) return base::fail(base::from_errno(errno, "listening for the server"));
    TRY(command, server_command(scenario_, site_));
    run_.commands.push_back(shown(command));
    write_file(site_.folder + "/cmdline", shown(command) + "\n");
    if (auto done = start(command, "master"); !done) return done;
    TRY(beside, beside_command(scenario_, site_));
    if (!beside.words.empty()) {
      TRY(child, spawn(beside, ground_, space_));
      beside_ = std::move(child);
      run_.commands.push_back(shown(beside));
    }
    if (auto done = wait_ready(scenario_.server.ready, site_.back); !done) return done;
    if (scenario_.proxy.present) {
      TRY(proxy, proxy_command(scenario_, site_));
      run_.commands.push_back(shown(proxy));
      if (auto done = start(proxy, "proxy"); !done) return done;
      if (auto done = wait_ready(Server::Ready::listening, site_.front); !done) return done;
    }
    const double before = now();
    zero_ += before;   // second 0 is now: what was before is negative
    watched_.shift(before);
    for (Event& event : run_.events) {
      event.at -= before;
      if (event.from) *event.from -= before;
    }
    timespec wall{};
    ::clock_gettime(CLOCK_REALTIME, &wall);
    run_.began = base::iso({base::Clock::wall, wall.tv_sec * base::second_ns + wall.tv_nsec, 0});
    note({0, "ready", site_.server, 0, 0, run_.version, 0, {}});
    if (scenario_.verdict == "watch") {
      if (auto done = begin_watch(); !done) return done;
    }
    for (const int pid : watched_.workers()) slept_[pid] = sleeps_of(pid);
    prepare_loads();
    loop();
    if (gone()) return base::fail({base::Kind::refused, "running " + scenario_.name, "it was interrupted", "", 0});
    verdict(kernel);
    for (auto& one : clients_) one->end(now());
    note({now(), "end", "", 0, 0, "", 0, {}});
    return {};
  }

  base::Result<> start(const Command& command, const std::string& role) {
    Command with_socket = command;
    if (role != "proxy") with_socket.listener = held_.get();
    TRY(child, spawn(with_socket, ground_, space_));
    const int pid = child.pid;
    watched_.add(std::move(child), role, now());
    note({now(), "started", role == "proxy" ? "proxy" : "server", own_pid(pid), pid, shown(command), 0, {}});
    return {};
  }

  // As systemd's .socket unit: whoever comes while no server runs waits in its queue.
  bool hold() {
    held_ = dial(AF_INET);
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(static_cast<std::uint16_t>(site_.back.port));
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return held_ && ::bind(held_.get(), reinterpret_cast<sockaddr*>(&in), sizeof in) == 0 && ::listen(held_.get(), 1024) == 0;
  }

  // In a network of our own any would do; each run takes others, so that its addresses are its own in logs and reports, too.
  int own_port(int number) const { return space_.own_net() ? 10'000 + 2 * (::getpid() % 10'000) + number : free_port(); }

  // Opened in the run's network.
  base::Fd dial(int family) const {
    if (!space_.own_net() || family == AF_UNIX) return base::Fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    base::Fd host(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!host || ::setns(space_.net.get(), CLONE_NEWNET) != 0) return {};
    base::Fd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (::setns(host.get(), CLONE_NEWNET) != 0) return {};
    return fd;
  }

  bool listens(const Address& address) const {
    sockaddr_storage room{};
    socklen_t size = 0;
    base::Fd fd = dial(address.path.empty() ? AF_INET : AF_UNIX);
    if (address.path.empty()) {
      auto* in = reinterpret_cast<sockaddr_in*>(&room);
      in->sin_family = AF_INET;
      in->sin_port = htons(static_cast<std::uint16_t>(address.port));
      in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      size = sizeof *in;
    } else {
      auto* un = reinterpret_cast<sockaddr_un*>(&room);
      un->sun_family = AF_UNIX;
      std::strncpy(un->sun_path, address.path.c_str(), sizeof un->sun_path - 1);
      size = sizeof *un;
    }
    if (!fd) return false;
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&room), size) == 0) return true;
    pollfd wait{fd.get(), POLLOUT, 0};
    int code = errno;
    socklen_t length = sizeof code;
    if (code == EINPROGRESS && ::poll(&wait, 1, 200) == 1) ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &code, &length);
    return code == 0;
  }

  std::string last_words() const {
    std::string text = read_file(site_.folder + "/server.out") + read_file(site_.folder + "/error.log") + read_file(site_.folder + "/nginx.out");
    if (text.size() > 600) text.erase(0, text.size() - 600);
    return std::string(base::trim(text));
  }

  std::size_t workers_wanted() const {
    for (const auto& [name, value] : scenario_.server.settings)
      if (name == "workers") return static_cast<std::size_t>(base::read_number(value).value_or(1));
    return 1;
  }

  base::Result<> wait_ready(Server::Ready how, const Address& address) {
    const bool front = &address == &site_.front;
    const double end = now_s() + ready_within;
    while (how != Server::Ready::started) {
      watch(0.02);
      if ((front ? watched_.proxy() : watched_.master()) == 0 || gone()) return base::fail({base::Kind::refused, front ? "starting nginx" : "starting " + site_.server, gone() ? "it was interrupted" : "it has ended: " + last_words(), "", 0});
      const std::vector<int> workers = watched_.workers();
      const bool serve = how == Server::Ready::listening || (workers.size() == workers_wanted() && std::ranges::all_of(workers, [&](int pid) { return serving(pid); }));
      if (serve && listens(address)) return {};
      if (now_s() > end) return base::fail({base::Kind::busy, front ? "starting nginx" : "starting " + site_.server, "it is not ready within " + number_text(ready_within) + " s: " + last_words(), "", 0});
    }
    return {};
  }

  // A worker that can take a request: by its handlers of signals where they tell, else by its log.
  bool serving(int pid) const {
    if (!kind_) return serves(pid);
    return (kind_->ready.empty() || said_ready_) && (kind_->born.empty() || said_.contains(own_pid(pid)));
  }

  void heard(std::string_view text) {
    if (!kind_->ready.empty() && base::contains(text, kind_->ready)) said_ready_ = true;
    if (kind_->born.empty() || !base::contains(text, kind_->born)) return;
    for (std::size_t at = 0; (at = text.find_first_of("0123456789", at)) != std::string_view::npos;) {
      const std::size_t end = std::min(text.find_first_not_of("0123456789", at), text.size());
      if (end - at < 9) said_.insert(static_cast<int>(base::read_number(text.substr(at, end - at)).value_or(0)));
      at = end;
    }
  }

  void prepare_loads() {
    for (const Load& load : scenario_.loads) {
      const bool to_proxy = load.to.empty() ? scenario_.proxy.present : load.to == "proxy";
      Address whom = to_proxy ? site_.front : site_.back;
      if (scenario_.network.link.of == "clients") whom.host = far_number;
      clients_.push_back(std::make_unique<Clients>(load, site_.scale, site_.fill(load.path), whom, [this](int family) { return dial(family); }, [this](Event event) { note(std::move(event)); }));
    }
    done_.assign(scenario_.steps.size(), false);
  }

  // Whether a moment has come.
  bool due(const Moment& when) const {
    const double at = now();
    if (when.event.empty()) return at >= site_.scale.seconds(when.at) + site_.scale.seconds(when.delay);
    int count = 0;
    for (const Event& event : run_.events)
      if (event.what == when.event && (when.text.empty() || base::contains(event.text, when.text) || event.who == when.text) && ++count == when.count) return at >= event.at + site_.scale.seconds(when.delay);
    return false;
  }

  bool gone() const {
    pollfd wait{gone_, 0, 0};
    return ::poll(&wait, 1, 0) == 1 && (wait.revents & (POLLHUP | POLLERR)) != 0;
  }

  void loop() {
    const double hard_end = site_.scale.seconds(scenario_.lasts) + end_give;
    double quiet_since = -1;
    for (;;) {
      for (std::size_t i = 0; i < scenario_.loads.size(); ++i) {
        if (!clients_[i]->begun() && due(scenario_.loads[i].when)) clients_[i]->begin(now());
        clients_[i]->tick(now());
      }
      for (std::size_t i = 0; i < scenario_.steps.size(); ++i)
        if (!done_[i] && due(scenario_.steps[i].when)) {
          done_[i] = true;
          if (meant(scenario_.steps[i].on, site_.server)) act(scenario_.steps[i]);
        }
      watch(tick);
      if (now() >= hard_end || gone()) return;
      // What is wanted has come, what was planned is done, and nothing more happens: half a second of that.
      if (!satisfied()) quiet_since = -1;
      else if (quiet_since < 0) quiet_since = now_s();
      else if (now_s() - std::max(quiet_since, last_change_) > settle()) return;
    }
  }

  // A bound from above needs time in which it could be broken.
  double settle() const {
    const bool bound = std::ranges::any_of(wanted_, [](const Expect& one) { return one.at_most >= 0 && one.kind != Expect::Kind::triage; });
    return bound ? 1.2 : 0.4;
  }

  bool satisfied() const {
    if (std::ranges::find(done_, false) != done_.end()) return false;
    for (std::size_t i = 0; i < clients_.size(); ++i)
      if (scenario_.loads[i].background ? !clients_[i]->begun() : !clients_[i]->over()) return false;
    if (watched_.master() != 0 && scenario_.server.ready == Server::Ready::workers && scenario_.replaced && (watched_.workers().size() < workers_wanted() || !std::ranges::all_of(watched_.workers(), [&](int pid) { return serving(pid); }))) return false;
    return std::ranges::all_of(wanted_, [&](const Expect& one) {
      if (one.kind == Expect::Kind::triage) return true;
      int count = 0;
      std::set<std::string> seen;
      for (const Event& event : run_.events) count += counts(one, event) && (!one.twice || !seen.insert(event.text).second);
      return count >= one.at_least;
    });
  }

  // Waits for news at most so long and takes them.
  void watch(double seconds) {
    std::vector<pollfd> fds;
    watched_.wanted(fds);
    double until = now() + seconds;
    for (const auto& one : clients_) {
      one->wanted(fds);
      until = std::min(until, one->next(now()));
    }
    fds.push_back({gone_, 0, 0});
    const double left = std::max(0.0, until - now());
    timespec wait{static_cast<time_t>(left), static_cast<long>((left - static_cast<double>(static_cast<time_t>(left))) * 1e9)};
    if (::ppoll(fds.data(), fds.size(), &wait, nullptr) > 0)
      for (const pollfd& fd : fds) {
        if (fd.revents == 0 || fd.fd == gone_) continue;
        if (watched_.ready(fd, now())) continue;
        for (auto& one : clients_) one->ready(fd, now());
      }
    if (now_s() >= next_look_) {
      next_look_ = now_s() + tick;
      watched_.look(now());
      follow();
      adopt();
    }
    if (now_s() >= next_sample_) {
      next_sample_ = now_s() + sample_every;
      watched_.sample(now());
      woken();
      if (!scenario_.reaps && space_.own_pids()) note({now(), "zombies", "PID 1", 0, 0, "", static_cast<double>(zombies_of(space_.init)), {}});
      heartbeats_.sample(watched_.workers(), now());
      queue();
    }
  }

  // What was left to us is reaped; our own children keep their status until watched_ takes it.
  void adopt() const {
    for (;;) {
      siginfo_t ended{};
      if (::waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid == 0 || watched_.knows(ended.si_pid)) return;
      ::waitpid(ended.si_pid, nullptr, WNOHANG);
    }
  }

  // New lines of the logs.
  void follow() {
    for (Tail& tail : tails_) {
      if (!tail.fd) tail.fd = base::Fd(::open(tail.path.c_str(), O_RDONLY | O_CLOEXEC));
      char room[16384];
      for (ssize_t got = 0; tail.fd && (got = ::read(tail.fd.get(), room, sizeof room)) > 0;) tail.rest.append(room, static_cast<std::size_t>(got));
      for (auto end = tail.rest.find('\n'); end != std::string::npos; end = tail.rest.find('\n')) {
        line(tail.name, tail.rest.substr(0, end));
        tail.rest.erase(0, end + 1);
      }
      if (tail.rest.size() > 65'536) tail.rest.clear();
    }
  }

  void line(const std::string& name, const std::string& text) {
    if (name == "requests.log") {   // "PID GET /path": the Python application has it
      std::string_view rest = text;
      if (const auto pid = base::take_number(rest)) taken(static_cast<int>(*pid), std::string(base::trim(rest)));
      return;
    }
    if (site_.server == triage_server && name == "error.log")   // "[time] [pid] [DEBUG] GET /path"
      if (const auto method = base::between(text, "] [DEBUG] ", ""); method && method->find(" /") < 10)
        if (const auto pid = base::read_number(base::between(text.substr(std::min(text.size(), text.find("] ") + 2)), "[", "]").value_or(""))) taken(static_cast<int>(*pid), std::string(*method));
    if (kind_) heard(text);
    if (++lines_ == most_log_lines) run_.gaps.push_back("more than " + std::to_string(most_log_lines) + " lines of logs: the rest is left out");
    if (lines_ < most_log_lines) note({now(), "log", name, 0, 0, text.substr(0, 500), 0, {}});
  }

  void taken(int pid, std::string request) {
    note({now(), "taken", "worker", pid, watched_.host_of(pid), std::move(request), 0, {}});
  }

  // Told once the loads are over, of those that lived through them: each sleep that ended was a wake.
  void woken() {
    if (woken_told_ || clients_.empty() || !std::ranges::all_of(clients_, [](const auto& one) { return one->over(); })) return;
    woken_told_ = true;
    for (const auto& [pid, before] : slept_)
      if (const auto after = sleeps_of(pid); after > before) note({now(), "woken", "worker", own_pid(pid), pid, "", static_cast<double>(after - before), {}});
  }

  // How many connections wait to be accepted: for a listening socket that is its receive queue.
  void queue() {
    if (watched_.master() == 0 || !site_.back.path.empty()) return;
    const std::string table = read_file("/proc/" + std::to_string(watched_.master()) + "/net/tcp");   // of its network namespace
    char port[8];
    std::snprintf(port, sizeof port, ":%04X", static_cast<unsigned>(site_.back.port));
    for (const auto row : base::split(table, '\n')) {
      const auto at = row.find(port);
      if (at == std::string_view::npos || at > 20 || row.substr(at + 5, 18).find(":0000 0A ") == std::string_view::npos) continue;
      const auto queues = row.find(" 0A ");
      const auto waiting = std::strtoul(std::string(row.substr(queues + 13, 8)).c_str(), nullptr, 16);
      note({now(), "queue", "server", 0, 0, "", static_cast<double>(waiting), {}});
      return;
    }
  }

  // The worker that has the request which the step waits for, or the last one.
  int busy(const Moment& when) const {
    int own = 0;
    for (const Event& event : run_.events)
      if (event.what == "taken" && (when.event != "taken" || base::contains(event.text, when.text))) own = event.pid;
    return watched_.host_of(own);
  }

  std::vector<int> targets(const std::string& to, const Moment& when) const {
    const std::vector<int> workers = watched_.workers();
    if (to == "master") return watched_.master() ? std::vector<int>{watched_.master()} : std::vector<int>{};
    if (to == "proxy") return watched_.proxy() ? std::vector<int>{watched_.proxy()} : std::vector<int>{};
    if (to == "workers") return workers;
    if (to == "all") return watched_.everyone();
    if (to == "busy") return busy(when) != 0 ? std::vector<int>{busy(when)} : std::vector<int>{};
    if (workers.empty()) return {};
    return {to == "newest" ? workers.back() : workers.front()};
  }

  void act(const Step& step) {
    note({now(), "step", step.act, 0, 0, step.act + " " + step.what + (step.act == "signal" ? " to " + step.to : ""), 0, {}});
    const std::string path = site_.folder + "/" + step.what;
    bool good = true;
    if (step.act == "signal") {
      const std::vector<int> pids = targets(step.to, step.when);
      good = !pids.empty();
      for (const int pid : pids) ::kill(pid, *base::signal_number(step.what));
      for (const int pid : pids) note({now(), "signalled", step.to, own_pid(pid), pid, base::signal_text(*base::signal_number(step.what)), 0, {}});
    } else if (step.act == "freeze" || step.act == "thaw") {
      for (const int pid : targets(step.what, step.when)) ::kill(pid, step.act == "freeze" ? SIGSTOP : SIGCONT);
    } else if (step.act == "fault" || step.act == "fault_off") {
      good = tell_server("fault " + std::string(step.act == "fault" ? "on " : "off ") + site_.fill(step.what));
    } else if (step.act == "edit") {
      good = write_file(path, site_.fill(step.text));
    } else if (step.act == "remove") {
      good = ::unlink(path.c_str()) == 0;
    } else if (step.act == "mode") {
      good = ::chmod(path.c_str(), static_cast<mode_t>(std::max(0, step.mode))) == 0;
    } else if (step.act == "neighbour") {
      auto child = neighbour(static_cast<std::uint64_t>(read_bytes(step.what).value_or(0)), ground_);
      good = child.has_value();
      if (good) neighbours_.push_back(std::move(*child));
    } else if (step.act == "steal") {
      stolen_ = base::Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
      sockaddr_un address{};
      address.sun_family = AF_UNIX;
      std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
      ::unlink(path.c_str());
      good = ::bind(stolen_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 && ::listen(stolen_.get(), 1) == 0;
      ::chmod(path.c_str(), 0777);
    } else if (step.act == "start") {
      const auto command = server_command(scenario_, site_);
      good = command && start(*command, "master");
    }
    if (!good) run_.gaps.push_back("step '" + step.act + " " + step.what + "' could not be done");
  }

  bool tell_server(const std::string& text) {
    base::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, (site_.folder + "/admin").c_str(), sizeof address.sun_path - 1);
    const std::string line_text = text + "\n";
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::send(fd.get(), line_text.data(), line_text.size(), MSG_NOSIGNAL) < 0) return false;
    pollfd wait{fd.get(), POLLIN, 0};
    char room[512];
    if (::poll(&wait, 1, 3000) != 1) return false;
    const ssize_t got = ::recv(fd.get(), room, sizeof room, 0);
    return got > 0 && !base::starts_with(std::string_view(room, static_cast<std::size_t>(got)), "error");
  }

  // `triage watch` beside the run, as on the machine itself: it sees senders and stacks of the moment, which are gone afterwards.
  base::Result<> begin_watch() {
    const Command command = watch_command(watched_.master(), ground_);
    TRY(child, spawn(command, ground_, {}));
    watcher_.emplace(std::move(child));
    run_.commands.push_back("triage watch " + std::to_string(watched_.master()));
    const double end = now_s() + ready_within;
    while (!base::contains(read_file(command.output), "\"attached\"")) {
      watch(0.02);
      if (gone() || now_s() > end) return base::fail({base::Kind::busy, "starting triage watch", gone() ? std::string("it was interrupted") : std::string(base::trim(read_file(command.output))).substr(0, 300), "", 0});
    }
    return {};
  }

  void end_watch() {
    if (!watcher_) return;
    ::kill(watcher_->pid, SIGINT);
    const double end = now_s() + ready_within;
    for (pollfd ended{watcher_->pidfd.get(), POLLIN, 0}; now_s() < end && ::poll(&ended, 1, 0) == 0;) watch(0.05);
    run_.report = watch_report(read_file(ground_.folder + "/watch.jsonl", most_watched), run_.gaps);
    for (Event& event : findings_of(run_.report, now())) note(std::move(event));
  }

  void verdict(KernelLog& kernel) {
    if (scenario_.verdict == "watch") return end_watch();
    if (scenario_.verdict == "none") return;
    std::vector<std::string> words;
    const bool live = scenario_.verdict == "live" && watched_.master() != 0;
    if (live) words = {std::to_string(watched_.master())};
    else {
      if (const std::string gap = kernel.save(site_.folder + "/dmesg.txt"); !gap.empty()) run_.gaps.push_back(gap);
      words = {"--from", site_.folder};
      if (scenario_.verdict == "live") run_.gaps.push_back("the server has ended: triage was asked about what it left behind");
    }
    run_.commands.push_back("triage " + (live ? words[0] : words[0] + " " + words[1]));
    auto report = ask_triage(words);
    if (!report) {   // a master between two workers, a process that ends while it is looked at: once more, and told
      run_.gaps.push_back("at first: " + base::sentence(report.error()));
      watch(0.5);
      report = ask_triage(words);
    }
    if (!report) {
      run_.gaps.push_back(base::sentence(report.error()));
      return;
    }
    run_.report = *report;
    for (Event& event : findings_of(*report, now())) note(std::move(event));
  }

  const Scenario scenario_;
  const ServerKind* const kind_;   // null: triage-server, gunicorn
  const Ground& ground_;
  const int gone_;
  const std::function<void(const Event&)>& tell_;
  Run run_;
  Site site_;
  Space space_;
  Watched watched_;
  Heartbeats heartbeats_{[this](Event event) { note(std::move(event)); }};
  std::vector<Tail> tails_;
  std::vector<std::unique_ptr<Clients>> clients_;
  std::vector<bool> done_;
  std::vector<Expect> wanted_;
  Child beside_;
  std::optional<Child> watcher_;
  std::vector<Child> neighbours_;
  base::Fd stolen_, held_;
  std::map<int, std::uint64_t> slept_;   // of the workers of second 0, by then
  bool woken_told_ = false;
  bool said_ready_ = false;
  std::set<int> said_;          // own pids of the workers that their log calls ready
  double zero_ = 0, next_look_ = 0, next_sample_ = 0, last_change_ = 0;
  std::size_t lines_ = 0;
};

}  // namespace

Run play(const Scenario& scenario, const std::string& server, const Ground& ground, std::vector<std::string> gaps, const Wish& wish, int gone, const std::function<void(const Event&)>& tell) {
  return Play(scenario, server, ground, wish, gone, tell).run(std::move(gaps));
}

}  // namespace reproduce
