#include "flavour/nginx_time.hpp"

#include "base/text.hpp"

namespace flavour {

namespace {
struct Unit { std::string_view name; double seconds; };
// In the order in which they may stand. A month has 30 days, a year 365.
constexpr Unit units[] = {{"y", 31536000}, {"M", 2592000}, {"w", 604800}, {"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}, {"ms", 0.001}};
}  // namespace

std::optional<double> nginx_seconds(std::string_view text) {
  double total = 0;
  std::size_t next = 0;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    if (text.front() < '0' || text.front() > '9') return std::nullopt;
    const auto number = base::take_number(text);
    if (!number) return std::nullopt;
    std::size_t letters = 0;
    while (letters < text.size() && ((text[letters] >= 'a' && text[letters] <= 'z') || (text[letters] >= 'A' && text[letters] <= 'Z'))) ++letters;
    const auto name = text.substr(0, letters);
    std::size_t unit = next;
    if (name.empty()) unit = 6;  // a bare number is seconds, and the last
    else while (unit < std::size(units) && units[unit].name != name) ++unit;
    if (unit >= std::size(units) || unit < next) return std::nullopt;
    total += static_cast<double>(*number) * units[unit].seconds;
    next = unit + 1;
    text.remove_prefix(letters);
    if (name.empty() && !text.empty()) return std::nullopt;
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  }
  return total;
}

}  // namespace flavour
