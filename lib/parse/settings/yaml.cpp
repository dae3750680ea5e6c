// One recursive reader over lines and indentation. More than 300 lines would be two thoughts; it is one.
#include "parse/settings/yaml.hpp"

#include <map>

#include "base/text.hpp"

namespace parse::settings {

namespace {

constexpr int deepest = 64;
constexpr std::size_t most_nodes = 200'000, most_copied = 10'000;

std::size_t size_of(const Yaml& node) {
  std::size_t size = 1;
  for (const Yaml& item : node.items) size += size_of(item);
  for (const YamlMember& member : node.members) size += size_of(member.value);
  return size;
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  YamlFile run() {
    if (base::starts_with(text_, "\xef\xbb\xbf")) at_ = 3;
    while (true) {
      skip();
      if (at_ >= text_.size() || stopped()) break;
      if (marker("---")) { at_ += 3; continue; }
      if (marker("...")) { at_ += 3; continue; }
      if (text_[at_] == '%' && column() == 0) { line_end(); continue; }
      const std::size_t before = at_;
      file_.documents.push_back(block(-1, 0));
      skip();
      if (at_ < text_.size() && !marker("---") && !marker("...")) {
        wrong("this is not where the structure above goes on");
        break;
      }
      if (at_ == before) break;
    }
    return std::move(file_);
  }

 private:
  char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  bool blank_at(std::size_t at) const { return at >= text_.size() || text_[at] == ' ' || text_[at] == '\t' || text_[at] == '\n' || text_[at] == '\r'; }
  std::size_t line_start() const { const auto newline = at_ == 0 ? std::string_view::npos : text_.rfind('\n', at_ - 1); return newline == std::string_view::npos ? 0 : newline + 1; }
  int column() const { return static_cast<int>(at_ - line_start()); }
  bool marker(std::string_view mark) const { return column() == 0 && base::starts_with(text_.substr(at_), mark) && blank_at(at_ + 3); }
  bool stopped() const { return !file_.wrong.empty() || nodes_ > most_nodes; }
  Place place(std::size_t from, std::size_t end) {
    // Lines are counted from the last place asked for, so that a whole file costs one pass.
    if (from < counted_) { counted_ = 0; line_ = 1; }
    for (; counted_ < from; ++counted_) if (text_[counted_] == '\n') ++line_;
    const auto newline = from == 0 ? std::string_view::npos : text_.rfind('\n', from - 1);
    return {line_, static_cast<std::uint32_t>(newline == std::string_view::npos ? from : from - newline - 1) + 1, from, end};
  }
  void wrong(std::string what) { if (file_.wrong.empty()) file_.wrong.push_back({place(std::min(at_, text_.size()), std::min(at_ + 1, text_.size())), std::move(what)}); }
  void line_end() { while (at_ < text_.size() && text_[at_] != '\n') ++at_; }
  void blanks() { while (peek() == ' ' || peek() == '\t') ++at_; }
  // To the next thing that is no blank and no comment; true when a line end was passed.
  bool skip() {
    bool passed = false;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\n') { passed = true; ++at_; }
      else if (c == ' ' || c == '\t' || c == '\r') ++at_;
      else if (c == '#' && (at_ == 0 || blank_at(at_ - 1))) line_end();
      else break;
    }
    return passed;
  }

  struct Marks { std::string anchor; };
  Marks marks() {
    Marks found;
    while (peek() == '&' || peek() == '!') {
      const bool anchor = peek() == '&';
      const std::size_t from = ++at_;
      while (!blank_at(at_) && peek() != ',' && peek() != '}' && peek() != ']') ++at_;
      if (anchor) found.anchor = std::string(text_.substr(from, at_ - from));
      const std::size_t here = at_;
      if (skip() && (at_ >= text_.size() || column() == 0)) { at_ = here; return found; }
    }
    return found;
  }
  Yaml keep(const Marks& marks, Yaml node) {
    if (!marks.anchor.empty() && anchors_.size() < 1000) anchors_[marks.anchor] = node;
    return node;
  }

