// Over 300 lines: eight small checks over the same holders. systemd units and containers: keys that systemd passes over, forms of CMD, servers that are for development.
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

// A script that is an image's or service's first process: without exec it stays pid 1 and gets the stop signal.
void entrypoints(const Deployment& all, std::vector<Draft>& drafts) {
  for (const Backend& server : all.servers) {
    if (server.command.empty() || !server.at.known() || all.files[server.at.file].document.dialect != Dialect::script) continue;
    const Holder& holder = all.holders[static_cast<std::size_t>(server.holder)];
    if (!holder.container()) { drafts.push_back(lint_unknown(all, "container.entrypoint-no-exec", server.at, "what runs the script")); continue; }
    if (base::starts_with(server.command, "exec ") || base::contains(server.command, " exec ") || server.command.ends_with("&")) continue;
    Draft draft = lint_draft(all, "container.entrypoint-no-exec", server.at, {{"name", holder.name}});
    also(all, draft, holder.at);
    edit(all, draft, server.at.file, server.at.at, server.at.at, "exec ", false);
    drafts.push_back(std::move(draft));
  }
}

void procfile_ports(const Deployment& all, std::vector<Draft>& drafts) {
  for (const Backend& server : all.servers) {
    const Holder* process = server.holder < 0 ? nullptr : &all.holders[static_cast<std::size_t>(server.holder)];
    if (!process || process->kind != Holder::Kind::process || process->name != "web") continue;
    const Choice* bind = model::only_choice(server.settings, "bind");
    if (!bind || bind->from != model::From::configured) continue;
    if (!bind->value.known()) { if (!base::contains(bind->value.text, "PORT")) drafts.push_back(lint_unknown(all, "container.procfile-port", bind->at, bind->value.text)); continue; }
    const bool tcp = std::ranges::any_of(bind->value.items, [](const std::string& item) { return !base::starts_with(item, "unix:") && item.find(':') != std::string::npos; });
    if (tcp) drafts.push_back(lint_draft(all, "container.procfile-port", bind->at, {{"value", bind->value.text}}));
  }
}

bool starts_server(std::string_view command) {
  for (const std::string& word : base::shell_words(command)) {
    const auto name = base::file_name(word);
    for (const auto known : {"gunicorn"sv, "uwsgi"sv, "uvicorn"sv, "puma"sv, "unicorn"sv, "hypercorn"sv}) if (name == known) return true;
  }
  return false;
}

// "flask run", "manage.py runserver", "uvicorn --reload": their own words; "" for a server that is meant for use.
std::string dev_server(std::string_view command) {
  const auto words = base::shell_words(command);
  bool uvicorn = false, reload = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto name = base::file_name(words[i]);
    const std::string next = i + 1 < words.size() ? words[i + 1] : "";
    if (name == "flask" && (next == "run" || std::ranges::find(words, "run") != words.end())) return "flask run";
    if ((name == "manage.py" || name == "django-admin" || name == "django-admin.py") && next == "runserver") return "manage.py runserver";
    if (name == "uvicorn") uvicorn = true;
    if (words[i] == "--reload") reload = true;
    if (words[i] == "&&" || words[i] == ";") { uvicorn = false; reload = false; }
    const auto inner = words[i].find(' ') != std::string::npos && words[i] != command ? dev_server(words[i]) : std::string();
    if (!inner.empty()) return inner;
  }
  return uvicorn && reload ? "uvicorn --reload" : "";
}

// A file whose name says that it is for development.
bool for_development(std::string_view path) {
  std::string name;
  for (const char c : base::file_name(path)) name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const auto word : {"dev"sv, "local"sv, "test"sv, "debug"sv, "override"sv, "example"sv}) if (base::contains(name, word)) return true;
  return false;
}

// A name in a CMD's JSON becomes one word again.
std::string plain(std::string text) {
  for (char& c : text) if (c == '[' || c == ']' || c == ',') c = ' ';
  return text;
}

// Does a service build this image and give its own command? Then the image's is not used there.
bool replaced_by_service(const Deployment& all, const std::string& dockerfile) {
  return std::ranges::any_of(all.holders, [&](const Holder& service) {
    const Choice* build = service.kind == Holder::Kind::service ? model::only_choice(service.settings, "build") : nullptr;
    if (!build || build->value.items.size() != 2 || (!service.settings.contains("command") && !service.settings.contains("entrypoint"))) return false;
    std::string context = build->value.items[0];
    while (base::starts_with(context, "./")) context.erase(0, 2);
    if (context == ".") context.clear();
    if (!context.empty() && !context.ends_with("/")) context += "/";
    const std::string& compose = all.files[service.at.file].path;
    return compose.substr(0, compose.rfind('/') + 1) + context + (build->value.items[1].empty() ? "Dockerfile" : build->value.items[1]) == dockerfile;
  });
}

