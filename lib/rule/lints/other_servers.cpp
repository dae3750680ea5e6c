// hypercorn, Granian and Passenger: two questions each. hypercorn measured (0.13.2, 0.17.3), Granian read in its source (granian/server/common.py
// @01bedd0), Passenger 6.0.17 measured (servers.md 1, findings 9, and 5).
#include <algorithm>

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

std::optional<double> pinned(const Deployment& all, std::string_view package) {
  for (const model::File& file : all.files)
    if (file.document.dialect == Dialect::requirements)
      for (const auto& entry : file.document.entries) {
        std::string_view rest = entry.value;
        if (entry.key != package) continue;
        if (base::starts_with(rest, "[")) rest = rest.substr(std::min(rest.find(']') + 1, rest.size()));
        if (base::starts_with(rest, "==")) return model::version_number(base::trim(rest.substr(2)));
      }
  return std::nullopt;
}

// The value of --workers, -w: "" = not given, "?" = not a number.
std::string workers_in(std::string_view command) {
  std::string text(command);
  if (base::starts_with(base::trim(command), "["))
    for (char& c : text) if (c == '[' || c == ']' || c == ',') c = ' ';
  const auto words = base::shell_words(text);
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::string value;
    if ((words[i] == "--workers" || words[i] == "-w") && i + 1 < words.size()) value = words[i + 1];
    else if (base::starts_with(words[i], "--workers=")) value = words[i].substr(10);
    else continue;
    return base::read_number(value) ? value : "?";
  }
  return {};
}

void hypercorn(const Deployment& all, const Holder& holder, const Choice& command, std::vector<Draft>& drafts) {
  if (holder.kind != Holder::Kind::unit) return;
  const std::string workers = workers_in(command.value.text);
  const auto version = pinned(all, "hypercorn");
  // 0.17: the parent leaves with status 0 as soon as one worker is gone; earlier ones do nothing at all.
  if (const Choice* restart = model::only_choice(holder.settings, "restart"); restart && workers != "0" && restart->value.text == "on-failure") {
    constexpr auto rule = "hypercorn.restart-on-failure";
    if (!version) drafts.push_back(lint_unknown(all, rule, restart->at, "the version of hypercorn"));
    else if (*version >= 17'000 && *version < 18'000) {
      Draft draft = lint_draft(all, rule, restart->at, {{"name", holder.name}});
      const std::string& text = all.files[restart->at.file].text;
      const auto equals = text.find('=', restart->at.at), end = std::min(text.find('\n', restart->at.at), text.size());
      if (equals < end) edit(all, draft, restart->at.file, equals + 1, end, "always");
      drafts.push_back(std::move(draft));
    }
  }
  if (const Choice* reload = model::only_choice(holder.settings, "exec_reload"); reload && (base::contains(reload->value.text, "HUP") || base::contains(reload->value.text, "kill -1 "))) {
    constexpr auto rule = "hypercorn.hup-kills";
    if (!version) drafts.push_back(lint_unknown(all, rule, reload->at, "the version of hypercorn"));
    else if (*version < 18'000) drafts.push_back(lint_draft(all, rule, reload->at, {{"name", holder.name}}));
  }
}

void granian(const Deployment& all, const Choice& command, std::vector<Draft>& drafts) {
  const std::string& text = command.value.text;
  const std::string workers = workers_in(text);
  if (!base::contains(text, "--respawn-failed-workers")) {
    constexpr auto rule = "granian.no-respawn";
    if (workers == "?" || base::contains(text, "$")) drafts.push_back(lint_unknown(all, rule, command.at, "the number of workers"));
    else if (!workers.empty() && workers != "1") drafts.push_back(lint_draft(all, rule, command.at, {{"workers", workers}}));
  }
  if (!base::contains(text, "--workers-kill-timeout")) {
    constexpr auto rule = "granian.stop-without-limit";
    if (base::contains(text, "$")) drafts.push_back(lint_unknown(all, rule, command.at, "what the variables hold"));
    else drafts.push_back(lint_draft(all, rule, command.at));
  }
}

void passenger(const Deployment& all, std::vector<Draft>& drafts) {
  const auto smart = [&](const Spot& at, const std::string& method, bool ruby) {
    constexpr auto rule = "passenger.smart-spawning";
    if (!method.empty() && method != "smart") return;
    if (method.empty() && !ruby) drafts.push_back(lint_unknown(all, rule, at, "the language of the application"));
    else drafts.push_back(lint_draft(all, rule, at, {{"detail", method.empty() ? ", the default for Ruby" : ""}}));
  };
  constexpr auto queue = "passenger.queue-unlimited";
  for (const auto& nginx : all.nginx)
    for (std::size_t b = 0; b < nginx->blocks.size(); ++b) {
      const int block = static_cast<int>(b);
      for (const auto* node : model::own(*nginx, block, "passenger_max_request_queue_size"))
        if (node->directive.argument(0) == "0") drafts.push_back(lint_draft(all, queue, nginx->spot(*node), {{"setting", "passenger_max_request_queue_size"}}));
        else if (base::contains(node->directive.argument(0), "$")) drafts.push_back(lint_unknown(all, queue, nginx->spot(*node), "the variable"));
      for (const auto* node : model::own(*nginx, block, "passenger_enabled")) {
        if (node->directive.argument(0) != "on") continue;
        const auto method = model::in_force(*nginx, block, "passenger_spawn_method"), ruby = model::in_force(*nginx, block, "passenger_ruby");
        smart(nginx->spot(*node), method.node ? method.node->directive.argument(0) : "", ruby.node != nullptr);
      }
    }
  for (std::uint32_t i = 0; i < all.files.size(); ++i) {
    const model::File& file = all.files[i];
    if (file.document.dialect != Dialect::apache || !file.template_language.empty()) continue;
    for (const auto& entry : file.document.entries)
      if (entry.key == "PassengerMaxRequestQueueSize" && entry.value == "0") drafts.push_back(lint_draft(all, queue, spot_of(i, entry.key_at), {{"setting", entry.key}}));
  }
}

void look(const Deployment& all, std::vector<Draft>& drafts) {
  for (const Holder& holder : all.holders) {
    const Choice* command = command_of(holder);
    if (!command) continue;
    const std::string server = server_in(command->value.text);
    if (server == "hypercorn") hypercorn(all, holder, *command, drafts);
    if (server == "granian") granian(all, *command, drafts);
  }
  passenger(all, drafts);
}

}  // namespace

namespace lints_of {
extern const Lint other_servers = {"other_servers", {"hypercorn.restart-on-failure", "hypercorn.hup-kills", "granian.no-respawn", "granian.stop-without-limit", "passenger.smart-spawning", "passenger.queue-unlimited"}, look};
}

}  // namespace rule
