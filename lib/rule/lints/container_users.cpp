// Who runs in a container, and who collects its dead: USER, and a process 1 that waits for children that are not its own.
#include <algorithm>
#include <array>

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
using parse::settings::Entry;
using std::string_view_literals::operator""sv;

// "python" of "docker.io/library/python:3.12 AS base"; `stage`: "base".
std::string image_name(const std::string& from, std::string* stage = nullptr) {
  const auto words = base::shell_words(from);
  std::string name;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (base::starts_with(words[i], "--")) continue;
    if (name.empty()) name = words[i];
    else if ((words[i] == "AS" || words[i] == "as" || words[i] == "As") && i + 1 < words.size() && stage) *stage = words[i + 1];
  }
  return name;
}

// Docker's own images that leave root as their user.
bool starts_as_root(std::string_view name) {
  if (base::starts_with(name, "docker.io/")) name.remove_prefix(10);
  if (base::starts_with(name, "library/")) name.remove_prefix(8);
  name = name.substr(0, name.find_first_of(":@"));
  constexpr std::array known{"python"sv, "debian"sv, "ubuntu"sv, "alpine"sv, "ruby"sv, "node"sv, "fedora"sv, "pypy"sv, "centos"sv, "rockylinux"sv, "almalinux"sv, "busybox"sv};
  return std::ranges::find(known, name) != known.end();
}

struct User { std::string name; Spot at; bool known = false; };

// The USER of the last stage, or of the stages it is made from.
User user_of(const model::File& file, std::uint32_t index) {
  std::map<std::string, std::string> stages;  // name -> number
  std::map<std::string, std::string> froms;
  for (const Entry& entry : file.document.entries) {
    if (entry.key != "FROM") continue;
    std::string stage;
    froms[entry.section] = image_name(entry.value, &stage);
    if (!stage.empty()) stages[stage] = entry.section;
  }
  std::string section = file.document.entries.back().section;
  for (int depth = 0; depth < 20; ++depth) {
    const Entry* found = nullptr;
    for (const Entry& entry : file.document.entries)
      if (entry.section == section && entry.key == "USER") found = &entry;
    if (found) return {found->value, {index, found->value_at.line, found->value_at.column, found->value_at.at, found->value_at.end}, found->value.find('$') == std::string::npos};
    const auto parent = stages.find(froms[section]);
    if (parent == stages.end() || parent->second == section) return {"", {}, starts_as_root(froms[section])};
    section = parent->second;
  }
  return {};
}

bool drops_root(const Deployment& all, const std::string& command) {
  for (const std::string_view word : {"gosu", "su-exec", "setpriv", "runuser", "su ", "sudo", "chroot", "s6-setuidgid", "--uid", "--user"}) {
    if (base::contains(command, word)) return true;
    // An entrypoint of the image's own may do it.
    for (const model::File& file : all.files) if (file.document.dialect == Dialect::script && word != "su " && base::contains(file.text, word)) return true;
  }
  return false;
}

const Holder* service_of(const Deployment& all, const model::File& dockerfile) {
  const Holder* found = nullptr;
  for (const Holder& service : all.holders) {
    const Choice* build = service.kind == Holder::Kind::service ? model::only_choice(service.settings, "build") : nullptr;
    if (!build || build->value.items.size() != 2) continue;
    std::string context = build->value.items[0];
    while (base::starts_with(context, "./")) context.erase(0, 2);
    if (context == ".") context.clear();
    if (!context.empty() && !context.ends_with("/")) context += "/";
    const std::string& compose = all.files[service.at.file].path;
    if (compose.substr(0, compose.rfind('/') + 1) + context + (build->value.items[1].empty() ? "Dockerfile" : build->value.items[1]) == dockerfile.path) found = &service;
  }
  return found;
}

