// systemd units: keys that systemd passes over, sockets and the folders they lie in.
#include <algorithm>
#include <array>
#include <cctype>

#include "base/near.hpp"
#include "base/text.hpp"
#include "base/words.hpp"
#include "flavour/gunicorn_args.hpp"
#include "rule/lint.hpp"
#include "rule/systemd_keys.hpp"

namespace rule {

namespace {

using model::Backend;
using model::Choice;
using model::Deployment;
using model::Holder;
using model::Spot;
using parse::settings::Dialect;
using parse::settings::Entry;
using std::string_view_literals::operator""sv;

// Keys that stand in one section only and do nothing in the others.
std::string_view section_of(std::string_view key) {
  for (const auto name : {"Type"sv, "ExecStart"sv, "ExecReload"sv, "ExecStop"sv, "Restart"sv, "RestartSec"sv, "TimeoutStopSec"sv, "TimeoutStartSec"sv, "KillMode"sv, "KillSignal"sv, "User"sv, "Group"sv, "WorkingDirectory"sv, "Environment"sv, "EnvironmentFile"sv, "PIDFile"sv, "LimitNOFILE"sv, "RuntimeDirectory"sv, "PrivateTmp"sv})
    if (key == name) return "Service";
  for (const auto name : {"WantedBy"sv, "RequiredBy"sv, "Alias"sv}) if (key == name) return "Install";
  for (const auto name : {"After"sv, "Before"sv, "Wants"sv, "Requires"sv, "Description"sv}) if (key == name) return "Unit";
  return {};
}

void unknown_keys(const Deployment& all, std::vector<Draft>& drafts) {
  const std::vector<std::string_view> known(systemd_keys().begin(), systemd_keys().end());
  for (std::uint32_t i = 0; i < all.files.size(); ++i) {
    const model::File& file = all.files[i];
    if (file.document.dialect != Dialect::systemd) continue;
    if (!file.template_language.empty()) { drafts.push_back(lint_unknown(all, "systemd.unknown-key", {i, 1, 1, 0, 0}, "what the template becomes")); continue; }
    for (const Entry& entry : file.document.entries) {
      if (entry.section != "Unit" && entry.section != "Service" && entry.section != "Install" && entry.section != "Socket") continue;
      if (base::starts_with(entry.key, "X-")) continue;
      const Spot at{i, entry.key_at.line, entry.key_at.column, entry.key_at.at, entry.key_at.end};
      if (std::ranges::find(known, entry.key) != known.end()) {
        const std::string_view home = section_of(entry.key);
        const bool socket_exec = entry.section == "Socket" && home == "Service";  // sockets have User, KillMode... of their own
        if (!home.empty() && home != entry.section && !socket_exec) drafts.push_back(lint_draft(all, "systemd.unknown-key", at, {{"setting", entry.key}, {"detail", "it belongs into [" + std::string(home) + "]"}, {"kind", "[" + entry.section + "]"}}));
        continue;
      }
      const std::string_view near = base::nearest(entry.key, known);
      if (near.size() < 4 || base::changes_between(near, entry.key) > 2) continue;  // a key of a newer systemd, more likely
      Draft draft = lint_draft(all, "systemd.unknown-key", at, {{"setting", entry.key}, {"detail", "did you mean " + std::string(near) + "?"}, {"kind", "[" + entry.section + "]"}});
      edit(all, draft, i, at.at, at.end, std::string(near), false);
      drafts.push_back(std::move(draft));
    }
  }
}

// --bind is not used when systemd hands the socket over (gunicorn/sock.py, LISTEN_FDS).
void bind_ignored(const Deployment& all, std::vector<Draft>& drafts) {
  for (const Backend& server : all.servers) {
    if (server.holder < 0 || all.holders[static_cast<std::size_t>(server.holder)].kind != Holder::Kind::unit) continue;
    const Holder& unit = all.holders[static_cast<std::size_t>(server.holder)];
    const Choice* bind = model::only_choice(server.settings, "bind");
    if (!bind || bind->from != model::From::configured) continue;
    const std::string name = unit.name.substr(0, unit.name.find(".service")) + ".socket";
    const auto socket = std::ranges::find_if(all.holders, [&](const Holder& other) { return other.kind == Holder::Kind::unit && other.name == name; });
    if (socket == all.holders.end()) {
      const Choice* requires_units = model::only_choice(unit.settings, "requires");
      if (requires_units && base::contains(requires_units->value.text, ".socket")) drafts.push_back(lint_unknown(all, "systemd.socket-unit-mismatch", bind->at, "the socket unit"));
      continue;
    }
    const Choice* listen = model::only_choice(socket->settings, "listen");
    if (!listen) continue;
    bool same = false;
    for (const std::string& item : bind->value.items) {
      std::string path = item;
      if (base::starts_with(path, "unix:")) path.erase(0, 5);
      for (const std::string& other : listen->value.items) same = same || other == path || (other.find('/') == std::string::npos && path.ends_with(":" + other.substr(other.rfind(':') + 1)));
      if (base::starts_with(item, "fd://")) same = true;
    }
    if (!bind->value.known() || same) continue;
    Draft draft = lint_draft(all, "systemd.socket-unit-mismatch", bind->at, {{"value", bind->value.text}, {"other", listen->value.text}, {"name", name}});
    also(all, draft, listen->at);
    drafts.push_back(std::move(draft));
  }
}

// systemd.exec: the RuntimeDirectory is removed when the service stops, whatever else lies in it.
void runtime_directories(const Deployment& all, std::vector<Draft>& drafts) {
  for (const Holder& unit : all.holders) {
    const Choice* folder = unit.kind == Holder::Kind::unit ? model::only_choice(unit.settings, "runtime_directory") : nullptr;
    if (!folder || folder->value.text.empty()) continue;
    const Choice* preserve = model::only_choice(unit.settings, "runtime_preserve");
    if (preserve && preserve->value.text != "no" && preserve->value.text != "false") continue;
    const std::string name = unit.name.substr(0, unit.name.find(".service")) + ".socket";
    bool here = false;
    for (const Holder& other : all.holders) {
      if (other.kind != Holder::Kind::unit || other.name != name) continue;
      here = true;
      const Choice* listen = model::only_choice(other.settings, "listen");
      if (!listen) continue;
      for (const std::string& one : base::shell_words(folder->value.text))
        for (const std::string& path : listen->value.items) {
          if (!base::starts_with(path, "/run/" + one + "/") && !base::starts_with(path, "/var/run/" + one + "/")) continue;
          Draft draft = lint_draft(all, "systemd.runtime-directory-takes-socket", folder->at, {{"value", one}, {"name", unit.name}, {"path", path}});
          also(all, draft, listen->at);
          drafts.push_back(std::move(draft));
        }
    }
    const Choice* needs = model::only_choice(unit.settings, "requires");
    if (!here && needs && base::contains(needs->value.text, ".socket")) drafts.push_back(lint_unknown(all, "systemd.runtime-directory-takes-socket", folder->at, "the socket unit"));
  }
}

// A socket file that the unit's own sandbox or nobody's mkdir keeps from nginx.
void socket_folders(const Deployment& all, std::vector<Draft>& drafts) {
  for (const Backend& server : all.servers) {
    const Holder* unit = server.holder < 0 ? nullptr : &all.holders[static_cast<std::size_t>(server.holder)];
    const Choice* bind = model::only_choice(server.settings, "bind");
    if (!unit || unit->kind != Holder::Kind::unit || !bind) continue;
    const std::string socket = unit->name.substr(0, unit->name.find(".service")) + ".socket";
    if (std::ranges::any_of(all.holders, [&](const Holder& other) { return other.kind == Holder::Kind::unit && other.name == socket; })) continue;
    if (!bind->value.known()) {
      for (const char* rule : {"systemd.privatetmp-socket", "systemd.runtime-directory-missing"}) drafts.push_back(lint_unknown(all, rule, bind->at, "where it binds"));
      continue;
    }
    for (const std::string& item : bind->value.items) {
      if (!base::starts_with(item, "unix:")) continue;
      const std::string path = item.substr(5);
      const Choice *tmp = model::only_choice(unit->settings, "private_tmp"), *folder = model::only_choice(unit->settings, "runtime_directory"), *user = model::only_choice(unit->settings, "user");
      if (tmp && tmp->value.number != 0 && (base::starts_with(path, "/tmp/") || base::starts_with(path, "/var/tmp/"))) {
        Draft draft = lint_draft(all, "systemd.privatetmp-socket", bind->at, {{"path", path}, {"name", unit->name}});
        also(all, draft, tmp->at);
        drafts.push_back(std::move(draft));
      }
      const std::string_view below = base::starts_with(path, "/run/") ? std::string_view(path).substr(5) : base::starts_with(path, "/var/run/") ? std::string_view(path).substr(9) : std::string_view();
      const auto slash = below.find('/');
      const bool root = !user || user->value.text == "root";
      if (slash == std::string_view::npos || root || path.find('%') != std::string::npos) continue;
      const std::string wanted(below.substr(0, slash));
      bool made = folder && std::ranges::any_of(base::shell_words(folder->value.text), [&](const std::string& one) { return one == wanted || base::starts_with(one, wanted + "/"); });
      for (const model::File& file : all.files)
        if (file.document.dialect == Dialect::systemd && base::contains(file.text, "ExecStartPre") && base::contains(file.text, "mkdir")) made = true;
      if (made) continue;
      Draft draft = lint_draft(all, "systemd.runtime-directory-missing", bind->at, {{"path", path}, {"value", wanted}, {"name", unit->name}});
      draft.sure = Confidence::likely;
      draft.sure_because = "unless tmpfiles.d makes the folder";
      drafts.push_back(std::move(draft));
    }
  }
}

void look(const Deployment& all, std::vector<Draft>& drafts) {
  unknown_keys(all, drafts);
  bind_ignored(all, drafts);
  runtime_directories(all, drafts);
  socket_folders(all, drafts);
}

}  // namespace

namespace lints_of {
extern const Lint units = {"units", {"systemd.unknown-key", "systemd.socket-unit-mismatch", "systemd.runtime-directory-takes-socket", "systemd.privatetmp-socket", "systemd.runtime-directory-missing"}, look};
}

}  // namespace rule
