#include "parse/json/document.hpp"

#include <algorithm>
#include <climits>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/text.hpp"

namespace parse::json {

namespace {

using Json = nlohmann::json;
constexpr int deepest = 64;

// The library keeps no bound of its own; a bracket inside a text does not count.
bool too_deep(std::string_view text) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      else if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      if (++depth > deepest) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

// Where the library stops understanding, and what it says there. Nothing is kept.
struct Wrong : nlohmann::json_sax<Json> {
  std::size_t at = 0;
  std::string why;

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    at = position;
    why = error.what();
    return false;
  }
};

void say_where(std::string_view text, std::string_view what, Sink& sink) {
  Wrong wrong;
  if (Json::sax_parse(text, &wrong)) return;
  // The library counts the byte it stumbled over; past the end it is the end.
  const std::size_t at = std::min(wrong.at ? wrong.at - 1 : 0, text.size());
  const std::string_view before = text.substr(0, at);
  const std::size_t line_start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  Record record;
  record.origin.line = static_cast<std::uint32_t>(1 + std::count(before.begin(), before.end(), '\n'));
  record.origin.column = static_cast<std::uint32_t>(at - line_start + 1);
  record.origin.offset = at;
  record.line = record.text = base::trim(text.substr(line_start, text.find('\n', line_start) - line_start)).substr(0, evidence::excerpt_limit);
  const bool end = at + 1 >= base::trim(text).size() && base::contains(wrong.why, "unexpected end of input");
  sink.add(evidence::SyntaxWrong{std::string(what), "", end ? "it ends in the middle: it was cut off" : "this is no JSON", "python3 -m json.tool"}, {}, record);
}

}  // namespace

std::optional<Json> read_document(std::string_view text, std::string_view what, Sink& sink) {
  const std::string wanted = std::string(what) + " in " + sink.source().name;
  if (too_deep(text)) {
    sink.gap({wanted, "it is nested deeper than " + std::to_string(deepest), "give it as the tool printed it", 1, {}});
    return std::nullopt;
  }
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) {
    say_where(text, what, sink);
    sink.gap({wanted, "it is no whole JSON document", "give it as the tool printed it, whole and alone", 1, {}});
    return std::nullopt;
  }
  return json;
}

const Json& member(const Json& object, const char* key) {
  static const Json nothing;
  if (!object.is_object()) return nothing;
  const auto found = object.find(key);
  return found == object.end() ? nothing : *found;
}

std::string text_of(const Json& value) {
  if (!value.is_string()) return "";
  return value.get_ref<const std::string&>().substr(0, 4096);
}

std::optional<int> int_of(const Json& value) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<std::uint64_t>();
    return number <= INT_MAX ? std::optional<int>(static_cast<int>(number)) : std::nullopt;
  }
  if (value.is_number_integer()) {
    const auto number = value.get<std::int64_t>();
    return number >= INT_MIN && number <= INT_MAX ? std::optional<int>(static_cast<int>(number)) : std::nullopt;
  }
  return std::nullopt;
}

bool truth_of(const Json& value) { return value.is_boolean() && value.get<bool>(); }

std::uint64_t quantity(std::string_view text) {
  if (text.empty() || text.size() > 40) return 0;
  const std::string copy(text);
  char* end = nullptr;
  if (copy[0] < '0' || copy[0] > '9') return 0;
  double value = std::strtod(copy.c_str(), &end);
  const std::string_view unit = std::string_view(copy).substr(static_cast<std::size_t>(end - copy.c_str()));
  struct Unit { std::string_view name; double times; };
  static constexpr Unit units[] = {{"", 1}, {"m", 1e-3}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12}, {"P", 1e15}, {"Ki", 1024.0}, {"Mi", 1048576.0}, {"Gi", 1073741824.0}, {"Ti", 1099511627776.0}, {"Pi", 1125899906842624.0}};
  for (const Unit& each : units) {
    if (each.name != unit) continue;
    value *= each.times;
    return std::isfinite(value) && value >= 0 && value < 9e18 ? static_cast<std::uint64_t>(value) : 0;
  }
  return 0;
}

namespace {
constexpr std::size_t longest_part = 256 << 10;
constexpr int most_misses = 32;

std::uint32_t lines_in(std::string_view text) { return static_cast<std::uint32_t>(std::count(text.begin(), text.end(), '\n')); }
}  // namespace

void Places::part(std::string_view needle) {
  if (needle.empty() || misses_ >= most_misses) return;
  const std::size_t found = document_.find(needle, at_);
  if (found == std::string_view::npos) {
    ++misses_;
    return;
  }
  line_ += lines_in(document_.substr(at_, found - at_));
  at_ = found;
}

Record Places::at(std::string_view needle, std::string_view excerpt) const {
  Record record;
  record.line = record.text = excerpt;
  const std::string_view part = document_.substr(at_, longest_part);
  const std::size_t found = needle.empty() ? 0 : part.find(needle);
  const std::size_t step = found == std::string_view::npos ? 0 : found;
  record.origin.line = line_ + lines_in(part.substr(0, step));
  record.origin.offset = at_ + step;
  return record;
}

std::optional<base::Instant> time_of(const std::string& text) {
  if (text.size() < 19 || base::starts_with(text, "0001-")) return std::nullopt;
  return base::read_iso(text);
}

bool says(std::string_view head, std::string_view key, std::string_view value) {
  const std::string quoted = "\"" + std::string(key) + "\"";
  for (std::size_t from = head.find(quoted); from != std::string_view::npos; from = head.find(quoted, from + 1)) {
    std::size_t i = from + quoted.size();
    while (i < head.size() && (head[i] == ' ' || head[i] == ':' || head[i] == '\n' || head[i] == '\t')) ++i;
    if (i < head.size() && head[i] == '"' && head.substr(i + 1, value.size()) == value && head.substr(i + 1 + value.size(), 1) == "\"") return true;
  }
  return false;
}

}  // namespace parse::json
