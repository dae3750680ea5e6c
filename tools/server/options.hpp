// What the command line asks for; which setting it gives to the server is config.hpp's matter.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace server {

using Given = std::vector<std::pair<std::string, std::vector<std::string>>>;   // setting, values; in no order that matters

struct Options {
  std::string config;            // -c
  Given settings;
  bool check_config = false, print_config = false, list_faults = false, list_apps = false;
};

struct Asked { std::optional<Options> options; std::string text; int code = 0; };
Asked read_options(std::vector<std::string> words);

}  // namespace server
