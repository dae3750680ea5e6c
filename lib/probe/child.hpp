// Runs a program of the system to read what it prints (journalctl, kubectl): no shell, a deadline, a cap on bytes.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"

namespace probe {

struct Printed { std::string out, err; int status = 0; bool cut = false, late = false; };  // status: wait status; cut: more than `most`; late: the deadline ended it

/// argv[0] is a full path. Ends our child, and only it, at the deadline or the cap.
base::Result<Printed> run(const std::vector<std::string>& argv, int deadline_ms, std::size_t most);

}  // namespace probe
