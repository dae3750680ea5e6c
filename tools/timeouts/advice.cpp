// Advice that is found in the wild and was measured to be wrong, useless or only half of the truth (docs/timeouts.md), answered in one line where
// the files follow it.
#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "look.hpp"

namespace timeouts {

namespace {

using model::Term;

const Term* find(const model::Route& route, std::string_view role, std::string_view ending) {
  for (const model::Station& station : route.stations)
    if (station.role == role)
      for (const Term& term : station.terms) if (term.name == ending || term.name.ends_with(ending)) return &term;
  return nullptr;
}

// Each server has its own name for what ends a worker.
const Term* worker_limit(const model::Route& route) {
  for (const model::Station& station : route.stations)
    if (station.role == "server")
      for (const Term& term : station.terms)
        for (const std::string_view name : {"timeout", "harakiri", "request_terminate_timeout", "worker_timeout"}) if (term.name == name) return &term;
  return nullptr;
}

// The number that the files set, and nothing else.
std::optional<double> stated(const Term* term) {
  if (!term || term->choices.size() != 1) return std::nullopt;
  const model::Choice& choice = term->choices.front();
  if (choice.from != model::From::configured || choice.value.kind != model::Value::Kind::number) return std::nullopt;
  return choice.value.number;
}

std::string said(const Term& term) { return term.name + " " + term.choices.front().value.text + " (" + term.where + ")"; }

}  // namespace

std::vector<std::string> advice_of(const std::vector<model::Route>& routes, const std::vector<model::Group>& groups) {
  std::vector<std::string> all;
  std::set<std::string> known;
  const auto add = [&](std::string text) { if (all.size() < 20 && known.insert(text).second) all.push_back(std::move(text)); };
  for (const model::Group& group : groups) {
    const model::Route& route = routes[group.routes.front()];
    const Term *send = find(route, "proxy", "_send_timeout"), *connect = find(route, "proxy", "_connect_timeout"), *read = find(route, "proxy", "_read_timeout"), *timeout = worker_limit(route), *kind = find(route, "server", "worker_class");
    if (const auto seconds = stated(send); seconds && *seconds > 60) add(said(*send) + ": it never runs while the answer is awaited, only while a request's body is written; leave it away.");
    if (const auto seconds = stated(connect); seconds && *seconds > model::kernel_connect_to) add(said(*connect) + ": the kernel gives a connect up after about 134 s, with 502; and a busy server is connected to in no time. A few seconds do.");
    else if (seconds && *seconds > 60) add(said(*connect) + ": of no use to a slow application: with every worker busy the kernel still connects in no time. A few seconds do.");
    const model::Chain& chain = route.variants.front().chain;
    if (chain.server.known && kind && kind->choices.size() == 1 && kind->choices.front().value.known() && chain.server.law.measures == flavour::Measures::loop)
      if (const auto seconds = stated(timeout); seconds && *seconds > 60) add(said(*timeout) + ": workers of class " + kind->choices.front().value.text + " are never ended for a slow request, it only watches that their loop turns; a large one finds a blocked loop late.");
    if (const auto r = stated(read); r && timeout && chain.server.known && chain.server.law.measures == flavour::Measures::request && chain.server.worker.known && chain.server.worker.seconds != model::no_limit) {
      if (*r < chain.server.worker.seconds) add(said(*read) + " below " + timeout->name + ": a choice, not a mistake by itself: 504 and work for nobody here, 502 or 500 and a lost worker the other way; neither makes a slow request succeed.");
    }
    const Term* fails = find(route, "proxy", "fail_timeout");
    if (const auto seconds = stated(fails); seconds && *seconds == 0 && chain.proxy.peers == 1) add(said(*fails) + ": without effect with a single server.");
  }
  return all;
}

}  // namespace timeouts
