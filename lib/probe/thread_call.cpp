#include "probe/thread_call.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <vector>

#include "base/instant.hpp"
#include "base/text.hpp"
#include "probe/sock_diag.hpp"
#include "probe/system_calls.hpp"

namespace probe {

namespace {

constexpr std::string_view unnamed_socket = "a unix socket";
constexpr std::size_t most_polled = 64, most_path = 256;

std::optional<std::uint64_t> hex(std::string_view text) {
  if (!base::starts_with(text, "0x") || text.size() < 3 || text.size() > 18) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text.substr(2)) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) return std::nullopt;
    value = value << 4 | static_cast<unsigned>(digit);
  }
  return value;
}

std::string span_text(double seconds) { return base::duration_text(static_cast<std::int64_t>(std::clamp(seconds, 0.0, 1e9) * 1e9)); }

/// Names the arguments of one call.
class Sayer {
 public:
  Sayer(const CallLine& line, const Memory* memory, ThreadCall& call) : line_(line), memory_(memory), call_(call) {}

  void say() {
    const std::string_view name = call_.name;
    const auto is = [&](std::initializer_list<std::string_view> names) { return std::find(names.begin(), names.end(), name) != names.end(); };
    if (is({"read", "recvfrom", "pread64"})) bytes("up to ");
    else if (is({"write", "sendto", "pwrite64"})) bytes("");
    else if (is({"poll", "ppoll"})) polled(name == "ppoll");
    else if (is({"select", "pselect6"})) selected(name == "pselect6");
    else if (is({"epoll_wait", "epoll_pwait"})) milliseconds(argument(3));
    else if (name == "futex") futex();
    else if (name == "nanosleep") time_at(argument(0), 1);
    else if (name == "clock_nanosleep") slept();
    else if (name == "wait4") waited();
    else if (name == "connect") connected();
    else if (name == "flock") add(argument(1) & LOCK_EX ? "for the exclusive lock" : argument(1) & LOCK_SH ? "for a shared lock" : "");
    else if (name == "fcntl" && (argument(1) == F_SETLKW || argument(1) == F_OFD_SETLKW)) add("for a lock");
    else if (name == "openat") path(argument(1));
    else if (name == "open") path(argument(0));
  }

 private:
  std::uint64_t argument(std::size_t i) const { return line_.arguments[i]; }
  int number(std::size_t i) const { return static_cast<int>(static_cast<std::int64_t>(line_.arguments[i])); }
  void add(const std::string& text) {
    if (!text.empty()) call_.arguments += (call_.arguments.empty() ? "" : ", ") + text;
  }
  template <class T>
  bool get(std::uint64_t address, T& into) const { return memory_ && address != 0 && memory_->read(address, &into, sizeof into); }

  void bytes(const char* before) { add(before + std::to_string(argument(2)) + " B"); }

  void at_most(double seconds) {
    call_.seconds = std::max(seconds, 0.0);
    add("for " + span_text(seconds) + " at most");
  }
  void milliseconds(std::uint64_t raw) {
    const int limit = static_cast<int>(static_cast<std::uint32_t>(raw));
    if (limit < 0) add("without a limit");
    else at_most(limit / 1000.0);
  }
  /// A time that a pointer leads to, with fractions of a `unit`-th second: timespec or timeval.
  void time_at(std::uint64_t address, int unit) {
    std::int64_t raw[2] = {};
    if (address == 0) add("without a limit");
    else if (get(address, raw)) at_most(static_cast<double>(raw[0]) + static_cast<double>(raw[1]) * (unit == 1 ? 1e-9 : 1e-6));
  }

  void one_descriptor(int fd) { call_.fd = fd; }
  void several(std::size_t count) { add(base::counted(count, "descriptor")); }

  void polled(bool by_pointer) {
    const std::uint64_t count = argument(1);
    if (count == 1) {
      pollfd one{};
      if (get(argument(0), one) && one.fd >= 0) one_descriptor(one.fd);
    } else if (count > 0 && count < 1 << 20) {
      several(count);
    }
    if (by_pointer) time_at(argument(2), 1);
    else milliseconds(argument(2));
  }

  void selected(bool spec) {
    const int most = number(0);
    std::vector<int> all;
    for (std::size_t set = 1; set <= 2 && most > 0 && most <= 1024; ++set) {
      unsigned char bits[128] = {};
      if (argument(set) == 0 || !get(argument(set), bits)) continue;
      for (int fd = 0; fd < most; ++fd)
        if (bits[fd / 8] >> (fd % 8) & 1 && std::find(all.begin(), all.end(), fd) == all.end()) all.push_back(fd);
    }
    if (all.size() == 1) one_descriptor(all[0]);
    else if (!all.empty()) several(all.size());
    // The kernel counts the time down in a select's timeval, but only when it returns.
    time_at(argument(4), spec ? 1 : 2);
  }

  void futex() {
    const auto what = argument(1) & FUTEX_CMD_MASK;
    if (what != FUTEX_WAIT && what != FUTEX_WAIT_BITSET && what != FUTEX_LOCK_PI) return;
    add(argument(3) == 0 ? "without a limit" : "with a limit");
    call_.on = !(argument(1) & FUTEX_PRIVATE_FLAG) ? shared_lock : argument(3) == 0 ? own_lock : own_lock_for_a_time;
  }

