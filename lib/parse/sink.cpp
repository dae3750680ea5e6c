#include "parse/format.hpp"
#include "parse/read.hpp"

namespace parse {

namespace {

// A time without a zone may be up to 14 hours from UTC; one outside the window by more than that is outside wherever it was written.
constexpr std::int64_t farthest_zone = 14 * 3600 * base::second_ns;

bool outside(const Window& window, const base::Instant& when) {
  if (when.clock == base::Clock::boot) return false;
  const std::int64_t slack = when.give + (when.clock == base::Clock::naive ? farthest_zone : 0);
  return (window.since && when.at + slack < window.since->at) || (window.until && when.at - slack > window.until->at);
}

// A source whose records carry several clocks is dated by the best of them.
int worth(base::Clock clock) { return clock == base::Clock::wall ? 2 : clock == base::Clock::naive ? 1 : 0; }

void widen(std::optional<base::Instant>& first, std::optional<base::Instant>& last, const base::Instant& when) {
  if (!first || worth(when.clock) > worth(first->clock)) { first = last = when; return; }
  if (when.clock != first->clock) return;
  if (when.at < first->at) first = when;
  if (when.at > last->at) last = when;
}

}  // namespace

base::Instant Sink::settled(base::Instant when) const {
  if (window_ && window_->zone_offset_s && when.clock == base::Clock::naive) {
    when.clock = base::Clock::wall;
    when.at -= *window_->zone_offset_s * base::second_ns;
  }
  return when;
}

bool Sink::wanted(const base::Instant& when) const { return !window_ || !outside(*window_, settled(when)); }

void Sink::saw(const base::Instant& read) { widen(source().first, source().last, settled(read)); }

void Sink::saw_kernel(const base::Instant& read) { widen(source().kernel_first, source().kernel_last, settled(read)); }

evidence::FactId Sink::add(evidence::What what, evidence::Subject about, const Record& record, std::optional<base::Instant> when, int by) {
  if (!when) when = record.when;
  if (when) {
    saw(*when);
    when = settled(*when);
    if (window_ && outside(*window_, *when)) return evidence::no_fact;
  }
  evidence::Fact fact;
  fact.what = std::move(what);
  fact.about = std::move(about);
  if (fact.about.unit.empty()) fact.about.unit = std::string(record.unit.substr(0, evidence::excerpt_limit));
  fact.when = when;
  fact.origin = record.origin;
  fact.origin.source = source_;
  fact.by = by ? by : record.pid;
  fact.server = std::string(record.ident.substr(0, 64));
  fact.level = std::string(record.level.substr(0, 16));
  // A journal record has forty fields in no order that helps: an excerpt of one may end before its message begins.
  const bool cut_json = record.line.size() > evidence::excerpt_limit && record.line.front() == '{' && !record.text.empty();
  fact.text = std::string((cut_json ? record.text : record.line).substr(0, evidence::excerpt_limit));
  return evidence_.add(std::move(fact));
}

}  // namespace parse
