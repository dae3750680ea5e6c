// `# triage: ignore[rule] reason` is applied by lint() itself, behind all checks (suppression.cpp of the room); this row only says whose rule it is.
#include "rule/lint.hpp"

namespace rule {

namespace {
void look(const model::Deployment&, std::vector<Draft>&) {}
}  // namespace

namespace lints_of {
extern const Lint suppression = {"suppression", {"parse.unused-suppression"}, look};
}

}  // namespace rule
