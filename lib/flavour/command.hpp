// A command line as ps prints it or /proc/PID/cmdline holds it, word by word: what the flavours recognise themselves by.
#pragma once

#include <algorithm>
#include <string_view>

namespace flavour {

inline std::string_view next_word(std::string_view& args) {
  constexpr std::string_view blanks(" \t\n\0", 4);
  const auto begin = args.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return args = {};
  args.remove_prefix(begin);
  const auto end = std::min(args.find_first_of(blanks), args.size());
  const std::string_view word = args.substr(0, end);
  args.remove_prefix(end);
  return word;
}

inline std::string_view last_part(std::string_view path) { return path.substr(path.rfind('/') == std::string_view::npos ? 0 : path.rfind('/') + 1); }

inline bool interpreter(std::string_view word, std::string_view name) { return last_part(word).starts_with(name); }

/// True for `PROGRAM ...`, `python PATH/PROGRAM ...`, `python -m PROGRAM ...` (ruby: the same), with VAR=value before it. `args` is then what
/// stands behind it.
inline bool runs(std::string_view& args, std::string_view program, std::string_view interpreted_by) {
  std::string_view rest = args, word = next_word(rest);
  while (word.find('=') != std::string_view::npos && !word.starts_with('-') && !word.starts_with('/')) word = next_word(rest);
  if (last_part(word) == "bundle") {   // bundle exec puma
    if (next_word(rest) != "exec") return false;
    word = next_word(rest);
  }
  if (last_part(word) == program) { args = rest; return true; }
  if (interpreted_by.empty() || !(interpreter(word, interpreted_by) || (interpreted_by == "python" && interpreter(word, "pypy")))) return false;
  for (word = next_word(rest); !word.empty(); word = next_word(rest)) {
    if (word == "-m") {
      const auto module = next_word(rest);
      args = rest;
      return module == program;
    }
    if (word == "-W" || word == "-X") next_word(rest);
    else if (word.front() != '-') { args = rest; return last_part(word) == program; }
  }
  return false;
}

inline bool has_word(std::string_view args, std::string_view wanted) {
  for (std::string_view word = next_word(args); !word.empty(); word = next_word(args))
    if (word == wanted) return true;
  return false;
}

/// A child that multiprocessing spawned: uvicorn's and hypercorn's workers carry no name of their server.
inline bool spawned_child(std::string_view args) { return args.find("multiprocessing.spawn") != std::string_view::npos && args.find("spawn_main") != std::string_view::npos; }
inline bool resource_tracker(std::string_view args) { return args.find("multiprocessing.resource_tracker") != std::string_view::npos; }

}  // namespace flavour
