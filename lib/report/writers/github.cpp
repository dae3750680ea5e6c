// Workflow commands that GitHub Actions turns into annotations: `::error file=f,line=4,col=1,title=rule::message`. One finding a line.
#include <fmt/format.h>

#include "base/text.hpp"
#include "report/escape.hpp"
#include "report/story.hpp"
#include "report/witness.hpp"

namespace report {

namespace {

std::string_view command(rule::Level level) { return level == rule::Level::error ? "error" : level == rule::Level::warning ? "warning" : "notice"; }

std::string write(const Report& report, const Style& style) {
  std::string out;
  for (const rule::Finding* finding : rule::grouped(report.findings)) {
    out += fmt::format("::{} ", command(finding->level));
    if (const auto place = place_of(report, *finding)) {
      out += fmt::format("file={},line={},", github_property(place->path), place->line);
      if (place->column) out += fmt::format("col={},", place->column);
    }
    out += fmt::format("title={}::{}", github_property(finding->rule), github_text(finding->message));
    if (!style.quiet) {  // %0A is how a message has lines
      out += "%0Aconfidence: " + github_text(confidence_text(*finding));
      if (const std::string repeats = repeats_text(*finding, 8); !repeats.empty()) out += "%0A" + github_text(repeats);
      for (const Witness& w : witnesses(report, *finding)) out += fmt::format("%0A{} {} {}: {}", w.id, github_text(w.source), github_text(place_text(w.place)), github_text(w.text));
    }
    out += '\n';
  }
  return out;
}

}  // namespace

namespace writers_of {
extern const Writer github = {"github", write};
}

}  // namespace report
