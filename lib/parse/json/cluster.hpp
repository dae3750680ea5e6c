// What `kubectl get ... -o json` prints: a Pod, an Event, or a List of them in any mix (`kubectl get pods,events -o json`).
#pragma once

#include <string_view>

#include "parse/format.hpp"

namespace parse::json {

/// Facts of every Pod and Event of the document.
void read_cluster(std::string_view text, Sink& sink);

/// Whether the head is an object of the Kubernetes API of that kind, or a list that shows one.
bool cluster_head(std::string_view head, std::string_view kind);

}  // namespace parse::json
