// One thought, a recursive descent by Python's precedence, so one file past 300 lines.
#include "parse/python/expression.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/text.hpp"

namespace parse::python {

namespace {

constexpr int deepest = 60;
constexpr std::size_t most_items = 512;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

Value number_of(std::string_view token) {
  std::string digits;
  for (const char c : token)
    if (c != '_') digits += c;
  int base = 10;
  std::string_view rest = digits;
  if (digits.size() > 2 && digits[0] == '0') {
    const char kind = digits[1];
    base = kind == 'x' || kind == 'X' ? 16 : kind == 'o' || kind == 'O' ? 8 : kind == 'b' || kind == 'B' ? 2 : 10;
    if (base != 10) rest.remove_prefix(2);
  }
  std::int64_t whole = 0;
  auto [end, problem] = std::from_chars(rest.data(), rest.data() + rest.size(), whole, base);
  if (problem == std::errc() && end == rest.data() + rest.size()) return integer(whole);
  if (base != 10) return {};
  double fraction = 0;
  auto [stop, failed] = std::from_chars(rest.data(), rest.data() + rest.size(), fraction);
  return failed == std::errc() && stop == rest.data() + rest.size() ? real(fraction) : Value{};
}

// int("8"), int(2.5), float("1")...
Value convert(std::string_view name, const Value& value) {
  using K = Value::Kind;
  if (name == "str") {
    auto shown = as_text(value);
    return shown ? text(std::move(*shown)) : Value{};
  }
  if (name == "bool") {
    const auto yes = truth(value);
    return yes ? boolean(*yes) : Value{};
  }
  Value number = value;
  if (value.kind == K::text) {
    const auto trimmed = base::trim(value.text);
    const bool minus = base::starts_with(trimmed, "-");
    const auto digits = trimmed.substr(minus || base::starts_with(trimmed, "+") ? 1 : 0);
    if (digits.empty() || digits.find_first_not_of("0123456789._eE") != std::string_view::npos) return {};
    number = number_of(digits);
    if (minus) number = apply("-", integer(0), number);
    if (name == "int" && number.kind != K::integer) return {};
  }
  if (name == "int") {
    if (number.kind == K::processors) return number;
    if (number.kind == K::real) return number.real > -9e15 && number.real < 9e15 ? integer(static_cast<std::int64_t>(number.real)) : Value{};
    return number.kind == K::integer || number.kind == K::boolean ? integer(number.number) : Value{};
  }
  if (number.kind == K::integer || number.kind == K::boolean) return real(static_cast<double>(number.number));
  return number.kind == K::real ? number : Value{};
}

Value extreme(bool most, const std::vector<Value>& values) {
  if (values.empty()) return {};
  Value best = values.front();
  for (const Value& value : values) {
    const auto better = truth(apply(most ? ">" : "<", value, best));
    if (!better) return {};
    if (*better) best = value;
  }
  return best;
}

struct Arguments {
  std::vector<Alternatives> plain;
  std::map<std::string, Alternatives, std::less<>> named;
  bool clear = true;  // no *args, no comprehension
};

class Reader {
 public:
  Reader(std::span<const Token> tokens, std::size_t at, const Names& names, int depth) : tokens_(tokens), at_(at), names_(names), depth_(depth) {}
  std::size_t at() const { return at_; }

  Alternatives items() {
    Alternatives first = one();
    if (!is(",")) return first;
    std::vector<Alternatives> all{std::move(first)};
    while (is(",") && all.size() < most_items) {
      ++at_;
      if (ends_items()) break;
      all.push_back(one());
    }
    return gathered(Value::Kind::tuple, all);
  }

  // a if c else b
  Alternatives one() {
    if (depth_ >= deepest) { skip(); return only({}); }
    ++depth_;
    Alternatives value = is_word("lambda") ? unknown() : either();
    if (is(":=")) { ++at_; one(); value = only({}); }
    if (is_word("if")) {
      const std::size_t from = ++at_;
      const Alternatives test = either();
      const std::string asked = source_text(tokens_, from, at_);
      if (is_word("else")) {
        ++at_;
        value = chosen(test, asked, value, one());
      } else value = only({});
    }
    --depth_;
    return value;
  }

