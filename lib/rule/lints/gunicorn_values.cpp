// gunicorn's settings by their values, where more than the value decides: the limit it runs under, the packages beside it, how the text is written.
#include <algorithm>
#include <array>
#include <cctype>

#include "base/text.hpp"
#include "model/gunicorn_value.hpp"
#include "rule/lint.hpp"

namespace rule {

namespace {

using model::Backend;
using model::Choice;
using model::Deployment;
using model::Holder;
using model::Spot;
using parse::settings::Dialect;
using std::string_view_literals::operator""sv;

void cores(const Deployment& all, std::vector<Draft>& drafts) {
  for (const Backend& server : all.servers) {
    const auto workers = server.settings.find("workers");
    const Holder* holder = server.holder < 0 ? nullptr : &all.holders[static_cast<std::size_t>(server.holder)];
    if (workers == server.settings.end()) continue;
    for (const Choice& choice : workers->second) {
      if (!choice.value.of_cores) continue;
      const Choice* limit = holder ? model::only_choice(holder->settings, "cpu_limit") : nullptr;
      if (!limit) { if (!holder || holder->container()) drafts.push_back(lint_unknown(all, "gunicorn.workers-vs-cores", choice.at, "whether a CPU limit holds where it runs")); continue; }
      Draft draft = lint_draft(all, "gunicorn.workers-vs-cores", choice.at, {{"value", choice.value.text}, {"limit", limit->value.text}});
      also(all, draft, limit->at);
      drafts.push_back(std::move(draft));
    }
  }
}

struct Needs { std::string_view kind; std::array<std::string_view, 3> any; };

void packages(const Deployment& all, std::vector<Draft>& drafts) {
  constexpr std::array needs{Needs{"gevent", {"gevent", "", ""}}, Needs{"eventlet", {"eventlet", "", ""}}, Needs{"tornado", {"tornado", "", ""}}, Needs{"uvicorn", {"uvicorn", "uvicorn-worker", ""}}};
  bool lists_gunicorn = false, open = false;
  Spot list;
  const auto has = [&](std::string_view name) {
    for (const model::File& file : all.files) {
      if (file.document.dialect == Dialect::requirements)
        for (const auto& entry : file.document.entries) {
          if (entry.key == name) return true;
          if (entry.key == "gunicorn" && base::contains(entry.value.substr(0, entry.value.find(']')), name)) return true;
          if (entry.key == "fastapi" && name == "uvicorn" && (base::contains(entry.value, "[all") || base::contains(entry.value, "[standard"))) return true;
        }
      if ((file.document.dialect == Dialect::dockerfile || file.document.dialect == Dialect::script) && base::contains(file.text, name) && base::contains(file.text, "pip") && base::contains(file.text, "install")) {
        for (const auto& entry : file.document.entries)
          if (base::contains(entry.value, "install") && base::contains(entry.value, name)) return true;
      }
    }
    return false;
  };
  for (std::uint32_t i = 0; i < all.files.size(); ++i) {
    if (all.files[i].document.dialect != Dialect::requirements) continue;
    for (const auto& entry : all.files[i].document.entries) {
      if (entry.key == "gunicorn") { lists_gunicorn = true; if (!list.known()) list = {i, entry.key_at.line, entry.key_at.column, entry.key_at.at, entry.key_at.end}; }
      open = open || entry.key == "-";
    }
  }
  for (const Backend& server : all.servers) {
    if (server.flavour != "gunicorn") continue;
    const auto classes = server.settings.find("worker_class");
    if (classes == server.settings.end()) continue;
    for (const Choice& choice : classes->second) {
      if (choice.from != model::From::configured) continue;
      const std::string kind = choice.value.known() ? model::class_kind(choice.value.text) : "";
      const auto need = std::ranges::find(needs, kind, &Needs::kind);
      if (need == needs.end()) continue;
      if (std::ranges::any_of(need->any, [&](std::string_view name) { return !name.empty() && has(name); })) continue;
      if (!lists_gunicorn || open) { drafts.push_back(lint_unknown(all, "gunicorn.worker-class-dependency", choice.at, "the packages that are installed")); continue; }
      Draft draft = lint_draft(all, "gunicorn.worker-class-dependency", choice.at, {{"value", choice.value.text}, {"name", kind}, {"under", choice.when.empty() ? "" : " when " + choice.when}});
      also(all, draft, list);
      drafts.push_back(std::move(draft));
    }
  }
}

void application(const Deployment& all, std::vector<Draft>& drafts) {
  for (const Backend& server : all.servers) {
    if (server.flavour != "gunicorn") continue;
    const Choice* app = model::only_choice(server.settings, "wsgi_app");
    if (!app || app->from != model::From::configured) continue;
    const std::string& text = app->value.text;
    if (!app->value.known()) { drafts.push_back(lint_unknown(all, "gunicorn.app-path-syntax", app->at, "what " + text + " holds")); continue; }
    std::string better = text;
    const std::string module = text.substr(0, text.find(':')), rest = text.substr(std::min(text.find(':'), text.size()));
    if (module.find('(') != std::string::npos || base::starts_with(module, "-")) continue;
    std::string mended = module.ends_with(".py") ? module.substr(0, module.size() - 3) : module;
    while (base::starts_with(mended, "./")) mended.erase(0, 2);
    std::replace(mended.begin(), mended.end(), '/', '.');
    if (mended == module) continue;
    better = mended + rest;
    Spot spot = app->at;
    const std::string_view raw = std::string_view(all.files[spot.file].text).substr(spot.at, spot.end - spot.at);
    const auto found = raw.find(text);
    if (found != std::string_view::npos) {
      const auto place = parse::settings::place_at(all.files[spot.file].text, spot.at + found, spot.at + found + text.size());
      spot = {spot.file, place.line, place.column, place.at, place.end};
    }
    Draft draft = lint_draft(all, "gunicorn.app-path-syntax", spot, {{"value", text}, {"better", better}});
    if (found != std::string_view::npos && !base::starts_with(mended, ".")) edit(all, draft, spot.file, spot.at, spot.end, better);
    drafts.push_back(std::move(draft));
  }
}

// The text behind `umask` as it is written: octal needs 0o or a leading zero.
std::string written_umask(const Deployment& all, const Choice& choice, bool command) {
  if (command) return choice.value.text;
  const std::string& text = all.files[choice.at.file].text;
  const auto equals = text.find('=', choice.at.at);
  if (equals == std::string::npos) return {};
  std::string_view rest = base::trim(std::string_view(text).substr(equals + 1, std::min(text.find('\n', equals), text.size()) - equals - 1));
  return std::string(base::trim(rest.substr(0, rest.find('#'))));
}

std::optional<int> umask_of(std::string_view text) {
  if (text.size() > 1 && (text.front() == '\'' || text.front() == '"') && text.back() == text.front()) text = text.substr(1, text.size() - 2);
  int base_number = 10;
  if (base::starts_with(text, "0o") || base::starts_with(text, "0O")) { text.remove_prefix(2); base_number = 8; }
  else if (text.size() > 1 && text.front() == '0') { text.remove_prefix(1); base_number = 8; }
  if (text.empty() || text.size() > 4) return std::nullopt;
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c >= '0' + base_number) return std::nullopt;
    value = value * base_number + (c - '0');
  }
  return value;
}

