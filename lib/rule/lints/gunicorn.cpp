// gunicorn's settings by their names: those it does not know, those that another version has, those that a stronger source hides.
#include <algorithm>
#include <array>
#include <cctype>

#include "base/near.hpp"
#include "base/text.hpp"
#include "base/words.hpp"
#include "flavour/flavour.hpp"
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
    std::vector<std::string> switches;   // of the reference server: --name and --no-name
    for (const auto& row : flavour::gunicorn_settings_table())
      for (const auto option : base::split(row.options, ' '))
        if (option.size() > 2 && (row.name == "config" || row.name == "print_config" || row.name == "check_config" || flavour::knows(server.flavour, row.name))) known.push_back(option);
    if (server.flavour == "reference")
      for (const flavour::Option& own : flavour::flavour("reference")->options) known.push_back(own.text);
    for (const flavour::Default& row : flavour::flavour(server.flavour)->defaults) {
      if (server.flavour != "reference" || (row.value != "True" && row.value != "False")) continue;
      std::string option(row.name);
      std::replace(option.begin(), option.end(), '_', '-');
      switches.push_back("--" + option);
      switches.push_back("--no-" + option);
    }
    known.insert(known.end(), switches.begin(), switches.end());
    known.push_back("--help");
    known.push_back("--version");
    for (std::size_t at = *begin; at < words.size(); ++at) {
      const std::string& word = words[at];
      if (word == "--" || word == "&&" || word == "||" || word == ";" || word == "|" || word == "&") break;
      if (word.find('$') == 0) drafts.push_back(lint_unknown(all, "gunicorn.unknown-option", server.at, "what " + word + " holds"));
      if (!base::starts_with(word, "--") || word.find('$') != std::string::npos) continue;
      const std::string name = word.substr(0, word.find('='));
      if (std::ranges::any_of(known, [&](std::string_view option) { return server.flavour == "gunicorn" ? base::starts_with(option, name) : option == name; })) continue;   // argparse takes beginnings
      Spot spot = server.at;
      const std::string_view raw = std::string_view(all.files[spot.file].text).substr(spot.at, spot.end - spot.at);
      if (const auto found = raw.find(name); found != std::string_view::npos) {
        const auto place = parse::settings::place_at(all.files[spot.file].text, spot.at + found, spot.at + found + name.size());
        spot = {spot.file, place.line, place.column, place.at, place.end};
      }
      Draft draft = lint_draft(all, "gunicorn.unknown-option", spot, {{"name", name}, {"server", std::string(flavour::shown(server.flavour))}, {"detail", base::did_you_mean(name, known)}});
      if (const auto near = base::nearest(name, known); !near.empty() && spot.end - spot.at == name.size()) edit(all, draft, spot.file, spot.at, spot.end, std::string(near), false);
      drafts.push_back(std::move(draft));
    }
  }
}

void versions(const Deployment& all, std::vector<Draft>& drafts) {
  for (const Backend& server : all.servers) {
    if (server.flavour != "gunicorn") continue;
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
  shadowed(all, drafts);
  check_runs(all, drafts);
}

}  // namespace

namespace lints_of {
extern const Lint gunicorn = {"gunicorn", {"gunicorn.unknown-setting", "gunicorn.unknown-option", "gunicorn.setting-not-in-version", "gunicorn.dead-setting-duplicate", "gunicorn.check-config-trusted"}, look};
}

}  // namespace rule
