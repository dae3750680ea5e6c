#include "parse/nginx/syntax.hpp"

#include "base/text.hpp"

namespace parse::nginx {

namespace {

constexpr std::size_t deepest = 64, most_directives = 200'000, most_words = 1000, longest_word = 65'536;

bool blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

class Walk {
 public:
  Walk(std::string_view text, const Visitor& visitor) : text_(text), visitor_(visitor) {
    if (base::starts_with(text_, "\xef\xbb\xbf")) at_ = line_at_ = 3;
  }

  Reading run() {
    while (skip_blanks() && directives_ < most_directives) step();
    if (!open_.words.empty()) wrong("the directive has no end", open_.words.front().line);
    if (!around_.empty() || unseen_ > 0) wrong("the block is not closed", around_.empty() ? line_ : around_.back().words.front().line);
    return reading_;
  }

 private:
  char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  void advance() {
    if (text_[at_] == '\n') { ++line_; line_at_ = at_ + 1; }
    ++at_;
  }
  void wrong(std::string why, std::uint32_t line) {
    if (reading_.wrong_line) return;
    reading_.wrong_line = line;
    reading_.wrong = std::move(why);
  }

  // To the next word or mark; false at the end.
  bool skip_blanks() {
    while (at_ < text_.size()) {
      if (blank(peek())) advance();
      else if (peek() == '#') while (at_ < text_.size() && peek() != '\n') ++at_;
      else return true;
    }
    return false;
  }

  void step() {
    const char c = peek();
    if (c == ';') { advance(); end(false); return; }
    if (c == '{') { advance(); end(true); return; }
    if (c == '}') { close(); return; }
    word();
  }

  void word() {
    Word word;
    word.line = line_;
    word.column = static_cast<std::uint32_t>(at_ - line_at_) + 1;
    const std::size_t from = at_;
    if (peek() == '"' || peek() == '\'') quoted(word);
    else bare(word);
    word.at = from;
    word.end = at_;
    if (open_.words.empty()) {
      open_.offset = from;
      open_.words.reserve(4);
    }
    if (open_.words.size() < most_words) open_.words.push_back(std::move(word));
  }

  void put(Word& word, char c) { if (word.text.size() < longest_word) word.text += c; }
  // A backslash takes off quotes, blanks and itself; \t \r \n are what they are in C; else it stays.
  void escaped(Word& word) {
    advance();
    if (at_ >= text_.size()) return;
    const char c = peek();
    if (c == 't') put(word, '\t');
    else if (c == 'r') put(word, '\r');
    else if (c == 'n') put(word, '\n');
    else {
      if (c != '"' && c != '\'' && c != '\\') put(word, '\\');
      put(word, c);
    }
    advance();
  }

  void quoted(Word& word) {
    const char quote = peek();
    word.quoted = true;
    advance();
    while (at_ < text_.size() && peek() != quote) {
      if (peek() == '\\') escaped(word);
      else { put(word, peek()); advance(); }
    }
    if (at_ >= text_.size()) return wrong("the quote is not closed", word.line);
    advance();
    // ngx_conf_file.c: behind a closing quote only a blank, ; { or ) may stand.
    if (at_ < text_.size() && !blank(peek()) && peek() != ';' && peek() != '{' && peek() != ')') wrong("text stands behind the closing quote", line_);
  }

  void bare(Word& word) {
    bool variable = false;
    while (at_ < text_.size()) {
      const char c = peek();
      if (c == '\\') { escaped(word); continue; }
      if (blank(c) || c == ';' || (c == '{' && !(at_ > 0 && text_[at_ - 1] == '$'))) return;
      if (c == '{') variable = true;
      if (c == '}') {
        if (!variable) { if (word.text.empty()) return; }
        variable = false;
      }
      // What follows without a meaning of its own is taken as a piece.
      std::size_t end = at_ + 1;
      while (end < text_.size() && !blank(text_[end]) && text_[end] != '\\' && text_[end] != ';' && text_[end] != '{' && text_[end] != '}') ++end;
      if (word.text.size() < longest_word) word.text.append(text_.substr(at_, std::min(end - at_, longest_word - word.text.size())));
      at_ = end;
    }
  }

  void end(bool block) {
    if (open_.words.empty()) {
      wrong(block ? "a block without a name" : "a directive without a name", line_);
      if (!block) return;
      open_.words.push_back({"", line_, static_cast<std::uint32_t>(at_ - line_at_), false, at_, at_});
      open_.offset = at_;
    }
    ++directives_;
    Directive directive = std::move(open_);
    open_ = {};
    directive.block = block;
    directive.end = at_;
    if (visitor_.enter) visitor_.enter(directive, around_);
    if (!block) return;
    if (directive.name().ends_with("_by_lua_block")) return pass_lua();
    if (around_.size() < deepest) around_.push_back(std::move(directive));
    else ++unseen_;
  }

  void close() {
    if (!open_.words.empty()) { wrong("the directive has no end", open_.words.front().line); open_ = {}; }
    const std::uint32_t line = line_;
    advance();
    if (unseen_ > 0) { --unseen_; return; }
    if (around_.empty()) return wrong("a brace closes nothing", line);
    const Directive block = std::move(around_.back());
    around_.pop_back();
    if (visitor_.leave) visitor_.leave(block, around_);
  }

  // Lua has its own braces, quotes and comments.
  void pass_lua() {
    int open = 1;
    while (at_ < text_.size() && open > 0) {
      const char c = peek();
      if (c == '-' && peek(1) == '-') { while (at_ < text_.size() && peek() != '\n') ++at_; continue; }
      if (c == '"' || c == '\'') {
        advance();
        while (at_ < text_.size() && peek() != c && peek() != '\n') {
          if (peek() == '\\' && at_ + 1 < text_.size()) advance();
          advance();
        }
        if (at_ >= text_.size()) break;
      }
      else if (c == '{') ++open;
      else if (c == '}') --open;
      advance();
    }
    if (open > 0) wrong("the block is not closed", line_);
  }

  std::string_view text_;
  const Visitor& visitor_;
  std::size_t at_ = 0, line_at_ = 0, directives_ = 0, unseen_ = 0;
  std::uint32_t line_ = 1;
  Directive open_;
  std::vector<Directive> around_;
  Reading reading_;
};

}  // namespace

Reading walk(std::string_view text, const Visitor& visitor) { return Walk(text, visitor).run(); }

}  // namespace parse::nginx
