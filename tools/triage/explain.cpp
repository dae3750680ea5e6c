#include "explain.hpp"

#include <cstdio>

#include "rule/docs.hpp"

namespace triage {

int explain(const std::string& rule, const std::map<std::string, rule::Card>& cards) {
  const auto page = rule::explained(cards, rule);
  if (!page) {
    std::fprintf(stderr, "triage: %s\n", base::sentence(page.error()).c_str());
    return 2;
  }
  std::fwrite(page->data(), 1, page->size(), stdout);
  return 0;
}

}  // namespace triage
