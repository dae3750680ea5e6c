// What a server itself says when it is full: all its workers are busy and no more are allowed, its queue or its socket's backlog is full.
#include <fmt/format.h>

#include <map>

#include "base/text.hpp"
#include "rule/draft.hpp"

namespace rule {

using namespace evidence;

namespace {

std::string said(const ServerSaturated& full) {
  if (full.what == "workers") return full.limit ? fmt::format("all {} workers that are allowed are busy", full.limit) : "all workers that are allowed are busy";
  const std::string what = full.what == "queue" ? "its queue" : "its listen queue";
  return full.limit && full.used ? fmt::format("{} is full ({} of {})", what, full.used, full.limit) : full.limit ? fmt::format("{} of {} is full", what, full.limit) : what + " is full";
}

std::vector<Draft> look_at(const Look& look) {
  std::vector<Draft> drafts;
  for (const Server& server : look.stack.servers) {
    std::map<std::string, std::vector<FactId>> kinds;
    for (const FactId id : server.saturated) kinds[std::get<ServerSaturated>(look.evidence.facts[id].what).what].push_back(id);
    for (const auto& [kind, ids] : kinds) {
      const auto& first = std::get<ServerSaturated>(look.evidence.facts[ids.front()].what);
      Draft draft = draft_about(look, kind == "backlog" ? "socket.backlog-full" : "worker.saturated", server);
      draft.sure = Confidence::certain;
      draft.sure_because = "the server's own words";
      draft.when = when_of(look, ids.front());
      draft.values["detail"] = said(first);
      draft.values["reason"] = ": " + draft.values["detail"];
      if (!first.where.empty()) draft.values["upstream"] = (kind == "backlog" ? "" : "(" ) + base::printable(first.where, 100) + (kind == "backlog" ? "" : ")");
      if (kind == "backlog") draft.values["address"] = base::printable(first.where, 100);
      draft.values["count"] = first.used ? std::to_string(first.used) : std::to_string(ids.size());
      if (first.limit) draft.values["limit"] = std::to_string(first.limit);
      if (first.used) draft.values["usage"] = std::to_string(first.used);
      if (kind == "workers" && first.limit) draft.values["workers"] = std::to_string(first.limit);
      if (kind == "backlog") draft.caused_by_rule = "worker.";
      for (const FactId id : ids)
        if (draft.because.size() < 3) because(draft, id);
      drafts.push_back(std::move(draft));
    }
  }
  return drafts;
}

}  // namespace

namespace checks_of {
extern const Check saturation = {"saturation", {"worker.saturated", "socket.backlog-full"}, look_at};
}
}  // namespace rule
