#include "source/json_place.hpp"

#include <charconv>
#include <map>
#include <optional>

#include "base/text.hpp"

namespace source {

std::string_view shape_text(Shape shape) {
  switch (shape) {
    case Shape::null: return "null";
    case Shape::boolean: return "true or false";
    case Shape::number: return "a number";
    case Shape::text: return "text";
    case Shape::list: return "a list";
    case Shape::object: return "an object";
  }
  return "a value";
}

const PlacedJson* PlacedJson::find(std::string_view key) const {
  for (const JsonMember& member : members)
    if (member.key == key) return &member.value;
  return nullptr;
}

base::Error complaint(const std::string& file, Place place, std::string what, std::string remedy) {
  return {base::Kind::malformed, file + ":" + std::to_string(place.line) + ":" + std::to_string(place.column), std::move(what), std::move(remedy), 0};
}

namespace {

class Reader {
 public:
  Reader(std::string_view text, const std::string& file, const JsonLimits& limits) : text_(text), file_(file), limits_(limits) {}

  base::Result<PlacedJson> whole() {
    if (text_.size() > limits_.bytes) return base::fail(complaint(file_, {}, "longer than " + base::bytes_text(limits_.bytes), "split it"));
    if (base::starts_with(text_, "\xEF\xBB\xBF")) at_ = line_start_ = 3;  // a byte order mark
    TRY(value, this->value(0));
    TRY(more, skip());
    if (more) return wrong("something follows the value", "a file holds one value");
    return std::move(value);
  }

 private:
  using Failed = std::unexpected<base::Error>;

  Place here() const { return {line_, static_cast<std::uint32_t>(at_ - line_start_ + 1)}; }
  Failed wrong(std::string what, std::string remedy = {}) const { return wrong_at(here(), std::move(what), std::move(remedy)); }
  Failed wrong_at(Place place, std::string what, std::string remedy = {}) const { return base::fail(complaint(file_, place, std::move(what), std::move(remedy))); }
  bool done() const { return at_ >= text_.size(); }
  char now() const { return text_[at_]; }
  std::string shown() const {
    if (done()) return "the end of the file";
    // A whole UTF-8 sequence, so that printable() can name its code point.
    std::size_t length = 1;
    while (length < 4 && at_ + length < text_.size() && (static_cast<unsigned char>(text_[at_ + length]) & 0xC0) == 0x80) ++length;
    return "'" + base::printable(text_.substr(at_, length)) + "'";
  }

  // Blanks and comments; answers whether something follows.
  base::Result<bool> skip() {
    for (; !done(); ++at_) {
      const char c = now();
      if (c == '\n') { ++line_; line_start_ = at_ + 1; }
      else if (c == '/' && text_.substr(at_, 2) == "//") { while (at_ + 1 < text_.size() && text_[at_ + 1] != '\n') ++at_; }
      else if (c == '/' && text_.substr(at_, 2) == "/*") return wrong("a comment is not closed by the end of a line here", "use // comments");
      else if (c != ' ' && c != '\t' && c != '\r') return true;
    }
    return false;
  }

  base::Result<PlacedJson> value(int depth) {
    TRY(some, skip());
    if (!some) return wrong("a value is missing: this is the end of the file");
    if (depth > limits_.depth) return wrong("nested deeper than " + std::to_string(limits_.depth));
    PlacedJson value;
    value.place = here();
    switch (now()) {
      case '{': return object(std::move(value), depth);
      case '[': return list(std::move(value), depth);
      case '"': {
        TRY(words, string());
        value.shape = Shape::text;
        value.text = std::move(words);
        return value;
      }
      default: return scalar(std::move(value));
    }
  }

  base::Result<PlacedJson> object(PlacedJson value, int depth) {
    value.shape = Shape::object;
    std::map<std::string, std::uint32_t> keys;
    ++at_;
    TRY(some, skip());
    if (some && now() == '}') { ++at_; return value; }
    for (;;) {
      TRY(follows, skip());
      if (!follows) return wrong_at(value.place, "this object is not closed", "add }");
      if (now() == '}') return wrong("a comma stands before }", "take the comma away");
      if (now() != '"') return wrong("a key in quotes is missing, here is " + shown());
      JsonMember member;
      member.place = here();
      TRY(key, string());
      member.key = std::move(key);
      if (const auto [known, fresh] = keys.emplace(member.key, member.place.line); !fresh)
        return wrong_at(member.place, "duplicate key '" + base::printable(member.key, 60) + "'", "the first is on line " + std::to_string(known->second));
      TRY(colon, skip());
      if (!colon || now() != ':') return wrong("a colon is missing after '" + base::printable(member.key, 60) + "', here is " + shown());
      ++at_;
      TRY(inner, this->value(depth + 1));
      member.value = std::move(inner);
      value.members.push_back(std::move(member));
      TRY(next, skip());
      if (!next) return wrong_at(value.place, "this object is not closed", "add }");
      if (now() == '}') { ++at_; return value; }
      if (now() != ',') return wrong("a comma or } is missing, here is " + shown());
      ++at_;
    }
  }

