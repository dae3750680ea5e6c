// puma.rb and unicorn.rb: configurations that are Ruby. Their settings are calls at the top level, `workers ENV.fetch("W") { 2 }`; what stands
// inside methods, loops and blocks is code of the application's hooks and is passed over. Nothing is run; what is no literal stays as it is written.
// Over 300 lines: Ruby's literals (five kinds of strings that may hold each other) and its statements are one walk.
#include <algorithm>
#include <array>
#include <cctype>

#include "base/text.hpp"
#include "parse/settings/document.hpp"

namespace parse::settings {

namespace {

using std::string_view_literals::operator""sv;

constexpr std::size_t most_tokens = 400'000, most_entries = 20'000;
constexpr std::size_t most_blank_lines = 50;                   // between a call and the ".method" of its next line
constexpr int deepest = 20;                                    // of "#{ "#{ }" }"

bool letter(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || static_cast<unsigned char>(c) >= 0x80; }

// A value ends what could go on; what stands behind a mark or a word like `and` begins one.
enum class Kind : std::uint8_t { word, keyword, label, literal, mark, line_end };
struct Token { Kind kind; std::string_view text; std::size_t at; bool blank_before; };

constexpr std::array keywords{"if"sv, "unless"sv, "while"sv, "until"sv, "case"sv, "when"sv, "in"sv, "for"sv, "begin"sv, "rescue"sv, "ensure"sv, "else"sv, "elsif"sv, "then"sv, "do"sv, "end"sv, "def"sv, "class"sv,
                              "module"sv, "and"sv, "or"sv, "not"sv, "return"sv, "yield"sv, "super"sv, "break"sv, "next"sv, "redo"sv, "retry"sv, "alias"sv, "undef"sv, "BEGIN"sv, "END"sv};

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  std::vector<Token> run() {
    while (at_ < text_.size() && tokens_.size() < most_tokens) {
      if (line_start_ && (skipped_comment() || ends_here())) continue;
      line_start_ = false;
      const char c = text_[at_];
      if (c == ' ' || c == '\t' || c == '\r') { blank_ = true; ++at_; continue; }
      if (c == '\\' && at_ + 1 < text_.size() && (text_[at_ + 1] == '\n' || text_[at_ + 1] == '\r')) { at_ = std::min(text_.find('\n', at_), text_.size()) + 1; blank_ = true; continue; }
      if (c == '#') { at_ = std::min(text_.find('\n', at_), text_.size()); continue; }
      if (c == '\n') { add(Kind::line_end, 1); bodies(); line_start_ = true; continue; }
      if (heredoc() || percent() || regex()) continue;
      if (c == '"' || c == '\'' || c == '`') { literal_until(c, c, c != '\'', 1); continue; }
      if (c == ':' && at_ + 1 < text_.size() && (text_[at_ + 1] == '"' || text_[at_ + 1] == '\'')) { literal_until(text_[at_ + 1], text_[at_ + 1], true, 2); continue; }
      if (c == ':' && at_ + 1 < text_.size() && letter(text_[at_ + 1]) && !(at_ > 0 && text_[at_ - 1] == ':')) { add(Kind::literal, 1 + name_length(at_ + 1)); continue; }
      if (letter(c) || ((c == '@' || c == '$') && at_ + 1 < text_.size())) { word(); continue; }
      mark();
    }
    add(Kind::line_end, 0);
    return std::move(tokens_);
  }

 private:
  void add(Kind kind, std::size_t length) {
    length = std::min(length, text_.size() - at_);
    tokens_.push_back({kind, text_.substr(at_, length), at_, blank_});
    at_ += length;
    blank_ = false;
  }

  std::string_view line_at(std::size_t at) const { return text_.substr(at, std::min(text_.find('\n', at), text_.size()) - at); }

  bool skipped_comment() {
    if (!base::starts_with(text_.substr(at_, 6), "=begin")) return false;
    while (at_ < text_.size() && !base::starts_with(text_.substr(at_, 4), "=end")) at_ = std::min(text_.find('\n', at_), text_.size() - 1) + 1;
    if (at_ < text_.size()) at_ = std::min(text_.find('\n', at_), text_.size() - 1) + 1;
    return true;
  }
  bool ends_here() {
    if (base::trim(line_at(at_)) != "__END__") return false;
    at_ = text_.size();
    return true;
  }