 private:
  const Token& now() const { return tokens_[std::min(at_, tokens_.size() - 1)]; }
  bool is(std::string_view mark) const { return now().kind == Kind::mark && now().text == mark; }
  bool is_word(std::string_view word) const { return now().kind == Kind::name && now().text == word; }
  bool ends_items() const { return now().kind == Kind::line_end || now().kind == Kind::end || is(")") || is("]") || is("}") || is("=") || is(":") || is(";"); }

  static Alternatives chosen(const Alternatives& test, const std::string& asked, const Alternatives& yes, const Alternatives& no) {
    Alternatives all;
    const auto take = [&](const Alternatives& from, const std::string& when) {
      for (const Alternative& one : from) all.push_back({one.value, both(when, one.condition), false});
    };
    for (const Alternative& one : test) {
      const auto answer = truth(one.value);
      if (!answer || *answer) take(yes, answer ? one.condition : asked);
      if (!answer || !*answer) take(no, answer ? one.condition : "not (" + asked + ")");
    }
    return settled(std::move(all));
  }

  // `or` and `and` give one of their sides.
  Alternatives either() {
    Alternatives left = each();
    while (is_word("or")) {
      ++at_;
      left = joined(left, each(), true);
    }
    return left;
  }
  Alternatives each() {
    Alternatives left = negated();
    while (is_word("and")) {
      ++at_;
      left = joined(left, negated(), false);
    }
    return left;
  }
  static Alternatives joined(const Alternatives& left, const Alternatives& right, bool keep_when) {
    return map(left, right, [keep_when](const Value& a, const Value& b) {
      const auto yes = truth(a);
      return !yes ? Value{} : *yes == keep_when ? a : b;
    });
  }

  Alternatives negated() {
    if (!is_word("not")) return compared();
    if (++depth_ >= deepest) { --depth_; skip(); return only({}); }
    ++at_;
    const Alternatives of = map(negated(), [](const Value& value) {
      const auto yes = truth(value);
      return yes ? boolean(!*yes) : Value{};
    });
    --depth_;
    return of;
  }

  Alternatives compared() {
    Alternatives left = binary(0);
    Alternatives answer;
    while (true) {
      std::string op;
      bool reversed = false;
      if (now().kind == Kind::mark && (is("==") || is("!=") || is("<") || is(">") || is("<=") || is(">="))) op = now().text;
      else if (is_word("in")) op = "in";
      else if (is_word("is")) op = "==";
      else if (is_word("not") && at_ + 1 < tokens_.size() && tokens_[at_ + 1].text == "in") { op = "in"; reversed = true; ++at_; }
      else break;
      ++at_;
      if (op == "==" && is_word("not")) { op = "!="; ++at_; }
      const Alternatives right = binary(0);
      Alternatives link = map(left, right, [&](const Value& a, const Value& b) {
        const Value value = apply(op, a, b);
        const auto yes = truth(value);
        return reversed && yes ? boolean(!*yes) : value;
      });
      answer = answer.empty() ? std::move(link) : joined(answer, link, false);
      left = right;
    }
    return answer.empty() ? left : answer;
  }

  // Levels from the loosest: | ^ & << >> + - * / // % @.
  static int level(const Token& token) {
    if (token.kind != Kind::mark) return -1;
    const auto text = token.text;
    if (text == "|") return 0;
    if (text == "^") return 1;
    if (text == "&") return 2;
    if (text == "<<" || text == ">>") return 3;
    if (text == "+" || text == "-") return 4;
    if (text == "*" || text == "/" || text == "//" || text == "%" || text == "@") return 5;
    return -1;
  }
  Alternatives binary(int loosest) {
    Alternatives left = loosest > 5 ? signed_one() : binary(loosest + 1);
    if (loosest > 5) return left;
    while (level(now()) == loosest) {
      const std::string_view op = now().text;
      ++at_;
      const Alternatives right = binary(loosest + 1);
      left = map(left, right, [op](const Value& a, const Value& b) { return apply(op, a, b); });
    }
    return left;
  }

