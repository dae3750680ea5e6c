#include "parse/read_shape.hpp"

#include <cstring>

namespace parse {

namespace {

constexpr std::size_t longest = 4096;   // what is longer is opened

bool digit(char c) { return c >= '0' && c <= '9'; }

// "\u00e9" and "\/" hide what the text says; other escapes do not touch the words that are searched.
bool hiding(std::string_view line) {
  for (std::size_t at = line.find('\\'); at != std::string_view::npos && at + 1 < line.size(); at = line.find('\\', at + 2))
    if (line[at + 1] == 'u' || line[at + 1] == '/') return true;
  return false;
}

// docker's json-file: {"log":"text\n","stream":"stderr","time":"2026-11-22T10:31:08.123456789Z"}. One without the newline is a part.
Shape json(std::string_view line, std::string_view& stamp) {
  if (hiding(line)) return Shape::whole;
  constexpr std::string_view before = "\\n\",\"stream\":\"std", time = "\"time\":\"";
  if (line.starts_with("{\"log\":\"") && !line.starts_with("{\"log\":\"\\n") && line.size() > 96) {
    const std::string_view end = line.substr(line.size() - 80);
    const std::size_t at = end.find(time);
    if (end.find(before) == std::string_view::npos || at == std::string_view::npos || at + time.size() + 19 > end.size()) return Shape::whole;
    stamp = end.substr(at + time.size(), 19);
    return Shape::stamped;
  }
  if (line.starts_with("{\"log\":") || line.find("__REALTIME_TIMESTAMP") != std::string_view::npos || line.find("__CURSOR") != std::string_view::npos) return Shape::whole;
  return Shape::framed;
}

Shape stamped(std::string_view line, std::size_t size, std::string_view& stamp) {
  if (line.back() == ' ' || line.back() == ':') return Shape::whole;  // an empty message
  stamp = line.substr(0, size);
  return Shape::stamped;
}

Shape digits(std::string_view line, std::string_view& stamp) {
  if (line.size() < 24 || line[4] != '-') return line.substr(0, 6).find(',') != std::string_view::npos ? Shape::whole : Shape::bare;  // "6,1234,...": kmsg
  if (line[10] != 'T') return Shape::bare;
  if (line[19] == ',') return Shape::whole;  // dmesg --time-format iso
  const std::size_t blank = line.find(' ', 19);
  if (blank == std::string_view::npos) return Shape::whole;
  const std::string_view rest = line.substr(blank + 1);  // CRI: "stderr F text", P for a part
  if (rest.starts_with("std") && rest.size() > 7 && rest[6] == ' ' && (rest[7] != 'F' || rest.size() < 10)) return Shape::whole;
  return stamped(line, 19, stamp);
}

}  // namespace

Shape shape_of(std::string_view line, std::string_view& stamp) {
  if (line.empty()) return Shape::loose;
  const char first = line[0];
  if (line.size() > longest) return Shape::whole;
  if (digit(first)) return digits(line, stamp);
  switch (first) {
    case '[': return line.size() > 5 && line[1] == '2' && line[5] == '-' ? Shape::bare : Shape::whole;
    case '{': return json(line, stamp);
    case '<': case '-': case '_': case '\t': return Shape::whole;
    case ' ': return Shape::loose;
    default: break;
  }
  if (first >= 'A' && first <= 'Z' && line.size() > 16 && line[3] == ' ' && line[6] == ' ' && line[9] == ':') return stamped(line, 15, stamp);
  if (first >= 'A' && first <= 'Z' && line.size() > 26 && line[3] == ' ' && line[8] == '-') return line.back() == ']' ? Shape::whole : stamped(line, 23, stamp);  // journalctl's short-full, verbose
  const std::string_view front = line.substr(0, 80);
  if (front.find(" | ") != std::string_view::npos) return Shape::whole;                                        // docker compose
  if (front.size() > 9 && (front[6] == ':' || front[7] == ':' || front[8] == ':')) return Shape::whole;     // dmesg -x: "kern  :err   : "
  if (first >= 'a' && first <= 'z' && (front.find(" [2") != std::string_view::npos || front.find(" {") != std::string_view::npos)) return Shape::whole;  // stern
  return Shape::loose;
}

}  // namespace parse
