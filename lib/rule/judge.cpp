#include "rule/judge.hpp"

#include <algorithm>
#include <tuple>

#include "base/text.hpp"
#include "flavour/flavour.hpp"
#include "rule/interval.hpp"

namespace rule {

namespace {

int step_rank(const Step& step) {
  // What loses nothing (collect a bundle) comes before what costs evidence or requests.
  const int phase = step.when == "now" ? 0 : step.when == "then" ? 1 : 2;
  return phase * 2 + (step.loses == "nothing" ? 0 : 1);
}

// The cards speak of gunicorn's settings; a step that names one helps nobody who runs another server.
bool for_gunicorn(std::string_view text) {
  // A signal means something else to each: HUP ends Puma, USR1 restarts it.
  static constexpr std::string_view signals[] = {"HUP", "USR1", "USR2", "TTOU", "TTIN", "-ABRT", "WINCH"};
  if (std::any_of(std::begin(signals), std::end(signals), [&](std::string_view word) { return base::contains(text, word); })) return true;
  static constexpr std::string_view words[] = {"gunicorn", "graceful_timeout", "max_requests", "preload_app", "gthread", "worker_tmp_dir", "worker_class", "--timeout", "'timeout'", "--preload", "heartbeat", "worker timeout"};
  return std::any_of(std::begin(words), std::end(words), [&](std::string_view word) { return base::contains(text, word); });
}

// Tools of Python, for a server that runs none, or need not.
bool for_python(std::string_view text) {
  static constexpr std::string_view words[] = {"py-spy", "faulthandler", "PYTHON", "asyncio", "greenlet", "import time"};
  return std::any_of(std::begin(words), std::end(words), [&](std::string_view word) { return base::contains(text, word); });
}

std::vector<Step> steps_of(Draft& draft, const Card* card) {
  std::vector<Step> steps = draft.first;
  const std::string& server = draft.subject.server;
  const flavour::Flavour* const other = server.empty() || flavour::like_gunicorn(server) ? nullptr : flavour::flavour(server);
  bool own = draft.own_steps;
  if (other && !other->reload.empty()) draft.values["reload"] = other->reload;
  if (other && !other->reopen.empty()) draft.values["reopen"] = other->reopen;
  for (const flavour::Advice& advice : other ? other->advice : std::span<const flavour::Advice>{}) {
    if (advice.rule != draft.rule) continue;
    own |= advice.when == "then";
    steps.push_back({std::string(advice.when), std::string(advice.text), "", std::string(advice.loses), std::string(advice.edit)});
  }
  if (card) {
    for (const Step& step : card->fix) {
      const bool reload = base::contains(step.text, "{reload|"), reopen = base::contains(step.text, "{reopen|");
      if (other && ((reload && other->reload.empty()) || (reopen && other->reopen.empty()))) continue;
      if (other && !reload && !reopen && (for_gunicorn(step.text) || for_gunicorn(step.edit) || for_gunicorn(step.expect) || base::starts_with(step.edit, "timeout ="))) continue;
      if (other && other->language != "Python" && (for_python(step.text) || for_python(step.edit))) continue;
      if (own && step.when != "check" && !base::starts_with(step.text, "collect a bundle")) continue;
      std::string text = fill(step.text, draft.values);
      // "{upgrade|}": a step for some cases only.
      if (!text.empty()) steps.push_back({step.when, std::move(text), fill(step.expect, draft.values), fill(step.loses, draft.values), fill(step.edit, draft.values)});
    }
  }
  std::stable_sort(steps.begin(), steps.end(), [](const Step& a, const Step& b) { return step_rank(a) < step_rank(b); });
  return steps;
}

// Takes what is large out of the draft: of ten thousand locations there are as many.
Finding finding_of(Draft& draft, const Card* card) {
  Finding finding;
  finding.rule = draft.rule;
  finding.level = draft.level.value_or(card ? card->level : Level::warning);
  finding.truth = draft.truth;
  finding.sure = draft.sure;
  finding.message = card ? fill(card->say, draft.values) : draft.rule + " (this rule has no card, so there are no words for it)";
  finding.fix = steps_of(draft, card);
  finding.sure_because = std::move(draft.sure_because);
  finding.subject = std::move(draft.subject);
  finding.when = finding.last = draft.when;
  finding.because = std::move(draft.because);
  finding.notes = std::move(draft.notes);
  finding.ruled_out = std::move(draft.ruled_out);
  finding.missing = std::move(draft.missing);
  finding.was_doing = std::move(draft.was_doing);
  finding.edits = std::move(draft.edits);
  finding.prediction = std::move(draft.prediction);
  return finding;
}

// Instants of different clocks can't be compared; a strict weak order needs an answer, so the clock itself decides first.
bool earlier(const std::optional<base::Instant>& a, const std::optional<base::Instant>& b) {
  if (a.has_value() != b.has_value()) return a.has_value();
  if (!a) return false;
  return a->clock != b->clock ? a->clock < b->clock : a->at < b->at;
}

bool unsure(const Finding& finding) { return finding.truth != Truth::yes || finding.sure == Confidence::unknown; }

// One group, or one finding that stands alone: `all` are indexes in time order, the first one represents it.
struct Story {
  std::vector<std::size_t> all;
  std::string caused_by_rule;
  std::optional<std::size_t> root;  // index of another story
};

// What a proxy or a socket shows may come from any server behind it.
bool crosses_hops(const Finding& finding) { return base::starts_with(finding.rule, "proxy.") || base::starts_with(finding.rule, "socket."); }
bool same_server(const Finding& a, const Finding& b) { return crosses_hops(a) || crosses_hops(b) || a.subject.server.empty() || b.subject.server.empty() || a.subject.server == b.subject.server; }
bool fits(const std::string& rule, const std::string& wanted) { return wanted.ends_with('.') ? base::starts_with(rule, wanted) : rule == wanted; }

// The last story of that rule that began before this one, else the first one: logs with whole seconds may show the consequence first.
std::optional<std::size_t> root_for(const std::vector<Story>& stories, const Findings& findings, std::size_t mine) {
  const Finding& me = findings[stories[mine].all.front()];
  std::optional<std::size_t> before, first;
  for (std::size_t i = 0; i < stories.size(); ++i) {
    const Finding& other = findings[stories[i].all.front()];
    if (i == mine || !fits(other.rule, stories[mine].caused_by_rule) || !same_server(other, me)) continue;
    if (!first || earlier(other.when, findings[stories[*first].all.front()].when)) first = i;
    if (!earlier(me.when, other.when) && (!before || earlier(findings[stories[*before].all.front()].when, other.when))) before = i;
  }
  return before ? before : first;
}

void break_circles(std::vector<Story>& stories) {
  for (std::size_t i = 0; i < stories.size(); ++i) {
    std::size_t steps = 0;
    for (auto at = stories[i].root; at; at = stories[*at].root)
      if (*at == i || ++steps > stories.size()) { stories[i].root.reset(); break; }
  }
}

std::vector<Story> stories_of(const std::vector<Draft>& drafts, const Findings& findings) {
  std::vector<std::size_t> order(drafts.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return earlier(findings[a].when, findings[b].when); });
  std::vector<Story> stories;
  // What is sure and what is not never stand in one group: its first line would say too much or too little.
  using Key = std::tuple<std::string, std::string, std::string, Truth, Confidence, Level>;
  std::map<Key, std::size_t> groups;
  for (const std::size_t i : order) {
    const Draft& draft = drafts[i];
    if (!draft.group.empty()) {
      const auto [known, fresh] = groups.emplace(Key{draft.rule, draft.group, findings[i].subject.server, findings[i].truth, findings[i].sure, findings[i].level}, stories.size());
      if (!fresh) { stories[known->second].all.push_back(i); continue; }
    }
    stories.push_back({{i}, draft.caused_by_rule, {}});
  }
  for (std::size_t i = 0; i < stories.size(); ++i)
    if (!stories[i].caused_by_rule.empty()) stories[i].root = root_for(stories, findings, i);
  break_circles(stories);
  return stories;
}

// The kernel's and the proxy's word alone never clears the workers: only the server or the host says how they fared.
bool workers_seen(const evidence::Evidence& evidence) {
  using enum evidence::SourceKind;
  return std::any_of(evidence.sources.begin(), evidence.sources.end(), [](const evidence::Source& source) {
    return source.kind != kernel_log && source.kind != access_log && source.kind != proxy_error_log && source.kind != proxy_access_log;
  });
}

}  // namespace