  base::Result<PlacedJson> list(PlacedJson value, int depth) {
    value.shape = Shape::list;
    ++at_;
    TRY(some, skip());
    if (some && now() == ']') { ++at_; return value; }
    for (;;) {
      TRY(follows, skip());
      if (!follows) return wrong_at(value.place, "this list is not closed", "add ]");
      if (now() == ']') return wrong("a comma stands before ]", "take the comma away");
      TRY(item, this->value(depth + 1));
      value.items.push_back(std::move(item));
      TRY(next, skip());
      if (!next) return wrong_at(value.place, "this list is not closed", "add ]");
      if (now() == ']') { ++at_; return value; }
      if (now() != ',') return wrong("a comma or ] is missing, here is " + shown());
      ++at_;
    }
  }

  base::Result<PlacedJson> scalar(PlacedJson value) {
    std::size_t end = at_;
    const auto part = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == '_'; };
    while (end < text_.size() && part(text_[end])) ++end;
    const std::string_view word = text_.substr(at_, end - at_);
    if (word == "null") value.shape = Shape::null;
    else if (word == "true" || word == "false") { value.shape = Shape::boolean; value.truth = word == "true"; }
    else if (number(word, value.number)) { value.shape = Shape::number; value.text = std::string(word); }
    else if (word.empty()) return wrong("a value is missing, here is " + shown());
    else return wrong("'" + base::printable(word, 60) + "' is no value", "text stands in double quotes");
    at_ = end;
    return value;
  }

  // JSON's own grammar of numbers: no leading zero or plus, digits on both sides of the point.
  static bool number(std::string_view word, double& into) {
    std::string_view rest = word;
    const auto digits = [&] { std::size_t n = 0; while (n < rest.size() && rest[n] >= '0' && rest[n] <= '9') ++n; rest.remove_prefix(n); return n; };
    if (base::starts_with(rest, "-")) rest.remove_prefix(1);
    const bool zero = base::starts_with(rest, "0");
    const std::size_t whole = digits();
    if (whole == 0 || (zero && whole > 1)) return false;
    if (base::starts_with(rest, ".")) { rest.remove_prefix(1); if (digits() == 0) return false; }
    if (base::starts_with(rest, "e") || base::starts_with(rest, "E")) {
      rest.remove_prefix(1);
      if (base::starts_with(rest, "-") || base::starts_with(rest, "+")) rest.remove_prefix(1);
      if (digits() == 0) return false;
    }
    if (!rest.empty()) return false;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), into);
    return error == std::errc{} && end == word.data() + word.size();
  }

  base::Result<std::string> string() {
    const Place start = here();
    std::string out;
    for (++at_; !done(); ++at_) {
      const char c = now();
      if (c == '"') { ++at_; return out; }
      if (static_cast<unsigned char>(c) < 0x20) return wrong("a line or control character inside a text", "write \\n, or make it a list of lines");
      if (c != '\\') { out += c; continue; }
      if (at_ + 1 >= text_.size()) break;
      const char escape = text_[at_ + 1];
      constexpr std::string_view from = "\"\\/bfnrt", to = "\"\\/\b\f\n\r\t";
      if (const std::size_t i = from.find(escape); i != std::string_view::npos) { out += to[i]; ++at_; continue; }
      if (escape != 'u') return wrong("no such escape: \\" + base::printable(std::string_view(&escape, 1)), "a backslash is written twice");
      const auto point = code_point();
      if (!point) return wrong("\\u wants four hexadecimal digits of a character", "surrogates come in pairs");
      put(out, *point);
    }
    return wrong_at(start, "this text is not closed", "add \"");
  }

  std::optional<char32_t> four_digits(std::size_t from) const {
    if (from + 6 > text_.size() || text_.substr(from, 2) != "\\u") return std::nullopt;
    unsigned value = 0;
    const char* const first = text_.data() + from + 2;
    const auto [end, error] = std::from_chars(first, first + 4, value, 16);
    if (error != std::errc{} || end != first + 4) return std::nullopt;
    return value;
  }

  // At a backslash; leaves at_ on the escape's last character.
  std::optional<char32_t> code_point() {
    auto point = four_digits(at_);
    if (!point) return std::nullopt;
    std::size_t used = 6;
    if (*point >= 0xD800 && *point <= 0xDFFF) {
      const auto low = four_digits(at_ + 6);
      if (*point > 0xDBFF || !low || *low < 0xDC00 || *low > 0xDFFF) return std::nullopt;
      point = 0x10000 + ((*point - 0xD800) << 10) + (*low - 0xDC00);
      used = 12;
    }
    at_ += used - 1;
    return point;
  }

  static void put(std::string& out, char32_t point) {
    const auto tail = [&](unsigned shift) { out += static_cast<char>(0x80 | ((point >> shift) & 0x3F)); };
    if (point < 0x80) { out += static_cast<char>(point); }
    else if (point < 0x800) { out += static_cast<char>(0xC0 | (point >> 6)); tail(0); }
    else if (point < 0x10000) { out += static_cast<char>(0xE0 | (point >> 12)); tail(6); tail(0); }
    else { out += static_cast<char>(0xF0 | (point >> 18)); tail(12); tail(6); tail(0); }
  }

  std::string_view text_;
  const std::string& file_;
  JsonLimits limits_;
  std::size_t at_ = 0, line_start_ = 0;
  std::uint32_t line_ = 1;
};

}  // namespace

base::Result<PlacedJson> read_placed_json(std::string_view text, const std::string& file, const JsonLimits& limits) { return Reader(text, file, limits).whole(); }

}  // namespace source