std::string octal(int value) {
  std::string out;
  for (; value > 0; value /= 8) out.insert(out.begin(), static_cast<char>('0' + value % 8));
  while (out.size() < 3) out.insert(out.begin(), '0');
  return "0o" + out;
}

void umasks(const Deployment& all, std::vector<Draft>& drafts) {
  for (std::size_t s = 0; s < all.servers.size(); ++s) {
    const Backend& server = all.servers[s];
    const auto found = server.settings.find("umask");
    if (found == server.settings.end()) continue;
    for (const Choice& choice : found->second) {
      if (choice.from != model::From::configured || !choice.at.known()) continue;
      if (!choice.value.known()) { drafts.push_back(lint_unknown(all, "gunicorn.umask-decimal", choice.at, "its value")); continue; }
      const bool command = server.config == model::no_file || choice.at.file != server.config;
      const std::string text = written_umask(all, choice, command);
      const auto value = umask_of(text);
      if (!value) continue;
      const bool decimal = std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; }) && text.front() != '0' && *value > 7;
      const bool looks_octal = decimal && std::ranges::all_of(text, [](char c) { return c < '8'; });
      if (looks_octal) {
        const std::string better = "0o" + std::string(text.size() < 3 ? 3 - text.size() : 0, '0') + text;
        Draft draft = lint_draft(all, "gunicorn.umask-decimal", choice.at, {{"value", text}, {"better", better}, {"detail", octal(*value)}});
        const std::string& whole = all.files[choice.at.file].text;
        const auto written = whole.find(text, choice.at.end);
        if (written != std::string::npos && written < whole.find('\n', choice.at.end) && written - choice.at.end < 8) edit(all, draft, choice.at.file, written, written + text.size(), better, false);
        drafts.push_back(std::move(draft));
      }
      if ((*value & 022) != 022) continue;
      for (const model::Link& link : all.links) {
        if (link.server != s) continue;
        const model::Nginx& nginx = *all.nginx[link.nginx];
        const auto& pass = nginx.passes[link.pass];
        const std::string address = pass.upstream >= 0 ? nginx.upstreams[static_cast<std::size_t>(pass.upstream)].peers.front().address : pass.address;
        if (!base::starts_with(address, "unix:")) continue;
        const auto user = model::in_force(nginx, 0, "user");
        const Holder* holder = server.holder < 0 ? nullptr : &all.holders[static_cast<std::size_t>(server.holder)];
        const Choice* runs_as = holder ? model::only_choice(holder->settings, "user") : nullptr;
        if (!user.node || !runs_as || !runs_as->value.known()) { drafts.push_back(lint_unknown(all, "gunicorn.umask-blocks-nginx", choice.at, "the users of both")); break; }
        if (user.node->directive.argument(0) == runs_as->value.text || runs_as->value.text == "root") break;
        Draft draft = lint_draft(all, "gunicorn.umask-blocks-nginx", choice.at, {{"value", text}, {"name", user.node->directive.argument(0)}, {"other", runs_as->value.text}});
        also(all, draft, nginx.spot(*user.node));
        drafts.push_back(std::move(draft));
        break;
      }
    }
  }
}

void look(const Deployment& all, std::vector<Draft>& drafts) {
  cores(all, drafts);
  packages(all, drafts);
  application(all, drafts);
  umasks(all, drafts);
}

}  // namespace

namespace lints_of {
extern const Lint gunicorn_values = {"gunicorn_values", {"gunicorn.workers-vs-cores", "gunicorn.worker-class-dependency", "gunicorn.app-path-syntax", "gunicorn.umask-decimal", "gunicorn.umask-blocks-nginx"}, look};
}

}  // namespace rule
