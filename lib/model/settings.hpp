// What a server's settings are, and where each comes from: the defaults of its version, the environment's defaults, its configuration file,
// GUNICORN_CMD_ARGS, its command line, the later the stronger (app/base.py:152-200@20.1.0).
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "model/stack.hpp"

namespace model {

/// Which server is asked about.
struct SettingsOf {
  std::string flavour = "gunicorn";
  std::string version;                                    // "23.0.0", a family ("22"), or "" when it is not known
  std::function<bool(const evidence::Fact&)> belongs;     // which ServerCommand, SettingRead and FileChanged facts may be about it; empty = all
  int master = 0;                                         // its host pid: a ServerCommand about it is preferred; 0 = not known
  std::optional<base::Instant> read_at;                   // when it read its file last: its master's start or its last reload
};

struct EffectiveSettings {
  std::map<std::string, Setting> settings;
  std::string config;                                     // the configuration file in force, as the evidence names it; "" = none was seen
  std::vector<evidence::Gap> gaps;                        // why some are unknown
};

/// A setting that only holds under a condition has several values. From::unknown: it may be set where nothing was seen (no start command, the
/// file that -c names is missing, the file was changed after the server read it). A value that is computed in ways that are not read here
/// is From::configured with no value at all.
EffectiveSettings effective_settings(const evidence::Evidence& evidence, const SettingsOf& asked);

}  // namespace model