  void slept() {
    const auto clock = static_cast<clockid_t>(number(0));
    if (!(argument(1) & TIMER_ABSTIME)) return time_at(argument(2), 1);
    timespec until{}, now{};
    if ((clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME) || !get(argument(2), until) || ::clock_gettime(clock, &now) != 0) return;
    at_most(static_cast<double>(until.tv_sec - now.tv_sec) + static_cast<double>(until.tv_nsec - now.tv_nsec) * 1e-9);
  }

  void waited() {
    const int child = number(0);
    add(child > 0 ? "for its child " + std::to_string(child) : child == -1 ? "for any child" : "for a process group");
  }

  void connected() {
    union { sockaddr any; sockaddr_in four; sockaddr_in6 six; sockaddr_un local; unsigned char bytes[sizeof(sockaddr_un)]; } to{};
    const std::uint64_t size = argument(2);
    if (!memory_ || size < sizeof(sa_family_t) || size > sizeof to || !memory_->read(argument(1), to.bytes, size)) return;
    char text[INET6_ADDRSTRLEN] = "";
    if (to.any.sa_family == AF_INET && size >= sizeof to.four && ::inet_ntop(AF_INET, &to.four.sin_addr, text, sizeof text)) add("to " + std::string(text) + ":" + std::to_string(ntohs(to.four.sin_port)));
    else if (to.any.sa_family == AF_INET6 && size >= sizeof to.six && ::inet_ntop(AF_INET6, &to.six.sin6_addr, text, sizeof text)) add("to [" + std::string(text) + "]:" + std::to_string(ntohs(to.six.sin6_port)));
    else if (to.any.sa_family == AF_UNIX && size > offsetof(sockaddr_un, sun_path)) {
      const std::size_t room = size - offsetof(sockaddr_un, sun_path);
      const bool abstract = to.local.sun_path[0] == 0;
      const std::string_view name(to.local.sun_path + (abstract ? 1 : 0), room - (abstract ? 1 : 0));
      add("to unix:" + std::string(abstract ? "@" : "") + std::string(name.substr(0, name.find('\0'))));
    }
  }

  void path(std::uint64_t address) {
    char text[most_path + 1] = "";
    // A name may end right before memory that is not there.
    for (std::size_t size = most_path; size >= 16; size /= 4) {
      if (!memory_ || address == 0 || !memory_->read(address, text, size)) continue;
      add(std::string(text, strnlen(text, size)));
      return;
    }
  }

  const CallLine& line_;
  const Memory* memory_;
  ThreadCall& call_;
};

}  // namespace

std::optional<CallLine> read_call_line(std::string_view text) {
  CallLine line;
  const auto words = base::split(base::trim(text), ' ');
  if (words[0] == "running") {
    line.running = true;
    return line;
  }
  const auto number = base::read_number(words[0]);
  if (!number) return std::nullopt;
  line.number = *number < 0 ? -1 : static_cast<long>(*number);
  const std::size_t registers = words.size() == 9 || (words.size() == 3 && *number < 0) ? words.size() - 2 : words.size();
  for (std::size_t i = 1; i < registers && i <= line.arguments.size(); ++i) line.arguments[i - 1] = hex(words[i]).value_or(0);
  if (registers < words.size()) {
    line.sp = hex(words[registers]).value_or(0);
    line.pc = hex(words[registers + 1]).value_or(0);
    if (line.sp == 0 && line.pc == 0) line.number = -1;      // a thread of the kernel: it makes no calls, and all of its line is 0
  }
  return line;
}

std::string where_to(const std::string& target, const NetTable& table) {
  const auto inode = socket_inode(target);
  if (!inode) return base::starts_with(target, "pipe:[") ? "a pipe" : target;
  const auto known = table.find(*inode);
  if (known == table.end()) return "a socket that is not connected";
  const Socket& socket = known->second;
  if (socket.listening) return "the listener " + socket.local;
  if (socket.kind == Socket::Kind::local) return socket.local.empty() ? std::string(unnamed_socket) : "unix:" + socket.local;
  const auto service = service_at(socket.peer);
  if (socket.connecting) return socket.peer + (service.empty() ? "" : " (" + std::string(service) + ")") + ", not yet connected";
  return service.empty() ? socket.peer : socket.peer + " (" + std::string(service) + ")";
}

ThreadCall call_of(const source::Host& host, int pid, const CallLine& line, const TableOf& table, const Memory* memory) {
  ThreadCall said;
  if (line.number < 0) return said;
  const SystemCall* const call = system_call(line.number);
  said.name = call ? std::string(call->name) : "system call " + std::to_string(line.number);
  if (!call) return said;
  if (call->descriptor && line.arguments[0] <= 1'000'000'000) said.fd = static_cast<int>(line.arguments[0]);
  Sayer(line, memory, said).say();
  if (!said.fd) return said;
  const auto target = host.link("/proc/" + std::to_string(pid) + "/fd/" + std::to_string(*said.fd));
  if (!target) return said;
  said.inode = socket_inode(*target).value_or(0);
  static const NetTable none;
  said.on = where_to(*target, said.inode ? table() : none);
  // Only a living kernel knows which server a unix socket without a name of its own was connected to.
  if (said.on == unnamed_socket && memory)
    if (const auto name = unix_peer_name(pid, said.inode); name && !name->empty()) {
      const auto service = service_at(*name);
      said.on = "the unix socket " + *name + (service.empty() ? "" : " (" + std::string(service) + ")");
    }
  return said;
}

}  // namespace probe
