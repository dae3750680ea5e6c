#include "prefork/user.hpp"

#include <fcntl.h>
#include <grp.h>
#include <unistd.h>

#include <cerrno>

#include "base/owner.hpp"
#include "base/text.hpp"

namespace prefork {
namespace {

std::string read_file(const char* path) {
  const base::Fd file(::open(path, O_RDONLY | O_CLOEXEC));
  std::string out;
  char room[8192];
  while (file && out.size() < (1 << 22)) {
    const ssize_t size = ::read(file.get(), room, sizeof room);
    if (size <= 0) break;
    out.append(room, static_cast<std::size_t>(size));
  }
  return out;
}

// name:password:number:...; -1 when there is no such line.
std::int64_t number_of(std::string_view name, std::string_view text) {
  if (const auto number = base::read_number(name)) return *number >= 0 && *number < 1LL << 31 ? *number : -1;
  for (const std::string_view line : base::split(text, '\n')) {
    const auto words = base::split(line, ':');
    if (words.size() < 3 || words[0] != name) continue;
    if (const auto number = base::read_number(words[2])) return *number;
  }
  return -1;
}

}  // namespace

base::Result<Owner> owner_of(std::string_view user, std::string_view group, std::string_view passwd, std::string_view groups) {
  Owner out;
  if (!user.empty() && (out.uid = static_cast<int>(number_of(user, passwd))) < 0)
    return base::fail({base::Kind::usage, "looking up the user", "No such user: '" + base::printable(user, 80) + "'", "name one of /etc/passwd, or a number", 0});
  if (!group.empty() && (out.gid = static_cast<int>(number_of(group, groups))) < 0)
    return base::fail({base::Kind::usage, "looking up the group", "No such group: '" + base::printable(group, 80) + "'", "name one of /etc/group, or a number", 0});
  return out;
}

base::Result<Owner> owner_of(std::string_view user, std::string_view group) {
  if (user.empty() && group.empty()) return Owner{};
  return owner_of(user, group, read_file("/etc/passwd"), read_file("/etc/group"));
}

std::vector<int> other_groups(std::string_view user, std::string_view groups) {
  std::vector<int> out;
  for (const std::string_view line : base::split(groups, '\n')) {
    const auto words = base::split(line, ':');
    if (words.size() < 4) continue;
    for (const std::string_view member : base::split(words[3], ','))
      if (member == user)
        if (const auto number = base::read_number(words[2])) out.push_back(static_cast<int>(*number));
  }
  return out;
}

std::string group_file() { return read_file("/etc/group"); }

base::Result<> become(const Owner& owner, const std::vector<int>& others) {
  const auto failed = [](const char* doing) { return base::fail(base::from_errno(errno, doing, "start as root, or leave user and group out")); };
  const bool changes = (owner.uid >= 0 && owner.uid != static_cast<int>(::geteuid())) || (owner.gid >= 0 && owner.gid != static_cast<int>(::getegid()));
  if (!changes) return {};
  if (::geteuid() == 0) {
    const std::vector<gid_t> list(others.begin(), others.end());
    if (::setgroups(list.size(), list.data()) != 0) return failed("setting the worker's groups");
  }
  if (owner.gid >= 0 && ::setgid(static_cast<gid_t>(owner.gid)) != 0) return failed("setting the worker's group");
  if (owner.uid >= 0 && ::setuid(static_cast<uid_t>(owner.uid)) != 0) return failed("setting the worker's user");
  return {};
}

}  // namespace prefork
