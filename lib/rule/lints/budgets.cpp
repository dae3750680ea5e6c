// What adds up over a whole server: pools against the memory that holds them and threads against database connections, the heartbeat file of a
// pod, the size of an upload, and an alert that watches one status of several.
#include <algorithm>
#include <array>
#include <cctype>
#include <set>

#include "base/text.hpp"
#include "model/pass.hpp"
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
using parse::settings::Yaml;

Spot spot_of(std::uint32_t file, const parse::settings::Place& at) { return {file, at.line, at.column, at.at, at.end}; }

const Entry* last_of(const model::File& file, std::string_view section, std::string_view key) {
  const Entry* found = nullptr;
  for (const Entry& entry : file.document.entries)
    if (entry.section == section && entry.key == key) found = &entry;
  return found;
}

// "128M" as PHP and systemd write it; nullopt for variables and for -1, which is no limit.
std::optional<double> bytes_of(std::string_view text) {
  if (text.empty() || text.front() == '-') return std::nullopt;
  return model::size_bytes(text);
}

// ---- php-fpm: max_children times memory_limit against the memory of what holds it --------------------------------------------------------------
// Whose memory it is: the one holder here that starts php-fpm.
const Holder* php_holder(const Deployment& all) {
  const Holder* found = nullptr;
  for (const Holder& holder : all.holders) {
    if (server_of(all, holder) != "php-fpm" && !(holder.kind == Holder::Kind::unit && base::contains(holder.name, "php") && base::contains(holder.name, "fpm"))) continue;
    if (found) return nullptr;
    found = &holder;
  }
  return found;
}

void php_memory(const Deployment& all, std::vector<Draft>& drafts) {
  constexpr auto rule = "phpfpm.max-children-memory";
  const Holder* holder = php_holder(all);
  if (!holder) return;
  const Choice* memory = model::only_choice(holder->settings, "memory_limit");
  if (!memory) memory = model::only_choice(holder->settings, "memory_max");
  if (!memory || memory->value.text == "infinity") return;
  const auto limit = memory->value.kind == model::Value::Kind::number ? std::optional(memory->value.number) : bytes_of(memory->value.text);
  for (std::uint32_t i = 0; i < all.files.size(); ++i) {
    const model::File& file = all.files[i];
    if (file.document.dialect != Dialect::phpfpm) continue;
    std::set<std::string> pools;
    for (const Entry& entry : file.document.entries)
      if (entry.section != "global" && entry.key == "pm.max_children") pools.insert(entry.section);
    for (const std::string& pool : pools) {
      const Entry* children = last_of(file, pool, "pm.max_children");
      const Entry* each = last_of(file, pool, "php_admin_value[memory_limit]");
      if (!each) each = last_of(file, pool, "php_value[memory_limit]");
      const Spot at = spot_of(i, children->value_at);
      const auto count = base::read_number(children->value);
      const std::optional<double> size = bytes_of(each ? std::string_view(each->value) : std::string_view());
      if (!count || !limit || (each && !size && each->value != "-1")) { drafts.push_back(lint_unknown(all, rule, at, !limit ? memory->value.text : !count ? children->value : each->value)); continue; }
      if (!each) { drafts.push_back(lint_unknown(all, rule, at, "php.ini, which sets memory_limit")); continue; }
      if (!size || static_cast<double>(*count) * *size <= *limit) continue;
      Draft draft = lint_draft(all, rule, at, {{"name", pool}, {"count", children->value}, {"value", each->value}, {"limit", memory->value.text}, {"usage", base::bytes_text(static_cast<std::uint64_t>(static_cast<double>(*count) * *size))}});
      also(all, draft, memory->at);
      draft.sure = Confidence::likely;
      draft.sure_because = "memory_limit is what a request may take at most, not what each takes";
      drafts.push_back(std::move(draft));
    }
  }
}

// ---- puma: threads against the connections of one process -------------------------------------------------------------------------------------
// The most threads of "5, 5", "threads 5"; nullopt: computed.
std::optional<std::int64_t> most_threads(std::string_view value) {
  const auto comma = value.find(',');
  return base::read_number(base::trim(comma == std::string_view::npos ? value : value.substr(comma + 1)));
}

