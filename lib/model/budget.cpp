// One request walked through one chain, and the edges where its outcome changes. Past 300 lines: the walk and the sampling of what is unknown
// share every clause, and a clause that stood in two files would be changed in one.
#include "model/budget.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <tuple>

namespace model {

namespace {

// More peers than anybody waits for: with a second for each it is four minutes.
constexpr int most_attempts = 256;
// The second stage of the kill comes with the next poll: a second after the first where nothing else happens, at once where another worker's end
// wakes the master meanwhile (2.80 and 2.83 s at a timeout of 2, with other workers dying beside it).
constexpr double least_of_second_stage = 0;

struct Window { double from = 0, to = 0; };
Window operator+(Window a, Window b) { return {a.from + b.from, a.to + b.to}; }

// When the worker is killed for this request, counted from its arrival at the worker's queue; no_limit: never.
Window kill_window(const ServerLimits& server, const Request& request) {
  const double limit = server.worker.seconds;
  const bool bears = server.law.measures == flavour::Measures::request || (server.law.measures == flavour::Measures::loop && request.blocks);
  if (!bears || limit == no_limit) return {no_limit, no_limit};
  Window window{std::max(0.0, limit - server.law.early), limit + server.law.late};
  if (request.uninterruptible && server.law.uninterruptible > 0) {
    window.from += least_of_second_stage * server.law.uninterruptible;
    window.to += server.law.uninterruptible;
  }
  return {request.queued + window.from, request.queued + window.to};
}

bool same_kind(const Outcome& a, const Outcome& b) {
  return a.status == b.status && a.finished == b.finished && a.runs == b.runs && a.killed == b.killed && a.gave_up == b.gave_up;
}

// Outcomes of one kind are one, over the time of all; in the order in which they are told.
class Kinds {
 public:
  void add(const Outcome& one) {
    const auto [place, fresh] = all_.emplace(Key{one.status, one.runs, one.killed, one.gave_up, one.finished}, one);
    if (fresh) return;
    Outcome& known = place->second;
    known.from = std::min(known.from, one.from);
    known.to = std::max(known.to, one.to);
    known.ghost_from = std::min(known.ghost_from, one.ghost_from);
    known.ghost_to = std::max(known.ghost_to, one.ghost_to);
    known.blackout = std::max(known.blackout, one.blackout);
  }
  std::vector<Outcome> all() const {
    std::vector<Outcome> out;
    for (const auto& [key, one] : all_) out.push_back(one);
    return out;
  }

 private:
  using Key = std::tuple<int, int, int, std::string, bool>;
  std::map<Key, Outcome> all_;
};

std::vector<Outcome> merged(const std::vector<Outcome>& found) {
  Kinds kinds;
  for (const Outcome& one : found) kinds.add(one);
  return kinds.all();
}

struct Walk {
  const Chain& chain;
  const Request& request;
  double end;                        // of the work, counted from the start of an attempt
  Window kill;
  int attempts = 1;
  bool repeatable = true;
  Kinds found;
  // What goes on to the next peer, by how many workers were killed: attempts that only differ in their moment go on as one, with the wider window,
  // or the ways would double with every peer.
  struct Going { Window start; Outcome so_far; };
  std::map<int, Going> later;

  void run() {
    std::map<int, Going> now{{0, {}}};
    for (int number = 1; number <= attempts && !now.empty(); ++number) {
      later.clear();
      for (const auto& [killed, going] : now) attempt(number, going.start, going.so_far);
      now = std::move(later);
    }
  }

  void go_on(Window start, const Outcome& so_far) {
    const auto [place, fresh] = later.emplace(so_far.killed, Going{start, so_far});
    if (fresh) return;
    Going& known = place->second;
    known.start = {std::min(known.start.from, start.from), std::max(known.start.to, start.to)};
    known.so_far.ghost_from = std::min(known.so_far.ghost_from, so_far.ghost_from);
    known.so_far.ghost_to = std::max(known.so_far.ghost_to, so_far.ghost_to);
  }

