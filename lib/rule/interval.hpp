// Which interval of the model of timeouts a logged failure is: the 504 or 502 of nginx's log beside what its request's duration must have been,
// with the limit that decided, its place, and what else follows from the limits that are in force now.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/outlook.hpp"
#include "model/running.hpp"
#include "rule/check.hpp"

namespace rule {

/// Where nginx had connected to: "127.0.0.1:8000", "unix:/run/app.sock".
std::string upstream_address(const evidence::ProxyError& row);

struct Way { model::RunningRoute running; std::vector<model::Row> rows; };
/// The way of the request that nginx's line `row` (a ProxyError) is about, and what becomes of such requests. nullopt where the configuration does
/// not tell which location it was.
std::optional<Way> way_of(const Look& look, FactId row);

/// Notes beside the proxy's rows among each draft's evidence, and the prediction of drafts that have none.
void mark_intervals(const Look& look, std::vector<Draft>& drafts);

}  // namespace rule
