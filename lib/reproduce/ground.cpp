#include "reproduce/ground.hpp"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <net/route.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "base/text.hpp"
#include "reproduce/child.hpp"
#include "reproduce/link.hpp"

namespace reproduce {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view mark = "triage-repro-";

std::string temporary() {
  const char* const folder = std::getenv("TMPDIR");
  return folder && *folder && std::strlen(folder) < 40 ? folder : "/tmp";   // the path of a unix socket has room for 107 bytes
}

bool has(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

// The pid in a folder's name means something only in the pid namespace it was taken from: folders may be shared between containers.
std::string whose_pids() {
  char name[64];
  const ssize_t size = ::readlink("/proc/self/ns/pid", name, sizeof name);
  return std::string(name, static_cast<std::size_t>(size > 0 ? size : 0));
}

struct Controller { std::string folder, word; };

std::vector<Controller> controllers() {
  std::vector<Controller> all;
  for (const char* name : {"memory", "pids", "cpu"})
    if (has(std::string("/sys/fs/cgroup/") + name + "/cgroup.procs")) all.push_back({std::string("/sys/fs/cgroup/") + name, name});
  if (all.empty() && has("/sys/fs/cgroup/cgroup.controllers")) all.push_back({"/sys/fs/cgroup", "unified"});
  return all;
}

// Both names of a limit, v1's and v2's: the one that is there is written.
bool limit(const std::string& cgroup, std::string_view v1, std::string_view v2, const std::string& value) {
  for (const auto name : {v1, v2})
    if (const std::string path = cgroup + "/" + std::string(name); has(path)) return write_file(path, value);
  return false;
}

// A line of its own process, which ends with the namespaces' first: the near end of a tunnel is carried to the far one.
void begin_link(const LinkLaw& law) {
  const int tunnel = open_tunnel("link", near_address);
  if (tunnel < 0 || ::fork() != 0) return;       // the copy of the descriptor here keeps the device
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_NAME, "repro-link");
  mirror(tunnel, law);
}

struct Around {                                  // what be_first() sets up
  bool own_pids = true, reaps = true;
  std::string blackhole;
  std::optional<LinkLaw> link;
};

[[noreturn]] void be_first(int ready, const Around& around) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_NAME, "repro-init");
  ::signal(SIGPIPE, SIG_DFL);
  if (!around.reaps) ::signal(SIGCHLD, SIG_DFL);
  char word = 'k';
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) word = 'm';
  if (around.own_pids && ::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) word = 'p';
  interface_up("lo", nullptr);
  // A tunnel whose other end nobody reads: what is sent to its network is gone, without an answer. The descriptor lives as long as we do.
  if (!around.blackhole.empty() && open_tunnel("hole", around.blackhole.c_str()) < 0) word = 't';
  if (around.link) begin_link(*around.link);
  if (::write(ready, &word, 1) != 1) ::_exit(1);
  ::close(ready);
  for (;;) {
    if (!around.reaps || ::waitpid(-1, nullptr, 0) < 0) {
      timespec nap{0, 20'000'000};
      if (!around.reaps) nap.tv_sec = 1000;
      ::nanosleep(&nap, nullptr);
    }
  }
}

}  // namespace

base::Result<Ground> make_folder(int number) {
  Ground ground;
  ground.folder = temporary() + "/" + std::string(mark) + std::to_string(::getpid()) + "-" + std::to_string(number);
  if (::mkdir(ground.folder.c_str(), 0755) != 0) return base::fail(base::from_errno(errno, "making the scratch folder " + ground.folder));
  ::chmod(ground.folder.c_str(), 0755);
  write_file(ground.folder + "/owner", whose_pids());
  const std::string name(fs::path(ground.folder).filename());
  for (const Controller& one : controllers()) {
    ground.cgroups.push_back(one.folder + "/" + name);
    ground.limited.push_back(one.folder + "/" + name + "/limited");
  }
  return ground;
}

