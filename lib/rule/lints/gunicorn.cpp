// gunicorn's settings where names, packages, versions and text matter, not only values. Over 300 lines: ten small checks that share how a command
// and a file are read.
#include <algorithm>
#include <array>
#include <cctype>

#include "base/near.hpp"
#include "base/text.hpp"
#include "base/words.hpp"
#include "flavour/gunicorn_args.hpp"
#include "flavour/gunicorn_settings.hpp"
#include "model/gunicorn_value.hpp"
#include "parse/python/bindings.hpp"
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

bool word_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

std::size_t uses_of(std::string_view text, std::string_view word) {
  std::size_t uses = 0;
  for (auto at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
    const bool starts = at == 0 || !word_char(text[at - 1]), ends = at + word.size() >= text.size() || !word_char(text[at + word.size()]);
    const auto line = text.rfind('\n', at);
    const bool comment = base::trim(text.substr(line == std::string_view::npos ? 0 : line + 1, at - (line == std::string_view::npos ? 0 : line + 1))).starts_with("#");
    uses += starts && ends && !comment;
  }
  return uses;
}

Spot name_spot(const Deployment& all, std::uint32_t file, parse::python::Place place, std::size_t length) {
  const std::string& text = all.files[file].text;
  std::size_t at = 0;
  for (std::uint32_t i = 1; i < place.line; ++i) {
    const auto next = text.find('\n', at);
    if (next == std::string::npos) return {file, place.line, place.column, 0, 0};
    at = next + 1;
  }
  return {file, place.line, place.column, at + place.column - 1, at + place.column - 1 + length};
}

// The setting that a name of no setting was meant to be; "" when it is the file's own business.
std::string meant(std::string_view name) {
  std::string lower, dashed;
  for (const char c : name) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  dashed = lower;
  std::replace(dashed.begin(), dashed.end(), '_', '-');
  if (lower != name && flavour::gunicorn_knows(lower)) return lower;
  if (lower == "preload") return "preload_app";
  // The command line's names: keep_alive, access_logfile, log_level.
  std::vector<std::string_view> known;
  for (const auto& row : flavour::gunicorn_settings_table()) {
    if (row.name.size() >= 5) known.push_back(row.name);
    for (const auto option : base::split(row.options, ' '))
      if (option == "--" + dashed && row.name != "logconfig" && row.name != "statsd_host") return std::string(row.name);
  }
  if (lower != name || name.size() < 6) return {};
  const std::string_view near = base::nearest(name, known);
  if (near.empty()) return {};
  // One letter too many, too few, or two swapped; more is another word.
  const auto difference = near.size() > name.size() ? near.size() - name.size() : name.size() - near.size();
  std::size_t same = 0;
  while (same < std::min(near.size(), name.size()) && near[same] == name[same]) ++same;
  std::size_t tail = 0;
  while (tail + same < std::min(near.size(), name.size()) && near[near.size() - 1 - tail] == name[name.size() - 1 - tail]) ++tail;
  const std::size_t left = name.size() - std::min(name.size(), same + tail);
  return difference <= 1 && left <= 2 ? std::string(near) : std::string();
}

void names(const Deployment& all, std::vector<Draft>& drafts) {
  for (std::uint32_t i = 0; i < all.files.size(); ++i) {
    const model::File& file = all.files[i];
    if (file.document.dialect != Dialect::gunicorn || !file.template_language.empty()) continue;
    const auto bindings = parse::python::bindings_of(file.text);
    if (!bindings.star_imports.empty()) { drafts.push_back(lint_unknown(all, "gunicorn.unknown-setting", {i, bindings.star_imports.front().line, 1, 0, 0}, "the names that the import brings")); }
    for (const auto& binding : bindings.names) {
      if (flavour::gunicorn_knows(binding.name) || binding.name.starts_with("_") || binding.values.empty()) continue;
      const std::string better = meant(binding.name);
      if (better.empty() || uses_of(file.text, binding.name) != 1) continue;
      const bool taken = std::ranges::any_of(bindings.names, [&](const auto& other) { return other.name == better; });
      const Spot at = name_spot(all, i, binding.values.front().at, binding.name.size());
      Draft draft = lint_draft(all, "gunicorn.unknown-setting", at, {{"setting", binding.name}, {"better", better}});
      if (!taken && at.at > 0 && std::string_view(file.text).substr(at.at, binding.name.size()) == binding.name) edit(all, draft, i, at.at, at.end, better, false);
      drafts.push_back(std::move(draft));
    }
  }
}

