// The processes of a run, by their cgroup: who is born, who dies and of what, how much memory each has.
#pragma once

#include <poll.h>

#include <functional>
#include <map>
#include <set>

#include "reproduce/child.hpp"
#include "reproduce/record.hpp"

namespace reproduce {

class Watched {
 public:
  using Tell = std::function<void(Event)>;
  /// title: a part of the workers' command lines, where the master has other children, too; "": each child is one.
  Watched(const Ground& ground, std::string_view title, Tell tell) : ground_(ground), title_(title), tell_(std::move(tell)) {}

  /// A process of ours: "master" or "proxy".
  void add(Child child, std::string role, double now);
  /// Looks who is there now, and takes note of those that have ended.
  void look(double now);
  /// One of the descriptors that wanted() gave has news: an end.
  bool ready(const pollfd& fd, double now);
  void wanted(std::vector<pollfd>& into) const;
  void sample(double now);
  /// The clock begins anew so many seconds later: births are told by the new one.
  void shift(double seconds) {
    for (auto& [pid, one] : known_) one.born -= seconds;
  }

  int master() const { return master_; }                    // host pids; 0 none
  int proxy() const { return proxy_; }
  std::vector<int> workers() const;                         // oldest first
  std::vector<int> everyone() const;
  int host_of(int own) const;
  bool knows(int pid) const { return known_.contains(pid); }

 private:
  struct One { base::Fd pidfd; std::string role; int own = 0, parent = 0; double born = 0; int order = 0; };
  void ended(int pid, double now);

  const Ground& ground_;
  const std::string title_;
  Tell tell_;
  std::map<int, One> known_;
  std::set<int> told_;                                      // of the dead, whose zombies are still listed
  int master_ = 0, proxy_ = 0, count_ = 0;
};

}  // namespace reproduce
