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

/// What its command and environment set, as gunicorn reads them.
std::vector<evidence::SettingRead> settings_of(const Command& command);

/// The configuration file as the server sees it: -c of the command or of GUNICORN_CMD_ARGS ("file:" taken off; "python:" modules are no
/// path), else ./gunicorn.conf.py where there is one (gunicorn 20.0+, config.py:get_default_config_file). "" = none.
std::string config_path(const source::Host& host, const FoundServer& server, const std::vector<evidence::SettingRead>& settings);

/// The files that define a systemd unit: the fragment that counts and its drop-ins, in the order systemd reads them. `root`: "" or "/proc/PID/root".
std::vector<std::string> unit_files(const source::Host& host, const std::string& unit, const std::string& root = {});

}  // namespace probe