// Options of the command that no version knows.
void options(const Deployment& all, std::vector<Draft>& drafts) {
  for (const Backend& server : all.servers) {
    if (server.command.empty() || !server.at.known()) continue;
    const auto words = base::shell_words(server.command);
    const auto begin = flavour::gunicorn_arguments(words);
    if (!begin) continue;
    std::vector<std::string_view> known;
    for (const auto& row : flavour::gunicorn_settings_table())
      for (const auto option : base::split(row.options, ' ')) if (option.size() > 2) known.push_back(option);
    known.push_back("--help");
    known.push_back("--version");
    for (std::size_t at = *begin; at < words.size(); ++at) {
      const std::string& word = words[at];
      if (word == "--" || word == "&&" || word == "||" || word == ";" || word == "|" || word == "&") break;
      if (word.find('$') == 0) drafts.push_back(lint_unknown(all, "gunicorn.unknown-option", server.at, "what " + word + " holds"));
      if (!base::starts_with(word, "--") || word.find('$') != std::string::npos) continue;
      const std::string name = word.substr(0, word.find('='));
      if (std::ranges::any_of(known, [&](std::string_view option) { return base::starts_with(option, name); })) continue;
      Spot spot = server.at;
      const std::string_view raw = std::string_view(all.files[spot.file].text).substr(spot.at, spot.end - spot.at);
      if (const auto found = raw.find(name); found != std::string_view::npos) {
        const auto place = parse::settings::place_at(all.files[spot.file].text, spot.at + found, spot.at + found + name.size());
        spot = {spot.file, place.line, place.column, place.at, place.end};
      }
      Draft draft = lint_draft(all, "gunicorn.unknown-option", spot, {{"name", name}, {"detail", base::did_you_mean(name, known)}});
      if (const auto near = base::nearest(name, known); !near.empty() && spot.end - spot.at == name.size()) edit(all, draft, spot.file, spot.at, spot.end, std::string(near), false);
      drafts.push_back(std::move(draft));
    }
  }
}

