// What the cluster and the container runtime say about a container's end: restarted for a failed probe, killed at its memory limit, or killed
// by nobody knows whom. They name no pid, so they are joined to the server that ended at that moment, and are likely at most.
#include <fmt/format.h>

#include <cmath>

#include "base/text.hpp"
#include "model/timeline.hpp"
#include "rule/draft.hpp"

namespace rule {

using namespace evidence;

namespace {

constexpr double longest_grace_s = 600;  // an event's time is that of its last repeat

std::optional<base::Instant> end_of(const Look& look, const Server& server) {
  if (server.stop_asked != no_fact) return when_of(look, server.stop_asked);
  if (server.stopped != no_fact) return when_of(look, server.stopped);
  return server.last;
}

// The server whose end lies nearest to that moment; the only server where times can't be compared.
const Server* ended_with(const Look& look, const Fact& fact, const std::optional<base::Instant>& when) {
  const Server* nearest = nullptr;
  double best = longest_grace_s;
  for (const Server& server : look.stack.servers) {
    Fact moment = fact;
    moment.when = when;
    const auto distance = model::distance_between(look.stack, look.evidence, moment, end_of(look, server));
    if (!distance) {
      if (look.stack.servers.size() == 1) nearest = &server;
      continue;
    }
    const double apart = std::abs(static_cast<double>(distance->ns) / 1e9);
    if (apart <= best) { best = apart; nearest = &server; }
  }
  return nearest;
}

Draft start(const Look& look, const std::string& rule, const Fact& fact, FactId id, const std::string& unit) {
  const Server* const server = ended_with(look, fact, fact.when);
  Draft draft;
  if (server) draft = draft_about(look, rule, *server);
  draft.rule = rule;
  draft.subject.role = "master";
  if (!draft.when) draft.when = fact.when;
  draft.values["role"] = "master";
  draft.values["unit"] = base::printable(unit, 80);
  draft.group = rule + " " + unit;
  because(draft, id);
  if (server) {
    because(draft, server->stop_asked);
    because(draft, server->stopped);
  }
  return draft;
}

bool names_probe(const ClusterEvent& event) { return event.reason == "Killing" && base::contains(event.message, "probe"); }

std::string pod_of(std::string_view object) {
  const std::size_t slash = object.rfind('/');
  return std::string(slash == std::string_view::npos ? object : object.substr(slash + 1));
}

std::vector<Draft> look_at(const Look& look) {
  std::vector<Draft> drafts;
  std::string failure;  // what the probe saw, from the event before
  bool probed = false, kernel_names_kill = false;
  for (const model::Life& life : look.stack.lives) kernel_names_kill |= life.oom != no_fact;
  for (const FactId id : look.evidence.ids_of<ClusterEvent>()) {
    const Fact& fact = look.evidence.facts[id];
    if (const auto* event = as<ClusterEvent>(fact)) {
      if (event->reason == "Unhealthy" && failure.empty()) failure = event->message;
      if (!names_probe(*event)) continue;
      Draft draft = start(look, "death.killed-by-probe", fact, id, pod_of(event->object));
      draft.sure = Confidence::likely;
      draft.sure_because = "the cluster's event says that the container failed its probe and is restarted; it names no pid";
      draft.values["reason"] = base::printable(event->message, 120);
      rule_out(draft, "death.oom-cgroup", "the kubelet stopped the container for its probe, not for memory");
      drafts.push_back(std::move(draft));
      probed = true;
    }
  }
  for (Draft& draft : drafts)
    if (!failure.empty()) draft.values["reason"] = base::printable(failure, 160);
  for (const FactId id : look.evidence.ids_of<ContainerState>()) {
    const auto* state = as<ContainerState>(look.evidence.facts[id]);
    if (!state || state->state != "terminated" || probed) continue;
    const std::string unit = state->pod.empty() ? state->container : state->pod;
    if ((state->oom_killed || state->reason == "OOMKilled") && !kernel_names_kill) {
      Draft draft = start(look, "death.oom-cgroup", look.evidence.facts[id], id, unit);
      draft.sure = Confidence::likely;
      draft.sure_because = "the runtime says that the container was killed for memory; it names no pid";
      if (state->memory_limit) draft.values["limit"] = base::bytes_text(state->memory_limit);
      draft.values["cgroup"] = "of container " + base::printable(state->container.empty() ? unit : state->container, 60);
      draft.missing.push_back("which process was the victim: the kernel log of the node");
      drafts.push_back(std::move(draft));
    } else if (state->exit_code == 137 && state->reason != "OOMKilled" && !state->oom_killed && !kernel_names_kill) {
      Draft draft = start(look, "death.killed-by-probe", look.evidence.facts[id], id, unit);
      draft.truth = Truth::unknown;
      draft.sure_because = "the container was killed with SIGKILL and not for memory; a probe, the node or a person may have done it";
      draft.values["reason"] = "exit code 137";
      draft.missing.push_back("who stopped it: kubectl get events (kept for an hour by default), kubectl describe pod");
      drafts.push_back(std::move(draft));
    }
  }
  return drafts;
}

}  // namespace

namespace checks_of {
extern const Check containers = {"containers", {"death.killed-by-probe", "death.oom-cgroup"}, look_at};
}
}  // namespace rule
