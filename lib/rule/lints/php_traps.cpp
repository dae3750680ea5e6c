// php-fpm's quiet traps: what a saturated or reloaded pool does not say (measured with 8.2 and 8.4; servers.md 5, php-fpm).
#include <algorithm>

#include "base/text.hpp"
#include "rule/entry.hpp"

namespace rule {

namespace {

using model::Choice;
using model::Deployment;
using model::Holder;
using model::Spot;
using parse::settings::Dialect;
using parse::settings::Entry;

void pool(const Deployment& all, std::uint32_t i, const model::File& file, std::vector<Draft>& drafts) {
  const std::string& name = file.document.entries.front().section;
  if (name == "global" || name.empty()) return;
  const std::string& text = all.files[i].text;
  const Entry* mode = entry_of(file, name, {"pm"});
  if (!mode) return;
  const Spot at = spot_of(i, mode->value_at);
  // php-fpm takes ${NAME} from its environment, also for nothing at all.
  for (const auto& [entry, rule] : {std::pair(mode, "phpfpm.static-silent"), std::pair(entry_of(file, name, {"pm.status-path"}), "phpfpm.status-same-pool"), std::pair(entry_of(file, name, {"catch-workers-output"}), "phpfpm.catch-workers-output")})
    if (entry && base::contains(entry->value, "$")) { drafts.push_back(lint_unknown(all, rule, spot_of(i, entry->value_at), entry->value)); return; }
  const Entry *status = entry_of(file, name, {"pm.status-path"}), *own = entry_of(file, name, {"pm.status-listen"}), *out = entry_of(file, name, {"catch-workers-output"});
  if (mode->value == "static" && !(status && own)) drafts.push_back(lint_draft(all, "phpfpm.static-silent", at, {{"name", name}}));
  if (status && !own) {
    Draft draft = lint_draft(all, "phpfpm.status-same-pool", spot_of(i, status->key_at), {{"name", name}, {"path", status->value}});
    drafts.push_back(std::move(draft));
  }
  if (!out || !switched_on(out)) {
    Draft draft = lint_draft(all, "phpfpm.catch-workers-output", out ? spot_of(i, out->value_at) : at, {{"name", name}});
    if (out) edit(all, draft, i, out->value_at.at, out->value_at.end, "yes");
    else if (const auto end = std::min(text.find('\n', mode->value_at.end), text.size()); base::trim(std::string_view(text).substr(mode->value_at.end, end - mode->value_at.end)).empty()) edit(all, draft, i, end, end, "\ncatch_workers_output = yes");
    drafts.push_back(std::move(draft));
  }
}

// USR2 makes the master a new one at once; with 0 the workers are not waited for.
void reloads(const Deployment& all, std::vector<Draft>& drafts) {
  constexpr auto rule = "phpfpm.reload-cuts";
  std::uint32_t main = model::no_file;
  bool several = false;
  const Entry* wait = nullptr;
  for (std::uint32_t i = 0; i < all.files.size(); ++i) {
    if (all.files[i].document.dialect != Dialect::phpfpm) continue;
    if (std::ranges::none_of(all.files[i].document.entries, [](const Entry& entry) { return entry.section == "global"; })) continue;
    several = several || main != model::no_file;
    main = i;
    wait = entry_of(all.files[i], "global", {"process-control-timeout"});
  }
  for (const Holder& unit : all.holders) {
    const Choice* reload = unit.kind == Holder::Kind::unit && server_of(all, unit) == "php-fpm" ? model::only_choice(unit.settings, "exec_reload") : nullptr;
    if (!reload || !base::contains(reload->value.text, "USR2")) continue;
    if (main == model::no_file || several) { drafts.push_back(lint_unknown(all, rule, reload->at, "the [global] section of php-fpm.conf")); continue; }
    const auto seconds = wait ? model::span_seconds(wait->value) : std::optional<double>(0);
    if (!seconds) { drafts.push_back(lint_unknown(all, rule, spot_of(main, wait->value_at), wait->value)); continue; }
    if (*seconds > 0) continue;
    Draft draft = lint_draft(all, rule, wait ? spot_of(main, wait->value_at) : reload->at, {{"name", unit.name}});
    if (wait) { also(all, draft, reload->at); edit(all, draft, main, wait->value_at.at, wait->value_at.end, "10s"); }
    else also(all, draft, {main, 1, 1, 0, 0});
    drafts.push_back(std::move(draft));
  }
}

void look(const Deployment& all, std::vector<Draft>& drafts) {
  for (std::uint32_t i = 0; i < all.files.size(); ++i) {
    const model::File& file = all.files[i];
    if (file.document.dialect != Dialect::phpfpm) continue;
    if (!file.template_language.empty()) {
      for (const char* rule : {"phpfpm.static-silent", "phpfpm.status-same-pool", "phpfpm.catch-workers-output", "phpfpm.reload-cuts"}) drafts.push_back(lint_unknown(all, rule, {i, 1, 1, 0, 0}, "what the template becomes"));
      continue;
    }
    for (const model::File& section : sections_of(file)) pool(all, i, section, drafts);
  }
  reloads(all, drafts);
}

}  // namespace

namespace lints_of {
extern const Lint php_traps = {"php_traps", {"phpfpm.static-silent", "phpfpm.status-same-pool", "phpfpm.catch-workers-output", "phpfpm.reload-cuts"}, look};
}

}  // namespace rule