  Yaml alias() {
    const std::size_t from = ++at_;
    while (!blank_at(at_) && peek() != ',' && peek() != '}' && peek() != ']') ++at_;
    const auto known = anchors_.find(std::string(text_.substr(from, at_ - from)));
    if (known == anchors_.end()) { at_ = from - 1; wrong("this alias names no anchor"); return {}; }
    copied_ += size_of(known->second);
    if (copied_ > most_copied) return {};
    return known->second;
  }

  // A node whose lines stand deeper than `parent`. `least`: how deep a block may at least be (a list may stand at its key's own column).
  Yaml block(int parent, int depth) {
    Yaml node;
    if (depth > deepest) { wrong("it is nested too deep"); return node; }
    if (++nodes_ > most_nodes) return node;
    const bool fresh = skip() || line_blank_before();
    if (at_ >= text_.size() || stopped()) return node;
    if (fresh && (column() <= parent || marker("---") || marker("..."))) return node;
    const Marks given = marks();
    skip();
    if (at_ >= text_.size() || (line_blank_before() && column() <= parent)) return node;
    const int own = column();
    if (peek() == '-' && blank_at(at_ + 1)) return keep(given, list(own, depth));
    if (peek() == '?' && blank_at(at_ + 1)) { wrong("complex keys are not read here"); return node; }
    if (line_holds_key()) return keep(given, map(own, depth));
    if (peek() == '*') { Yaml copy = alias(); return copy; }
    return keep(given, value_scalar(parent, depth));
  }

  bool line_blank_before() const {
    for (std::size_t i = line_start(); i < at_; ++i) if (text_[i] != ' ' && text_[i] != '\t') return false;
    return true;
  }

  // Does `key:` stand at at_? A quoted key, or plain text with ": " or ":" at the line's end.
  bool line_holds_key() const {
    std::size_t i = at_;
    if (i < text_.size() && (text_[i] == '"' || text_[i] == '\'')) {
      const char quote = text_[i++];
      while (i < text_.size() && text_[i] != quote && text_[i] != '\n') i += text_[i] == '\\' && quote == '"' ? 2 : 1;
      if (i >= text_.size() || text_[i] != quote) return false;
      ++i;
      while (i < text_.size() && text_[i] == ' ') ++i;
      return i < text_.size() && text_[i] == ':' && blank_at(i + 1);
    }
    if (i < text_.size() && (text_[i] == '{' || text_[i] == '[' || text_[i] == '|' || text_[i] == '>')) return false;
    for (; i < text_.size() && text_[i] != '\n'; ++i) {
      if (text_[i] == ':' && blank_at(i + 1)) return true;
      if (text_[i] == '#' && i > at_ && blank_at(i - 1)) return false;
    }
    return false;
  }

  Yaml list(int own, int depth) {
    Yaml node;
    node.shape = Yaml::Shape::list;
    node.at = place(at_, at_ + 1);
    while (at_ < text_.size() && !stopped() && column() == own && peek() == '-' && blank_at(at_ + 1)) {
      ++at_;
      blanks();
      if (peek() == '#') line_end();
      node.items.push_back(block(own, depth + 1));
      skip();
      if (at_ < text_.size() && column() > own && !stopped()) { wrong("this stands deeper than its list"); break; }
    }
    return node;
  }

  std::string key(Place& at) {
    const std::size_t from = at_;
    std::string name;
    if (peek() == '"' || peek() == '\'') {
      name = quoted();
      at = place(from, at_);
      blanks();
    } else {
      while (at_ < text_.size() && !(text_[at_] == ':' && blank_at(at_ + 1))) ++at_;
      name = std::string(base::trim(text_.substr(from, at_ - from)));
      at = place(from, from + name.size());
    }
    ++at_;  // the colon
    return name;
  }

