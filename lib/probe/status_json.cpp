#include "probe/status_json.hpp"

#include <nlohmann/json.hpp>

#include "parse/json/document.hpp"

namespace probe {

std::optional<nlohmann::json> status_json(std::string_view text) {
  std::string plain(text);
  int depth = 0;
  for (char& c : plain) {
    if (static_cast<unsigned char>(c) >= 0x80 || (static_cast<unsigned char>(c) < 0x20 && c != '\n')) c = c == '\t' || c == '\r' ? ' ' : '?';
    depth += c == '[' || c == '{' ? 1 : c == ']' || c == '}' ? -1 : 0;   // in texts too: no status is that deep
    if (depth > 64) return std::nullopt;
  }
  nlohmann::json document = nlohmann::json::parse(plain, nullptr, false);
  if (document.is_discarded() || !document.is_object()) return std::nullopt;
  return document;
}

std::uint64_t count_of(const nlohmann::json& object, const char* key) {
  const nlohmann::json& value = parse::json::member(object, key);
  return value.is_number_unsigned() ? value.get<std::uint64_t>() : 0;
}

}  // namespace probe
