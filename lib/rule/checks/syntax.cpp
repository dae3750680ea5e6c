// Files that their own reader would refuse: named by place, so that "nothing found" is never said of what could not be read.
#include <algorithm>

#include "base/text.hpp"
#include "rule/draft.hpp"

namespace rule {

using namespace evidence;

namespace {

std::vector<Draft> look_at(const Look& look) {
  std::vector<Draft> drafts;
  for (const FactId id : look.evidence.ids_of<SyntaxWrong>()) {
    const Fact& fact = look.evidence.facts[id];
    const auto* wrong = as<SyntaxWrong>(fact);
    if (!wrong) continue;
    Draft draft;
    draft.rule = "parse.syntax-error";
    draft.sure = Confidence::certain;
    draft.sure_because = "the place shows it; what stands after it was not read";
    draft.subject.role = "config";
    const std::string path = base::printable(wrong->path.empty() ? look.evidence.source_of(fact).name : wrong->path, 160);
    draft.subject.where = path + (fact.origin.line ? ":" + std::to_string(fact.origin.line) : "") + (fact.origin.line && fact.origin.column ? ":" + std::to_string(fact.origin.column) : "");
    draft.values["where"] = draft.subject.where;
    draft.values["file"] = draft.values["path"] = path;
    draft.values["kind"] = base::printable(wrong->what, 60);
    draft.values["message"] = draft.values["detail"] = base::printable(wrong->message, 160);
    const bool modern = std::any_of(look.stack.servers.begin(), look.stack.servers.end(), [](const Server& server) { return !server.version.empty() && !base::starts_with(server.version, "19."); });
    if (wrong->message == "this is Python 2" && !modern) {
      draft.truth = Truth::unknown;
      draft.sure = Confidence::unknown;
      draft.sure_because = "Python 2 reads it, Python 3 does not; which of them runs this server is not seen";
      draft.missing.push_back("the server's version: gunicorn 20 and later need Python 3");
    }
    if (!wrong->check.empty()) draft.first.push_back({"check", base::printable(wrong->check, 80) + (wrong->check == "nginx -t" ? "" : " " + path), "no error", "", ""});
    because(draft, id);
    drafts.push_back(std::move(draft));
  }
  return drafts;
}

}  // namespace

namespace checks_of {
extern const Check syntax = {"syntax", {"parse.syntax-error"}, look_at};
}
}  // namespace rule