void make_cgroups(Ground& ground, const Limits& limits, std::vector<std::string>& gaps) {
  std::vector<std::string> made, inner;
  for (std::size_t i = 0; i < ground.cgroups.size(); ++i) {
    if (::mkdir(ground.cgroups[i].c_str(), 0755) != 0 || ::mkdir(ground.limited[i].c_str(), 0755) != 0) continue;
    made.push_back(ground.cgroups[i]);
    inner.push_back(ground.limited[i]);
  }
  if (made.empty()) gaps.push_back("no cgroup of its own: " + base::from_errno(errno, "mkdir").answer + "; run as root");
  bool machine = limits.machine == 0, memory = limits.memory == 0, pids = limits.pids == 0, cpu = limits.cpu == 0;
  for (std::size_t i = 0; i < inner.size(); ++i) {
    // v2 hands controllers down only where it is told to.
    for (const std::string& folder : {std::string("/sys/fs/cgroup"), made[i]})
      if (has(folder + "/cgroup.subtree_control"))
        for (const char* word : {"+memory", "+pids", "+cpu"}) write_file(folder + "/cgroup.subtree_control", word);
    if (!machine && limit(made[i], "memory.limit_in_bytes", "memory.max", std::to_string(limits.machine))) {
      machine = true;
      limit(made[i], "memory.memsw.limit_in_bytes", "memory.swap.max", has(made[i] + "/memory.max") ? "0" : std::to_string(limits.machine));
    }
    if (!memory && limit(inner[i], "memory.limit_in_bytes", "memory.max", std::to_string(limits.memory))) {
      memory = true;
      limit(inner[i], "memory.memsw.limit_in_bytes", "memory.swap.max", has(inner[i] + "/memory.max") ? "0" : std::to_string(limits.memory));
    }
    if (!pids) pids = limit(inner[i], "pids.max", "pids.max", std::to_string(limits.pids));
    if (!cpu) {
      const std::string quota = std::to_string(static_cast<long>(limits.cpu * 100'000));
      cpu = has(inner[i] + "/cpu.max") ? write_file(inner[i] + "/cpu.max", quota + " 100000") : limit(inner[i], "cpu.cfs_quota_us", "cpu.cfs_quota_us", quota);
    }
  }
  for (const auto& [good, word] : {std::pair{memory, "memory"}, {machine, "machine"}, {pids, "pids"}, {cpu, "cpu"}})
    if (!good) gaps.push_back(std::string("limits.") + word + " cannot be set: no such cgroup may be made here");
  ground.cgroups = std::move(made);
  ground.limited = std::move(inner);
}

std::vector<int> members(const Ground& ground, bool limited) {
  std::vector<int> pids;
  const auto& folders = limited ? ground.limited : ground.cgroups;
  if (folders.empty()) return pids;
  const std::string text = read_file(folders.front() + "/cgroup.procs");
  for (const auto line : base::split(text, '\n'))
    if (const auto pid = base::read_number(line); pid && *pid > 0) pids.push_back(static_cast<int>(*pid));
  return pids;
}

void sweep(const Ground& ground, bool keep) {
  const double end = now_s() + 10;
  for (std::size_t i = 0; i < ground.cgroups.size(); ++i) {
    for (;;) {
      int alive = 0;
      for (const std::string& folder : {ground.limited[i], ground.cgroups[i]}) {
        if (!has(folder)) continue;
        const std::string text = read_file(folder + "/cgroup.procs");
        for (const auto line : base::split(text, '\n'))
          if (const auto pid = base::read_number(line); pid && *pid > 0) {
            ++alive;
            ::kill(static_cast<pid_t>(*pid), SIGKILL);
          }
        if (::rmdir(folder.c_str()) != 0 && errno != ENOENT) ++alive;
      }
      while (::waitpid(-1, nullptr, WNOHANG) > 0) {}   // what was adopted: a zombie keeps its cgroup busy
      if (alive == 0 || now_s() > end) break;
      timespec nap{0, 5'000'000};
      ::nanosleep(&nap, nullptr);
    }
  }
  std::error_code ignored;
  if (!keep) fs::remove_all(ground.folder, ignored);
}

std::vector<std::string> sweep_strays() {
  std::vector<std::string> swept;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(temporary(), error)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with(mark)) continue;
    std::string_view rest = std::string_view(name).substr(mark.size());
    const auto owner = base::take_number(rest);
    if (!owner || *owner <= 0 || !rest.starts_with('-') || has("/proc/" + std::to_string(*owner))) continue;
    if (has(entry.path().string() + "/kept") || read_file(entry.path().string() + "/owner") != whose_pids()) continue;
    Ground ground;
    ground.folder = entry.path();
    for (const Controller& one : controllers()) {
      ground.cgroups.push_back(one.folder + "/" + name);
      ground.limited.push_back(one.folder + "/" + name + "/limited");
    }
    sweep(ground, false);
    swept.push_back(ground.folder);
  }
  return swept;
}

Space make_space(const Scenario& scenario, const Ground& ground, const Scale& scale, std::uint64_t seed, std::vector<std::string>& gaps) {
  Space space;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return space;
  base::Fd in(ends[0]), out(ends[1]);
  space.host_pid = base::Fd(::open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC));
  const long flags = CLONE_NEWNS | CLONE_NEWNET | (scenario.own_pids ? CLONE_NEWPID : 0);
  const long pid = ::syscall(SYS_clone, flags | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (pid == 0) {
    Around around{scenario.own_pids, scenario.reaps, scenario.network.blackhole, {}};
    if (!scenario.network.link.of.empty()) around.link = LinkLaw{scale.seconds(scenario.network.link.delay), scenario.network.link.loss, seed};
    be_first(out.get(), around);
  }
  out.reset();
  char word = 'e';
  if (pid < 0 || ::read(in.get(), &word, 1) != 1 || word != 'k') {
    gaps.push_back("no namespaces of its own (" + std::string(pid < 0 ? std::strerror(errno) : word == 'p' ? "no /proc of its own may be mounted" : word == 't' ? "no tunnel device may be made (/dev/net/tun)" : "they could not be set up") + "): ports and pids are the machine's; run as root");
    if (pid > 0) {
      ::kill(static_cast<pid_t>(pid), SIGKILL);
      ::waitpid(static_cast<pid_t>(pid), nullptr, 0);
    }
    return space;
  }
  space.init = static_cast<int>(pid);
  const std::string base = "/proc/" + std::to_string(pid) + "/ns/";
  space.net = base::Fd(::open((base + "net").c_str(), O_RDONLY | O_CLOEXEC));
  space.mount = base::Fd(::open((base + "mnt").c_str(), O_RDONLY | O_CLOEXEC));
  if (scenario.own_pids) space.pid = base::Fd(::open((base + "pid").c_str(), O_RDONLY | O_CLOEXEC));
  for (const std::string& cgroup : ground.cgroups) write_file(cgroup + "/cgroup.procs", std::to_string(pid));
  return space;
}

}  // namespace reproduce
