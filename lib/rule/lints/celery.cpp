// Celery's worker: what becomes of a task whose process dies, and of one that never ends. Measured with 5.2.6 and 5.5.2 (servers.md 5, Celery): after
// an OOM kill with acks_late alone the task was marked failed and not delivered again.
#include <algorithm>
#include <charconv>

#include "base/text.hpp"
#include "base/words.hpp"
#include "rule/entry.hpp"

namespace rule {

namespace {

using model::Choice;
using model::Deployment;
using model::Holder;
using model::Spot;
using parse::settings::Dialect;
using parse::settings::Entry;

struct Setting { const Entry* entry = nullptr; std::uint32_t file = 0; };

struct Application {
  std::vector<std::uint32_t> files;
  std::vector<Setting> of(std::string_view name, const Deployment& all) const {
    std::vector<Setting> found;
    for (const std::uint32_t i : files)
      for (const Entry& entry : all.files[i].document.entries)
        if (entry.section.empty() && entry.key == name) found.push_back({&entry, i});
    return found;
  }
};

std::optional<double> number(const Entry& entry) {
  double value = 0;
  const auto [end, failure] = std::from_chars(entry.value.data(), entry.value.data() + entry.value.size(), value);
  return failure == std::errc() && end == entry.value.data() + entry.value.size() ? std::optional(value) : std::nullopt;
}

// The arguments of a task that stand in one decorator: those with the same section.
const Entry* beside(const model::File& file, const Entry& entry, std::string_view key) {
  for (const Entry& other : file.document.entries)
    if (other.section == entry.section && other.key == key) return &other;
  return nullptr;
}

void late(const Deployment& all, const Application& app, std::vector<Draft>& drafts) {
  constexpr auto rule = "celery.acks-late-without-reject";
  const bool rejects = !app.of("task_reject_on_worker_lost", all).empty();
  const auto say = [&](std::uint32_t file, const Entry& entry, std::string_view setting) {
    const Spot at = spot_of(file, entry.key_at);
    if (entry.value == "False" || entry.value == "None" || entry.value == "0") return;
    if (entry.value != "True" && entry.value != "1") { drafts.push_back(lint_unknown(all, rule, at, entry.value)); return; }
    drafts.push_back(lint_draft(all, rule, at, {{"setting", entry.key}, {"better", std::string(setting)}}));
  };
  if (!rejects)
    for (const Setting& one : app.of("task_acks_late", all)) say(one.file, *one.entry, "task_reject_on_worker_lost");
  if (rejects) return;
  for (const std::uint32_t i : app.files)
    for (const Entry& entry : all.files[i].document.entries)
      if (!entry.section.empty() && entry.key == "acks_late" && !beside(all.files[i], entry, "reject_on_worker_lost")) say(i, entry, "reject_on_worker_lost");
}

// A worker's command, and whether it sets a limit itself.
bool limited_by_command(const Deployment& all) {
  return std::ranges::any_of(all.holders, [](const Holder& holder) { const Choice* command = command_of(holder); return command && base::contains(command->value.text, "celery") && base::contains(command->value.text, "time-limit"); });
}

void limits(const Deployment& all, const Application& app, std::vector<Draft>& drafts) {
  const auto hard = app.of("task_time_limit", all), soft = app.of("task_soft_time_limit", all);
  Spot at;
  bool elsewhere = false;
  for (const std::uint32_t i : app.files)
    for (const Entry& entry : all.files[i].document.entries) {
      if (entry.key == "Celery" && !at.known()) at = spot_of(i, entry.key_at);
      elsewhere = elsewhere || entry.key == "config_from_object" || entry.key == "task_annotations" || (!entry.section.empty() && entry.key == "time_limit");
    }
  if (hard.empty() && soft.empty() && at.known() && !limited_by_command(all)) {
    const bool settings_here = std::ranges::any_of(app.files, [&](std::uint32_t i) { return std::ranges::any_of(all.files[i].document.entries, [](const Entry& entry) { return entry.section.empty() && base::starts_with(entry.key, "task_"); }); });
    if (elsewhere && !settings_here) drafts.push_back(lint_unknown(all, "celery.no-time-limit", at, "the settings that the application loads"));
    else if (!elsewhere || settings_here) drafts.push_back(lint_draft(all, "celery.no-time-limit", at));
  }
  if (hard.size() != 1) return;
  const auto most = number(*hard.front().entry);
  const Spot hard_at = spot_of(hard.front().file, hard.front().entry->value_at);
  if (soft.size() == 1) {
    const auto least = number(*soft.front().entry);
    const Spot soft_at = spot_of(soft.front().file, soft.front().entry->value_at);
    if (!most || !least) drafts.push_back(lint_unknown(all, "celery.soft-limit-too-late", soft_at, "the limits"));
    else if (*most > 0 && *least >= *most) {
      Draft draft = lint_draft(all, "celery.soft-limit-too-late", soft_at, {{"value", soft.front().entry->value}, {"other", hard.front().entry->value}});
      also(all, draft, hard_at);
      drafts.push_back(std::move(draft));
    }
  }
  // A broker that has no acknowledgement of its own hands an unacknowledged task to another worker after this time: 1 h (kombu/transport/redis.py).
  const auto late = app.of("task_acks_late", all), visible = app.of("visibility_timeout", all), broker = app.of("broker_url", all);
  if (late.size() != 1 || late.front().entry->value != "True" || visible.size() > 1) return;
  const bool redis = std::ranges::any_of(broker, [](const Setting& one) { return base::contains(one.entry->value, "redis://") || base::contains(one.entry->value, "rediss://") || base::contains(one.entry->value, "sqs://"); });
  if (!redis) {
    if (broker.empty() || std::ranges::any_of(broker, [](const Setting& one) { return !base::contains(one.entry->value, "://"); })) drafts.push_back(lint_unknown(all, "celery.visibility-timeout", hard_at, "the broker"));
    return;
  }
  const bool sqs = std::ranges::any_of(broker, [](const Setting& one) { return base::contains(one.entry->value, "sqs://"); });
  const auto seen = visible.empty() ? std::optional<double>(sqs ? 1800 : 3600) : number(*visible.front().entry);
  if (!most || !seen) { drafts.push_back(lint_unknown(all, "celery.visibility-timeout", hard_at, "the limits")); return; }
  if (*most < *seen) return;
  Draft draft = lint_draft(all, "celery.visibility-timeout", hard_at, {{"value", hard.front().entry->value}, {"other", std::to_string(static_cast<long>(*seen))}});
  if (!visible.empty()) also(all, draft, spot_of(visible.front().file, visible.front().entry->value_at));
  drafts.push_back(std::move(draft));
}

void look(const Deployment& all, std::vector<Draft>& drafts) {
  Application app;
  std::size_t made = 0;
  for (std::uint32_t i = 0; i < all.files.size(); ++i) {
    const model::File& file = all.files[i];
    if (file.document.dialect != Dialect::celery || !file.template_language.empty()) continue;
    app.files.push_back(i);
    made += std::ranges::any_of(file.document.entries, [](const Entry& entry) { return entry.key == "Celery"; });
  }
  if (app.files.empty()) return;
  if (made <= 1) {
    late(all, app, drafts);
    limits(all, app, drafts);
    return;
  }
  // Several applications: each is its own file, and what another sets is none of it.
  for (const std::uint32_t i : app.files) {
    const Application one{{i}};
    late(all, one, drafts);
    limits(all, one, drafts);
  }
}

}  // namespace

namespace lints_of {
extern const Lint celery = {"celery", {"celery.acks-late-without-reject", "celery.no-time-limit", "celery.soft-limit-too-late", "celery.visibility-timeout"}, look};
}

}  // namespace rule
