// The configuration files of uWSGI, php-fpm, Puma, Unicorn and Apache, told by what stands in them; gunicorn's has its own reader.
#include <array>

#include "base/text.hpp"
#include "base/words.hpp"
#include "parse/format.hpp"
#include "parse/settings/document.hpp"
#include "parse/settings/server.hpp"

namespace parse {

namespace {

std::string_view flavour_of(std::string_view path, std::string_view head) {
  switch (settings::recognise(path, head)) {
    case settings::Dialect::uwsgi: return "uwsgi";
    case settings::Dialect::phpfpm: return "php-fpm";
    case settings::Dialect::puma: return "puma";
    case settings::Dialect::unicorn: return "unicorn";
    default: break;
  }
  const std::string_view name = base::file_name(path);
  if (!name.ends_with(".conf") && !name.ends_with(".load")) return {};
  for (const std::string_view word : {"\nMaxRequestWorkers ", "\n\tMaxRequestWorkers", "\nWSGIDaemonProcess ", "\nServerRoot ", "\nStartServers ", " WSGIDaemonProcess ", "\tWSGIDaemonProcess "})
    if (base::contains(head, word)) return "apache";
  return base::starts_with(head, "ServerRoot ") ? "apache" : std::string_view{};
}

bool may_be(std::string_view path) {
  const std::string_view name = base::file_name(path);
  for (const std::string_view ending : {".ini", ".xml", ".yaml", ".yml", ".json", ".conf", ".rb"})
    if (name.ends_with(ending)) return true;
  return false;
}

// The name asks for it and the text has the settings of one of them.
int sure(std::string_view path, std::string_view head) { return may_be(path) && !flavour_of(path, head).empty() ? 70 : 0; }

// The reader is told the text alone: what it is, once more.
void read(std::string_view text, Sink& sink) { settings::add_server_settings(flavour_of(sink.source().name, text), text, {}, sink); }

}  // namespace

namespace configs_of {
extern const Document server_files = {.name = "server configuration", .kind = evidence::SourceKind::config, .sure = sure, .read = read};
}  // namespace configs_of
}  // namespace parse
