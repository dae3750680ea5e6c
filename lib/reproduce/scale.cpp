#include "reproduce/scale.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace reproduce {

namespace {

std::optional<double> take(std::string_view& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc() || !std::isfinite(value) || value < 0) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

}  // namespace

int Scale::whole(std::string_view setting, double value) const {
  if (value <= 0) return 0;
  const int least = setting == "timeout" ? 2 : 1;
  return std::max(std::min(least, static_cast<int>(std::ceil(value))), static_cast<int>(std::lround(value / by)));
}

std::optional<double> read_seconds(std::string_view text) {
  const auto value = take(text);
  if (!value) return std::nullopt;
  const double unit = text == "ms" ? 0.001 : text.empty() || text == "s" ? 1 : text == "min" || text == "m" ? 60 : text == "h" ? 3600 : 0;
  return unit == 0 || *value * unit > 1e6 ? std::nullopt : std::optional<double>(*value * unit);
}

std::optional<double> read_bytes(std::string_view text) {
  const auto value = take(text);
  if (!value) return std::nullopt;
  const double unit = text.empty() || text == "B" ? 1 : text == "KiB" || text == "k" ? 1024.0 : text == "MiB" || text == "m" ? 1048576.0 : text == "GiB" || text == "g" ? 1073741824.0 : 0;
  return unit == 0 || *value * unit > 1e15 ? std::nullopt : std::optional<double>(*value * unit);
}

std::string number_text(double value) {
  std::string text = std::to_string(std::round(value * 1000) / 1000);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

std::string filled(std::string_view text, const Scale& scale, const std::vector<Named>& names) {
  std::string out;
  while (!text.empty()) {
    const auto open = text.find('{');
    out += text.substr(0, open);
    if (open == std::string_view::npos) return out;
    text.remove_prefix(open);
    const auto close = text.substr(0, 40).find('}');
    std::string_view word = close == std::string_view::npos ? std::string_view() : text.substr(1, close - 1);
    const auto named = std::ranges::find(names, word, &Named::name);
    const bool whole = word.ends_with('!'), fine = word.ends_with('~');
    if (whole || fine) word.remove_suffix(1);
    const auto seconds = word.empty() || (word.back() >= '0' && word.back() <= '9') ? std::nullopt : read_seconds(word);   // a bare number in braces is a program's own
    if (named != names.end()) out += named->value;
    else if (seconds && fine) out += std::to_string(std::max(1L, std::lround(1000 * scale.seconds(*seconds)))) + "ms";
    else if (seconds) out += whole ? std::to_string(scale.whole("", *seconds)) : number_text(scale.seconds(*seconds));
    else {
      out += '{';
      text.remove_prefix(1);
      continue;
    }
    text.remove_prefix(close + 1);
  }
  return out;
}

}  // namespace reproduce
