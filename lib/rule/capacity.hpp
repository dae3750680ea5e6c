// Whether more workers can help a server: what its workers wait for in this one look, how many processors there are for those that compute, and
// how many more fit into its memory. A look is a sample, so only a picture without exceptions is told.
#pragma once

#include <optional>
#include <string>

#include "rule/live.hpp"

namespace rule {

enum class Waiting : std::uint8_t { unknown, computing, disk, lock, sleeping, upstream, client, idle };

/// Of one worker; `on`: the upstream, as its descriptor leads there.
Waiting waiting_of(const Look& look, const LiveProcess& worker, std::string* on = nullptr);

struct Capacity {
  std::string text;                           // one sentence, of all workers that were seen
  std::vector<FactId> because;
};
/// nullopt unless at least two workers were seen, all of them waiting for the same kind of thing.
std::optional<Capacity> more_workers(const Look& look, const LiveServer& live);

/// "3 more fit into the memory of its cgroup"; "" unknown.
std::string room_text(const Look& look, const LiveServer& live);

}  // namespace rule
