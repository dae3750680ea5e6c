// One scanner, a state a kind of token, hence a little over 300 lines.
#include "parse/python/token.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace parse::python {

namespace {

bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (static_cast<unsigned char>(c) & 0x80U); }
bool digit(char c) { return c >= '0' && c <= '9'; }
bool quote(char c) { return c == '"' || c == '\''; }

// The letters before the quote of a string literal, lower case; "" when what stands here is none.
bool is_prefix(std::string_view word) {
  if (word.size() > 2) return false;
  for (const char c : word)
    if (!base::contains("rRbBuUfFtT", std::string_view(&c, 1))) return false;
  return true;
}

class Scanner {
 public:
  Scanner(std::string_view source, std::size_t most) : source_(source), most_(most) {
    if (base::starts_with(source_, "\xef\xbb\xbf")) at_ = line_at_ = 3;
  }

  Tokens run() {
    while (at_ < source_.size() && out_.all.size() < most_) {
      if (fresh_ && !begin_line()) continue;
      step();
    }
    if (!open_.empty()) wrong(open_line_);
    if (!out_.all.empty() && out_.all.back().kind != Kind::line_end) put(Kind::line_end, at_, at_);
    for (; indents_.size() > 1; indents_.pop_back()) put(Kind::dedent, at_, at_);
    put(Kind::end, at_, at_);
    return std::move(out_);
  }