void versions(const Deployment& all, std::vector<Draft>& drafts) {
  for (const Backend& server : all.servers) {
    const auto version = flavour::read_version(server.version);
    for (const auto& [name, choices] : server.settings) {
      if (choices.empty() || choices.front().from != model::From::configured) continue;
      bool known = false, holds = false, always = false;
      std::string since, until;
      for (const auto& row : flavour::gunicorn_settings_table()) {
        if (row.name != name) continue;
        known = true;
        always = always || (row.since.empty() && row.until.empty());
        holds = holds || (version.known() && flavour::holds_for(row.since, row.until, version));
        if (since.empty() || row.since.empty()) since = row.since;
        until = row.until;
      }
      if (!known || always || (since.empty() && until.empty())) continue;
      if (!version.known()) drafts.push_back(lint_unknown(all, "gunicorn.setting-not-in-version", choices.front().at, "the version of gunicorn"));
      else if (!holds) drafts.push_back(lint_draft(all, "gunicorn.setting-not-in-version", choices.front().at, {{"setting", name}, {"version", server.version}, {"detail", !until.empty() && version >= flavour::read_version(until) ? "it was removed in " + until : "it came in " + since}}));
    }
    const auto classes = server.settings.find("worker_class");
    if (classes == server.settings.end()) continue;
    for (const Choice& choice : classes->second) {
      if (!choice.value.known() || model::class_kind(choice.value.text) != "eventlet") continue;
      if (!version.known()) drafts.push_back(lint_unknown(all, "gunicorn.setting-not-in-version", choice.at, "the version of gunicorn"));
      else if (version.major >= 26) drafts.push_back(lint_draft(all, "gunicorn.setting-not-in-version", choice.at, {{"setting", "worker_class eventlet"}, {"version", server.version}, {"detail", "it was removed in 26.0"}}));
    }
  }
}

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
      if ((file.document.dialect == Dialect::dockerfile || file.document.dialect == Dialect::script) && uses_of(file.text, name) > 0 && base::contains(file.text, "pip") && base::contains(file.text, "install")) {
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
      if (looks_octal) drafts.push_back(lint_draft(all, "gunicorn.umask-decimal", choice.at, {{"value", text}, {"better", "0o" + std::string(text.size() < 3 ? 3 - text.size() : 0, '0') + text}, {"detail", octal(*value)}}));
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

// A hook's body: the lines below `def name(` that are indented.
std::string_view body_of(std::string_view text, std::string_view hook, std::size_t& at) {
  const std::string head = "def " + std::string(hook) + "(";
  for (auto found = text.find(head); found != std::string_view::npos; found = text.find(head, found + 1)) {
    if (found != 0 && text[found - 1] != '\n') continue;
    std::size_t end = text.find('\n', found);
    while (end != std::string_view::npos && end + 1 < text.size() && (text[end + 1] == ' ' || text[end + 1] == '\t' || text[end + 1] == '\n' || text[end + 1] == '\r' || text[end + 1] == '#')) end = text.find('\n', end + 1);
    at = found;
    return text.substr(found, end == std::string_view::npos ? text.size() - found : end - found);
  }
  return {};
}

void signals(const Deployment& all, std::vector<Draft>& drafts) {
  for (std::uint32_t i = 0; i < all.files.size(); ++i) {
    const model::File& file = all.files[i];
    if (file.document.dialect != Dialect::gunicorn) continue;
    if (!file.template_language.empty()) { drafts.push_back(lint_unknown(all, "gunicorn.sigterm-overridden", {i, 1, 1, 0, 0}, "what the template becomes")); continue; }
    std::size_t at = 0;
    const std::string_view body = body_of(file.text, "post_worker_init", at);
    for (auto found = body.find("signal.signal("); found != std::string_view::npos; found = body.find("signal.signal(", found + 1)) {
      const std::string_view call = body.substr(found, body.find('\n', found) - found);
      if (!base::contains(call, "SIGTERM") || base::contains(call, "SIG_DFL")) continue;
      const auto line = body.rfind('\n', found);
      if (base::trim(body.substr(line == std::string_view::npos ? 0 : line, found - (line == std::string_view::npos ? 0 : line))).starts_with("#")) continue;
      const auto place = parse::settings::place_at(file.text, at + found, at + found + 13);
      drafts.push_back(lint_draft(all, "gunicorn.sigterm-overridden", {i, place.line, place.column, place.at, place.end}));
    }
  }
}

void shadowed(const Deployment& all, std::vector<Draft>& drafts) {
  for (const Backend& server : all.servers) {
    for (const auto& [name, choices] : server.shadowed) {
      if (name == "config" || choices.empty()) continue;
      const auto wins = server.settings.find(name);
      if (wins == server.settings.end() || wins->second.empty()) continue;
      Draft draft = lint_draft(all, "gunicorn.dead-setting-duplicate", choices.front().at, {{"setting", name}, {"value", choices.front().value.text}, {"other", wins->second.front().value.text}});
      also(all, draft, wins->second.front().at);
      if (server.config_guess) { draft.sure = Confidence::likely; draft.sure_because = "if this is the file that the command reads"; }
      drafts.push_back(std::move(draft));
    }
    if (server.config_missing) drafts.push_back(lint_unknown(all, "gunicorn.dead-setting-duplicate", server.at, "the configuration file that the command names"));
  }
}

void check_runs(const Deployment& all, std::vector<Draft>& drafts) {
  for (const Spot& at : all.check_runs) drafts.push_back(lint_draft(all, "gunicorn.check-config-trusted", at));
  for (std::uint32_t i = 0; i < all.files.size(); ++i)
    if (all.files[i].document.dialect == Dialect::script && !all.files[i].template_language.empty() && base::contains(all.files[i].text, "--check-config")) drafts.push_back(lint_unknown(all, "gunicorn.check-config-trusted", {i, 1, 1, 0, 0}, "what the template becomes"));
}

void look(const Deployment& all, std::vector<Draft>& drafts) {
  names(all, drafts);
  options(all, drafts);
  versions(all, drafts);
  cores(all, drafts);
  packages(all, drafts);
  application(all, drafts);
  umasks(all, drafts);
  signals(all, drafts);
  shadowed(all, drafts);
  check_runs(all, drafts);
}

}  // namespace

namespace lints_of {
extern const Lint gunicorn = {"gunicorn",
                              {"gunicorn.unknown-setting", "gunicorn.unknown-option", "gunicorn.setting-not-in-version", "gunicorn.workers-vs-cores", "gunicorn.worker-class-dependency", "gunicorn.app-path-syntax", "gunicorn.umask-decimal",
                               "gunicorn.umask-blocks-nginx", "gunicorn.sigterm-overridden", "gunicorn.dead-setting-duplicate", "gunicorn.check-config-trusted"},
                              look};
}

}  // namespace rule
