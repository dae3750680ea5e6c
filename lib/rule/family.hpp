// The processes of a server as a list of processes shows them: who is whose child, and in what state. A list may come from ps as well as from a
// living /proc.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "rule/draft.hpp"

namespace rule {

struct Row { FactId id = evidence::no_fact; const evidence::ProcessSeen* what = nullptr; };

// A server's processes by host pid, from the latest list that names each.
struct Family { int master = 0; const Server* server = nullptr; std::vector<int> workers; std::string_view flavour = "gunicorn"; };

struct Seen {
  std::map<int, Row> rows;
  std::vector<Family> families;
  std::map<int, std::vector<int>> children;
};
Seen seen_in(const Look& look);

/// The state letter, '?' unknown.
char state_of(const Row& row);

/// A draft about one process of a family; `row` may be empty.
Draft draft_about(const Look& look, std::string rule, const Family& family, const Row& row, int pid, std::string role);

}  // namespace rule
