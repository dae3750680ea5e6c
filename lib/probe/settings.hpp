// How a running server was started and where its configuration stands, without asking it: its arguments, else the unit that starts it.
#pragma once

#include "probe/servers.hpp"

namespace probe {

struct Command {
  std::string args;                                  // empty: a title hides them and nothing else tells
  std::map<std::string, std::string> environment;    // of kept names only
  std::string from;                                  // the unit file it was read from; "" = the process itself
  std::uint32_t line = 0;
};
Command command_of(const source::Host& host, const FoundServer& server);

/// What its command and environment set, as gunicorn reads them; nothing for another server.
std::vector<evidence::SettingRead> settings_of(const FoundServer& server, const Command& command);

/// The configuration file as the server sees it: -c of the command or of GUNICORN_CMD_ARGS ("file:" taken off; "python:" modules are no
/// path), else ./gunicorn.conf.py where there is one (gunicorn 20.0+, config.py:get_default_config_file). "" = none.
std::string config_path(const source::Host& host, const FoundServer& server, const std::vector<evidence::SettingRead>& settings);

/// The configuration files of a server that is not gunicorn, as we can open them: those that its command or title names, else those that it looks
/// for, and what they include; at most 32.
std::vector<std::string> server_files(const source::Host& host, const FoundServer& server, const Command& command);

/// Its version by what is installed where it was started from, without running anything: its title, its program's name, its Python distribution's
/// metadata. "" where none of them tells. `where` is then the place.
std::string version_of(const source::Host& host, const FoundServer& server, const Command& command, std::string& where);

/// The files that define a systemd unit: the fragment that counts and its drop-ins, in the order systemd reads them. `root`: "" or "/proc/PID/root".
std::vector<std::string> unit_files(const source::Host& host, const std::string& unit, const std::string& root = {});

}  // namespace probe
