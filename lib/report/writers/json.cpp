// The whole report as one JSON document: CONTRACT's triage.report/1, described by docs/report.schema.json.
#include <nlohmann/json.hpp>

#include "report/document.hpp"

namespace report {

namespace {
std::string write(const Report& report, const Style& style) { return dump(document(report, style), 2) + "\n"; }
}  // namespace

namespace writers_of {
extern const Writer json = {"json", write};
}

}  // namespace report