  Yaml map(int own, int depth) {
    Yaml node;
    node.shape = Yaml::Shape::map;
    node.at = place(at_, at_ + 1);
    std::vector<Yaml> merged;
    while (at_ < text_.size() && !stopped() && column() == own && line_holds_key() && !marker("---")) {
      YamlMember member;
      member.key = key(member.key_at);
      const std::size_t colon = at_;
      blanks();
      if (peek() == '#' && blank_at(at_ - 1)) line_end();
      // A list may stand at the column of its key.
      bool list_here = false;
      if (peek() == '\n' || peek() == '\r' || at_ >= text_.size()) {
        const std::size_t here = at_;
        skip();
        list_here = at_ < text_.size() && column() == own && peek() == '-' && blank_at(at_ + 1);
        if (!list_here) at_ = here;
      }
      member.value = list_here ? list(own, depth + 1) : block(own, depth + 1);
      if (member.value.shape == Yaml::Shape::null) member.value.at = place(colon, colon);
      if (member.key == "<<") {
        if (member.value.shape == Yaml::Shape::list) for (Yaml& item : member.value.items) merged.push_back(std::move(item));
        else merged.push_back(std::move(member.value));
      } else {
        node.members.push_back(std::move(member));
      }
      skip();
      if (at_ < text_.size() && column() > own && !stopped()) { wrong("this stands deeper than its key"); break; }
    }
    for (Yaml& from : merged)
      for (YamlMember& member : from.members)
        if (!node.find(member.key)) node.members.push_back(std::move(member));
    return node;
  }

  std::string quoted() {
    const char quote = text_[at_++];
    std::string out;
    while (at_ < text_.size() && text_[at_] != quote) {
      char c = text_[at_++];
      if (quote == '"' && c == '\\' && at_ < text_.size()) {
        c = text_[at_++];
        if (c == 'n') c = '\n';
        else if (c == 't') c = '\t';
        else if (c == '\n') { blanks(); continue; }
      } else if (c == '\n') {
        blanks();
        c = ' ';
      }
      out += c;
      if (quote == '\'' && peek() == '\'' && peek(1) == '\'') { out += '\''; at_ += 2; }
    }
    if (at_ >= text_.size()) wrong("the quote is not closed");
    else ++at_;
    return out;
  }

