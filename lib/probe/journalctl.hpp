// The journal, read through journalctl: its files may be compressed or encrypted in ways only it knows, and it decides who may read what.
#pragma once

#include <string>
#include <vector>

#include "probe/child.hpp"

namespace probe {

/// `journalctl -o json --no-pager -q WORDS`; an Error with its own words when it refuses, or when the system has none. At most 5 s, 64 MiB
/// and 100000 records (the newest).
base::Result<Printed> read_journal(const std::vector<std::string>& words, int deadline_ms = 5000, std::size_t most = 64 << 20);

}  // namespace probe
