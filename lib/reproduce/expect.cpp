#include "reproduce/expect.hpp"

#include <algorithm>
#include <map>

#include "base/text.hpp"

namespace reproduce {

namespace {

std::string joined(const Words& words) {
  std::string all;
  for (const std::string& word : words) all += (all.empty() ? "" : " or ") + word;
  return all;
}

}  // namespace

bool outcome_fits(std::string_view word, std::string_view outcome) {
  if (word.starts_with("not ")) return !outcome_fits(word.substr(4), outcome);
  if (word.size() == 3 && word.ends_with("xx")) return outcome.size() == 3 && outcome[0] == word[0] && outcome[1] >= '0' && outcome[1] <= '9';
  return word == outcome;
}

bool counts(const Expect& expect, const Event& event) {
  const auto any = [&](auto fits) { return expect.any.empty() || std::ranges::any_of(expect.any, fits); };
  switch (expect.kind) {
    case Expect::Kind::clients: return event.what == "answered" && event.who == expect.who && any([&](const std::string& word) { return outcome_fits(word, event.text); });
    case Expect::Kind::deaths: return event.what == (expect.who.empty() ? "worker" : expect.who) + "-dead" && any([&](const std::string& word) { return word == "any" || word == event.text || event.text == "unknown"; });
    case Expect::Kind::boots: return event.what == "worker-born";
    case Expect::Kind::log: return event.what == "log" && (expect.who.empty() || event.who == expect.who) && any([&](const std::string& word) { return base::contains(event.text, word); });
    case Expect::Kind::triage:
      return event.what == "triage" && any([&](const std::string& word) { return word == event.text || (word.ends_with('*') && event.text.starts_with(std::string_view(word).substr(0, word.size() - 1))); }) &&
             (expect.sure.empty() || std::ranges::find(expect.sure, event.who) != expect.sure.end());
    case Expect::Kind::event:
      return event.what == expect.who && event.number >= expect.over && any([&](const std::string& word) { return word.starts_with("not ") ? !base::contains(event.text, word.substr(4)) : base::contains(event.text, word); });
  }
  return false;
}

std::string wanted_text(const Expect& expect) {
  std::string text;
  switch (expect.kind) {
    case Expect::Kind::clients: text = "clients " + expect.who + " get " + (expect.any.empty() ? "an end" : joined(expect.any)); break;
    case Expect::Kind::deaths: text = (expect.who.empty() ? "worker" : expect.who) + std::string(" dies") + (expect.any.empty() ? "" : " by " + joined(expect.any)); break;
    case Expect::Kind::boots: text = "workers boot"; break;
    case Expect::Kind::log: text = (expect.who.empty() ? "a log" : expect.who) + " says '" + joined(expect.any) + "'"; break;
    case Expect::Kind::triage: text = "triage says " + joined(expect.any) + (expect.sure.empty() ? "" : ", " + joined(expect.sure)); break;
    case Expect::Kind::event: text = std::string(expect.twice ? "the same twice: event " : "event ") + expect.who + (expect.any.empty() ? "" : " '" + joined(expect.any) + "'"); break;
  }
  if (expect.at_most == 0) text += ": never";
  else if (expect.at_most > 0 && expect.at_most == expect.at_least) text += ": " + std::to_string(expect.at_most) + " times";
  else {
    if (expect.at_least > 1) text += ": at least " + std::to_string(expect.at_least);
    if (expect.at_most > 0) text += std::string(expect.at_least > 1 ? "," : ":") + " at most " + std::to_string(expect.at_most);
  }
  if (expect.within > 0) text += ", within " + number_text(expect.within) + " s";
  return text;
}

Checked check(const Expect& expect, std::span<const Event> events, const Scale& scale) {
  Checked out;
  out.wanted = wanted_text(expect);
  int in_time = 0, all = 0, unknown = 0;
  double first = 0, last = 0;
  std::map<std::string, int> others;   // what came instead
  std::map<std::string, int> texts;
  for (const Event& event : events) {
    if (expect.twice && counts(expect, event) && ++texts[event.text] == 1) continue;
    if (!counts(expect, event)) {
      Expect loose = expect;
      loose.any.clear();
      loose.sure.clear();
      if (expect.kind != Expect::Kind::log && counts(loose, event)) ++others[event.text + (expect.kind == Expect::Kind::triage ? " (" + event.who + ")" : "")];
      continue;
    }
    if (all++ == 0) first = event.at;
    last = event.at;
    unknown += expect.kind == Expect::Kind::deaths && event.text == "unknown";
    if (expect.within == 0 || event.at <= scale.seconds(expect.within) + machine_give) ++in_time;
  }
  out.passed = in_time >= expect.at_least && (expect.at_most < 0 || all <= expect.at_most);
  out.seen = all == 0 ? "none" : std::to_string(all) + (all == 1 ? ", at " + number_text(first) + " s" : ", at " + number_text(first) + " to " + number_text(last) + " s");
  if (all >= expect.at_least && in_time < expect.at_least) out.seen += ", too late for " + number_text(scale.seconds(expect.within)) + " s";
  if (!others.empty() && (!out.passed || all == 0)) {
    out.seen += all == 0 ? "; instead" : "; besides";
    std::size_t shown = 0;
    for (const auto& [text, count] : others) {
      if (++shown > 6) { out.seen += ", ..."; break; }
      out.seen += (shown == 1 ? " " : ", ") + text + (count > 1 ? " x" + std::to_string(count) : "");
    }
  }
  if (unknown > 0) out.level = "unseen";
  return out;
}

}  // namespace reproduce
