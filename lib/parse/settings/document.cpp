#include "parse/settings/document.hpp"

#include <algorithm>

namespace parse::settings {

std::string_view dialect_text(Dialect dialect) {
  switch (dialect) {
    case Dialect::none: return "file";
    case Dialect::nginx: return "nginx configuration";
    case Dialect::gunicorn: return "gunicorn configuration";
    case Dialect::systemd: return "systemd unit";
    case Dialect::dockerfile: return "Dockerfile";
    case Dialect::compose: return "compose file";
    case Dialect::kubernetes: return "Kubernetes manifest";
    case Dialect::procfile: return "Procfile";
    case Dialect::supervisor: return "supervisor configuration";
    case Dialect::uwsgi: return "uwsgi configuration";
    case Dialect::phpfpm: return "php-fpm pool";
    case Dialect::puma: return "puma configuration";
    case Dialect::unicorn: return "unicorn configuration";
    case Dialect::script: return "shell script";
    case Dialect::requirements: return "requirements";
    case Dialect::limits: return "limits.conf";
    case Dialect::database: return "database.yml";
    case Dialect::alerts: return "alerting rules";
    case Dialect::reference: return "triage-server configuration";
    case Dialect::apache: return "Apache configuration";
    case Dialect::celery: return "Celery settings";
    case Dialect::gems: return "Gemfile.lock";
  }
  return "file";
}

Place place_at(std::string_view text, std::size_t at, std::size_t end) {
  at = std::min(at, text.size());
  const std::string_view before = text.substr(0, at);
  const auto line = static_cast<std::uint32_t>(std::count(before.begin(), before.end(), '\n')) + 1;
  const auto newline = before.rfind('\n');
  const auto column = static_cast<std::uint32_t>(newline == std::string_view::npos ? at : at - newline - 1) + 1;
  return {line, column, at, std::max(at, std::min(end, text.size()))};
}

}  // namespace parse::settings