Findings findings_of(std::vector<Draft> drafts, const Cards& cards, std::vector<evidence::Gap>* gaps) {
  std::erase_if(drafts, [](const Draft& draft) { return draft.truth == Truth::no; });
  Findings made;
  made.reserve(drafts.size());
  for (Draft& draft : drafts) {
    const Card* const card = cards.find(draft.rule);
    if (!card && gaps) gaps->push_back({"the words of rule " + draft.rule, "this rule has no card", "report this: triage is at fault, not your server", 1, {}});
    made.push_back(finding_of(draft, card));
  }

  std::vector<Story> stories = stories_of(drafts, made);
  std::vector<std::size_t> order(stories.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const Finding &x = made[stories[a].all.front()], &y = made[stories[b].all.front()];
    if (stories[a].root.has_value() != stories[b].root.has_value()) return !stories[a].root;
    if (x.level != y.level) return x.level > y.level;
    if (unsure(x) != unsure(y)) return unsure(y);
    if (x.sure != y.sure) return x.sure > y.sure;
    return earlier(x.when, y.when);
  });

  std::size_t number = 0;
  for (const std::size_t i : order) made[stories[i].all.front()].id = "f" + std::to_string(++number);
  for (const std::size_t i : order)
    for (std::size_t k = 1; k < stories[i].all.size(); ++k) made[stories[i].all[k]].id = "f" + std::to_string(++number);
  for (const Story& story : stories) {
    Finding& shown = made[story.all.front()];
    for (const std::size_t i : story.all) {
      Finding& one = made[i];
      if (story.root) one.caused_by = made[stories[*story.root].all.front()].id;
      if (story.all.size() < 2) continue;
      one.group = shown.id;
      shown.members.push_back({one.subject.pid, one.subject.host_pid, one.when, one.id});
    }
    shown.count = story.all.size();
    shown.last = made[story.all.back()].when;
  }

  Findings findings(made.size());
  for (Finding& finding : made) {
    const auto place = static_cast<std::size_t>(*base::read_number(std::string_view(finding.id).substr(1)));
    findings[place - 1] = std::move(finding);
  }
  return findings;
}