  Alternatives signed_one() {
    if (is("-") || is("+") || is("~")) {
      const std::string_view op = now().text;
      if (depth_ >= deepest) { skip(); return only({}); }
      ++at_;
      ++depth_;
      const Alternatives of = signed_one();
      --depth_;
      return map(of, [op](const Value& value) { return op == "~" ? Value{} : apply(op, integer(0), value); });
    }
    if (is_word("await")) { ++at_; power(); return only({}); }
    return power();
  }
  Alternatives power() {
    Alternatives base = postfix();
    if (!is("**")) return base;
    if (depth_ >= deepest) { skip(); return only({}); }
    ++at_;
    ++depth_;
    const Alternatives exponent = signed_one();
    --depth_;
    return map(base, exponent, [](const Value& a, const Value& b) { return apply("**", a, b); });
  }

  // An atom with what follows it. `path` is the dotted name as it is written, "" when it is none.
  Alternatives postfix() {
    std::string path;
    bool bound = false;
    Alternatives value;
    if (now().kind == Kind::name && !keyword(now().text)) {
      path = now().text;
      const auto known = names_.find(path);
      bound = known != names_.end();
      value = bound ? present(known->second) : only({});
      ++at_;
    } else value = atom();
    while (true) {
      if (is(".") && at_ + 1 < tokens_.size() && tokens_[at_ + 1].kind == Kind::name) {
        const std::string_view word = tokens_[at_ + 1].text;
        at_ += 2;
        if (is("(") && (path.empty() || bound)) {
          value = method(value, word, arguments());
          path.clear();
          continue;
        }
        if (!path.empty() && path.size() < 200) path += "." + std::string(word);
        value = only({});
        bound = false;
      } else if (is("(")) {
        const bool plain = !bound && !path.empty();
        Arguments given = arguments();
        value = plain ? call(path, given) : only({});
        path.clear();
      } else if (is("[")) {
        value = subscript(path, bound, value);
        path.clear();
      } else return value;
    }
  }

  // A name that is bound under some conditions only raises under the others.
  static Alternatives present(const Alternatives& all) {
    Alternatives bound;
    for (const Alternative& one : all)
      if (!one.absent) bound.push_back(one);
    return bound.empty() ? only({}) : bound;
  }

  static bool keyword(std::string_view word) {
    constexpr std::string_view words[] = {"None", "True", "False", "if", "else", "for", "and", "or", "not", "in", "is", "lambda", "await", "yield", "from", "async", "import"};
    return std::ranges::find(words, word) != std::end(words);
  }

  Alternatives atom() {
    switch (now().kind) {
      case Kind::number: return only(number_of(tokens_[at_++].text));
      case Kind::text: return texts();
      case Kind::name: {
        const std::string_view word = now().text;
        if (word == "None") { ++at_; return only(none()); }
        if (word == "True" || word == "False") { ++at_; return only(boolean(word == "True")); }
        return unknown();
      }
      case Kind::mark:
        if (is("(") || is("[")) return sequence();
        if (is("{")) return dict();
        if (is("...")) { ++at_; return only({}); }
        return unknown();
      default: return unknown();
    }
  }

  // "a" "b" f"{c}" beside each other are one text.
  Alternatives texts() {
    Alternatives all = only(text(""));
    bool bytes = false;
    for (; now().kind == Kind::text; ++at_) {
      Literal literal = literal_of(now().text);
      bytes |= literal.bytes;
      const Alternatives part = literal.named ? only({}) : literal.formatted ? formatted(literal.value) : only(text(std::move(literal.value)));
      all = map(all, part, [](const Value& a, const Value& b) { return apply("+", a, b); });
    }
    return bytes ? only({}) : all;
  }

