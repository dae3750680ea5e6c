// Containers and Procfiles: forms of CMD, entrypoint scripts, ports, servers that are for development.
#include <algorithm>
#include <array>
#include <cctype>

#include "base/text.hpp"
#include "base/words.hpp"
#include "rule/lint.hpp"

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
    if (holder.kind == Holder::Kind::image || holder.kind == Holder::Kind::script) continue;
    const Choice* command = model::only_choice(holder.settings, holder.kind == Holder::Kind::unit ? "exec_start" : "command");
    if (!command || !command->at.known()) continue;
    const std::string dev = dev_server(command->value.text), &path = all.files[command->at.file].path;
    if (dev.empty() || for_development(path)) continue;
    Draft draft = lint_draft(all, "container.dev-server", command->at, {{"name", dev}});
    // A compose file without a word on what it is for is most often one for development.
    if (holder.kind == Holder::Kind::service && !base::contains(base::file_name(path), "prod")) draft.level = Level::note;
    drafts.push_back(std::move(draft));
  }
}

void look(const Deployment& all, std::vector<Draft>& drafts) {
  entrypoints(all, drafts);
  procfile_ports(all, drafts);
  images(all, drafts);
}

}  // namespace

namespace lints_of {
extern const Lint containers = {"containers", {"container.entrypoint-no-exec", "container.procfile-port", "container.cmd-missing-brackets", "container.shell-form-cmd", "container.dev-server"}, look};
}

}  // namespace rule
