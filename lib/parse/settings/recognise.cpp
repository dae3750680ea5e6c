// What a file is. The name decides where a tool demands that name (Dockerfile, Procfile, *.service); else the content does.
#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "base/words.hpp"
#include "parse/format.hpp"
#include "parse/settings/document.hpp"

namespace parse::settings {

namespace {

using std::string_view_literals::operator""sv;
constexpr std::size_t head_bytes = 16 << 10;

// The endings that say "made from me": what stands in front of them is the name of the file that is made.
std::string_view without_template_ending(std::string_view name) {
  for (const auto ending : {".j2"sv, ".jinja2"sv, ".jinja"sv, ".erb"sv, ".tmpl"sv, ".tpl"sv, ".template"sv, ".example"sv, ".sample"sv, ".dist"sv, ".in"sv})
    if (name.size() > ending.size() && name.ends_with(ending) && !name.starts_with("requirements")) return name.substr(0, name.size() - ending.size());
  return name;
}

int sure_of(std::string_view document, std::string_view path, std::string_view head) {
  for (const parse::Document* one : parse::configs())
    if (one->name == document) return one->sure(path, head);
  return 0;
}

bool has_line(std::string_view text, std::string_view start) { return base::starts_with(text, start) || base::contains(text, "\n" + std::string(start)); }

bool holds_section(std::string_view text, std::string_view name) { return has_line(text, "[" + std::string(name)); }

// Lines that are nginx's own, for snippets that hold no block.
int nginx_lines(std::string_view head) {
  int lines = 0;
  for (const auto whole : base::split(head, '\n')) {
    const auto line = base::trim(whole);
    if (!line.ends_with(";")) continue;
    for (const auto start : {"proxy_"sv, "uwsgi_"sv, "fastcgi_"sv, "add_header "sv, "ssl_certificate"sv, "try_files "sv, "client_max_body_size "sv}) lines += base::starts_with(line, start);
  }
  return lines;
}

// A server block that listens somewhere: nothing else is written so, and most sites say it in their first lines.
bool shows_a_site(std::string_view head) {
  bool block = false;
  while (!head.empty()) {
    const auto end = std::min(head.find('\n'), head.size());
    const std::string_view line = base::trim(head.substr(0, end));
    head.remove_prefix(std::min(end + 1, head.size()));
    if (line == "server {") block = true;
    else if (block && base::starts_with(line, "listen ") && line.ends_with(";")) return true;
  }
  return false;
}

bool is_php(std::string_view text) { return has_line(text, "pm = ") || has_line(text, "pm=") || has_line(text, "pm.max_children") || (has_line(text, "listen = ") && has_line(text, "user = ") && base::contains(text, "pm")); }

bool is_unicorn(std::string_view text) { return has_line(text, "worker_processes ") || has_line(text, "worker_processes("); }
bool is_puma(std::string_view text) { return has_line(text, "preload_app!") || has_line(text, "plugin :") || has_line(text, "threads ") || (has_line(text, "workers ") && base::contains(text, "port ")); }

// Directives that only Apache has.
bool is_apache(std::string_view text) {
  std::size_t lines = 0;
  for (const auto whole : base::split(text, '\n')) {
    const auto line = base::trim(whole);
    if (++lines > 400) break;
    for (const auto start : {"WSGIDaemonProcess "sv, "WSGIScriptAlias "sv, "MaxRequestWorkers "sv, "ServerRoot "sv, "LoadModule "sv, "<VirtualHost "sv, "PassengerAppRoot "sv})
      if (base::starts_with(line, start)) return true;
  }
  return false;
}

// Python that makes a Celery application, or sets what only Celery reads.
bool is_celery(std::string_view name, std::string_view text) {
  if (name.starts_with("celeryconfig") || name.starts_with("celery_config")) return true;
  if (base::contains(text, "from celery import") && base::contains(text, "Celery(")) return true;
  return base::contains(text, "@shared_task(") || has_line(text, "CELERY_") || has_line(text, "    CELERY_");
}

bool mentions_server(std::string_view text) {
  return std::ranges::any_of(std::array{"gunicorn"sv, "uwsgi"sv, "uvicorn"sv, "puma"sv, "unicorn"sv, "flask run"sv, "runserver"sv, "hypercorn"sv}, [&](std::string_view word) { return base::contains(text, word); });
}

}  // namespace

Dialect recognise(std::string_view path, std::string_view text) {
  const std::string_view head = text.substr(0, head_bytes);
  if (head.find('\0') != std::string_view::npos) return Dialect::none;
  const std::string_view name = without_template_ending(base::file_name(path));
  const auto dot = name.rfind('.');
  const std::string_view ending = dot == std::string_view::npos ? "" : name.substr(dot + 1);
  if (ending == "md" || ending == "rst" || ending == "html" || ending == "js" || ending == "ts" || ending == "css" || ending == "go" || ending == "c" || ending == "h" || ending == "log") return Dialect::none;
  if (name == "Dockerfile" || name == "Containerfile" || name.starts_with("Dockerfile.") || name.starts_with("Dockerfile-") || ending == "dockerfile" || ending == "Dockerfile" || name.ends_with("__Dockerfile") || base::contains(name, "__Dockerfile.")) return Dialect::dockerfile;
  if (name == "Procfile" || name.starts_with("Procfile.") || name.ends_with("__Procfile")) return Dialect::procfile;
  if ((name.starts_with("requirements") || base::contains(path, "/requirements/")) && (ending == "txt" || ending == "in")) return Dialect::requirements;
  if (name == "Pipfile" || name == "Pipfile.lock" || name == "poetry.lock" || name == "uv.lock" || name == "pyproject.toml") return Dialect::requirements;
  if ((name == "limits.conf" || base::contains(path, "limits.d/")) && base::contains(head, "nofile")) return Dialect::limits;
  if (name == "Gemfile.lock" || name == "gems.locked") return Dialect::gems;
  if (ending == "yml" || ending == "yaml") {
    if (name == "database.yml" && base::contains(text, "adapter:")) return Dialect::database;
    if (has_line(text, "groups:") && base::contains(text, "alert:") && base::contains(text, "expr:")) return Dialect::alerts;
    if (has_line(text, "apiVersion:") && has_line(text, "kind:")) return Dialect::kubernetes;
    if (has_line(text, "services:")) return Dialect::compose;
    return has_line(text, "uwsgi:") ? Dialect::uwsgi : Dialect::none;
  }
  const bool drop_in = base::contains(path, ".service.d/") || base::contains(path, ".socket.d/");
  if (ending == "service" || ending == "socket" || drop_in) return sure_of("systemd unit", path, head) > 0 || drop_in ? Dialect::systemd : Dialect::none;
  if (ending == "rb" || ending == "ru") return is_unicorn(text) ? Dialect::unicorn : name.ends_with("puma.rb") || (is_puma(text) && base::contains(path, "puma")) ? Dialect::puma : Dialect::none;
  const bool shell = ending == "sh" || ending == "bash" || base::starts_with(head, "#!/bin/sh") || base::starts_with(head, "#!/bin/bash") || base::starts_with(head, "#!/usr/bin/env bash") || base::starts_with(head, "#!/usr/bin/env sh") || base::starts_with(head, "#! /bin/");
  if (shell) return mentions_server(text) ? Dialect::script : Dialect::none;
  if (holds_section(head, "program:") || holds_section(head, "supervisord]")) return Dialect::supervisor;
  if (holds_section(head, "uwsgi]") || (ending == "xml" && base::contains(head, "<uwsgi")) || (ending == "json" && base::contains(head, "\"uwsgi\""))) return Dialect::uwsgi;
  if (ending == "json" && sure_of("triage-server configuration", path, head) >= 60) return Dialect::reference;
  if (ending == "json" || ending == "toml" || ending == "txt" || ending == "xml") return Dialect::none;
  if (ending != "py" && (is_php(head) || (ending == "conf" && base::contains(name, "php-fpm") && holds_section(head, "global]")))) return Dialect::phpfpm;
  if (ending == "py" || base::contains(name, "gunicorn")) {
    if (sure_of("gunicorn configuration", path, head) >= 60) return Dialect::gunicorn;
    if (ending == "py") return is_celery(name, text) ? Dialect::celery : Dialect::none;
  }
  if ((ending == "conf" || ending == "load" || dot == std::string_view::npos || base::contains(path, "apache") || base::contains(path, "httpd")) && is_apache(text)) return Dialect::apache;
  // What ends like source code is source code: Pascal's units and PHP hold "server" and semicolons too.
  const bool plain_name = dot == std::string_view::npos || ending == "conf" || ending == "cfg" || ending == "nginx" || ending == "vhost" || ending == "inc" || ending == "site" || base::contains(path, "nginx") || base::contains(path, "/sites-");
  const bool domain = !plain_name && has_line(head, "server {") && base::contains(head, "listen ") && base::contains(head, "server_name ");
  if ((plain_name || domain) && (shows_a_site(head) || sure_of("nginx configuration", path, head) > 0)) return Dialect::nginx;
  if (sure_of("systemd unit", path, head) >= 90) return Dialect::systemd;
  if (sure_of("gunicorn configuration", path, head) >= 75) return Dialect::gunicorn;
  if (name == "nginx.conf" && (has_line(head, "include ") || has_line(head, "events") || has_line(head, "http"))) return Dialect::nginx;
  const bool by_name = base::contains(path, "nginx") && (ending == "conf" || dot == std::string_view::npos || ending == "nginx");
  const int lines = nginx_lines(head);
  return (lines >= 3 && plain_name) || (by_name && lines >= 1) || (by_name && (base::contains(head, "server {") || base::contains(head, "location "))) ? Dialect::nginx : Dialect::none;
}

std::string template_language(std::string_view path, std::string_view text, Place* at) {
  const auto say = [&](std::size_t where, std::string_view what) {
    if (at) *at = place_at(text, where, where + 2);
    return std::string(what);
  };
  const std::string_view name = base::file_name(path);
  const bool yaml = base::contains(name, ".yml") || base::contains(name, ".yaml");
  if (const auto where = text.find("<%"); where != std::string_view::npos && text.find("%>", where) != std::string_view::npos) return say(where, "ERB");
  for (auto where = text.find("{%"); where != std::string_view::npos; where = text.find("{%", where + 2)) {
    const char next = where + 2 < text.size() ? text[where + 2] : '\0';
    if ((next == ' ' || next == '-' || (next >= 'a' && next <= 'z')) && text.find("%}", where) < text.find('\n', where)) return say(where, "Jinja");
  }
  for (auto where = text.find("{{"); where != std::string_view::npos; where = text.find("{{", where + 2)) {
    std::size_t next = where + 2;
    while (next < text.size() && (text[next] == ' ' || text[next] == '-')) ++next;
    const char c = next < text.size() ? text[next] : '\0';
    const auto close = text.find("}}", where), line = text.find('\n', where);
    if (close == std::string_view::npos || close > line) continue;
    if (!(c == '.' || c == '$' || c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))) continue;
    if (yaml) {  // "{{ .Node }}" between quotes is text of the program that reads it
      const auto start = text.rfind('\n', where);
      const std::string_view before = text.substr(start == std::string_view::npos ? 0 : start + 1, where - (start == std::string_view::npos ? 0 : start + 1));
      if ((std::ranges::count(before, '"') + std::ranges::count(before, '\'')) % 2 == 1 || base::contains(before, "#")) continue;
    }
    if (name.ends_with(".py") || name.ends_with(".rb") || name.ends_with(".sh")) {  // f"{{x}}" is how Python writes a brace
      const char before = where > 0 ? text[where - 1] : '\n';
      if (before != '"' && before != '\'' && before != ' ' && before != '=' && before != '\n' && before != '/') continue;
      const auto start = text.rfind('\n', where);
      if (base::contains(text.substr(start == std::string_view::npos ? 0 : start, where - start), "f\"") || base::contains(text.substr(start == std::string_view::npos ? 0 : start, where - start), "f'")) continue;
    }
    const bool go = c == '.' || c == '$' || base::contains(text, "{{ .") || base::contains(text, "{{.") || base::contains(text, "{{- ") || base::contains(text.substr(where, 12), "include ");
    return say(where, go && !base::contains(text, "{%") ? "Helm or Go" : "Jinja");
  }
  return {};
}

}  // namespace parse::settings