  // What this attempt's worker still does after nobody waits for it any more, from `at` on: to its end, or until it is killed.
  Window ghost(Window at, bool killed) const {
    if (!killed) return {std::max(0.0, end - at.to), std::max(0.0, end - at.from)};
    return {std::max(0.0, kill.from - at.to), std::max(0.0, std::min(end, kill.to) - at.from)};
  }
  // Whether it then ends by itself or is killed: of work that ends while the kill may come, either.
  bool may_end(bool killed) const { return killed ? end > kill.from : end < kill.to; }

  void add(const Outcome& outcome) { found.add(outcome); }

  // `start`: when this attempt began; `so_far`: what the attempts before it left behind.
  void attempt(int number, Window start, Outcome so_far) {
    so_far.runs = number;
    const double read = chain.proxy.present ? chain.proxy.read.seconds : no_limit;
    if (end < read && end < kill.to) finish(start, so_far);
    if (read <= end && read < kill.to) give_up(number, start, read, so_far);
    if (kill.from < end && kill.from < read) {
      const Window when{kill.from, std::min({kill.to, end, read})};
      const bool never_500 = request.uninterruptible && chain.server.law.uninterruptible > 0;
      if (!chain.server.law.answers_500 || never_500) die(number, start, when, 502, so_far);
      if ((chain.server.law.answers_500 || chain.server.law.may_answer_500) && !never_500) die(number, start, when, 500, so_far);
    }
  }

  // True when the balancer gave up for certain before `event`; adds its outcome where it may have.
  bool balancer_first(Window event, Window start, const Outcome& so_far) {
    const double limit = chain.balancer.seconds;
    if (limit > event.to) return false;
    for (const bool killed : {false, true}) {
      if (!may_end(killed)) continue;
      Outcome outcome = so_far;
      outcome.status = 504;
      outcome.from = outcome.to = limit;
      outcome.gave_up = "balancer";
      const Window rest = ghost({limit - start.to, limit - start.from}, killed);
      outcome.ghost_from += rest.from;
      outcome.ghost_to += rest.to;
      outcome.killed += killed;
      add(outcome);
    }
    return limit <= event.from;
  }

  void finish(Window start, Outcome outcome) {
    const Window event = start + Window{end, end};
    if (balancer_first(event, start, outcome)) return;
    outcome.status = 200;
    outcome.finished = true;
    outcome.from = start.from + request.queued;
    outcome.to = start.to + request.queued;
    add(outcome);
  }

  void give_up(int number, Window start, double read, Outcome so_far) {
    const Window event = start + Window{read, read};
    if (balancer_first(event, start, so_far)) return;
    if (read == 0) {  // over before the request is sent: whether a worker sees it is a race
      Outcome unseen = so_far;
      --unseen.runs;
      unseen.status = 504;
      unseen.gave_up = "proxy";
      unseen.from = event.from;
      unseen.to = event.to;
      add(unseen);
    }
    for (const bool killed : {false, true}) {
      if (!may_end(killed)) continue;
      Outcome outcome = so_far;
      const Window rest = ghost({read, read}, killed);
      outcome.ghost_from += rest.from;
      outcome.ghost_to += rest.to;
      outcome.killed += killed;
      outcome.status = 504;
      outcome.gave_up = "proxy";
      next(number, event, chain.proxy.retries_timeout && repeatable, outcome);
    }
  }

  void die(int number, Window start, Window when, int status, Outcome so_far) {
    const Window event = start + when;
    if (balancer_first(event, start, so_far)) return;
    ++so_far.killed;
    so_far.status = status;
    so_far.gave_up = "worker";
    next(number, event, (status == 500 ? chain.proxy.retries_500 : chain.proxy.retries_error) && repeatable, so_far);
  }

