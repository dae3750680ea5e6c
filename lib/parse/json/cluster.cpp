// k8s.io/api/core/v1/types.go: ContainerStatus, ContainerState*, Event; events.k8s.io/v1 names the same things note, regarding, deprecatedCount.
#include "parse/json/cluster.hpp"

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "parse/json/document.hpp"

namespace parse::json {

namespace {

using Json = nlohmann::json;

constexpr std::size_t most_items = 20'000;
constexpr std::size_t most_containers = 200;  // of one pod; the API server allows far fewer

// The bytes of a part of the document as evidence: short, one line, invalid UTF-8 replaced.
std::string excerpt_of(const char* key, const Json& part) {
  std::string text = "\"" + std::string(key) + "\": " + part.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > evidence::excerpt_limit) text.resize(evidence::excerpt_limit);
  return text;
}

struct Pod { std::string name; const Places* places; };

void add_state(const Pod& pod, const Json& status, const Json& state, bool last, std::uint64_t limit, Sink& sink) {
  if (!state.is_object() || state.empty()) return;
  evidence::ContainerState fact;
  fact.pod = pod.name;
  fact.container = text_of(member(status, "name"));
  fact.id = text_of(member(status, "containerID"));
  fact.restarts = int_of(member(status, "restartCount")).value_or(0);
  fact.last = last;
  fact.memory_limit = limit;
  for (const char* const word : {"terminated", "waiting", "running"}) {
    const Json& inside = member(state, word);
    if (!inside.is_object()) continue;
    fact.state = word;
    fact.reason = text_of(member(inside, "reason"));
    fact.exit_code = int_of(member(inside, "exitCode"));
    if (const auto signal = int_of(member(inside, "signal")); signal && *signal > 0) fact.signal = signal;
    fact.started = text_of(member(inside, "startedAt"));
    fact.finished = text_of(member(inside, "finishedAt"));
    if (const std::string id = text_of(member(inside, "containerID")); !id.empty()) fact.id = id;
    break;
  }
  if (fact.state.empty()) return;
  // The reason OOMKilled is the runtime's word: containerd and dockerd take it from the cgroup's oom event, so it may have been a child.
  fact.oom_killed = fact.reason == "OOMKilled";
  auto when = time_of(fact.finished);
  if (!when) when = time_of(fact.started);
  evidence::Subject about;
  about.unit = fact.container;
  const std::string excerpt = excerpt_of(last ? "lastState" : "state", state);
  const std::string needle = !fact.finished.empty() ? "\"" + fact.finished + "\"" : "\"" + fact.id + "\"";
  const Record record = pod.places->at(needle, excerpt);
  sink.add(std::move(fact), std::move(about), record, when);
}

void read_statuses(const Pod& pod, const Json& spec, const Json& statuses, Sink& sink) {
  if (!statuses.is_array()) return;
  std::size_t seen = 0;
  for (const Json& status : statuses) {
    if (++seen > most_containers) return;
    const std::string name = text_of(member(status, "name"));
    std::uint64_t limit = 0;
    for (const char* const list : {"containers", "initContainers"}) {
      const Json& containers = member(spec, list);
      if (!containers.is_array()) continue;
      for (const Json& container : containers) {
        if (text_of(member(container, "name")) != name) continue;
        const Json& memory = member(member(member(container, "resources"), "limits"), "memory");
        if (memory.is_string()) limit = quantity(text_of(memory));
        else if (memory.is_number_unsigned()) limit = memory.get<std::uint64_t>();
      }
    }
    add_state(pod, status, member(status, "state"), false, limit, sink);
    add_state(pod, status, member(status, "lastState"), true, limit, sink);
  }
}

// The place of an object: its uid, or its name where it was printed without.
void find_part(const Json& metadata, Places& places) {
  std::string needle = text_of(member(metadata, "uid"));
  if (needle.empty()) needle = text_of(member(metadata, "name"));
  if (!needle.empty()) places.part("\"" + needle + "\"");
}

void read_pod(const Json& item, Places& places, Sink& sink) {
  const Json& metadata = member(item, "metadata");
  Pod pod;
  pod.name = text_of(member(metadata, "name"));
  find_part(metadata, places);
  pod.places = &places;
  const std::string space = text_of(member(metadata, "namespace"));
  if (!space.empty()) pod.name = space + "/" + pod.name;
  const Json& status = member(item, "status");
  const Json& spec = member(item, "spec");
  // An evicted pod keeps no container states: its own status says why it ended.
  const std::string reason = text_of(member(status, "reason"));
  if (!reason.empty()) {
    evidence::ContainerState fact;
    fact.pod = pod.name;
    fact.state = text_of(member(status, "phase")) == "Failed" ? "terminated" : "waiting";
    fact.reason = reason;
    fact.started = text_of(member(status, "startTime"));
    const std::string excerpt = "\"reason\": \"" + reason + "\", \"message\": \"" + text_of(member(status, "message")).substr(0, 400) + "\"";
    evidence::Subject about;
    about.unit = pod.name;
    sink.add(std::move(fact), std::move(about), places.at("\"" + reason + "\"", excerpt));
  }
  for (const char* const list : {"containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"}) read_statuses(pod, spec, member(status, list), sink);
}

void read_event(const Json& item, Places& places, Sink& sink) {
  find_part(member(item, "metadata"), places);
  evidence::ClusterEvent fact;
  fact.reason = text_of(member(item, "reason"));
  fact.message = text_of(member(item, "message"));
  if (fact.message.empty()) fact.message = text_of(member(item, "note"));
  fact.message = fact.message.substr(0, 1000);
  const Json& about_object = member(item, "involvedObject").is_object() ? member(item, "involvedObject") : member(item, "regarding");
  fact.object = text_of(member(about_object, "kind"));
  for (const char* const key : {"namespace", "name"}) {
    const std::string part = text_of(member(about_object, key));
    if (!part.empty()) fact.object += (fact.object.empty() ? "" : "/") + part;
  }
  if (fact.reason.empty() && fact.message.empty()) return;
  std::optional<int> count = int_of(member(item, "count"));
  if (!count) count = int_of(member(item, "deprecatedCount"));
  if (!count) count = int_of(member(member(item, "series"), "count"));
  fact.count = count.value_or(1);
  std::optional<base::Instant> when;
  std::string stamp;
  for (const char* const key : {"lastTimestamp", "deprecatedLastTimestamp", "eventTime", "firstTimestamp"}) {
    stamp = text_of(member(item, key));
    if ((when = time_of(stamp))) break;
  }
  if (const std::string last = text_of(member(member(item, "series"), "lastObservedTime")); time_of(last)) when = time_of(last);
  // spec.containers{web} -> web
  evidence::Subject about;
  const std::string field = text_of(member(about_object, "fieldPath"));
  if (const auto container = base::between(field, "{", "}")) about.unit = std::string(*container);
  else about.unit = text_of(member(about_object, "name"));
  const std::string excerpt = fact.reason + ": " + fact.message;
  const Record record = places.at("", excerpt);
  sink.add(std::move(fact), std::move(about), record, when);
}

void read_item(const Json& item, std::string_view list_kind, Places& places, Sink& sink) {
  const Json& named = member(item, "kind");
  const std::string kind = named.is_string() ? text_of(named) : std::string(list_kind);
  if (kind == "Pod") read_pod(item, places, sink);
  else if (kind == "Event") read_event(item, places, sink);
}

}  // namespace

void read_cluster(std::string_view text, Sink& sink) {
  const auto json = read_document(text, "objects of the cluster", sink);
  if (!json) return;
  Places places(text);
  const Json& items = member(*json, "items");
  if (!items.is_array()) {
    read_item(*json, "", places, sink);
    return;
  }
  // The raw API lists ("PodList") leave the kind of each item out.
  std::string kind = text_of(member(*json, "kind"));
  if (kind.size() > 4 && kind.substr(kind.size() - 4) == "List") kind.resize(kind.size() - 4);
  std::size_t read = 0;
  for (const Json& item : items) {
    if (read++ == most_items) {
      sink.gap({"objects of the cluster", "more than " + std::to_string(most_items) + " stand in " + sink.source().name, "ask for the pod that matters: `kubectl get pod NAME -o json`", items.size() - most_items, {}});
      return;
    }
    read_item(item, kind, places, sink);
  }
}

bool cluster_head(std::string_view head, std::string_view kind) {
  head = base::trim(head);
  if (head.empty() || head.front() != '{' || !base::contains(head, "\"apiVersion\"")) return false;
  return says(head, "kind", kind) || says(head, "kind", std::string(kind) + "List");
}

}  // namespace parse::json