void images(const Deployment& all, std::vector<Draft>& drafts) {
  for (std::uint32_t i = 0; i < all.files.size(); ++i) {
    const model::File& file = all.files[i];
    if (file.document.dialect != Dialect::dockerfile) continue;
    if (!file.template_language.empty()) {
      for (const char* rule : {"container.cmd-missing-brackets", "container.shell-form-cmd", "container.dev-server"}) drafts.push_back(lint_unknown(all, rule, {i, 1, 1, 0, 0}, "what the template becomes"));
      continue;
    }
    if (file.document.entries.empty()) continue;
    const std::string last = file.document.entries.back().section;
    const Entry* command = nullptr;
    bool other_shell = false, exec_entry = false;
    std::string base_image;
    for (const Entry& entry : file.document.entries) {
      if (entry.section != last) continue;
      if (entry.key == "FROM") base_image = entry.value;
      if (entry.key == "SHELL") other_shell = true;
      if (entry.key == "CMD") command = &entry;
      if (entry.key == "ENTRYPOINT") { command = &entry; exec_entry = base::starts_with(entry.value, "["); }
      if ((entry.key == "CMD" || entry.key == "ENTRYPOINT") && base::starts_with(entry.value, "\"") && !base::contains(entry.value, "&&")) {
        const auto words = base::shell_words(entry.value);
        if (words.size() < 2 || entry.value.find("\" \"") == std::string::npos) continue;
        std::string better;
        for (const std::string& word : words) better += (better.empty() ? "[\"" : "\", \"") + word;
        better += "\"]";
        const Spot at{i, entry.value_at.line, entry.value_at.column, entry.value_at.at, entry.value_at.end};
        Draft draft = lint_draft(all, "container.cmd-missing-brackets", at, {{"setting", entry.key}, {"better", better}});
        if (entry.value_at.end - entry.value_at.at == entry.value.size()) edit(all, draft, i, at.at, at.end, better, false);
        drafts.push_back(std::move(draft));
      }
    }
    if (!command) continue;
    if (replaced_by_service(all, file.path)) {
      for (const char* rule : {"container.shell-form-cmd", "container.dev-server"}) drafts.push_back(lint_unknown(all, rule, {i, 1, 1, 0, 0}, "whether anybody runs the image without the service's own command"));
      continue;
    }
    const Spot at{i, command->value_at.line, command->value_at.column, command->value_at.at, command->value_at.end};
    const bool shell = !base::starts_with(command->value, "[");
    // bash and busybox replace themselves by a single command; /bin/sh of Debian and Ubuntu (dash) stays as pid 1.
    const bool alpine = base::contains(base_image, "alpine") || base::contains(base_image, "busybox");
    if (shell && !other_shell && !base::starts_with(command->value, "\"") && !base::starts_with(command->value, "exec ") && !base::contains(command->value, "exec ") && !(command->key == "CMD" && exec_entry) && starts_server(command->value)) {
      if (alpine) drafts.push_back(lint_unknown(all, "container.shell-form-cmd", at, "whether this image's sh replaces itself"));
      else {
        Draft draft = lint_draft(all, "container.shell-form-cmd", at, {{"setting", command->key}});
        const bool plain_words = command->value.find_first_of("$&|;<>`*\"'\\(") == std::string::npos && command->value_at.end - command->value_at.at == command->value.size();
        if (plain_words) {
          std::string better;
          for (const std::string& word : base::shell_words(command->value)) better += (better.empty() ? "[\"" : "\", \"") + word;
          edit(all, draft, i, at.at, at.end, better + "\"]");
        }
        drafts.push_back(std::move(draft));
      }
    }
    const std::string dev = dev_server(plain(command->value));
    if (!dev.empty() && !for_development(file.path)) drafts.push_back(lint_draft(all, "container.dev-server", at, {{"name", dev}}));
  }
  for (const Holder& holder : all.holders) {
    if (holder.kind != Holder::Kind::process && holder.kind != Holder::Kind::unit && holder.kind != Holder::Kind::program && holder.kind != Holder::Kind::pod) continue;
    const Choice* command = model::only_choice(holder.settings, holder.kind == Holder::Kind::unit ? "exec_start" : "command");
    if (!command || !command->at.known()) continue;
    const std::string dev = dev_server(command->value.text);
    if (!dev.empty() && !for_development(all.files[command->at.file].path)) drafts.push_back(lint_draft(all, "container.dev-server", command->at, {{"name", dev}}));
  }
}

void look(const Deployment& all, std::vector<Draft>& drafts) {
  unknown_keys(all, drafts);
  bind_ignored(all, drafts);
  runtime_directories(all, drafts);
  socket_folders(all, drafts);
  entrypoints(all, drafts);
  procfile_ports(all, drafts);
  images(all, drafts);
}

}  // namespace

namespace lints_of {
extern const Lint units = {"units", {"systemd.unknown-key", "systemd.socket-unit-mismatch", "systemd.runtime-directory-takes-socket", "systemd.privatetmp-socket", "systemd.runtime-directory-missing", "container.entrypoint-no-exec", "container.procfile-port", "container.cmd-missing-brackets", "container.shell-form-cmd", "container.dev-server"}, look};
}

}  // namespace rule
