// Configuration files as people write them, for the linter: each dialect's text becomes entries (or a YAML tree) with the place of every key
// and value, byte-exact, so that a finding can point at it and a fix can replace it. Read by content and name, never run; bounded; what cannot
// be read is said at its place. nginx has its own tree (parse/nginx), Python its own bindings (parse/python).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace parse::settings {

enum class Dialect : std::uint8_t { none, nginx, gunicorn, systemd, dockerfile, compose, kubernetes, procfile, supervisor, uwsgi, phpfpm, puma, unicorn, script, requirements, limits, database, alerts, reference, apache, celery, gems };
/// "nginx configuration", "Dockerfile"...
std::string_view dialect_text(Dialect dialect);

/// Line and column count from 1, columns in bytes; [at, end) are offsets in the text.
struct Place {
  std::uint32_t line = 0, column = 0;
  std::size_t at = 0, end = 0;
  bool known() const { return line > 0; }
};

/// One setting, one instruction, one line of a Procfile. `section`: "Service", "program:web", the build stage of a Dockerfile.
struct Entry {
  std::string section, key, value;  // continued lines joined by one blank, quotes as they were written
  Place key_at, value_at;
};

struct Wrong { Place at; std::string what; };

struct Document {
  Dialect dialect = Dialect::none;
  std::vector<Entry> entries;      // in the order of the file, at most 20,000
  std::vector<Wrong> wrong;        // what its own reader would refuse
};

/// What a file is, from its path and its text; none for what is no configuration known here.
Dialect recognise(std::string_view path, std::string_view text);

/// The template language that a text is written in, "" for none: "Jinja", "ERB", "Helm or Go"; `at` is where it shows.
std::string template_language(std::string_view path, std::string_view text, Place* at = nullptr);

/// Line and column of an offset.
Place place_at(std::string_view text, std::size_t at, std::size_t end);

/// Files of `name = value` lines under [sections]: systemd units (`systemd`: only # and ; at the front of a line are comments, a backslash
/// continues), supervisor, uwsgi, php-fpm.
Document read_ini(std::string_view text, Dialect dialect);
/// uwsgi's four forms, by what the text is: ini, XML, YAML, JSON. What stands below "uwsgi" are entries of that section; a list is the key repeated.
Document read_uwsgi(std::string_view text);
/// Instructions: the key is the instruction in upper case, the section the number of the build stage, from "1".
Document read_dockerfile(std::string_view text);
/// `type: command` lines.
Document read_procfile(std::string_view text);
/// The command lines of a shell script, comments and continuations resolved; the key is "exec" for those that replace the shell, else "run".
Document read_script(std::string_view text);
/// The package names of a requirements file, a lock or a pyproject, in lower case with "-": key = name, value = what stands behind it.
Document read_requirements(std::string_view path, std::string_view text);
/// triage-server.json: what the server would refuse (a name that is no setting) is wrong. Values in gunicorn's notation.
Document read_reference(std::string_view text);
/// limits.conf of pam_limits: key = whom, section = soft, hard or -, value = "nofile 65536".
Document read_limits(std::string_view text);
/// config/database.yml of Rails, whose values are often ERB: section = environment, its anchor's settings first.
Document read_database(std::string_view text);
/// Apache: `Directive value` lines, the section is the innermost that is no <If...>; WSGIDaemonProcess gives its options as keys of their own, too.
Document read_apache(std::string_view text);
/// Celery's settings in Python, as assignments, as attributes of app.conf, as arguments of app.conf.update() and as keys of a dict; names in the
/// lower-case form of Celery 4 ("task_acks_late" of CELERY_TASK_ACKS_LATE). Section "task" for those of one task (@app.task(acks_late=True)), whose
/// other arguments follow as entries with the same line in the section's place. "Celery" marks a Celery(...) call, "config_from_object" the like.
Document read_celery(std::string_view text);
/// Gemfile.lock: the gems that are installed, key = name, value = version.
Document read_gems(std::string_view text);
/// puma.rb and unicorn.rb: calls at the start of a line, `name arguments`; blocks are passed over.
Document read_ruby(std::string_view text, Dialect dialect);

}  // namespace parse::settings