  // The attempt failed in `event`: the next peer, or what the client then reads.
  void next(int number, Window event, bool allowed, Outcome outcome) {
    const double limit = chain.proxy.present ? chain.proxy.next.seconds : 0;
    const bool may = allowed && number < attempts && event.from < limit;
    if (may) go_on({event.from, std::min(event.to, limit)}, outcome);
    if (may && event.to < limit) return;
    outcome.from = event.from;
    outcome.to = event.to;
    // nginx counts a peer as failed at its first fault; with all of them failed nobody is asked until the first one's time is over.
    const ProxyLimits& proxy = chain.proxy;
    if (proxy.present && proxy.peers > 1 && number >= proxy.peers && outcome.status != 500 && proxy.max_fails == 1) {
      const double first = event.from / number;
      outcome.blackout = std::max(0.0, proxy.fail_timeout - (event.to - first));
    }
    add(outcome);
  }
};

bool idempotent(const std::string& method) { return method != "POST" && method != "LOCK" && method != "PATCH"; }

// Every duration at which the set of outcomes may change.
std::set<double> edges_of(const Chain& chain, const Request& request, int attempts) {
  const Window kill = chain.server.worker.known ? kill_window(chain.server, request) : Window{no_limit, no_limit};
  const double read = chain.proxy.present && chain.proxy.read.known ? chain.proxy.read.seconds : no_limit;
  std::set<double> edges, starts{0};
  const auto add = [&](double at) {
    if (at != no_limit && at - request.queued > 0) edges.insert(at - request.queued);
  };
  for (const double at : {kill.from, kill.to, read}) add(at);
  for (int number = 0; number < attempts; ++number) {
    std::set<double> later;
    for (const double start : starts) {
      if (chain.balancer.known) add(chain.balancer.seconds - start);
      for (const double lasted : {kill.from, kill.to, read})
        if (lasted != no_limit && later.size() < 64) later.insert(start + lasted);
    }
    starts = std::move(later);
  }
  return edges;
}

// What is not known, one at a time: its values, each of another kind, set into a chain.
struct Open {
  std::string name;
  std::size_t count = 0;
  std::function<void(Chain&, std::size_t)> set;
};

// Only the order of the limits decides what happens: one value between each two moments that matter stands for all that are there.
std::vector<double> samples(const Chain& chain, const Request& request, double work) {
  std::vector<double> moments{0, work, request.queued + work};
  for (const Limit* limit : {&chain.balancer, &chain.proxy.read, &chain.proxy.next, &chain.server.worker}) {
    if (!limit->known || limit->seconds == no_limit) continue;
    for (int times = 1; times <= std::min(chain.proxy.peers, 3); ++times) moments.push_back(limit->seconds * times);
    moments.push_back(limit->seconds + chain.server.law.late);
  }
  std::sort(moments.begin(), moments.end());
  std::vector<double> out;
  for (std::size_t i = 0; i + 1 < moments.size(); ++i)
    if (moments[i + 1] - moments[i] > 1e-9) out.push_back((moments[i] + moments[i + 1]) / 2);
  out.push_back(moments.back() * 2 + 10);
  return out;
}

std::vector<Open> open_of(const Chain& chain, const Request& request, double work) {
  std::vector<Open> all;
  const auto limit = [&](const char* name, bool known, auto&& part, bool may_be_off) {
    if (known) return;
    std::vector<double> values = samples(chain, request, work);
    if (may_be_off) values.push_back(no_limit);
    const std::size_t count = values.size();
    all.push_back({name, count, [values = std::move(values), part](Chain& one, std::size_t i) { part(one).seconds = values[i]; part(one).known = true; }});
  };
  limit("balancer", chain.balancer.known, [](Chain& one) -> Limit& { return one.balancer; }, true);
  if (chain.proxy.present) limit("read", chain.proxy.read.known, [](Chain& one) -> Limit& { return one.proxy.read; }, false);
  if (chain.proxy.present) limit("next", chain.proxy.next.known, [](Chain& one) -> Limit& { return one.proxy.next; }, true);
  if (chain.server.known && chain.server.law.measures != flavour::Measures::nothing && (chain.server.law.measures == flavour::Measures::request || request.blocks))
    limit("worker", chain.server.worker.known, [](Chain& one) -> Limit& { return one.server.worker; }, true);
  if (chain.proxy.present && !chain.proxy.peers_known) all.push_back({"peers", 2, [](Chain& one, std::size_t i) { one.proxy.peers = i == 0 ? 1 : 2; one.proxy.peers_known = true; }});
  if (chain.proxy.present && !chain.proxy.retries_known)
    all.push_back({"retries", 2, [](Chain& one, std::size_t i) { one.proxy.retries_error = one.proxy.retries_timeout = i == 0; one.proxy.retries_500 = false; one.proxy.retries_known = true; }});
  return all;
}

std::vector<Outcome> certain_at(const Chain& chain, const Request& request, double work) {
  Walk walk{chain, request, request.queued + work, kill_window(chain.server, request), 1, true, {}, {}};
  if (chain.proxy.present) {
    walk.attempts = std::clamp(chain.proxy.tries > 0 ? std::min(chain.proxy.tries, chain.proxy.peers) : chain.proxy.peers, 1, most_attempts);
    walk.repeatable = idempotent(request.method) || chain.proxy.retries_non_idempotent;
  }
  walk.run();
  return walk.found.all();
}

bool alike(const std::vector<Outcome>& a, const std::vector<Outcome>& b) { return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), same_kind); }

