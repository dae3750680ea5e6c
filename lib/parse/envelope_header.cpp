#include "parse/envelope_header.hpp"

#include <array>

#include "base/text.hpp"
#include "parse/envelope_stamp.hpp"

namespace parse {

namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }
bool upper(char c) { return c >= 'A' && c <= 'Z'; }

int take_pid(std::string_view& text) {
  std::string_view rest = text;
  const auto number = base::take_number(rest);
  if (!number || *number <= 0 || *number > INT32_MAX) return 0;
  text = rest;
  return static_cast<int>(*number);
}

// "[2026-11-22 10:31:07 +0000] [741] [INFO] message" (glogging.py:177@20.1.0, :175@26.2.2).
bool usual(std::string_view text, Header& header) {
  if (text.size() < 30 || text[0] != '[' || text[1] != '2' || text[5] != '-') return false;
  text.remove_prefix(1);
  header.when = take_iso(text);
  if (!header.when || !base::starts_with(text, "] [")) return false;
  text.remove_prefix(3);
  header.pid = take_pid(text);
  if (header.pid == 0 || !base::starts_with(text, "] [")) return false;
  text.remove_prefix(3);
  std::size_t size = 0;
  while (size < text.size() && size < 12 && upper(text[size])) ++size;
  if (size == 0 || size >= text.size() || text[size] != ']') return false;
  header.level = text.substr(0, size);
  text.remove_prefix(size + 1);
  if (!text.empty() && text[0] == ' ') text.remove_prefix(1);
  header.text = text;
  header.usual = true;
  return true;
}

// Any order of them, between brackets, blanks, dashes, pipes and colons; stops at the first word that is none of them.
void peel(Header& header) {
  std::string_view text = header.text;
  for (int part = 0; part < 8; ++part) {
    const std::string_view before = text;
    bool bracket = false;
    std::size_t skipped = 0;
    while (!text.empty() && skipped < 16 && (text[0] == ' ' || text[0] == '[' || text[0] == ']' || text[0] == '-' || text[0] == '|' || text[0] == ':' || text[0] == ',' || text[0] == '(' || text[0] == ')' || text[0] == '\t')) {
      bracket = text[0] == '[' || text[0] == '(';
      text.remove_prefix(1);
      ++skipped;
    }
    if (text.empty()) { text = before; break; }
    if (digit(text[0])) {
      if (!header.when) {
        std::string_view rest = text;
        if (auto when = take_iso(rest)) { header.when = when; text = rest; continue; }
      }
      if (bracket && header.pid == 0) {
        std::string_view rest = text;
        if (const int pid = take_pid(rest); pid && !rest.empty() && (rest[0] == ']' || rest[0] == ')')) { header.pid = pid; text = rest; continue; }
      }
      text = before;
      break;
    }
    std::size_t size = 0;
    while (size < text.size() && size < 64 && text[size] > ' ' && text[size] != ']' && text[size] != ':' && text[size] != '|' && text[size] != ')' && text[size] != ',') ++size;
    const std::string_view word = text.substr(0, size);
    const bool ends = size < text.size();
    if (ends && header.level.empty() && level_word(word)) header.level = word;
    else if (ends && header.logger.empty() && (base::starts_with(word, "gunicorn.") || base::starts_with(word, "uvicorn.") || word == "uvicorn")) header.logger = word;
    else if (ends && (word == "MainThread" || word == "MainProcess")) {}
    else { text = before; break; }
    text.remove_prefix(size);
  }
  // What was skipped in front of the message goes; a message that begins with a sign is none of ours.
  while (!text.empty() && (text[0] == ' ' || text[0] == ']' || text[0] == '-' || text[0] == '|' || text[0] == ':' || text[0] == ')')) text.remove_prefix(1);
  header.text = text;
}

}  // namespace

bool level_word(std::string_view word) {
  static constexpr std::array<std::string_view, 8> levels{"INFO", "ERROR", "WARNING", "CRITICAL", "DEBUG", "WARN", "FATAL", "NOTICE"};
  for (const auto level : levels)
    if (word == level) return true;
  return false;
}

Header take_header(const Record& record) {
  Header header;
  header.text = record.text;
  header.level = record.level;
  header.pid = 0;
  const std::string_view text = record.text;
  if (text.empty()) return header;
  if (record.app_json) {
    header.pid = record.pid;
    header.logger = record.ident;
    return header;
  }
  if (!usual(text, header)) {
    header.when.reset();
    header.pid = 0;
    header.text = text;
    if (text[0] == '[' && base::starts_with(record.ident, "gunicorn")) {  // "[741] message" (glogging.py:181@20.1.0)
      std::string_view rest = text.substr(1);
      if (const int pid = take_pid(rest); pid && base::starts_with(rest, "] ")) {
        // syslog numbers of SysLogHandler (logging/handlers.py: critical 2, error 3, warning 4, info 6, debug 7)
        static constexpr std::array<std::string_view, 8> words{"CRITICAL", "CRITICAL", "CRITICAL", "ERROR", "WARNING", "INFO", "INFO", "DEBUG"};
        header.pid = pid;
        header.text = rest.substr(2);
        if (record.priority >= 0 && record.priority < 8) header.level = words[static_cast<std::size_t>(record.priority)];
        header.usual = true;
        return header;
      }
    }
    const char first = text[0];
    if (first == '[' || first == '2' || first == 'I' || first == 'E' || first == 'W' || first == 'C' || first == 'D' || first == 'F' || first == 'g' || first == '(') peel(header);
  }
  if (header.pid == 0) header.pid = record.pid;
  // A time without a zone says less than the envelope's.
  if (header.when && header.when->clock != base::Clock::wall && record.when) header.when.reset();
  return header;
}

}  // namespace parse
