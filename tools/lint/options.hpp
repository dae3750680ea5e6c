// What the command line asks for.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace lint {

struct Options {
  std::vector<std::string> paths;
  std::string format = "text", colour = "auto", rules, fail_on = "warning";
  std::vector<std::string> select, ignore;
  std::string baseline, write_baseline;
  std::string fix;                              // "", "safe" or "unsafe"
  bool diff = false, exit_zero = false, strict = false, quiet = false, verbose = false;
  std::string target_nginx, target_gunicorn, config;
};

struct Asked { std::optional<Options> options; std::string text; int code = 0; };
Asked read_options(int count, char** words);

}  // namespace lint