  Yaml value_scalar(int parent, int depth) {
    if (peek() == '{' || peek() == '[') return flow(depth);
    if (peek() == '|' || peek() == '>') return block_scalar(parent);
    Yaml node;
    node.shape = Yaml::Shape::scalar;
    const std::size_t from = at_;
    if (peek() == '"' || peek() == '\'') {
      node.quoted = true;
      node.text = quoted();
      node.at = place(from, at_);
      blanks();
      if (peek() != '\n' && peek() != '\r' && peek() != '#' && at_ < text_.size() && !stopped()) wrong("text stands behind the closing quote");
      return node;
    }
    std::size_t end = at_;
    while (true) {  // a plain scalar goes on in deeper lines
      while (at_ < text_.size() && text_[at_] != '\n' && !(text_[at_] == '#' && blank_at(at_ - 1))) {
        if (text_[at_] != ' ' && text_[at_] != '\t' && text_[at_] != '\r') end = at_ + 1;
        ++at_;
      }
      const std::string_view piece = base::trim(text_.substr(node.text.empty() ? from : piece_from_, end - (node.text.empty() ? from : piece_from_)));
      (node.text.empty() ? node.text : node.text += ' ') += piece;
      const std::size_t here = at_;
      if (peek() == '#') line_end();
      skip();
      if (at_ >= text_.size() || column() <= parent || column() == 0 || line_holds_key() || (peek() == '-' && blank_at(at_ + 1) && column() <= parent)) { at_ = here; break; }
      piece_from_ = at_;
      end = at_;
      if (node.text.size() > 65'536) break;
    }
    node.at = place(from, end);
    if (node.text == "~" || node.text == "null") node.shape = Yaml::Shape::null;
    return node;
  }

  Yaml block_scalar(int parent) {
    Yaml node;
    node.shape = Yaml::Shape::scalar;
    node.quoted = true;
    const bool folded = peek() == '>';
    node.at = place(at_, at_ + 1);
    line_end();
    int indent = -1;
    bool first = true;
    while (at_ < text_.size()) {
      const std::size_t line = at_ + 1;
      if (line >= text_.size()) { at_ = text_.size(); break; }
      std::size_t i = line;
      while (i < text_.size() && text_[i] == ' ') ++i;
      const bool empty = i >= text_.size() || text_[i] == '\n' || text_[i] == '\r';
      const int deep = static_cast<int>(i - line);
      if (!empty && deep <= parent) break;
      if (!empty && indent < 0) { indent = deep; node.at = place(i, i); }
      if (!empty && deep < indent) break;
      std::size_t end = text_.find('\n', line);
      if (end == std::string_view::npos) end = text_.size();
      if (!first) node.text += folded && !empty ? ' ' : '\n';
      if (!empty) node.text += base::trim(text_.substr(line + static_cast<std::size_t>(indent), end - line - static_cast<std::size_t>(indent)));
      first = false;
      node.at.end = end;
      at_ = end;
    }
    return node;
  }

  Yaml flow(int depth) {
    Yaml node;
    if (depth > deepest) { wrong("it is nested too deep"); return node; }
    if (++nodes_ > most_nodes) return node;
    const std::size_t from = at_;
    const Marks given = marks();
    if (peek() == '*') return alias();
    if (peek() == '[' || peek() == '{') {
      const bool is_map = peek() == '{';
      node.shape = is_map ? Yaml::Shape::map : Yaml::Shape::list;
      ++at_;
      while (true) {
        skip();
        if (at_ >= text_.size()) { wrong("the bracket is not closed"); break; }
        if (peek() == (is_map ? '}' : ']')) { ++at_; break; }
        if (peek() == ',') { ++at_; continue; }
        if (stopped()) break;
        const std::size_t before = at_;
        Yaml item = flow(depth + 1);
        skip();
        if (peek() == ':' && item.scalar()) {
          ++at_;
          skip();
          YamlMember member{item.text, item.at, {}};
          if (peek() != ',' && peek() != '}' && peek() != ']') member.value = flow(depth + 1);
          if (is_map) node.members.push_back(std::move(member));
          else { Yaml one; one.shape = Yaml::Shape::map; one.at = member.key_at; one.members.push_back(std::move(member)); node.items.push_back(std::move(one)); }
        } else if (is_map) node.members.push_back({item.text, item.at, {}});
        else node.items.push_back(std::move(item));
        if (at_ == before) { wrong("this does not belong into brackets"); break; }
      }
      node.at = place(from, at_);
      return keep(given, std::move(node));
    }
    node.shape = Yaml::Shape::scalar;
    if (peek() == '"' || peek() == '\'') {
      node.quoted = true;
      node.text = quoted();
    } else {
      while (at_ < text_.size() && peek() != ',' && peek() != ']' && peek() != '}' && peek() != '\n' && !(peek() == ':' && (blank_at(at_ + 1) || peek(1) == ',' || peek(1) == '}'))) ++at_;
      node.text = std::string(base::trim(text_.substr(from, at_ - from)));
    }
    node.at = place(from, at_);
    return keep(given, std::move(node));
  }

  std::string_view text_;
  std::size_t at_ = 0, nodes_ = 0, copied_ = 0, counted_ = 0, piece_from_ = 0;
  std::uint32_t line_ = 1;
  std::map<std::string, Yaml> anchors_;
  YamlFile file_;
};

}  // namespace

const Yaml* Yaml::find(std::string_view key) const {
  for (const YamlMember& member : members)
    if (member.key == key) return &member.value;
  return nullptr;
}

const Yaml* Yaml::path(std::string_view dotted) const {
  const Yaml* inner = this;
  for (const auto part : base::split(dotted, '.'))
    if (!(inner = inner->find(part))) return nullptr;
  return inner;
}

YamlFile read_yaml(std::string_view text) { return Reader(text).run(); }

}  // namespace parse::settings