 private:
  char peek(std::size_t ahead = 0) const { return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0'; }
  void wrong(std::uint32_t line) { if (!out_.wrong_line) out_.wrong_line = line; }

  void put(Kind kind, std::size_t from, std::size_t to) {
    // Columns are counted from the last token of the line, so that a line of any length costs one pass.
    if (from < counted_at_ || counted_at_ < line_at_) { counted_at_ = line_at_; column_ = 1; }
    for (; counted_at_ < from; ++counted_at_) column_ += (static_cast<unsigned char>(source_[counted_at_]) & 0xC0U) != 0x80U;
    out_.all.push_back({kind, source_.substr(from, to - from), line_, column_, from});
  }

  void new_line() { ++line_; line_at_ = at_; }

  // The blanks in front of a logical line become indent and dedent; false when the line holds nothing.
  bool begin_line() {
    std::size_t width = 0;
    while (at_ < source_.size()) {
      const char c = source_[at_];
      if (c == ' ') ++width;
      else if (c == '\t') width = (width / 8 + 1) * 8;
      else if (c == '\f') width = 0;
      else break;
      ++at_;
    }
    if (at_ == source_.size()) return false;
    if (peek() == '#') skip_comment();
    if (peek() == '\r' && peek(1) == '\n') ++at_;
    if (peek() == '\n' || peek() == '\r') { ++at_; new_line(); return false; }
    if (at_ == source_.size()) return false;
    fresh_ = false;
    if (width > indents_.back() && indents_.size() < 100) {
      indents_.push_back(width);
      put(Kind::indent, at_, at_);
    }
    while (width < indents_.back()) {
      indents_.pop_back();
      put(Kind::dedent, at_, at_);
    }
    if (width != indents_.back() && indents_.size() < 100) wrong(line_);
    return true;
  }

  void skip_comment() { at_ = std::min(source_.find('\n', at_), source_.size()); }

  void step() {
    const char c = peek();
    if (c == ' ' || c == '\t' || c == '\f' || c == '\0') { ++at_; return; }
    if (c == '#') { skip_comment(); return; }
    if (c == '\\' && (peek(1) == '\n' || (peek(1) == '\r' && peek(2) == '\n'))) {
      at_ += peek(1) == '\n' ? 2 : 3;
      new_line();
      return;
    }
    if (c == '\n' || c == '\r') {
      const std::size_t from = at_;
      at_ += c == '\r' && peek(1) == '\n' ? 2 : 1;
      if (open_.empty()) { put(Kind::line_end, from, from); fresh_ = true; }
      new_line();
      return;
    }
    if (letter(c)) return word();
    if (digit(c) || (c == '.' && digit(peek(1)))) return number();
    if (quote(c)) return text(at_, false);
    mark();
  }

  void word() {
    const std::size_t from = at_;
    while (letter(peek()) || digit(peek())) ++at_;
    const auto name = source_.substr(from, at_ - from);
    if (quote(peek()) && is_prefix(name)) return text(from, base::contains(name, "f") || base::contains(name, "F") || base::contains(name, "t") || base::contains(name, "T"));
    put(Kind::name, from, at_);
  }

  void number() {
    const std::size_t from = at_;
    while (digit(peek()) || letter(peek()) || peek() == '.' || ((peek() == '+' || peek() == '-') && (source_[at_ - 1] == 'e' || source_[at_ - 1] == 'E') && !base::starts_with(source_.substr(from), "0x"))) ++at_;
    put(Kind::number, from, at_);
  }

  // From the opening quote at at_. In an f-string braces may hold strings with the same quotes (PEP 701).
  void text(std::size_t from, bool formatted) {
    const char open = peek();
    const bool triple = peek(1) == open && peek(2) == open;
    const std::uint32_t first_line = line_;
    const std::size_t first_line_at = line_at_;
    std::size_t end = at_ + (triple ? 3 : 1), last_line_at = line_at_;
    std::uint32_t last_line = line_;
    int braces = 0;
    bool closed = false;
    while (end < source_.size()) {
      const char c = source_[end];
      if (c == '\n') {
        if (!triple) break;
        ++last_line;
        last_line_at = end + 1;
      } else if (c == '\\') {
        if (end + 1 < source_.size() && source_[end + 1] == '\n') { ++last_line; last_line_at = end + 2; }
        end += 2;
        continue;
      } else if (formatted && c == '{') {
        if (braces == 0 && end + 1 < source_.size() && source_[end + 1] == '{') ++end;
        else ++braces;
      } else if (formatted && c == '}' && braces > 0) --braces;
      else if (c == open && braces > 0 && !triple) {
        const auto inner = source_.find_first_of(std::string{open, '\n'}, end + 1);
        if (inner == std::string_view::npos || source_[inner] == '\n') { closed = true; ++end; break; }  // no string inside: the old rule
        end = inner;
      } else if (c == open && (!triple || source_.substr(end, 3) == std::string(3, open))) {
        end += triple ? 3 : 1;
        closed = true;
        break;
      }
      ++end;
    }
    end = std::min(end, source_.size());
    if (!closed) wrong(first_line);
    line_ = first_line;
    line_at_ = first_line_at;
    put(closed ? Kind::text : Kind::wrong, from, end);
    at_ = end;
    line_ = last_line;
    line_at_ = std::min(last_line_at, end);
  }

  void mark() {
    constexpr std::string_view longer[] = {"**=", "//=", ">>=", "<<=", "...", "**", "//", ">>", "<<", "->", ":=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "@=", "==", "!=", "<=", ">="};
    const std::size_t from = at_;
    for (const auto text : longer) {
      if (source_.substr(at_, text.size()) != text) continue;
      at_ += text.size();
      return put(Kind::mark, from, at_);
    }
    const char c = source_[at_++];
    if (c == '(' || c == '[' || c == '{') {
      if (open_.empty()) open_line_ = line_;
      if (open_.size() < 200) open_ += c;
    } else if (c == ')' || c == ']' || c == '}') {
      if (open_.empty()) wrong(line_);
      else open_.pop_back();
    } else if (!base::contains("+-*/%@&|^~<>,:.;=!", std::string_view(&c, 1))) {
      wrong(line_);
      return put(Kind::wrong, from, at_);
    }
    put(Kind::mark, from, at_);
  }

  std::string_view source_;
  std::size_t most_, at_ = 0, line_at_ = 0, counted_at_ = 0;
  std::uint32_t line_ = 1, column_ = 1, open_line_ = 0;
  bool fresh_ = true;
  std::string open_;
  std::vector<std::size_t> indents_{0};
  Tokens out_;
};

void put_character(std::string& value, std::uint32_t code) {
  if (code < 0x80) value += static_cast<char>(code);
  else if (code < 0x800) { value += static_cast<char>(0xC0 | code >> 6); value += static_cast<char>(0x80 | (code & 0x3F)); }
  else if (code < 0x10000) { value += static_cast<char>(0xE0 | code >> 12); value += static_cast<char>(0x80 | (code >> 6 & 0x3F)); value += static_cast<char>(0x80 | (code & 0x3F)); }
  else if (code < 0x110000) { value += static_cast<char>(0xF0 | code >> 18); value += static_cast<char>(0x80 | (code >> 12 & 0x3F)); value += static_cast<char>(0x80 | (code >> 6 & 0x3F)); value += static_cast<char>(0x80 | (code & 0x3F)); }
}

// Up to `most` digits of a base from text[at] on; at is moved behind them.
std::uint32_t take_digits(std::string_view text, std::size_t& at, std::size_t most, std::uint32_t base) {
  std::uint32_t value = 0;
  for (; most > 0 && at < text.size(); --most, ++at) {
    const char c = text[at];
    const int digit_value = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
    if (static_cast<std::uint32_t>(digit_value) >= base) break;
    value = value * base + static_cast<std::uint32_t>(digit_value);
  }
  return value;
}

}  // namespace

Tokens tokens_of(std::string_view source, std::size_t most) { return Scanner(source, most).run(); }

Literal literal_of(std::string_view token) {
  Literal literal;
  bool raw = false;
  while (!token.empty() && !quote(token.front())) {
    const char c = token.front();
    raw |= c == 'r' || c == 'R';
    literal.bytes |= c == 'b' || c == 'B';
    literal.formatted |= c == 'f' || c == 'F' || c == 't' || c == 'T';
    token.remove_prefix(1);
  }
  const std::size_t quotes = token.size() >= 6 && token[1] == token[0] && token[2] == token[0] ? 3 : 1;
  if (token.size() < 2 * quotes) return literal;
  token = token.substr(quotes, token.size() - 2 * quotes);
  if (raw) { literal.value = token; return literal; }
  for (std::size_t at = 0; at < token.size();) {
    const char c = token[at++];
    if (c != '\\' || at == token.size()) { literal.value += c; continue; }
    const char escaped = token[at++];
    switch (escaped) {
      case '\n': break;
      case 'n': literal.value += '\n'; break;
      case 't': literal.value += '\t'; break;
      case 'r': literal.value += '\r'; break;
      case 'a': literal.value += '\a'; break;
      case 'b': literal.value += '\b'; break;
      case 'f': literal.value += '\f'; break;
      case 'v': literal.value += '\v'; break;
      case '\\': case '\'': case '"': literal.value += escaped; break;
      case 'x': put_character(literal.value, take_digits(token, at, 2, 16)); break;
      case 'u': put_character(literal.value, take_digits(token, at, 4, 16)); break;
      case 'U': put_character(literal.value, take_digits(token, at, 8, 16)); break;
      default:
        literal.named |= escaped == 'N' && !literal.bytes;
        if (escaped >= '0' && escaped <= '7') { --at; put_character(literal.value, take_digits(token, at, 3, 8)); }
        else { literal.value += '\\'; literal.value += escaped; }
    }
  }
  return literal;
}

namespace {

constexpr std::string_view keywords[] = {"and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import",
                                         "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while", "with", "yield"};

bool is_keyword(std::string_view word) { return std::find(std::begin(keywords), std::end(keywords), word) != std::end(keywords); }
// Keywords at the beginning of a statement, names everywhere else.
bool is_soft_keyword(std::string_view word) { return word == "match" || word == "case" || word == "type"; }

bool is_value(const Token& token) { return token.kind == Kind::number || token.kind == Kind::text || (token.kind == Kind::name && !is_keyword(token.text)); }

// "30s", "0.0.0.0", "10MB". `1if x` is Python: a keyword may touch the digits.
bool odd_number(std::string_view text) {
  if (text.size() > 1 && text[0] == '0' && (base::contains("xXbBoO", text.substr(1, 1)))) return false;
  std::size_t dots = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    dots += c == '.';
    if (digit(c) || c == '.' || c == '_' || c == '+' || c == '-') continue;
    if ((c == 'e' || c == 'E') && i + 1 < text.size() && (digit(text[i + 1]) || text[i + 1] == '-' || text[i + 1] == '+')) continue;
    if ((c == 'j' || c == 'J') && i + 1 == text.size()) continue;
    const std::string_view rest = text.substr(i);
    return dots > 1 || !is_keyword(rest);
  }
  return dots > 1;
}

// `1if x`: the digits carry the keyword along.
bool touches_keyword(std::string_view text) {
  const std::size_t letters = text.find_first_not_of("0123456789._");
  return letters != std::string_view::npos && is_keyword(text.substr(letters));
}

}  // namespace

Stumble stumble(std::string_view source) {
  const Tokens tokens = tokens_of(source);
  bool first = true;
  for (std::size_t i = 0; i + 1 < tokens.all.size(); ++i) {
    const Token &one = tokens.all[i], &next = tokens.all[i + 1];
    const bool begins = first;
    first = one.kind == Kind::line_end || one.kind == Kind::indent || one.kind == Kind::dedent || one.text == ";" || one.text == ":";
    if (one.kind == Kind::number && odd_number(one.text)) return {one.line, one.column, false};
    if (one.kind == Kind::mark && one.text == "=" && next.kind == Kind::line_end) return {one.line, one.column, false};
    if (one.kind == Kind::number && touches_keyword(one.text)) continue;
    if (!is_value(one) || !is_value(next) || (one.kind == Kind::text && next.kind == Kind::text)) continue;
    if (begins && is_soft_keyword(one.text)) continue;
    // `print x` and `exec x` were statements once.
    return {next.line, next.column, begins && (one.text == "print" || one.text == "exec")};
  }
  return {};
}

}  // namespace parse::python
