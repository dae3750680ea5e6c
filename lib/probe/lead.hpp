// What BPF found at the end of a descriptor, in the words that a look at /proc has for it.
#pragma once

#include <string>
#include <string_view>

#include "probe/bpf/lead.event.h"

namespace probe {

/// "10.0.0.2:5432 (PostgreSQL)", "the listener on port 80", "unix:/run/x", a file's last name; "" where nothing was found. `path`: the bytes that were
/// kept of a file's or a unix socket's name, with zeros behind them.
std::string lead_text(const lead& lead, std::string_view path = {});

}  // namespace probe
