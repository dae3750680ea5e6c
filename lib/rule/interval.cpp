#include "rule/interval.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "model/timeline.hpp"
#include "rule/draft.hpp"

namespace rule {

using namespace evidence;

namespace {

// Drafts may be as many as workers died; what they ask is mostly the same.
constexpr std::size_t most_ways = 200;
using Known = std::map<std::string, std::optional<Way>>;

const std::optional<Way>& known_way(const Look& look, FactId id, Known& known) {
  const auto& row = *as<ProxyError>(look.evidence.facts[id]);
  if (known.size() >= most_ways) known.clear();
  const auto [place, fresh] = known.emplace(row.method + " " + row.upstream + " " + row.uri.substr(0, row.uri.find('?')), std::nullopt);
  if (fresh) place->second = way_of(look, id);
  return place->second;
}

// Was a worker killed at its limit for the request that the proxy gave up on? The server's log must cover that moment, else nullopt.
std::optional<bool> killed_after(const Look& look, FactId row, const Way& way) {
  const model::Chain& chain = way.running.route.variants.front().chain;
  if (way.running.server == SIZE_MAX || chain.server.law.measures != flavour::Measures::request || chain.server.worker.seconds == model::no_limit) return std::nullopt;
  const Server& server = look.stack.servers[way.running.server];
  const double limit = chain.server.worker.seconds - chain.proxy.read.seconds, late = chain.server.law.late + chain.server.law.uninterruptible;
  const auto after = [&](const std::optional<base::Instant>& when) -> std::optional<double> {
    const auto distance = model::distance_between(look.stack, look.evidence, look.evidence.facts[row], when);
    return distance ? std::optional(-static_cast<double>(distance->ns) / 1e9) : std::nullopt;
  };
  for (const model::LifeId id : server.lives) {
    const Life& life = look.stack.lives[id];
    if (life.timed_out == no_fact) continue;
    const auto gap = after(when_of(look, life.timed_out));
    if (gap && *gap >= limit - 1 && *gap <= limit + late + 1) return true;
  }
  const auto last = after(server.last);
  return last && *last > limit + late + 1 ? std::optional(false) : std::nullopt;
}

struct Fits { const model::Row *first = nullptr, *last = nullptr; };
// The rows that this failure may be: neighbours, so that one span tells them.
Fits fitting(const Look& look, FactId id, const Way& way, bool by_kill) {
  const auto has = [](const model::Row& row, std::string_view status) { return std::ranges::find(row.client, status) != row.client.end(); };
  const auto killed = by_kill ? std::optional(true) : killed_after(look, id, way);
  Fits found;
  for (const model::Row& row : way.rows) {
    if (!by_kill && (row.phase != "wait" || !has(row, "504"))) continue;
    if (by_kill && (row.killed == 0 || !has(row, "502"))) continue;
    if (killed && !by_kill && (*killed ? row.killed == 0 : row.killed_least > 0)) continue;
    if (!found.first) found.first = &row;
    found.last = &row;
  }
  return found;
}

// "0 - 10 s: 200; 10 - 30 s: 504 at 10 s (goes on for nobody, up to 20 s)".
std::string line_of(const Way& way, std::string_view phase) {
  std::string text;
  for (const model::Row& row : way.rows) {
    if (row.phase != phase) continue;
    const std::string more = model::besides(row);
    text += fmt::format("{}{}: {}{}", text.empty() ? "" : "; ", model::span_text(row.from, row.to), row.told, more.empty() ? "" : " (" + more + ")");
  }
  return text;
}

}  // namespace

std::string upstream_address(const ProxyError& row) {
  // "http://unix:/run/app.sock:/path" or "http://127.0.0.1:8000/path": the address without the request.
  std::string_view text = row.upstream;
  if (const auto scheme = text.find("://"); scheme != std::string_view::npos) text.remove_prefix(scheme + 3);
  if (base::starts_with(text, "unix:")) {
    const auto end = text.find(":/", 6);
    return std::string(text.substr(0, end));
  }
  return std::string(text.substr(0, text.find('/')));
}

std::optional<Way> way_of(const Look& look, FactId id) {
  const auto* row = as<ProxyError>(look.evidence.facts[id]);
  if (!row || row->uri.empty()) return std::nullopt;
  auto running = model::running_route(look.stack, look.evidence, id, upstream_address(*row), row->uri);
  if (!running) return std::nullopt;
  std::vector<model::Row> rows;
  if (running->whole) {
    const std::string method = row->method.empty() ? "GET" : row->method;
    for (const model::Group& group : model::outlook({running->route}, method))
      for (const model::Row& one : group.rows)
        if (one.phase == "wait" || one.phase == "blocked") rows.push_back(one);
  }
  return Way{std::move(*running), std::move(rows)};
}

void mark_intervals(const Look& look, std::vector<Draft>& drafts) {
  Known known;
  for (Draft& draft : drafts) {
    const bool by_kill = draft.rule == "death.timeout";
    if (!by_kill && draft.rule != "proxy.gave-up-first" && draft.rule != "worker.saturated") continue;
    for (const FactId id : draft.because) {
      const auto* row = as<ProxyError>(look.evidence.facts[id]);
      if (!row || row->kind != (by_kill ? "closed-early" : "timed-out-reading")) continue;
      const auto& way = known_way(look, id, known);
      if (!way || way->rows.empty()) continue;
      const Fits fits = fitting(look, id, *way, by_kill);
      if (!fits.first) continue;
      const std::string status = by_kill ? "502" : "504";
      const auto& when = look.evidence.facts[id].when;
      if (!draft.notes.contains(id))
        draft.notes[id] = fmt::format("this {}{} is the interval {}: {}{}", status, when ? " at " + base::clock_text(*when) : "", model::span_text(fits.first->from, fits.last->to), fits.last->told, fits.last->because.empty() ? "" : ", by " + fits.last->because.front());
      if (draft.prediction.empty())
        draft.prediction = fmt::format("a {} whose {} takes {}. triage timeouts shows the whole chain", row->method.empty() ? "request" : base::printable(row->method, 10), fits.first->phase == "blocked" ? "blocking of the loop" : "work", line_of(*way, fits.first->phase));
    }
  }
}

}  // namespace rule