  // Could a value begin here? A sign that is a literal's or an operator's is told by that.
  bool begins_value() const {
    if (tokens_.empty()) return true;
    const Token& last = tokens_.back();
    if (last.kind == Kind::line_end || last.kind == Kind::label) return true;
    if (last.kind == Kind::keyword) return last.text != "end";
    if (last.kind == Kind::literal) return false;
    if (last.kind == Kind::mark) return last.text != ")" && last.text != "]" && last.text != "}";
    // `puts /x/`: behind a name and a blank, with none after it.
    return blank_ && at_ + 1 < text_.size() && text_[at_ + 1] != ' ' && text_[at_ + 1] != '=';
  }

  // Moves behind the closing mark; what stands in #{ } may hold quotes of its own.
  std::size_t behind(std::size_t at, char open, char close, bool computes, int depth) const {
    int inside = 1;
    while (at < text_.size()) {
      const char c = text_[at];
      if (c == '\\') { at += 2; continue; }
      if (computes && c == '#' && at + 1 < text_.size() && text_[at + 1] == '{' && depth < deepest) { at = behind_braces(at + 2, depth + 1); continue; }
      if (c == close && (open == close || --inside == 0)) return at + 1;
      if (c == open && open != close) ++inside;
      ++at;
    }
    return text_.size();
  }
  std::size_t behind_braces(std::size_t at, int depth) const {
    int inside = 1;
    while (at < text_.size()) {
      const char c = text_[at];
      if (c == '"' || c == '\'') { at = behind(at + 1, c, c, c == '"', depth); continue; }
      if (c == '{') ++inside;
      if (c == '}' && --inside == 0) return at + 1;
      ++at;
    }
    return text_.size();
  }
  void literal_until(char open, char close, bool computes, std::size_t lead) {
    const std::size_t end = behind(at_ + lead, open, close, computes, 0);
    const bool label = end < text_.size() && text_[end] == ':' && (end + 1 >= text_.size() || text_[end + 1] != ':') && tokens_.size() > 0 && tokens_.back().kind == Kind::mark && (tokens_.back().text == "{" || tokens_.back().text == ",");
    add(label ? Kind::label : Kind::literal, end - at_ + (label ? 1 : 0));
  }

  bool percent() {
    if (text_[at_] != '%' || at_ + 2 >= text_.size() || !begins_value()) return false;
    std::size_t lead = 1;
    char kind = 'Q';
    if (std::isalpha(static_cast<unsigned char>(text_[at_ + 1]))) { kind = text_[at_ + 1]; lead = 2; }
    if (!base::contains("wWiIqQrxs", std::string_view(&kind, 1))) return false;
    const char open = text_[at_ + lead];
    if (std::isalnum(static_cast<unsigned char>(open)) || open == ' ' || open == '\n' || open == '=') return false;
    const char close = open == '(' ? ')' : open == '[' ? ']' : open == '{' ? '}' : open == '<' ? '>' : open;
    literal_until(open, close, kind == 'W' || kind == 'Q' || kind == 'I' || kind == 'r' || kind == 'x', lead + 1);
    return true;
  }
  bool regex() {
    if (text_[at_] != '/' || !begins_value()) return false;
    // One line, as those in configurations are: a division that was taken for one must not eat the file.
    const std::size_t end = behind(at_ + 1, '/', '/', true, 0);
    if (end > at_ + line_at(at_).size() + 1) return false;
    std::size_t flags = end;
    while (flags < text_.size() && std::isalpha(static_cast<unsigned char>(text_[flags]))) ++flags;
    add(Kind::literal, flags - at_);
    return true;
  }

  // <<~EOS, <<-'EOS', <<EOS: its body begins at the next line.
  bool heredoc() {
    if (!base::starts_with(text_.substr(at_, 2), "<<") || !begins_value()) return false;
    std::size_t at = at_ + 2;
    if (at < text_.size() && (text_[at] == '~' || text_[at] == '-')) ++at;
    char quote = 0;
    if (at < text_.size() && (text_[at] == '"' || text_[at] == '\'' || text_[at] == '`')) quote = text_[at++];
    const std::size_t length = name_length(at);
    if (length == 0 || (!quote && at == at_ + 2 && !std::isupper(static_cast<unsigned char>(text_[at])))) return false;
    waiting_.push_back(text_.substr(at, length));
    at += length;
    if (quote && at < text_.size() && text_[at] == quote) ++at;
    add(Kind::literal, at - at_);
    return true;
  }
  void bodies() {
    for (const std::string_view end : waiting_) {
      while (at_ < text_.size()) {
        const std::string_view line = line_at(at_);
        at_ = std::min(at_ + line.size() + 1, text_.size());
        if (base::trim(line) == end) break;
      }
    }
    waiting_.clear();
  }

