#include "prefork/built_in.hpp"

#include <charconv>
#include <cmath>

namespace prefork {

const BuiltIn* built_in(std::string_view name) {
  for (const BuiltIn* one : apps())
    if (one->name == name) return one;
  return nullptr;
}

std::string_view query_text(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const auto end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    const auto mark = pair.find('=');
    if (pair.substr(0, mark) == name) return mark == std::string_view::npos ? std::string_view() : pair.substr(mark + 1);
    if (end == std::string_view::npos) break;
    query.remove_prefix(end + 1);
  }
  return {};
}

double query_number(std::string_view query, std::string_view name, double fallback, double most) {
  const std::string_view text = query_text(query, name);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return text.empty() || error != std::errc() || end != text.data() + text.size() || !std::isfinite(value) || value < 0 || value > most ? fallback : value;
}

}  // namespace prefork
