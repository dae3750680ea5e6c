#include "probe/namespaces.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>

#include "base/text.hpp"
#include "probe/mounts.hpp"
#include "probe/net_table.hpp"

namespace probe {

namespace {

constexpr std::size_t most_spaces = 256, most_pids = 8;
constexpr std::string_view first_pid_space = "pid:[4026531836]";  // PROC_PID_INIT_INO, include/linux/proc_ns.h

}  // namespace

NetSpaces net_spaces(const source::Host& host, const std::vector<int>& pids) {
  NetSpaces spaces;
  const auto missed = [&](std::string why) {
    ++spaces.unseen;
    if (spaces.why.empty()) spaces.why = std::move(why);
  };
  struct Hidden { int pid = 0; std::string answer; };
  std::vector<Hidden> hidden;
  for (const int pid : pids) {
    const auto link = host.link("/proc/" + std::to_string(pid) + "/ns/net");
    if (!link) {
      if (link.error().code != ENOENT && link.error().code != ESRCH) hidden.push_back({pid, link.error().answer});
      continue;
    }
    const auto inode = base::between(*link, "[", "]");
    const auto number = inode ? base::read_number(*inode) : std::nullopt;
    if (!number) continue;
    const auto space = static_cast<std::uint64_t>(*number);
    if (spaces.pids.size() >= most_spaces && !spaces.pids.contains(space)) { missed("there are more than " + std::to_string(most_spaces)); continue; }
    auto& some = spaces.pids[space];
    if (some.size() < most_pids) some.push_back(pid);
  }
  // The link needs the right to trace the process; the number of its socket table does not, and is one for each namespace.
  const auto table = [&](int pid) { return host.stat("/proc/" + std::to_string(pid) + "/net/unix"); };
  std::set<std::uint64_t> known;
  if (!hidden.empty())
    for (const auto& [space, some] : spaces.pids)
      for (const int pid : some)
        if (const auto at = table(pid)) known.insert(at->inode);
  for (const auto& one : hidden) {
    const auto at = table(one.pid);
    if (at ? !known.contains(at->inode) : at.error().code != ENOENT && at.error().code != ESRCH) missed("the network namespace of process " + std::to_string(one.pid) + ": " + one.answer);
  }
  for (const auto& mount : read_mounts(host)) {
    if (mount.type != "nsfs" || !base::starts_with(mount.root, "net:[")) continue;
    const auto number = base::read_number(mount.root.substr(5, mount.root.size() - 6));
    if (number && !spaces.pids.contains(static_cast<std::uint64_t>(*number))) missed("no process lives in the one at " + mount.at);
  }
  const auto own = host.link("/proc/self/ns/pid");
  if (!own || *own != first_pid_space) missed("this is a pid namespace: processes outside of it are not seen");
  if (!host.stat("/proc/1/net/unix")) missed("processes of other users are hidden");
  return spaces;
}

std::vector<int> everybody(const source::Host& host, std::size_t most, std::size_t& left_out) {
  std::vector<int> pids;
  if (const auto entries = host.list("/proc"))
    for (const auto& entry : *entries)
      if (const auto pid = base::read_number(entry.name)) {
        if (pids.size() < most) pids.push_back(static_cast<int>(*pid));
        else ++left_out;
      }
  return pids;
}

bool plain_files(const source::Host& host, int pid, const std::string& path) {
  static constexpr std::array<std::string_view, 7> plain{"ext2", "ext3", "ext4", "xfs", "tmpfs", "ramfs", "f2fs"};
  const Mount* last = nullptr;
  const auto mounts = read_mounts(host, pid);
  for (const auto& mount : mounts) {
    const bool covers = mount.at == "/" || (base::starts_with(path, mount.at) && (path.size() == mount.at.size() || path[mount.at.size()] == '/'));
    if (covers && (!last || mount.at.size() >= last->at.size())) last = &mount;
  }
  return last && std::find(plain.begin(), plain.end(), last->type) != plain.end();
}

}  // namespace probe