  std::size_t name_length(std::size_t at) const {
    std::size_t end = at;
    while (end < text_.size() && letter(text_[end])) ++end;
    if (end > at && end < text_.size() && (text_[end] == '?' || text_[end] == '!') && (end + 1 >= text_.size() || text_[end + 1] != '=')) ++end;
    return end - at;
  }
  void word() {
    const std::size_t lead = text_[at_] == '@' || text_[at_] == '$' ? 1 + (at_ + 1 < text_.size() && text_[at_ + 1] == '@') : 0;
    const std::size_t length = lead + std::max<std::size_t>(name_length(at_ + lead), lead ? 1 : 0);
    const std::string_view name = text_.substr(at_, length);
    if (std::isdigit(static_cast<unsigned char>(name.front()))) {  // 1_000, 0x1f, 1.5
      std::size_t end = at_ + length;
      if (end + 1 < text_.size() && text_[end] == '.' && std::isdigit(static_cast<unsigned char>(text_[end + 1]))) end += 1 + name_length(end + 1);
      add(Kind::literal, end - at_);
      return;
    }
    const std::size_t end = at_ + length;
    const bool method = !tokens_.empty() && tokens_.back().kind == Kind::mark && (tokens_.back().text == "." || tokens_.back().text == "&." || tokens_.back().text == "::");
    if (end < text_.size() && text_[end] == ':' && (end + 1 >= text_.size() || text_[end + 1] != ':') && !method && !(tokens_.size() && tokens_.back().kind == Kind::mark && tokens_.back().text == "?")) { add(Kind::label, length + 1); return; }
    add(!method && std::ranges::find(keywords, name) != keywords.end() ? Kind::keyword : Kind::word, length);
  }
  void mark() {
    for (const std::string_view three : {"<=>"sv, "==="sv, "**="sv, "..."sv, "||="sv, "&&="sv, "<<="sv, ">>="sv})
      if (base::starts_with(text_.substr(at_, 3), three)) return add(Kind::mark, 3);
    for (const std::string_view two : {"&."sv, "::"sv, "=>"sv, "->"sv, "=="sv, "!="sv, "<="sv, ">="sv, "&&"sv, "||"sv, "=~"sv, "!~"sv, "+="sv, "-="sv, "*="sv, "/="sv, "|="sv, "**"sv, "<<"sv, ">>"sv, ".."sv})
      if (base::starts_with(text_.substr(at_, 2), two)) return add(Kind::mark, 2);
    add(Kind::mark, 1);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool blank_ = false, line_start_ = true;
  std::vector<std::string_view> waiting_;
  std::vector<Token> tokens_;
};

class Statements {
 public:
  Statements(std::string_view text, const std::vector<Token>& tokens, Document& document) : text_(text), tokens_(tokens), document_(document) {}

  void run() {
    while (at_ < tokens_.size()) statement();
    if (!open_.empty() || extra_end_) document_.wrong.push_back({place_at(text_, text_.size(), text_.size()), "a block is not closed"});
  }

 private:
  enum class Block : std::uint8_t { branch, code };  // branch: if, case, begin: its settings hold under a condition

  bool is(std::size_t at, std::string_view text) const { return at < tokens_.size() && tokens_[at].text == text && tokens_[at].kind != Kind::literal; }
  bool keyword(std::size_t at, std::string_view text) const { return at < tokens_.size() && tokens_[at].kind == Kind::keyword && tokens_[at].text == text; }
  bool ends(std::size_t at) const { return at >= tokens_.size() || tokens_[at].kind == Kind::line_end || is(at, ";"); }

  void close() {
    if (open_.empty()) extra_end_ = true;
    else open_.pop_back();
  }

  // From a statement's first token to behind its last; what opens a block ends it, and the block's body follows as statements.
  void statement() {
    if (ends(at_)) { ++at_; return; }
    const Token& first = tokens_[at_];
    if (first.kind == Kind::keyword) {
      const std::string_view word = first.text;
      if (word == "end") { close(); ++at_; rest(at_, false); return; }
      if (word == "else" || word == "ensure" || word == "then" || word == "do") { ++at_; return; }
      if (word == "elsif" || word == "when" || word == "in" || word == "rescue") { ++at_; rest(at_, false); return; }
      rest(at_, false);
      return;
    }
    const bool call = first.kind == Kind::word && std::islower(static_cast<unsigned char>(first.text.front())) && !assigns(at_ + 1);
    rest(at_ + (call ? 1 : 0), call);
  }