void roots(const Deployment& all, const Holder& image, std::vector<Draft>& drafts) {
  constexpr auto rule = "container.runs-as-root";
  const model::File& file = all.files[image.at.file];
  std::string command;
  Spot at = image.at;
  for (const std::string_view key : {"entrypoint", "cmd"})
    if (const Choice* line = model::only_choice(image.settings, key)) { command += line->value.text + " "; at = line->at; }
  const bool script = base::contains(command, ".sh");
  const User user = user_of(file, image.at.file);
  const bool root = user.name.empty() || user.name == "root" || user.name == "0" || base::starts_with(user.name, "root:") || base::starts_with(user.name, "0:");
  if (user.known && !root) return;
  const Holder* service = service_of(all, file);
  const bool elsewhere = (service && service->settings.contains("user")) || std::ranges::any_of(all.holders, [](const Holder& holder) { return holder.kind == Holder::Kind::pod && holder.settings.contains("user"); });
  const bool own_user = std::ranges::any_of(all.servers, [](const model::Backend& server) { const Choice* choice = model::only_choice(server.settings, "user"); return choice && choice->from == model::From::configured; });
  if (drops_root(all, command) || elsewhere || own_user) return;
  // FROM and CMD alone are a part of a Dockerfile: no server is installed in them.
  if (std::ranges::none_of(file.document.entries, [](const Entry& entry) { return entry.key == "COPY" || entry.key == "ADD" || entry.key == "RUN"; })) return;
  const bool open = std::ranges::any_of(all.servers, [](const model::Backend& server) { const Choice* choice = model::only_choice(server.settings, "user"); return !choice || choice->from == model::From::unknown; });
  if (open && user.known) { drafts.push_back(lint_unknown(all, rule, at, "the configuration file that the command names")); return; }
  if (!user.known || script) { drafts.push_back(lint_unknown(all, rule, user.at.known() ? user.at : at, script ? "what the entrypoint does" : "the user of its image")); return; }
  Draft draft = lint_draft(all, rule, user.at.known() ? user.at : at, {{"detail", user.name.empty() ? "no USER stands here, and its image starts as root" : "USER is " + user.name}});
  drafts.push_back(std::move(draft));
}

void inits(const Deployment& all, const Holder& image, std::vector<Draft>& drafts) {
  constexpr auto rule = "container.no-init-with-children";
  const Choice *entry = model::only_choice(image.settings, "entrypoint"), *cmd = model::only_choice(image.settings, image.kind == Holder::Kind::service ? "command" : "cmd");
  const Choice* first = entry ? entry : cmd;
  if (!first) return;
  if (!first->value.known() || first->value.text.find('$') != std::string::npos) { drafts.push_back(lint_unknown(all, rule, first->at, "what the first process is")); return; }
  std::string text = first->value.text;
  for (char& c : text) if (c == '[' || c == ']' || c == ',') c = ' ';
  const auto words = base::shell_words(text);
  if (words.empty()) return;
  std::string name(base::file_name(words.front()));
  if ((name == "poetry" || name == "pipenv" || name == "pdm" || name == "uv") && words.size() > 1 && words[1] == "run") name += " run";
  else if (name != "uvicorn" && name != "hypercorn" && name != "daphne" && name != "celery") return;
  // "uv run" and "pdm run" stay as the first process and wait for their one child; poetry and pipenv replace themselves by it.
  if (name == "poetry run" || name == "pipenv run") return;
  const Holder* service = image.kind == Holder::Kind::service ? &image : service_of(all, all.files[image.at.file]);
  const Choice* init = service ? model::only_choice(service->settings, "init") : nullptr;
  if (init && init->value.number != 0) return;
  drafts.push_back(lint_draft(all, rule, first->at, {{"name", name}}));
}

void look(const Deployment& all, std::vector<Draft>& drafts) {
  for (const Holder& holder : all.holders) {
    if (holder.kind == Holder::Kind::service) { inits(all, holder, drafts); continue; }
    if (holder.kind != Holder::Kind::image || all.files[holder.at.file].document.entries.empty()) continue;
    inits(all, holder, drafts);
    if (!server_of(all, holder).empty()) roots(all, holder, drafts);
  }
}

}  // namespace

namespace lints_of {
extern const Lint container_users = {"container_users", {"container.runs-as-root", "container.no-init-with-children"}, look};
}

}  // namespace rule