void puma_threads(const Deployment& all, std::vector<Draft>& drafts) {
  constexpr auto rule = "puma.threads-pool-vs-db-pool";
  for (std::uint32_t p = 0; p < all.files.size(); ++p) {
    const model::File& puma = all.files[p];
    if (puma.document.dialect != Dialect::puma || !puma.template_language.empty()) continue;
    const Entry* threads = nullptr;
    for (const Entry& entry : puma.document.entries) if (entry.key == "threads") threads = &entry;
    for (std::uint32_t d = 0; d < all.files.size(); ++d) {
      const model::File& database = all.files[d];
      if (database.document.dialect != Dialect::database) continue;
      const Entry* pool = last_of(database, "production", "pool");
      if (!pool) pool = last_of(database, "production", "max_connections");
      const bool production = std::ranges::any_of(database.document.entries, [](const Entry& entry) { return entry.section == "production"; });
      if (!production || last_of(database, "production", "url")) continue;
      const auto connections = pool ? base::read_number(pool->value) : std::optional<std::int64_t>(5);  // Active Record's default
      const auto most = threads ? most_threads(threads->value) : std::optional<std::int64_t>(5);        // puma's, on MRI
      // Both of one variable are equal, whatever it holds.
      if (pool && threads && !connections && !most && base::contains(pool->value, "RAILS_MAX_THREADS") && base::contains(puma.text, "RAILS_MAX_THREADS")) continue;
      if (!threads && !pool) continue;
      const Spot at = threads ? spot_of(p, threads->value_at) : spot_of(d, pool->value_at);
      if (!connections || !most) { drafts.push_back(lint_unknown(all, rule, at, !most ? threads->value : pool->value)); continue; }
      if (*most <= *connections) continue;
      Draft draft = lint_draft(all, rule, at, {{"count", std::to_string(*most)}, {"value", std::to_string(*connections)}});
      if (threads && pool) also(all, draft, spot_of(d, pool->value_at));
      drafts.push_back(std::move(draft));
    }
  }
}

// ---- a pod's heartbeat file -------------------------------------------------------------------------------------------------------------------
// A volume that is mounted at the folder or above it: "disk", "memory", "" none.
std::string_view volume_at(const model::File& file, std::string_view folder) {
  for (const Yaml& object : file.yaml.documents)
    for (const char* path : {"spec.template.spec", "spec", "spec.jobTemplate.spec.template.spec"}) {
      const Yaml* spec = object.path(path);
      const Yaml* volumes = spec ? spec->find("volumes") : nullptr;
      const Yaml* containers = spec ? spec->find("containers") : nullptr;
      if (!volumes || !containers) continue;
      for (const Yaml& volume : volumes->items) {
        const Yaml *medium = volume.path("emptyDir.medium"), *name = volume.find("name");
        if (!name) continue;
        for (const Yaml& container : containers->items)
          if (const Yaml* mounts = container.find("volumeMounts"))
            for (const Yaml& mount : mounts->items) {
              const Yaml *of = mount.find("name"), *to = mount.find("mountPath");
              const std::string_view at = !to ? std::string_view() : to->text.ends_with("/") ? std::string_view(to->text).substr(0, to->text.size() - 1) : std::string_view(to->text);
              if (of && of->text == name->text && !at.empty() && base::starts_with(folder, at) && (folder.size() == at.size() || folder[at.size()] == '/')) return medium && medium->text == "Memory" ? "memory" : "disk";
            }
      }
    }
  return "";
}

bool read_only_root(const model::File& file) {
  const std::string_view text = file.text;
  return base::contains(text, "readOnlyRootFilesystem: true");
}

