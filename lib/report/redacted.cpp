#include "report/redacted.hpp"

#include <map>

#include "evidence/vocabulary.hpp"
#include "source/redact.hpp"

namespace report {

namespace {

using evidence::FactId;

class Cleaner {
 public:
  void operator()(std::string& text) {
    if (!text.empty()) text = redactor_.text(text);
  }
  void operator()(std::vector<std::string>& texts) { for (std::string& text : texts) (*this)(text); }

 private:
  source::Redactor redactor_;
};

// Copies the facts that something points at, cleaned; everything else of the evidence is not shown and not needed.
class Facts {
 public:
  Facts(const evidence::Evidence& from, evidence::Evidence& into, Cleaner& clean) : from_(from), into_(into), clean_(clean) {}

  FactId operator()(FactId id) {
    if (id >= from_.facts.size()) return evidence::no_fact;
    const auto [known, fresh] = moved_.emplace(id, evidence::no_fact);
    if (!fresh) return known->second;
    evidence::Fact fact = from_.facts[id];
    evidence::each_text(fact.what, [&](std::string& text) { clean_(text); });
    clean_(fact.text);
    return known->second = into_.add(std::move(fact));
  }

 private:
  const evidence::Evidence& from_;
  evidence::Evidence& into_;
  Cleaner& clean_;
  std::map<FactId, FactId> moved_;
};

void clean_finding(rule::Finding& finding, Cleaner& clean, Facts& facts) {
  std::vector<FactId> because;
  for (const FactId id : finding.because)
    if (const FactId moved = facts(id); moved != evidence::no_fact) because.push_back(moved);
  finding.because = std::move(because);
  std::map<FactId, std::string> notes;
  for (auto& [id, note] : finding.notes) {
    clean(note);
    notes.emplace(facts(id), std::move(note));
  }
  finding.notes = std::move(notes);
  for (std::string* text : {&finding.sure_because, &finding.message, &finding.prediction, &finding.was_doing.request, &finding.was_doing.requests, &finding.was_doing.syscall, &finding.was_doing.peer}) clean(*text);
  for (std::vector<std::string>* texts : {&finding.missing, &finding.was_doing.python, &finding.was_doing.native, &finding.was_doing.waits}) clean(*texts);
  for (evidence::StackFrame& frame : finding.was_doing.frames) {
    clean(frame.function);
    clean(frame.file);
  }
  for (rule::Exclusion& exclusion : finding.ruled_out) clean(exclusion.because);
  for (rule::Step& step : finding.fix)
    for (std::string* text : {&step.text, &step.expect, &step.loses, &step.edit}) clean(*text);
}

}  // namespace

Redacted redacted(const Report& report) {
  Redacted clean{report.findings, report.stack, {}, report.source, report.command, report.at, report.rules};
  Cleaner cleaner;
  clean.evidence.sources = report.evidence.sources;
  clean.evidence.gaps = report.evidence.gaps;
  for (evidence::Gap& gap : clean.evidence.gaps)
    for (std::string* text : {&gap.wanted, &gap.reason, &gap.remedy}) cleaner(*text);
  Facts facts(report.evidence, clean.evidence, cleaner);
  for (rule::Finding& finding : clean.findings) clean_finding(finding, cleaner, facts);
  for (model::Server& server : clean.stack.servers) {
    cleaner(server.listening);
    for (auto& [name, setting] : server.settings)
      for (model::Possible& possible : setting.values) { cleaner(possible.value); cleaner(possible.when); }
    for (model::Happening& happening : server.happenings) {
      cleaner(happening.what);
      happening.because = facts(happening.because);
    }
  }
  // An evidence without any fact says that nothing was seen; that must stay untrue where something was.
  if (clean.evidence.facts.empty()) facts(0);
  cleaner(clean.command);
  return clean;
}

}  // namespace report
