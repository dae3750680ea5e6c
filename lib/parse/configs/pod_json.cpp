// `kubectl get pod -o json`: one Pod or a List. An empty list of anything is read too: that there is no pod is an answer.
#include "base/text.hpp"
#include "parse/json/cluster.hpp"
#include "parse/json/document.hpp"

namespace parse {
namespace {

int sure(std::string_view, std::string_view head) {
  // An event names the kind of its object too.
  if (json::cluster_head(head, "Pod")) return json::cluster_head(head, "Event") ? 70 : 95;
  // kubectl prints {"apiVersion": "v1", "items": [...], "kind": "List"}: the first item may be larger than the head.
  head = base::trim(head);
  if (base::starts_with(head, "{") && base::contains(head, "\"apiVersion\"") && base::contains(head, "\"items\"") && !json::cluster_head(head, "Event")) return 60;
  return 0;
}

}  // namespace

namespace configs_of {
extern const Document pod_json = {"kubectl get pod -o json", evidence::SourceKind::container, sure, json::read_cluster};
}

}  // namespace parse