  Alternatives formatted(const std::string& format) {
    Alternatives all = only(text(""));
    std::string plain;
    const auto add = [&](const Alternatives& part) { all = map(all, part, [](const Value& a, const Value& b) { return apply("+", a, b); }); };
    for (std::size_t at = 0; at < format.size();) {
      const char c = format[at];
      if ((c == '{' || c == '}') && at + 1 < format.size() && format[at + 1] == c) { plain += c; at += 2; continue; }
      if (c != '{') { plain += c; ++at; continue; }
      std::size_t end = at + 1;
      for (int open = 1; end < format.size(); ++end) {
        if (format[end] == '{' || format[end] == '(' || format[end] == '[') ++open;
        if ((format[end] == '}' || format[end] == ')' || format[end] == ']') && --open == 0) break;
      }
      if (end >= format.size() || format[end] != '}' || depth_ >= deepest / 2) return only({});
      add(only(text(std::exchange(plain, ""))));
      const std::string inner = format.substr(at + 1, end - at - 1);
      const Tokens inside = tokens_of(inner, 2000);
      Reader reader(inside.all, 0, names_, depth_ + 10);
      const Alternatives value = reader.items();
      const Token& rest = inside.all[std::min(reader.at(), inside.all.size() - 1)];
      if (rest.kind != Kind::line_end && rest.kind != Kind::end) return only({});  // {x!r}, {x:02d}, {x=}
      add(map(value, [](const Value& v) { return convert("str", v); }));
      at = end + 1;
    }
    add(only(text(std::move(plain))));
    return all;
  }

  static Alternatives gathered(Value::Kind kind, const std::vector<Alternatives>& parts) {
    Value empty;
    empty.kind = kind;
    Alternatives all = only(std::move(empty));
    // Most lists are plain; only one with alternatives inside pays for their product.
    for (const Alternatives& part : parts) {
      if (part.size() == 1 && part.front().condition.empty()) {
        for (Alternative& one : all) one.value.items.push_back(part.front().value);
        continue;
      }
      if (all.size() * part.size() > most_alternatives) return only({});
      Alternatives grown;
      for (const Alternative& one : all)
        for (const Alternative& item : part) {
          grown.push_back({one.value, both(one.condition, item.condition), false});
          grown.back().value.items.push_back(item.value);
        }
      all = std::move(grown);
    }
    for (Alternative& one : all)
      if (std::ranges::any_of(one.value.items, [](const Value& item) { return !item.known(); })) one.value = {};
    return all;
  }

  // From "(" or "[": a tuple, a list, or an expression in parentheses.
  Alternatives sequence() {
    const bool list = is("[");
    const std::size_t open = at_++;
    std::vector<Alternatives> parts;
    bool comma = false;
    const std::string_view close = list ? "]" : ")";
    while (!is(close) && now().kind != Kind::end && now().kind != Kind::line_end) {
      if (is("*") || parts.size() == most_items) { at_ = open; return unknown_group(); }
      parts.push_back(one());
      if (is(",")) { ++at_; comma = true; }
      else if (!is(close)) { at_ = open; return unknown_group(); }  // a comprehension, or what is not read here
    }
    if (is(close)) ++at_;
    if (!list && !comma && parts.size() == 1) return parts.front();
    return gathered(list ? Value::Kind::list : Value::Kind::tuple, parts);
  }

  Alternatives dict() {
    const std::size_t open = at_++;
    std::vector<Alternatives> parts;
    while (!is("}") && now().kind != Kind::end && now().kind != Kind::line_end) {
      if (is("**") || parts.size() >= most_items) { at_ = open; return unknown_group(); }
      parts.push_back(one());
      if (!is(":")) { at_ = open; return unknown_group(); }  // a set
      ++at_;
      parts.push_back(one());
      if (is(",")) ++at_;
      else if (!is("}")) { at_ = open; return unknown_group(); }
    }
    if (is("}")) ++at_;
    return gathered(Value::Kind::dict, parts);
  }

  // From "(": what is called with.
  Arguments arguments() {
    Arguments given;
    const std::size_t open = at_++;
    while (!is(")") && now().kind != Kind::end && now().kind != Kind::line_end) {
      if (is("*") || is("**") || given.plain.size() + given.named.size() > 64) { given.clear = false; break; }
      if (now().kind == Kind::name && at_ + 1 < tokens_.size() && tokens_[at_ + 1].kind == Kind::mark && tokens_[at_ + 1].text == "=") {
        const std::string name(now().text);
        at_ += 2;
        given.named[name] = one();
      } else given.plain.push_back(one());
      if (is(",")) ++at_;
      else if (!is(")")) { given.clear = false; break; }
    }
    if (given.clear && is(")")) ++at_;
    else { at_ = open; unknown_group(); given.clear = false; }
    return given;
  }

