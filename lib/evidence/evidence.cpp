#include "evidence/evidence.hpp"

#include <algorithm>

#include "evidence/vocabulary.hpp"

namespace evidence {

std::string_view source_text(SourceKind kind) {
  switch (kind) {
    case SourceKind::unknown: return "file";
    case SourceKind::server_log: return "server log";
    case SourceKind::kernel_log: return "kernel log";
    case SourceKind::stdio: return "server stderr";
    case SourceKind::access_log: return "access log";
    case SourceKind::proxy_error_log: return "nginx error log";
    case SourceKind::proxy_access_log: return "nginx access log";
    case SourceKind::journal: return "journal";
    case SourceKind::container: return "container state";
    case SourceKind::process_list: return "process list";
    case SourceKind::command: return "command line";
    case SourceKind::config: return "config";
    case SourceKind::proc: return "/proc";
    case SourceKind::cgroup: return "cgroup";
    case SourceKind::watch: return "watch";
  }
  return "file";
}

SourceId Evidence::add_source(Source source) {
  sources.push_back(std::move(source));
  return static_cast<SourceId>(sources.size() - 1);
}

FactId Evidence::add(Fact fact) {
  std::vector<FactId>& same = of_kind_[fact.what.index()];
  if (same.size() >= kind_cap) {
    gap({std::string("more ") + std::string(word_of(fact.what)) + " facts", "there were more than " + std::to_string(kind_cap) + "; the later ones were counted, not kept",
         "narrow the look with --since and --until", 1, {}});
    return no_fact;
  }
  same.push_back(static_cast<FactId>(facts.size()));
  if (fact.text.size() > excerpt_limit) fact.text.resize(excerpt_limit);
  facts.push_back(std::move(fact));
  return static_cast<FactId>(facts.size() - 1);
}

void Evidence::reorder(std::size_t first, std::span<const FactId> order) {
  std::vector<Fact> sorted;
  sorted.reserve(order.size());
  for (const FactId id : order) sorted.push_back(std::move(facts[id]));
  std::move(sorted.begin(), sorted.end(), facts.begin() + static_cast<std::ptrdiff_t>(first));
  for (auto& ids : of_kind_) ids.erase(std::lower_bound(ids.begin(), ids.end(), first), ids.end());
  for (std::size_t id = first; id < facts.size(); ++id) of_kind_[facts[id].what.index()].push_back(static_cast<FactId>(id));
}

void Evidence::gap(Gap gap) {
  for (Gap& known : gaps) {
    if (known.wanted == gap.wanted && known.reason == gap.reason) {
      known.count += gap.count;
      return;
    }
  }
  gaps.push_back(std::move(gap));
}

}  // namespace evidence