void heartbeat_file(const Deployment& all, std::vector<Draft>& drafts) {
  constexpr auto rule = "kubernetes.no-shm-for-worker-tmp";
  for (const Backend& server : all.servers) {
    if (server.flavour != "gunicorn") continue;
    if (server.holder < 0 || all.holders[static_cast<std::size_t>(server.holder)].kind != Holder::Kind::pod) continue;
    const auto folder = server.settings.find("worker_tmp_dir");
    if (folder == server.settings.end() || folder->second.empty()) continue;
    const Spot pod = all.holders[static_cast<std::size_t>(server.holder)].at;
    if (!pod.known()) continue;
    const model::File& file = all.files[pod.file];
    for (const Choice& choice : folder->second) {
      const Spot at = choice.at.known() ? choice.at : server.at;
      if (choice.from == model::From::unknown || !choice.value.known()) { if (choice.from != model::From::built_in) drafts.push_back(lint_unknown(all, rule, at, "worker_tmp_dir")); }
      const bool set = choice.from == model::From::configured && choice.value.known();
      if (set && (base::starts_with(choice.value.text, "/tmp") || choice.value.text == "/") && volume_at(file, choice.value.text) != "memory")
        drafts.push_back(lint_draft(all, rule, at, {{"detail", "worker_tmp_dir " + choice.value.text + " lies on the node's disk"}}));
      else if (choice.from == model::From::built_in && read_only_root(file) && volume_at(file, "/tmp").empty() && volume_at(file, "/var/tmp").empty()) {
        Draft draft = lint_draft(all, rule, at, {{"detail", "worker_tmp_dir is not set, and the root file system is read-only: workers find no folder for their heartbeat and do not start"}});
        draft.level = Level::warning;
        drafts.push_back(std::move(draft));
      }
    }
  }
}

// ---- uploads ----------------------------------------------------------------------------------------------------------------------------------
// What shows that an application takes files, and where.
std::optional<Spot> takes_uploads(const Deployment& all, const Backend& server) {
  if (!server.application) return std::nullopt;
  constexpr std::array items{std::string_view("UploadFile"), std::string_view("FileField"), std::string_view("ImageField"), std::string_view("secure_filename"), std::string_view("FileStorage")};
  for (const int i : server.application->imported) {
    const model::Source& source = all.sources[static_cast<std::size_t>(i)];
    for (const auto& import : source.what.imports)
      if (std::ranges::find(items, import.item) != items.end() && (base::starts_with(import.module, "fastapi") || base::starts_with(import.module, "starlette") || base::starts_with(import.module, "werkzeug") || base::starts_with(import.module, "flask_wtf"))) return Spot{source.file, import.at.line, import.at.column, 0, 0};
  }
  return std::nullopt;
}

bool of_uploads(std::string_view location) {
  for (const std::string_view word : {"upload", "attachments"})
    if (base::contains(location, word)) return true;
  return false;
}

void uploads(const Deployment& all, std::vector<Draft>& drafts) {
  constexpr auto rule = "nginx.client-max-body-size-default";
  std::set<std::pair<std::size_t, std::string>> said;  // once a server block
  for (std::size_t n = 0; n < all.nginx.size(); ++n) {
    const model::Nginx& nginx = *all.nginx[n];
    for (std::size_t p = 0; p < nginx.passes.size(); ++p) {
      const model::Pass& pass = nginx.passes[p];
      const std::string name = model::pass_name(nginx, pass);
      std::optional<Spot> why;
      bool shown = of_uploads(name), guess = false;
      for (const model::Link& link : all.links)
        if (!shown && link.nginx == n && link.pass == p && !why) { why = takes_uploads(all, all.servers[link.server]); guess = link.guess; }
      if (!shown && !why) continue;
      const auto set = model::in_force(nginx, pass.block, "client_max_body_size");
      if (set.node) continue;
      if (set.unsure || !nginx.whole) { drafts.push_back(lint_unknown(all, rule, pass.at, "client_max_body_size")); continue; }
      int block = pass.block;
      while (block >= 0 && nginx.blocks[static_cast<std::size_t>(block)].context != "server") block = nginx.blocks[static_cast<std::size_t>(block)].parent;
      if (!shown && !said.insert({n, std::to_string(block)}).second) continue;
      Draft draft = lint_draft(all, rule, pass.at, {{"name", name}, {"detail", shown ? "by its name" : "as its application's imports show"}});
      if (why) also(all, draft, *why);
      if (shown || guess) { draft.sure = Confidence::likely; draft.sure_because = shown ? "its name says so" : "if that is the server behind it"; }
      drafts.push_back(std::move(draft));
    }
  }
}

