// What the formats of server logs share: a fact with who wrote it, and the numbers behind a line's words.
#pragma once

#include <string>
#include <string_view>

#include "base/text.hpp"
#include "parse/format.hpp"

namespace parse {

/// One line of a server's log, by the process `by` (0 the line does not say).
struct Said {
  const Record& record;
  Sink& sink;
  std::optional<base::Instant> when;   // of the line's own header; empty: the record's
  int by = 0;

  /// About this pid (0 nobody in particular). Always true, so that a format can return it.
  bool operator()(evidence::What what, int pid) const {
    sink.add(std::move(what), {pid, evidence::PidSpace::server, {}}, record, when, by);
    return true;
  }
};

/// What the log of a server that does not say so at its first line begins with for the model: whose log it is. A start without pid and
/// version is no start, only the name.
inline evidence::ServerStarted named_only(std::string_view flavour) { return {std::string(flavour), ""}; }

/// The number behind `mark`, at most that of a pid; 0 when there is none.
inline int number_after(std::string_view text, std::string_view mark) {
  const std::size_t at = text.find(mark);
  if (at == std::string_view::npos) return 0;
  text.remove_prefix(at + mark.size());
  const auto number = base::take_number(text);
  return number && *number > 0 && *number <= INT32_MAX ? static_cast<int>(*number) : 0;
}

/// "2.558044 sec" behind `mark`: 2.558044; 0 when there is none.
inline double seconds_after(std::string_view text, std::string_view mark) {
  const std::size_t at = text.find(mark);
  if (at == std::string_view::npos) return 0;
  text.remove_prefix(at + mark.size());
  const auto whole = base::take_number(text);
  if (!whole || *whole < 0) return 0;
  double parts = static_cast<double>(*whole), scale = 1;
  if (!text.starts_with('.')) return parts;
  for (text.remove_prefix(1); !text.empty() && text[0] >= '0' && text[0] <= '9' && scale < 1e9; text.remove_prefix(1), scale *= 10) parts = parts * 10 + (text[0] - '0');
  return parts / scale;
}

inline std::string some(std::string_view text, std::size_t most = 400) { return std::string(text.substr(0, most)); }

/// "GET /sleep?n=20" as what a process was doing when its master gave up on it.
inline evidence::AppFailed interrupted(std::string_view request) {
  evidence::AppFailed failed;
  failed.phase = "request";
  failed.by_abort = true;
  const std::size_t blank = request.find(' ');
  if (blank != std::string_view::npos && blank <= 16) {
    failed.method = some(request.substr(0, blank), 16);
    request.remove_prefix(blank + 1);
  }
  failed.uri = some(request.substr(0, request.find(' ')), 2048);
  return failed;
}

}  // namespace parse
