// `kubectl get events -o json`.
#include "parse/json/cluster.hpp"

namespace parse {
namespace {

int sure(std::string_view, std::string_view head) { return json::cluster_head(head, "Event") ? 94 : 0; }

}  // namespace

namespace configs_of {
extern const Document events_json = {"kubectl get events -o json", evidence::SourceKind::container, sure, json::read_cluster};
}

}  // namespace parse
