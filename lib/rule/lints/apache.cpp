// Apache with mod_wsgi: a log level that hides every death of a daemon, and a request timeout that is an average (measured with 4.9.4 and 5.0.2;
// servers.md 1, findings 8 and 10).
#include <algorithm>

#include "base/text.hpp"
#include "base/words.hpp"
#include "rule/entry.hpp"

namespace rule {

namespace {

using model::Deployment;
using model::Spot;
using parse::settings::Dialect;
using parse::settings::Entry;

bool quieter_than_info(std::string_view level) {
  for (const std::string_view one : {"emerg", "alert", "crit", "error", "warn", "notice"})
    if (level == one) return true;
  return false;
}

// What a LogLevel line makes of the module: its own word, else the general one; "" = neither.
std::string level_of(std::string_view value) {
  std::string general;
  for (const auto part : base::split(value, ' ')) {
    const auto word = base::trim(part);
    const auto colon = word.find(':');
    if (colon == std::string_view::npos) { if (!word.empty()) general = std::string(word); }
    else if (word.substr(0, colon) == "wsgi" || word.substr(0, colon) == "mod_wsgi.c" || word.substr(0, colon) == "wsgi_module") return std::string(word.substr(colon + 1));
  }
  return general;
}

void look(const Deployment& all, std::vector<Draft>& drafts) {
  struct Line { std::uint32_t file; const Entry* entry; };
  std::vector<Line> levels, daemons;
  bool main = false;
  for (std::uint32_t i = 0; i < all.files.size(); ++i) {
    const model::File& file = all.files[i];
    if (file.document.dialect != Dialect::apache) continue;
    if (!file.template_language.empty()) {
      for (const char* rule : {"apache.wsgi-log-level", "apache.request-timeout-average"}) drafts.push_back(lint_unknown(all, rule, {i, 1, 1, 0, 0}, "what the template becomes"));
      continue;
    }
    for (const Entry& entry : file.document.entries) {
      if (entry.key == "LogLevel") levels.push_back({i, &entry});
      if (entry.key == "WSGIDaemonProcess") daemons.push_back({i, &entry});
      main = main || entry.key == "ServerRoot" || entry.key == "LoadModule";
    }
  }
  for (const Line& daemon : daemons) {
    const Spot at = spot_of(daemon.file, daemon.entry->key_at);
    // The level of the place that defines it: its own section in its own file first, then the server's.
    const Entry* level = nullptr;
    std::uint32_t file = daemon.file;
    for (const bool own : {true, false})
      for (const Line& line : levels)
        if (!level && (own ? line.file == daemon.file && line.entry->section == daemon.entry->section : line.entry->section.empty())) { level = line.entry; file = line.file; }
    if (!level && !main) drafts.push_back(lint_unknown(all, "apache.wsgi-log-level", at, "the LogLevel of the main file"));
    else if (const std::string value = level ? level_of(level->value) : "warn"; base::contains(value, "$")) drafts.push_back(lint_unknown(all, "apache.wsgi-log-level", at, value));
    else if (quieter_than_info(value)) {
      Draft draft = lint_draft(all, "apache.wsgi-log-level", level ? spot_of(file, level->value_at) : at, {{"value", value}});
      if (level) also(all, draft, at);
      if (level && !base::contains(level->value, "wsgi")) edit(all, draft, file, level->value_at.at, level->value_at.end, level->value + " wsgi:info");
      drafts.push_back(std::move(draft));
    }
    // Its options follow it, on its line.
    std::string threads = "15", timeout;
    Spot where;
    for (const Entry& entry : all.files[daemon.file].document.entries) {
      if (entry.key_at.line != daemon.entry->key_at.line) continue;
      if (entry.key == "threads") threads = entry.value;
      if (entry.key == "request-timeout") { timeout = entry.value; where = spot_of(daemon.file, entry.value_at); }
    }
    if (timeout.empty() || timeout == "0") continue;
    const auto count = base::read_number(threads), seconds = base::read_number(timeout);
    if (!count || !seconds) { drafts.push_back(lint_unknown(all, "apache.request-timeout-average", where, !count ? threads : timeout)); continue; }
    if (*count > 1) drafts.push_back(lint_draft(all, "apache.request-timeout-average", where, {{"value", timeout}, {"count", threads}, {"other", std::to_string(*seconds * *count)}}));
  }
}

}  // namespace

namespace lints_of {
extern const Lint apache = {"apache", {"apache.wsgi-log-level", "apache.request-timeout-average"}, look};
}

}  // namespace rule