  static Alternatives from_environment(const Arguments& given) {
    if (!given.clear || given.plain.empty() || given.plain.size() > 2) return only({});
    const Alternatives& name = given.plain.front();
    if (name.size() != 1 || name.front().value.kind != Value::Kind::text) return only({});
    const auto named = given.named.find("default");
    const Alternatives otherwise = given.plain.size() == 2 ? given.plain[1] : named != given.named.end() ? named->second : only(none());
    Alternatives all;
    for (const Alternative& one : otherwise) all.push_back({one.value, both(name.front().value.text + " is not set", one.condition), false});
    all.push_back({Value{}, name.front().value.text + " is set", false});
    return settled(std::move(all));
  }

  static Alternatives call(std::string_view path, const Arguments& given) {
    const auto ends = [&](std::string_view tail) { return path == tail || (path.size() > tail.size() && path.ends_with(tail) && path[path.size() - tail.size() - 1] == '.'); };
    if (ends("environ.get") || ends("getenv")) return from_environment(given);
    if (ends("cpu_count")) {
      Value processors;
      processors.kind = Value::Kind::processors;
      processors.number = 1;
      return only(std::move(processors));
    }
    if (!given.clear || !given.named.empty()) return only({});
    if ((path == "int" || path == "float" || path == "str" || path == "bool") && given.plain.size() == 1)
      return map(given.plain.front(), [path](const Value& value) { return convert(path, value); });
    if (path == "max" || path == "min") {
      const bool most = path == "max";
      if (given.plain.size() == 1) return map(given.plain.front(), [most](const Value& value) { return value.kind == Value::Kind::list || value.kind == Value::Kind::tuple ? extreme(most, value.items) : Value{}; });
      return map(gathered(Value::Kind::tuple, given.plain), [most](const Value& value) { return value.known() ? extreme(most, value.items) : Value{}; });
    }
    if ((path == "list" || path == "tuple") && given.plain.size() == 1)
      return map(given.plain.front(), [path](const Value& value) {
        if (value.kind != Value::Kind::list && value.kind != Value::Kind::tuple) return Value{};
        Value made = value;
        made.kind = path == "list" ? Value::Kind::list : Value::Kind::tuple;
        return made;
      });
    if (path == "dict" && given.plain.empty()) return gathered(Value::Kind::dict, {});
    return only({});
  }

  static Alternatives method(const Alternatives& of, std::string_view name, const Arguments& given) {
    if (!given.clear || !given.named.empty()) return only({});
    if (given.plain.empty() && (name == "lower" || name == "strip"))
      return map(of, [name](const Value& value) {
        if (value.kind != Value::Kind::text) return Value{};
        return text(name == "lower" ? lower(value.text) : std::string(base::trim(value.text)));
      });
    if (name == "format") return map(of, gathered(Value::Kind::tuple, given.plain), fill);
    if (name == "split" && given.plain.size() == 1)
      return map(of, given.plain.front(), [](const Value& value, const Value& at) {
        if (value.kind != Value::Kind::text || at.kind != Value::Kind::text || at.text.size() != 1) return Value{};
        Value parts;
        parts.kind = Value::Kind::list;
        for (const auto part : base::split(value.text, at.text.front()))
          if (parts.items.size() < most_items) parts.items.push_back(text(std::string(part)));
        return parts;
      });
    if (name == "get" && !given.plain.empty() && given.plain.size() <= 2) {
      const Alternatives otherwise = given.plain.size() == 2 ? given.plain[1] : only(none());
      return map(map(of, given.plain.front(), looked_up), otherwise, [](const Value& found, const Value& fallback) { return found.kind == Value::Kind::tuple ? (found.items.empty() ? fallback : found.items.front()) : Value{}; });
    }
    return only({});
  }

  // A dict's value for a key as a tuple of one, or of none where the key is missing; unknown where that cannot be told.
  static Value looked_up(const Value& dict, const Value& key) {
    if (dict.kind != Value::Kind::dict) return {};
    Value found;
    found.kind = Value::Kind::tuple;
    for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      const auto same = truth(apply("==", dict.items[i], key));
      if (!same) return {};
      if (*same) found.items = {dict.items[i + 1]};
    }
    return found;
  }

