#include "probe/permission.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <optional>

#include "base/text.hpp"

namespace probe {

namespace {

constexpr int dac_override = 1, dac_read_search = 2;                     // linux/capability.h
constexpr std::uint16_t user_obj = 0x01, user = 0x02, group_obj = 0x04, group = 0x08, mask = 0x10;  // linux/posix_acl_xattr.h
constexpr int most_links = 40;                                           // MAXSYMLINKS
constexpr std::size_t most_components = 512;

std::vector<std::uint32_t> numbers(std::string_view text) {
  std::vector<std::uint32_t> all;
  for (std::string_view rest = base::trim(text); !rest.empty();) {
    const auto number = base::take_number(rest);
    if (!number) break;
    all.push_back(static_cast<std::uint32_t>(*number));
    while (!rest.empty() && (rest[0] == ' ' || rest[0] == '\t')) rest.remove_prefix(1);
  }
  return all;
}

bool in_group(const Identity& who, std::uint32_t gid) { return who.gid == gid || std::find(who.groups.begin(), who.groups.end(), gid) != who.groups.end(); }

void push_front(std::deque<std::string>& components, std::string_view path) {
  std::vector<std::string> parts;
  for (const auto part : base::split(path, '/'))
    if (!part.empty() && part != ".") parts.emplace_back(part);
  components.insert(components.begin(), parts.begin(), parts.end());
}

}  // namespace

Identity read_identity(std::string_view status) {
  Identity who;
  for (const auto line : base::split(status, '\n')) {
    const auto after = [&](std::string_view name) { return base::starts_with(line, name) ? numbers(line.substr(name.size())) : std::vector<std::uint32_t>{}; };
    if (const auto uids = after("Uid:"); uids.size() == 4) who.uid = uids[3];
    if (const auto gids = after("Gid:"); gids.size() == 4) who.gid = gids[3];
    if (base::starts_with(line, "Groups:")) who.groups = after("Groups:");
    if (!base::starts_with(line, "CapEff:")) continue;
    std::uint64_t set = 0;
    for (const char c : base::trim(line.substr(7))) set = set * 16 + static_cast<std::uint64_t>(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    who.overrides = (set >> dac_override) & 1;
    who.searches = (set >> dac_read_search) & 1;
  }
  return who;
}

std::vector<AclEntry> read_acl(std::string_view attribute) {
  // A version (2), then entries of 8 bytes, little endian.
  if (attribute.size() < 4 || (attribute.size() - 4) % 8 != 0 || attribute.substr(0, 4) != std::string_view("\2\0\0\0", 4)) return {};
  const auto byte = [&](std::size_t at) { return static_cast<std::uint32_t>(static_cast<unsigned char>(attribute[at])); };
  std::vector<AclEntry> entries;
  for (std::size_t at = 4; at < attribute.size() && entries.size() < 1000; at += 8)
    entries.push_back({static_cast<std::uint16_t>(byte(at) | byte(at + 1) << 8), static_cast<std::uint16_t>(byte(at + 2) | byte(at + 3) << 8),
                       byte(at + 4) | byte(at + 5) << 8 | byte(at + 6) << 16 | byte(at + 7) << 24});
  return entries;
}

Decision decide(const Identity& who, const source::Stat& file, const std::vector<AclEntry>& acl, Need need) {
  const std::uint32_t wanted = need == Need::search ? 1 : 2;
  const bool capable = who.overrides || (need == Need::search && who.searches);
  const auto answer = [&](bool granted, std::string_view as, bool by_acl = false) -> Decision {
    if (!granted && capable) return {true, false, "capability"};
    return {granted, by_acl, as};
  };
  if (who.uid == file.uid) return answer((file.mode >> 6) & wanted, "owner");
  // The list counts only where the group bits, which then hold its mask, are not all empty (acl_permission_check).
  if (!acl.empty() && (file.mode & 070)) {
    std::uint32_t allowed = 7;
    for (const auto& entry : acl)
      if (entry.tag == mask) allowed = entry.permissions;
    for (const auto& entry : acl)
      if (entry.tag == user && entry.id == who.uid) return answer(entry.permissions & allowed & wanted, "user in the ACL", true);
    bool member = false;
    for (const auto& entry : acl) {
      if (!(entry.tag == group_obj && in_group(who, file.gid)) && !(entry.tag == group && in_group(who, entry.id))) continue;
      member = true;
      if (entry.permissions & allowed & wanted) return answer(true, "group in the ACL", true);
    }
    if (member) return answer(false, "group in the ACL", true);
    return answer(file.mode & wanted, "others");
  }
  if (in_group(who, file.gid)) return answer((file.mode >> 3) & wanted, "group");
  return answer(file.mode & wanted, "others");
}

Walk walk_to_socket(const source::Host& host, const std::string& root, const std::string& path, const Identity& who) {
  Walk walk;
  std::deque<std::string> left;
  push_front(left, path);
  std::vector<std::string> here;  // components of the folder we stand in
  const auto text = [&](const std::string& last = {}) {
    std::string joined;
    for (const auto& component : here) joined += "/" + component;
    if (!last.empty()) joined += "/" + last;
    return joined.empty() ? std::string("/") : joined;
  };
  const auto acl_of = [&](const std::string& at) {
    const auto attribute = host.attribute(root + at, "system.posix_acl_access");
    return attribute ? read_acl(*attribute) : std::vector<AclEntry>{};
  };
  std::optional<Walk> wall;  // where it ended; what is behind is only listed
  const auto end = [&](Walk::End how, std::string at) {
    Walk over = wall ? std::move(*wall) : walk;
    if (!wall) { over.end = how; over.at = std::move(at); }
    over.steps = std::move(walk.steps);
    return over;
  };
  const auto note = [&](const std::string& at) {
    walk.steps.push_back({at, walk.stat, walk.need, walk.decision, {}});
    if (walk.decision.granted || wall) return;
    wall = walk;
    wall->end = Walk::End::denied;
    wall->at = at;
  };
  int links = 0;
  for (std::size_t steps = 0;; ++steps) {
    if (steps > most_components) return end(Walk::End::loop, text());
    const std::string at = text();
    const auto about = host.stat(root + at);
    if (!about) {
      walk.answer = about.error().answer;
      return end(about.error().code == ENOENT || about.error().code == ENOTDIR ? Walk::End::missing : Walk::End::unseen, at);
    }
    walk.stat = *about;
    if (left.empty()) {
      if (about->kind != source::EntryKind::socket) return end(Walk::End::not_a_socket, at);
      walk.need = Need::write;
      walk.decision = decide(who, *about, acl_of(at), Need::write);
      note(at);
      return end(Walk::End::open, at);
    }
    if (about->kind != source::EntryKind::folder) return end(Walk::End::missing, at);  // ENOTDIR
    walk.need = Need::search;
    walk.decision = decide(who, *about, acl_of(at), Need::search);
    note(at);
    const std::string next = left.front();
    left.pop_front();
    if (next == "..") {
      if (!here.empty()) here.pop_back();
      continue;
    }
    if (const auto target = host.link(root + text(next))) {
      if (++links > most_links) return end(Walk::End::loop, text(next));
      walk.steps.push_back({text(next), {}, Need::search, {true, false, {}}, *target});
      if (base::starts_with(*target, "/")) here.clear();
      push_front(left, *target);
      continue;
    }
    here.push_back(next);
  }
}

}  // namespace probe
