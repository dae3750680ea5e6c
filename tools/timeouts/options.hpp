// What the command line asks for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace timeouts {

struct Verify {
  bool asked = false;
  int random = 0;                    // so many random configurations instead of the fixed set
  std::uint64_t seed = 1;
  int jobs = 0;                      // sites at a time, 0 = as many as processors allow
  std::string only;                  // sites whose name holds this
  std::vector<std::string> gunicorns;  // folders with a package gunicorn, beside the installed one
  bool keep = false;
};

struct Options {
  std::vector<std::string> paths, access_logs, set;
  std::string server_command;        // --server with a command line
  std::string format = "text", colour = "auto", rules, fail_on = "warning";
  std::string location, method, against;
  std::optional<double> duration, balancer_request, balancer_idle;
  std::string target_nginx, target_gunicorn;
  bool exit_zero = false, strict = false, quiet = false, verbose = false;
  Verify verify;
};

struct Asked { std::optional<Options> options; std::string text; int code = 0; };
Asked read_options(int count, char** words);

}  // namespace timeouts
