// May this process connect to that unix socket? The kernel's own decision, redone from outside: search permission on every folder of the
// path, write permission on the socket (man 7 unix, man 7 path_resolution; fs/namei.c:generic_permission, fs/posix_acl.c:posix_acl_permission).
// A read-only mount does not matter for connecting: sb_permission refuses writing only to files, folders and links.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "source/host.hpp"

namespace probe {

/// As whom a process walks: what the kernel compares, from /proc/PID/status.
struct Identity {
  std::uint32_t uid = 0, gid = 0;            // those for file access (the fourth of Uid:, Gid:)
  std::vector<std::uint32_t> groups;         // supplementary
  bool overrides = false;                    // CAP_DAC_OVERRIDE: no mode stops it
  bool searches = false;                     // CAP_DAC_READ_SEARCH: no folder stops it
};
Identity read_identity(std::string_view status);

struct AclEntry { std::uint16_t tag = 0, permissions = 0; std::uint32_t id = 0; };
/// The bytes of the attribute system.posix_acl_access; empty when there is none or it is damaged.
std::vector<AclEntry> read_acl(std::string_view attribute);

enum class Need : std::uint8_t { search = 1, write = 2 };
struct Decision { bool granted = false; bool by_acl = false; std::string_view as; };  // as: "owner" "group" "others" "capability"
Decision decide(const Identity& who, const source::Stat& file, const std::vector<AclEntry>& acl, Need need);

struct Step {
  std::string at;               // the component
  source::Stat stat;
  Need need = Need::search;
  Decision decision;
  std::string leads_to;         // of a link: its target; nothing is asked of it
};

struct Walk {
  enum class End : std::uint8_t { open, denied, missing, not_a_socket, loop, unseen } end = End::open;
  std::string at;               // the component where it ended, as the walker sees it; the socket itself when open
  Need need = Need::search;     // denied: what was refused there
  Decision decision;
  source::Stat stat;            // of that component
  std::string answer;           // unseen: why we could not look
  std::vector<Step> steps;      // every component in the order of the walk; those behind the wall too, as far as we can see them
};

/// Walks `path` as `who`, seen through `root` ("/proc/PID/root" of the walker, or ""). Links are followed inside that root, at most 40.
Walk walk_to_socket(const source::Host& host, const std::string& root, const std::string& path, const Identity& who);

}  // namespace probe
