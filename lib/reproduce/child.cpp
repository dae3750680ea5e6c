#include "reproduce/child.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/text.hpp"
#include "prefork/clock.hpp"

namespace reproduce {

double now_s() { return prefork::monotonic(); }

bool write_file(const std::string& path, const std::string& text) {
  base::Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  return fd && ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

std::string read_file(const std::string& path, std::size_t most) {
  base::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  char room[8192];
  for (ssize_t got = 0; fd && text.size() < most && (got = ::read(fd.get(), room, sizeof room)) > 0;) text.append(room, static_cast<std::size_t>(got));
  return text;
}

std::string program(const std::string& name) {
  char own[4096];
  const ssize_t size = ::readlink("/proc/self/exe", own, sizeof own);
  const std::string self(own, static_cast<std::size_t>(size > 0 ? size : 0));
  const char* const path = std::getenv("PATH");
  const std::string all = self.substr(0, self.rfind('/')) + ":" + (path ? path : "/usr/bin:/bin") + ":/usr/sbin:/sbin:/usr/local/sbin";
  for (const auto folder : base::split(all, ':')) {
    const std::string full = std::string(folder) + "/" + name;
    if (!folder.empty() && ::access(full.c_str(), X_OK) == 0) return full;
  }
  return {};
}

base::Result<Child> spawn(const Command& command, const Ground& ground, const Space& space) {
  std::vector<char*> argv, variables;
  for (const std::string& word : command.words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  for (const std::string& one : command.environment) variables.push_back(const_cast<char*>(one.c_str()));
  variables.push_back(nullptr);
  if (space.own_pids() && ::setns(space.pid.get(), CLONE_NEWPID) != 0) return base::fail(base::from_errno(errno, "entering the pid namespace"));
  const pid_t pid = ::fork();
  const int code = errno;
  if (pid == 0) {
    ::setsid();
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    bool good = true;
    for (const std::string& cgroup : command.limited && !ground.limited.empty() ? ground.limited : ground.cgroups) good = write_file(cgroup + "/cgroup.procs", "0") && good;
    if (space.net && ::setns(space.net.get(), CLONE_NEWNET) != 0) good = false;
    if (space.mount && ::setns(space.mount.get(), CLONE_NEWNS) != 0) good = false;
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    if (command.descriptors > 0) {
      const rlimit files{command.descriptors, command.descriptors};
      ::setrlimit(RLIMIT_NOFILE, &files);
    }
    const int out = ::open(command.output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644), in = ::open("/dev/null", O_RDONLY);
    if (!good || out < 0 || in < 0 || ::chdir(command.folder.c_str()) != 0) ::_exit(126);
    ::dup2(in, 0);
    ::dup2(out, 1);
    ::dup2(out, 2);
    if (command.listener >= 0) {
      const int kept = ::fcntl(command.listener, F_DUPFD, 100);   // it may stand where another belongs
      ::dup2(kept, 3);
      static char pid_text[32];   // LISTEN_PID names the one it is for, in its own pid namespace
      std::snprintf(pid_text, sizeof pid_text, "LISTEN_PID=%d", static_cast<int>(::getpid()));
      variables.insert(variables.end() - 1, {pid_text, const_cast<char*>("LISTEN_FDS=1")});
      const int flags = ::fcntl(3, F_GETFL);
      ::fcntl(3, F_SETFL, flags & ~O_NONBLOCK);
    }
    ::syscall(SYS_close_range, command.listener >= 0 ? 4u : 3u, ~0u, 0u);
    for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD}) ::signal(number, SIG_DFL);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execve(argv[0], argv.data(), variables.data());
    ::_exit(127);
  }
  if (space.own_pids()) ::setns(space.host_pid.get(), CLONE_NEWPID);
  if (pid < 0) return base::fail(base::from_errno(code, "starting " + command.words.front()));
  Child child;
  child.pid = pid;
  child.pidfd = base::Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  return child;
}

base::Result<Child> neighbour(std::uint64_t bytes, const Ground& ground) {
  const pid_t pid = ::fork();
  if (pid < 0) return base::fail(base::from_errno(errno, "starting a neighbour"));
  if (pid == 0) {
    ::setsid();
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::prctl(PR_SET_NAME, "neighbour");
    for (const std::string& cgroup : ground.cgroups) write_file(cgroup + "/cgroup.procs", "0");
    constexpr std::uint64_t page = 4096;
    auto* const memory = static_cast<volatile char*>(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (std::uint64_t at = 0; memory != MAP_FAILED && at < bytes; at += page) memory[at] = 1;
    for (;;) ::pause();
  }
  Child child;
  child.pid = pid;
  child.pidfd = base::Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  return child;
}

namespace {

// The words behind "Name:" in /proc/PID/status.
std::string_view status_line(std::string_view status, std::string_view name) {
  for (const auto line : base::split(status, '\n'))
    if (line.starts_with(name)) return base::trim(line.substr(name.size()));
  return {};
}

std::uint64_t hexadecimal(std::string_view text) { return std::strtoull(std::string(text).c_str(), nullptr, 16); }

}  // namespace

int own_pid(int host_pid) {
  const std::string status = read_file("/proc/" + std::to_string(host_pid) + "/status");
  const auto line = status_line(status, "NSpid:");
  return static_cast<int>(base::read_number(line.substr(line.find_last_of(" \t") + 1)).value_or(0));
}

int parent_of(int host_pid) {
  const std::string status = read_file("/proc/" + std::to_string(host_pid) + "/status");
  return static_cast<int>(base::read_number(status_line(status, "PPid:")).value_or(0));
}

std::uint64_t resident(int host_pid) {
  const std::string text = read_file("/proc/" + std::to_string(host_pid) + "/statm");
  const auto words = base::split(text, ' ');
  return words.size() < 2 ? 0 : static_cast<std::uint64_t>(base::read_number(words[1]).value_or(0)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::uint64_t sleeps_of(int host_pid) {
  const std::string status = read_file("/proc/" + std::to_string(host_pid) + "/status");
  return static_cast<std::uint64_t>(base::read_number(status_line(status, "voluntary_ctxt_switches:")).value_or(0));
}

int zombies_of(int host_pid) {
  int count = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string stat = read_file("/proc/" + name + "/stat", 4096);
    const auto end = stat.rfind(") ");
    if (end == std::string::npos) continue;
    const auto words = base::split(std::string_view(stat).substr(end + 2), ' ');
    count += words.size() > 1 && words[0] == "Z" && base::read_number(words[1]) == host_pid;
  }
  return count;
}

bool serves(int host_pid) {
  const std::string status = read_file("/proc/" + std::to_string(host_pid) + "/status");
  const std::uint64_t caught = hexadecimal(status_line(status, "SigCgt:"));
  return (caught >> (SIGHUP - 1) & 1) == 0 && (caught >> (SIGTERM - 1) & 1) != 0;
}

std::string status_text(std::optional<int> status) {
  if (!status) return "unknown";
  if (WIFSIGNALED(*status)) return base::signal_text(WTERMSIG(*status));
  return "exit " + std::to_string(WEXITSTATUS(*status));
}

}  // namespace reproduce