Findings judge(const model::Stack& stack, const evidence::Evidence& evidence, const Cards& cards, std::vector<evidence::Gap>* gaps) {
  const Look look = look_at(stack, evidence);
  std::vector<Draft> drafts;
  for (const Check* check : checks())
    for (Draft& draft : check->look(look)) drafts.push_back(std::move(draft));
  mark_intervals(look, drafts);
  return findings_of(std::move(drafts), cards, gaps);
}

std::vector<const Finding*> grouped(const Findings& findings) {
  std::vector<const Finding*> shown;
  for (const Finding& finding : findings)
    if (finding.group.empty() || finding.group == finding.id) shown.push_back(&finding);
  return shown;
}

Verdict verdict_of(const Findings& findings, const evidence::Evidence& evidence) {
  bool doubt = false;
  for (const Finding& finding : findings) {
    if (finding.level == Level::note) continue;
    if (!unsure(finding)) return Verdict::fault;
    doubt = true;
  }
  return doubt || evidence.facts.empty() || !workers_seen(evidence) ? Verdict::unknown : Verdict::clean;
}

const Finding* root_of(const Findings& findings) {
  const auto first = [&](bool sure, bool root) -> const Finding* {
    for (const Finding& finding : findings)
      if (finding.level != Level::note && (!sure || !unsure(finding)) && (!root || finding.caused_by.empty())) return &finding;
    return nullptr;
  };
  // A sure root; a sure consequence whose root is unsure still makes the verdict a fault; then whatever is known of.
  for (const Finding* found : {first(true, true), first(true, false), first(false, true)})
    if (found) return found;
  return findings.empty() ? nullptr : &findings.front();
}

}  // namespace rule
