#include "report/report.hpp"

#include "report/redacted.hpp"

namespace report {

const Writer* writer(std::string_view name) {
  for (const Writer* known : writers())
    if (known->name == name) return known;
  return nullptr;
}

std::string write(const Writer& writer, const Report& report, const Style& style) {
  const Redacted clean = redacted(report);
  return writer.write(clean.report(), style);
}

}  // namespace report
