// What a run takes from the machine, by name, so that whoever is left can give it back: a scratch folder, cgroups, namespaces.
#pragma once

#include <string>
#include <vector>

#include "base/owner.hpp"
#include "base/result.hpp"
#include "reproduce/scale.hpp"
#include "reproduce/scenario.hpp"

namespace reproduce {

struct Ground {
  std::string folder;                            // below $TMPDIR or /tmp
  std::vector<std::string> cgroups, limited;     // the run's; inside of them the ones with its limits
};

/// Names a run after ours and its number, and makes the folder. What cannot be made of the cgroups is a gap.
base::Result<Ground> make_folder(int number);
void make_cgroups(Ground& ground, const Limits& limits, std::vector<std::string>& gaps);
/// Kills what still runs in the cgroups and removes them; the folder too unless `keep`. Safe to call twice.
void sweep(const Ground& ground, bool keep);
/// pids in the cgroups, as this machine names them.
std::vector<int> members(const Ground& ground, bool limited);
/// What `name`d ground an earlier run that was killed together with its janitor has left: removed, and told.
std::vector<std::string> sweep_strays();

/// Namespaces that live as long as their first process.
struct Space {
  int init = 0;                                  // 0: none of our own
  base::Fd pid, net, mount;
  base::Fd host_pid;                             // ours, to return to
  bool own_pids() const { return static_cast<bool>(pid); }
  bool own_net() const { return static_cast<bool>(net); }
};
Space make_space(const Scenario& scenario, const Ground& ground, const Scale& scale, std::uint64_t seed, std::vector<std::string>& gaps);

}  // namespace reproduce
