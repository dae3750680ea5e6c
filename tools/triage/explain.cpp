#include "explain.hpp"

#include <cstdio>
#include <fstream>

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

int write_docs(const std::string& folder, const std::map<std::string, rule::Card>& cards) {
  const std::pair<std::string, std::string> pages[] = {{"rules.md", rule::rules_markdown(cards)}, {"vocabulary.md", rule::vocabulary_markdown()}};
  for (const auto& [name, text] : pages) {
    std::ofstream file(folder + "/" + name, std::ios::binary);
    file << text;
    if (file.flush()) continue;
    std::fprintf(stderr, "triage: writing %s/%s failed; give a folder that may be written\n", folder.c_str(), name.c_str());
    return 3;
  }
  return 0;
}

}  // namespace triage
