// Puma: what an upgrade to 7 changes without a word (docs/7.0-Upgrade.md: preload_app! is the default in cluster mode; measured: off in 5.6.5 and
// 6.6.0, on in 8.0.2), and the reload that stops it (HUP without stdout_redirect; measured with 5.6 and 6.6).
#include <algorithm>

#include "base/text.hpp"
#include "base/words.hpp"
#include "rule/entry.hpp"

namespace rule {

namespace {

using model::Choice;
using model::Deployment;
using model::Holder;
using parse::settings::Dialect;
using parse::settings::Entry;

std::optional<double> puma_version(const Deployment& all) {
  std::optional<double> found;
  for (const model::File& file : all.files)
    if (file.document.dialect == Dialect::gems)
      for (const Entry& entry : file.document.entries)
        if (entry.key == "puma") found = model::version_number(entry.value);
  return found;
}

const Entry* call(const model::File& file, std::initializer_list<std::string_view> names) {
  for (const Entry& entry : file.document.entries)
    if (std::ranges::find(names, entry.key) != names.end()) return &entry;
  return nullptr;
}

void preload(const Deployment& all, std::uint32_t i, std::vector<Draft>& drafts) {
  constexpr auto rule = "puma.preload-by-default";
  const model::File& file = all.files[i];
  const Entry* workers = call(file, {"workers"});
  if (!workers || workers->value == "0" || call(file, {"preload_app!", "preload_app", "before_fork", "on_worker_boot", "before_worker_boot"})) return;
  const auto version = puma_version(all);
  const model::Spot at = spot_of(i, workers->key_at);
  if (!version || !base::read_number(workers->value)) { drafts.push_back(lint_unknown(all, rule, at, !version ? "the version of Puma (Gemfile.lock)" : workers->value)); return; }
  if (*version < 7'000'000) return;
  drafts.push_back(lint_draft(all, rule, at, {{"value", workers->value}}));
}

void hup(const Deployment& all, std::vector<Draft>& drafts) {
  constexpr auto rule = "puma.hup-stops";
  for (const Holder& unit : all.holders) {
    const Choice* reload = unit.kind == Holder::Kind::unit && server_of(all, unit) == "puma" ? model::only_choice(unit.settings, "exec_reload") : nullptr;
    if (!reload || !(base::contains(reload->value.text, "HUP") || base::contains(reload->value.text, "kill -1 "))) continue;
    bool seen = false, redirects = base::contains(command_of(unit)->value.text, "redirect-stdout");
    for (const model::File& file : all.files)
      if (file.document.dialect == Dialect::puma && file.template_language.empty()) { seen = true; redirects = redirects || call(file, {"stdout_redirect"}); }
    if (redirects) continue;
    if (!seen) { drafts.push_back(lint_unknown(all, rule, reload->at, "config/puma.rb")); continue; }
    Draft draft = lint_draft(all, rule, reload->at, {{"name", unit.name}});
    also(all, draft, command_of(unit)->at);
    drafts.push_back(std::move(draft));
  }
}

void look(const Deployment& all, std::vector<Draft>& drafts) {
  for (std::uint32_t i = 0; i < all.files.size(); ++i) {
    if (all.files[i].document.dialect != Dialect::puma) continue;
    if (!all.files[i].template_language.empty()) { drafts.push_back(lint_unknown(all, "puma.preload-by-default", {i, 1, 1, 0, 0}, "what the template becomes")); continue; }
    preload(all, i, drafts);
  }
  hup(all, drafts);
}

}  // namespace

namespace lints_of {
extern const Lint puma_traps = {"puma_traps", {"puma.preload-by-default", "puma.hup-stops"}, look};
}

}  // namespace rule