  // `x = `, `x += `, `x.y`, `x[0] = `, `x, y = `: no call with arguments. `timeout -1` and `bind [..]` are.
  bool assigns(std::size_t at) const {
    if (at >= tokens_.size() || tokens_[at].kind != Kind::mark) return false;
    const std::string_view mark = tokens_[at].text;
    if (mark == "(" || mark == ";" || mark == ":") return false;
    if (mark == "[" || mark == "{" || mark == "->" || mark == "-" || mark == "*" || mark == "&" || mark == "!" || mark == "::") return !(tokens_[at].blank_before && at + 1 < tokens_.size() && !tokens_[at + 1].blank_before);
    return true;
  }

  // The tokens of this statement from `from` on. `call`: they are the arguments of the word before.
  void rest(std::size_t from, bool call) {
    const std::size_t name = at_;
    const std::size_t depth_before = open_.size();
    const bool seen = std::ranges::all_of(open_, [](Block block) { return block == Block::branch; });
    int brackets = 0;
    bool loop = false, modified = false;                      // loop: the next `do` is of while, until, for
    std::size_t value_end = std::string_view::npos, i = from;
    const auto stop_value = [&](std::size_t at) { if (value_end == std::string_view::npos) value_end = at; };
    for (; i < tokens_.size(); ++i) {
      const Token& token = tokens_[i];
      if (token.kind == Kind::line_end && (brackets > 0 || continues(i))) continue;
      if (brackets == 0 && ends(i)) break;
      if (token.kind == Kind::mark) {
        // A { } of several lines behind a call is its block.
        if (token.text == "{" && brackets == 0 && i > name && ends_value(i - 1) && closes_later(i)) stop_value(i);
        if (token.text == "(" || token.text == "[" || token.text == "{") ++brackets;
        else if (token.text == ")" || token.text == "]" || token.text == "}") brackets = std::max(brackets - 1, 0);
        continue;
      }
      if (token.kind != Kind::keyword) continue;
      // Blocks inside brackets are of an argument: code, and closed before the bracket is.
      const bool modifier = i > name && ends_value(i - 1);
      const std::string_view word = token.text;
      if (word == "end") {
        if (brackets == 0 && open_.size() <= depth_before) { stop_value(i); break; }  // of what stands around this statement
        close();
        continue;
      }
      if (word == "if" || word == "unless" || word == "while" || word == "until") {
        if (modifier) { if (brackets == 0) { stop_value(i); modified = true; } continue; }
        open_.push_back(brackets == 0 && i == name && (word == "if" || word == "unless") ? Block::branch : Block::code);
        loop = word == "while" || word == "until";
        if (brackets == 0 && i == name) { i = header(i + 1, loop); break; }
      } else if (word == "rescue" && modifier && brackets == 0) { stop_value(i); modified = true; }
      else if (word == "case" || word == "begin") {
        open_.push_back(brackets == 0 && i == name ? Block::branch : Block::code);
        if (brackets == 0 && i == name && word == "begin") { ++i; break; }
      } else if (word == "for") { open_.push_back(Block::code); loop = true; }
      else if (word == "class" || word == "module") { open_.push_back(Block::code); }
      else if (word == "def") {
        if (endless(i)) continue;
        open_.push_back(Block::code);
        i = behind_parameters(i);
        if (brackets == 0) break;
      } else if (word == "do") {
        if (loop) { loop = false; if (brackets == 0) { ++i; break; } continue; }
        open_.push_back(Block::code);
        if (brackets == 0) { stop_value(i); i = behind_bars(i + 1); break; }
      } else if (word == "then" && brackets == 0) { ++i; break; }
    }
    if (call && seen) entry(name, from, value_end == std::string_view::npos ? i : value_end, modified || depth_before > 0);
    at_ = std::max(i, at_ + 1);
  }

  bool closes_later(std::size_t i) const {
    int brackets = 0;
    for (; i < tokens_.size() && tokens_[i].kind != Kind::line_end; ++i) {
      if (is(i, "{")) ++brackets;
      if (is(i, "}") && --brackets == 0) return false;
    }
    return true;
  }

