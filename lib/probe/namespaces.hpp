// The network namespaces of this host: each has its own sockets, but unix sockets are reached through files, which several may share.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "source/host.hpp"

namespace probe {

struct NetSpaces {
  std::map<std::uint64_t, std::vector<int>> pids;  // by the namespace's inode: some of those who live in it, so that one that ends meanwhile loses nothing
  std::uint64_t unseen = 0;                        // namespaces or processes that could not be looked into
  std::string why;                                 // the first reason for that
};

/// Of these processes, and of what is mounted without one (`ip netns`). A container that sees only its own processes has the others unseen.
NetSpaces net_spaces(const source::Host& host, const std::vector<int>& pids);

/// All pids that /proc lists, at most `most`; `left_out` counts the others.
std::vector<int> everybody(const source::Host& host, std::size_t most, std::size_t& left_out);

/// Does stat(2) answer with the inode and device that the kernel's own list of sockets has, for a file at this path as process `pid` sees it?
/// Layered file systems (overlay, btrfs, FUSE) answer with others.
bool plain_files(const source::Host& host, int pid, const std::string& path);

}  // namespace probe
