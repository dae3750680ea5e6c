// What a logger of an application puts in front of its message: time, pid, level, logger, in the order and with the signs that its
// configuration chose.
#pragma once

#include <optional>
#include <string_view>

#include "parse/format.hpp"

namespace parse {

struct Header {
  std::optional<base::Instant> when;   // the writer's own time where it has a zone or nothing better is known; else empty: the record's
  int pid = 0;
  std::string_view level, logger;
  std::string_view text;               // the message
  bool usual = false;                  // gunicorn's own form, "[2026-11-22 10:31:07 +0000] [741] [INFO] ", or its syslog form
};

/// Never fails: without anything to take off, text is the whole message.
Header take_header(const Record& record);

/// CRITICAL, ERROR, WARNING, INFO, DEBUG and their relatives.
bool level_word(std::string_view word);

}  // namespace parse