  // Behind `if x`, `while x do`: to the end of the line, `then` or `do`.
  std::size_t header(std::size_t i, bool loop) {
    int brackets = 0;
    for (; i < tokens_.size(); ++i) {
      if (is(i, "(") || is(i, "[") || is(i, "{")) ++brackets;
      else if (is(i, ")") || is(i, "]") || is(i, "}")) brackets = std::max(brackets - 1, 0);
      else if (keyword(i, "then") || (loop && keyword(i, "do"))) return i + 1;
      else if (keyword(i, "do")) open_.push_back(Block::code);
      else if (keyword(i, "end")) close();
      else if (brackets == 0 && ends(i) && !(tokens_[i].kind == Kind::line_end && continues(i))) return i;
    }
    return i;
  }

  // `def f = 1`, `def f(a) = 1`.
  bool endless(std::size_t at) const { const std::size_t i = behind_parameters(at); return is(i, "=") && tokens_[i].blank_before; }
  std::size_t behind_parameters(std::size_t at) const {
    std::size_t i = at + 2;
    while (is(i, ".")) i += 2;                                // def self.x
    return behind_brackets(i);
  }
  // Behind the bracket that closes the one here; here, where there is none.
  std::size_t behind_brackets(std::size_t i) const {
    if (!is(i, "(")) return std::min(i, tokens_.size());
    int brackets = 0;
    for (; i < tokens_.size(); ++i) {
      if (is(i, "(")) ++brackets;
      if (is(i, ")") && --brackets == 0) return i + 1;
    }
    return i;
  }
  std::size_t behind_bars(std::size_t i) const {
    if (!is(i, "|")) return i;
    for (++i; i < tokens_.size() && !is(i, "|"); ++i) {}
    return std::min(i + 1, tokens_.size());
  }

  bool ends_value(std::size_t at) const {
    const Token& token = tokens_[at];
    if (token.kind == Kind::word || token.kind == Kind::literal) return true;
    if (token.kind == Kind::keyword) return token.text == "end" || token.text == "super" || token.text == "return" || token.text == "next" || token.text == "break";
    return token.kind == Kind::mark && (token.text == ")" || token.text == "]" || token.text == "}");
  }

  // A line that goes on: it ends in an operator or comma, or the next one begins with a dot.
  bool continues(std::size_t line_end) const {
    std::size_t next = line_end + 1;
    while (next < tokens_.size() && next < line_end + most_blank_lines && tokens_[next].kind == Kind::line_end && next + 1 < tokens_.size()) ++next;
    if (is(next, ".") || is(next, "&.")) return true;
    if (line_end == 0) return false;
    const Token& last = tokens_[line_end - 1];
    if (last.kind == Kind::keyword) return last.text == "and" || last.text == "or" || last.text == "not";
    return last.kind == Kind::mark && last.text != ")" && last.text != "]" && last.text != "}" && last.text != "|" && last.text != ";" && last.text != "?" && last.text != "!";
  }

  void entry(std::size_t name, std::size_t from, std::size_t to, bool branch) {
    if (document_.entries.size() >= most_entries) return;
    to = std::min(to, tokens_.size());
    const Token& word = tokens_[name];
    const std::size_t name_end = word.at + word.text.size();
    std::size_t begin = name_end, end = name_end;
    if (from < to) {
      begin = tokens_[from].at;
      end = tokens_[to - 1].at + tokens_[to - 1].text.size();
      while (to > from && tokens_[to - 1].kind == Kind::line_end) { --to; end = to > from ? tokens_[to - 1].at + tokens_[to - 1].text.size() : begin; }
    }
    // (2): the brackets of the call, not of a value.
    if (end > begin + 1 && text_[begin] == '(' && text_[end - 1] == ')' && behind_brackets(from) == to) {
      ++begin;
      --end;
    }
    std::string_view value = text_.substr(begin, end - begin);
    const std::string_view trimmed = base::trim(value);
    if (!trimmed.empty()) { begin += static_cast<std::size_t>(trimmed.data() - value.data()); end = begin + trimmed.size(); }
    else begin = end = name_end;
    document_.entries.push_back({branch ? "if" : "", std::string(word.text), std::string(trimmed), place_at(text_, word.at, name_end), place_at(text_, begin, end)});
  }

  std::string_view text_;
  const std::vector<Token>& tokens_;
  Document& document_;
  std::size_t at_ = 0;
  std::vector<Block> open_;
  bool extra_end_ = false;
};

}  // namespace

Document read_ruby(std::string_view text, Dialect dialect) {
  Document document;
  document.dialect = dialect;
  const std::vector<Token> tokens = Lexer(text).run();
  Statements(text, tokens, document).run();
  return document;
}

}  // namespace parse::settings
