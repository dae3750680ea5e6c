// `file:line:col: error: message [rule]`, as editors and quickfix lists read compilers; the other evidence as notes, each at its own place.
// What has no place in a file is about "triage" itself, as gcc does it for a problem that is in no file.
#include <fmt/format.h>

#include "base/text.hpp"
#include "report/story.hpp"
#include "report/witness.hpp"

namespace report {

namespace {

using base::printable;

std::string front(const std::optional<Place>& place) { return place ? printable(place_text(*place), 1024) : std::string("triage"); }

std::string write(const Report& report, const Style& style) {
  std::string out;
  for (const rule::Finding* finding : rule::grouped(report.findings)) {
    const std::optional<Place> place = place_of(report, *finding);
    out += fmt::format("{}: {}: {}{} [{}]\n", front(place), rule::level_text(finding->level), printable(finding->message), finding->count > 1 ? fmt::format(" ({} times)", finding->count) : "", printable(finding->rule, 64));
    if (style.quiet) continue;
    for (const Witness& w : witnesses(report, *finding))
      if (w.place.line > 0) out += fmt::format("{}: note: {}: {}\n", printable(place_text(w.place), 1024), printable(w.source), printable(w.text, evidence::excerpt_limit));
  }
  return out;
}

}  // namespace

namespace writers_of {
extern const Writer gcc = {"gcc", write};
}

}  // namespace report
