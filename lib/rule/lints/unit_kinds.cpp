// systemd units: what Type= promises against what the server does, and limits that stand where systemd does not look.
#include <algorithm>

#include "base/text.hpp"
#include "base/words.hpp"
#include "rule/lint.hpp"

namespace rule {

namespace {

using model::Choice;
using model::Deployment;
using model::Holder;
using model::Spot;
using parse::settings::Dialect;

// A requirement of exactly one version, and no newer than this (0.32.0 -> 32000).
bool pinned_until(const Deployment& all, std::string_view package, long newest) {
  for (const model::File& file : all.files)
    if (file.document.dialect == Dialect::requirements)
      for (const auto& entry : file.document.entries)
        if (entry.key == package && base::starts_with(base::trim(entry.value), "=="))
          if (const auto version = model::version_number(base::trim(std::string_view(base::trim(entry.value)).substr(2)))) return *version <= static_cast<double>(newest);
  return false;
}

// Of these only gunicorn (20.0), puma and uwsgi tell systemd that they are ready, and only their own process may (NotifyAccess=main).
void notify(const Deployment& all, const Holder& unit, std::vector<Draft>& drafts) {
  constexpr auto rule = "systemd.notify-without-support";
  const Choice *type = model::only_choice(unit.settings, "type"), *start = model::only_choice(unit.settings, "exec_start"), *access = model::only_choice(unit.settings, "notify_access");
  if (!type || !start || (type->value.text != "notify" && type->value.text != "notify-reload")) return;
  const std::string& command = start->value.text;
  if (base::contains(command, "systemd-notify") || base::contains(command, "sdnotify") || (access && (access->value.text == "all" || access->value.text == "exec"))) return;
  const std::string server = server_of(all, unit);
  if (server.empty() || command.find('$') != std::string::npos) { drafts.push_back(lint_unknown(all, rule, type->at, "what the command starts")); return; }
  std::string why;
  if (server == "uvicorn" || server == "hypercorn" || server == "daphne" || server == "waitress-serve") why = server + " never says that it is ready";
  else {
    const auto words = base::shell_words(command);
    const auto name = words.empty() ? std::string_view() : base::file_name(words.front());
    const bool shell = name == "sh" || name == "bash" || name == "dash";
    const bool several = base::contains(command, "&&") || base::contains(command, ";") || base::contains(command, "|");
    if (shell && several && !base::contains(command, "exec ")) why = "the shell in front of " + server + " is the main process, and only that may say so";
  }
  if (why.empty()) return;
  Draft draft = lint_draft(all, rule, type->at, {{"detail", why}, {"name", unit.name}});
  also(all, draft, start->at);
  // Read in the source of uvicorn 0.17.6 and 0.32.0: nothing there knows NOTIFY_SOCKET.
  if (base::starts_with(why, server) && !(server == "uvicorn" && pinned_until(all, "uvicorn", 32'000))) { draft.sure = Confidence::likely; draft.sure_because = "no release of it up to 2025 speaks to systemd; which one will run is not told"; }
  drafts.push_back(std::move(draft));
}

void pidfiles(const Deployment& all, const Holder& unit, std::vector<Draft>& drafts) {
  const Choice *type = model::only_choice(unit.settings, "type"), *file = model::only_choice(unit.settings, "pidfile");
  if (!type || !file) return;
  if (file->value.text.find('$') != std::string::npos || type->value.text.find('$') != std::string::npos) { drafts.push_back(lint_unknown(all, "systemd.pidfile-type-simple", file->at, "what replaces the variable")); return; }
  if (type->value.text == "simple" || type->value.text == "exec" || type->value.text == "notify" || type->value.text == "notify-reload") drafts.push_back(lint_draft(all, "systemd.pidfile-type-simple", file->at, {{"kind", type->value.text}}));
}

// pam_limits reads limits.conf at a login; a service has none.
void limits(const Deployment& all, const Holder& unit, std::vector<Draft>& drafts) {
  constexpr auto rule = "systemd.limits-conf-ignored";
  const Choice *user = model::only_choice(unit.settings, "user"), *own = model::only_choice(unit.settings, "limit_nofile");
  if (own || server_of(all, unit).empty()) return;
  for (std::uint32_t i = 0; i < all.files.size(); ++i)
    for (const auto& entry : all.files[i].document.entries) {
      if (all.files[i].document.dialect != Dialect::limits || !base::starts_with(entry.value, "nofile ")) continue;
      const Spot at{i, entry.key_at.line, entry.key_at.column, entry.key_at.at, entry.key_at.end};
      const std::string name = user ? user->value.text : "root";
      if (name.find('%') != std::string::npos) { drafts.push_back(lint_unknown(all, rule, at, "who " + name + " is")); return; }
      if (entry.key != name && entry.key != "*") continue;
      Draft draft = lint_draft(all, rule, at, {{"value", entry.value.substr(7)}, {"name", unit.name}});
      also(all, draft, unit.at);
      drafts.push_back(std::move(draft));
      return;
    }
}

void look(const Deployment& all, std::vector<Draft>& drafts) {
  for (const Holder& unit : all.holders) {
    if (unit.kind != Holder::Kind::unit || !unit.settings.contains("exec_start")) continue;
    notify(all, unit, drafts);
    pidfiles(all, unit, drafts);
    limits(all, unit, drafts);
  }
}

}  // namespace

namespace lints_of {
extern const Lint unit_kinds = {"unit_kinds", {"systemd.notify-without-support", "systemd.pidfile-type-simple", "systemd.limits-conf-ignored"}, look};
}

}  // namespace rule
