// What the package manager changed: dpkg's log, "2026-11-22 10:41:02 upgrade libpq5:amd64 15.5-0 15.8-0" (dpkg src/main/log.c; local time,
// without zone). One fact a package; the "status" rows between say nothing new and are nobody's.
#include "base/text.hpp"
#include "parse/format.hpp"

namespace parse::formats_of {

namespace {

struct Reading : State {};

bool step(State&, const Record& record, Sink& sink) {
  std::string_view text = record.line;
  if (text.size() < 28 || text[4] != '-' || text[10] != ' ' || text[13] != ':' || text[19] != ' ') return false;
  std::string_view rest = text.substr(20);
  std::string_view verb;
  for (const std::string_view known : {"upgrade ", "install ", "remove ", "purge "})
    if (rest.starts_with(known)) verb = known;
  if (verb.empty()) return false;
  rest.remove_prefix(verb.size());
  const auto words = base::split(rest, ' ');
  if (words.size() != 3 || words[0].empty() || words[0].find(':') == std::string_view::npos) return false;
  const std::string_view name = words[0].substr(0, words[0].find(':'));
  std::string what(name.substr(0, 100));
  if (verb == "upgrade ") what += " " + std::string(words[1].substr(0, 60)) + " to " + std::string(words[2].substr(0, 60));
  else what += verb == "install " ? " " + std::string(words[2].substr(0, 60)) + " installed" : " removed";
  auto when = base::read_iso(text.substr(0, 19));
  if (when) when = sink.settled(*when);
  sink.add(evidence::FileChanged{std::move(what), "package"}, {}, record, when);
  return true;
}

constexpr std::string_view marks[] = {" upgrade ", " install ", " remove ", " purge "};

void finish(State&, Sink&) {}

std::unique_ptr<State> start() { return std::make_unique<Reading>(); }

}  // namespace

extern const Format packages = {"dpkg log", evidence::SourceKind::config, start, step, finish, marks};

}  // namespace parse::formats_of