// ---- alerts -----------------------------------------------------------------------------------------------------------------------------------
// `status="502"`, `code=~"502"`: the one status that a selector asks for; "" for every other selector.
std::string_view only_502(std::string_view expression) {
  for (const std::string_view label : {"status", "code", "status_code", "http_status"})
    for (const std::string_view equals : {"=\"502\"", "=~\"502\"", "='502'", "=~'502'"}) {
      const std::string wanted = std::string(label) + std::string(equals);
      if (const auto at = expression.find(wanted); at != std::string_view::npos && (at == 0 || !(std::isalnum(static_cast<unsigned char>(expression[at - 1])) || expression[at - 1] == '_'))) return expression.substr(at, wanted.size());
    }
  return {};
}

// What else the chains here answer when a worker is killed or the proxy gives up.
std::string other_statuses(const Deployment& all, bool& unknown) {
  std::set<std::string> statuses;
  for (const Backend& server : all.servers) {
    if (server.flavour != "gunicorn") continue;
    const Choice* kind = model::only_choice(server.settings, "class");
    const auto number = model::version_number(server.version);
    if (!kind || !kind->value.known()) { unknown = true; continue; }
    if (kind->value.text == "sync" && !number) unknown = true;
    if (kind->value.text == "sync" && number && *number >= 22'000'000) statuses.insert("500 (gunicorn from 22.0 answers it when a worker times out)");
  }
  bool passes = false;
  for (const auto& nginx : all.nginx) passes = passes || !nginx->passes.empty();
  if (passes) statuses.insert("504 (nginx gives up)");
  std::string text;
  for (const std::string& one : statuses) text += (text.empty() ? "" : ", ") + one;
  return text;
}

void alerts(const Deployment& all, std::vector<Draft>& drafts) {
  constexpr auto rule = "chain.alert-on-502-only";
  bool any_other = false;
  for (std::uint32_t i = 0; i < all.files.size(); ++i)
    if (all.files[i].document.dialect == Dialect::alerts && (base::contains(all.files[i].text, "\"5..\"") || base::contains(all.files[i].text, "504") || base::contains(all.files[i].text, "5.*") || base::contains(all.files[i].text, "5[0-9]"))) any_other = true;
  if (any_other) return;
  for (std::uint32_t i = 0; i < all.files.size(); ++i) {
    if (all.files[i].document.dialect != Dialect::alerts) continue;
    for (const Yaml& object : all.files[i].yaml.documents) {
      const Yaml* groups = object.find("groups");
      if (!groups) continue;
      for (const Yaml& group : groups->items) {
        const Yaml* rules = group.find("rules");
        if (!rules) continue;
        for (const Yaml& one : rules->items) {
          const Yaml *name = one.find("alert"), *expression = one.find("expr");
          if (!name || !expression || only_502(expression->text).empty()) continue;
          bool unknown = false;
          const std::string others = other_statuses(all, unknown);
          const Spot at = spot_of(i, expression->at);
          if (others.empty()) { if (unknown) drafts.push_back(lint_unknown(all, rule, at, "the worker class and version of the server")); continue; }
          drafts.push_back(lint_draft(all, rule, at, {{"name", name->text}, {"value", std::string(only_502(expression->text))}, {"detail", others}}));
        }
      }
    }
  }
}

void look(const Deployment& all, std::vector<Draft>& drafts) {
  php_memory(all, drafts);
  puma_threads(all, drafts);
  heartbeat_file(all, drafts);
  uploads(all, drafts);
  alerts(all, drafts);
}

}  // namespace

namespace lints_of {
extern const Lint budgets = {"budgets", {"phpfpm.max-children-memory", "puma.threads-pool-vs-db-pool", "kubernetes.no-shm-for-worker-tmp", "nginx.client-max-body-size-default", "chain.alert-on-502-only"}, look};
}

}  // namespace rule
