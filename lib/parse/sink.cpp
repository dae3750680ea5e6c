#include "parse/format.hpp"

namespace parse {

evidence::FactId Sink::add(evidence::What what, evidence::Subject about, const Record& record, std::optional<base::Instant> when, int by) {
  evidence::Fact fact;
  fact.what = std::move(what);
  fact.about = std::move(about);
  if (fact.about.unit.empty()) fact.about.unit = std::string(record.unit.substr(0, evidence::excerpt_limit));
  fact.when = when ? when : record.when;
  fact.origin = record.origin;
  fact.origin.source = source_;
  fact.by = by ? by : record.pid;
  fact.server = std::string(record.ident.substr(0, 64));
  fact.text = std::string(record.line.substr(0, evidence::excerpt_limit));
  return evidence_.add(std::move(fact));
}

}  // namespace parse