  // "{}:{}".format(host, port); {0} too.
  static Value fill(const Value& format, const Value& with) {
    if (format.kind != Value::Kind::text || with.kind != Value::Kind::tuple) return {};
    std::string out;
    std::size_t next = 0;
    const std::string_view from = format.text;
    for (std::size_t at = 0; at < from.size(); ++at) {
      const char c = from[at];
      if ((c == '{' || c == '}') && at + 1 < from.size() && from[at + 1] == c) { out += c; ++at; continue; }
      if (c != '{') { out += c; continue; }
      const auto end = from.find('}', at);
      if (end == std::string_view::npos) return {};
      const auto inside = from.substr(at + 1, end - at - 1);
      const auto index = inside.empty() ? static_cast<std::int64_t>(next++) : base::read_number(inside).value_or(-1);
      if (index < 0 || static_cast<std::size_t>(index) >= with.items.size()) return {};
      const auto part = as_text(with.items[static_cast<std::size_t>(index)]);
      if (!part) return {};
      out += *part;
      at = end;
    }
    return text(std::move(out));
  }

  // From "[": an index or a key; os.environ["X"] is whatever the process was started with.
  Alternatives subscript(const std::string& path, bool bound, const Alternatives& of) {
    const std::size_t open = at_++;
    const Alternatives key = one();
    if (!is("]")) { at_ = open; return unknown_group(); }
    ++at_;
    if (!bound && !path.empty()) return only({});
    return map(of, key, [](const Value& value, const Value& index) {
      if (value.kind == Value::Kind::dict) {
        const Value found = looked_up(value, index);
        return found.kind == Value::Kind::tuple && !found.items.empty() ? found.items.front() : Value{};
      }
      if ((value.kind != Value::Kind::list && value.kind != Value::Kind::tuple) || index.kind != Value::Kind::integer) return Value{};
      const auto size = static_cast<std::int64_t>(value.items.size());
      const auto place = index.number < 0 ? index.number + size : index.number;
      return place >= 0 && place < size ? value.items[static_cast<std::size_t>(place)] : Value{};
    });
  }

  Alternatives unknown() { skip(); return only({}); }

  // From an opening bracket to behind its end.
  Alternatives unknown_group() {
    int open = 0;
    for (; now().kind != Kind::end; ++at_) {
      if (is("(") || is("[") || is("{")) ++open;
      else if ((is(")") || is("]") || is("}")) && --open == 0) { ++at_; break; }
      else if (now().kind == Kind::line_end) break;
    }
    return only({});
  }

  // To the next token that ends an expression at this depth. Always moves on or stands at such a token.
  void skip() {
    int open = 0;
    for (; now().kind != Kind::end && now().kind != Kind::line_end; ++at_) {
      if (is("(") || is("[") || is("{")) ++open;
      else if (is(")") || is("]") || is("}")) { if (open-- == 0) return; }
      else if (open == 0 && (is(",") || is(";") || is("="))) return;
    }
  }

  std::span<const Token> tokens_;
  std::size_t at_;
  const Names& names_;
  int depth_;
};

}  // namespace

Alternatives expression(std::span<const Token> tokens, std::size_t& at, const Names& names) {
  Reader reader(tokens, at, names, 0);
  Alternatives value = reader.items();
  at = reader.at();
  return value;
}

Alternatives condition(std::span<const Token> tokens, std::size_t& at, const Names& names) {
  Reader reader(tokens, at, names, 0);
  Alternatives value = reader.one();
  at = reader.at();
  return value;
}

std::string source_text(std::span<const Token> tokens, std::size_t from, std::size_t to) {
  std::string out;
  for (std::size_t at = from; at < to && at < tokens.size(); ++at) {
    if (at > from && tokens[at - 1].at + tokens[at - 1].text.size() < tokens[at].at) out += ' ';
    out += tokens[at].text;
    if (out.size() > 120) return out.substr(0, 117) + "...";
  }
  return out;
}

}  // namespace parse::python
