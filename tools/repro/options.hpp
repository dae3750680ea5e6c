// What the command line asks for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace repro {

enum class Command : std::uint8_t { run, list, what_if, shrink, from_bundle, report };

struct Options {
  Command command = Command::run;
  std::vector<std::string> scenarios, set;
  std::vector<std::string> servers;   // empty: all
  std::string format = "text", output, only;
  std::vector<std::string> fix, outputs;   // report
  std::string after;
  std::uint64_t seed = 1;
  double scale = 1;
  int jobs = 0, repeat = 1;
  bool keep = false, quiet = false, verbose = false;
};

struct Asked { std::optional<Options> options; std::string text; int code = 0; };
Asked read_options(int count, char** words);

}  // namespace repro
