// The configuration files of uWSGI, php-fpm, Puma, Unicorn and Apache as settings of a running server: facts beside gunicorn's. Which names are
// kept is said by the flavour (flavour::Option), so no secret of an env = line is. Read, never run.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "parse/format.hpp"
#include "parse/settings/document.hpp"

namespace parse::settings {

/// SettingRead facts named "FLAVOUR.setting", the setting's name here ("uwsgi.timeout"); a php-fpm pool or one of Apache's sections is the
/// condition. What is no literal has no value. False where this flavour has no such file.
bool add_server_settings(std::string_view flavour, std::string_view text, evidence::Subject about, Sink& sink);

/// The same file raw, secrets and all, for whoever asks the server with them; false where this flavour has no such file.
bool read_server(std::string_view flavour, std::string_view text, Document& out);

/// Files and patterns that it reads as well: "/etc/php/8.2/fpm/pool.d/*.conf". Relative ones as they stand.
std::vector<std::string> server_includes(std::string_view flavour, std::string_view text);

}  // namespace parse::settings