// Every assignment of what is not known; `depends` gets the names of those that make a difference with all others held.
std::vector<Outcome> possible_at(const Chain& chain, const Request& request, double work, std::vector<std::string>* depends) {
  const std::vector<Open> open = open_of(chain, request, work);
  if (open.empty()) return certain_at(chain, request, work);
  std::size_t assignments = 1;
  for (const Open& one : open) assignments *= one.count;
  std::vector<std::vector<Outcome>> said(assignments);
  std::vector<Outcome> all;
  for (std::size_t round = 0; round < assignments; ++round) {
    Chain chosen = chain;
    std::size_t rest = round;
    for (const Open& one : open) { one.set(chosen, rest % one.count); rest /= one.count; }
    said[round] = certain_at(chosen, request, work);
    for (Outcome one : said[round]) {
      // A limit that nobody knows fires at a time that nobody knows: the value tried is only one of all.
      const std::string_view limit = one.gave_up == "proxy" ? "read" : std::string_view(one.gave_up);
      if (std::any_of(open.begin(), open.end(), [&](const Open& unknown) { return unknown.name == limit; })) {
        one.from = 0;
        one.to = no_limit;
        one.ghost_from = 0;
        if (one.ghost_to > 0) one.ghost_to = no_limit;
      }
      all.push_back(std::move(one));
    }
  }
  if (depends) {
    std::size_t step = 1;
    for (const Open& one : open) {
      bool differs = false;
      for (std::size_t round = 0; round < assignments && !differs; ++round)
        if (round / step % one.count != 0) differs = !alike(said[round], said[round - step]);
      if (differs && std::find(depends->begin(), depends->end(), one.name) == depends->end()) depends->push_back(one.name);
      step *= one.count;
    }
  }
  return merged(all);
}

}  // namespace

std::vector<Outcome> outcomes_at(const Chain& chain, const Request& request, double work) { return possible_at(chain, request, work, nullptr); }

std::vector<Interval> outcomes(const Chain& chain, const Request& request) {
  const int attempts = chain.proxy.present ? std::clamp(chain.proxy.peers, 1, most_attempts) : 1;
  std::vector<double> at{0};
  for (const double edge : edges_of(chain, request, attempts)) at.push_back(edge);
  std::vector<Interval> all;
  for (std::size_t i = 0; i < at.size(); ++i) {
    const bool last = i + 1 == at.size();
    const double from = at[i], to = last ? no_limit : at[i + 1];
    // Nothing changes in kind between two edges; what depends on the duration is widest at the ends.
    const double inside = last ? from + 1 : (to - from) / 1e9;
    Interval interval{from, to, {}, {}};
    std::vector<Outcome> here = possible_at(chain, request, last ? from + 1e6 : to - inside, &interval.depends);
    if (last) for (Outcome& one : here) if (one.ghost_to > 1e5) one.ghost_to = no_limit;
    for (const Outcome& one : possible_at(chain, request, from + (last ? 1e-6 : inside), &interval.depends)) here.push_back(one);
    here = merged(here);
    if (!all.empty() && alike(here, all.back().outcomes)) {
      all.back().to = to;
      here.insert(here.end(), all.back().outcomes.begin(), all.back().outcomes.end());
      all.back().outcomes = merged(here);
    } else {
      interval.outcomes = std::move(here);
      all.push_back(std::move(interval));
    }
  }
  return all;
}

}  // namespace model
