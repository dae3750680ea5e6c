// One reader by precedence, one evaluator; over 300 lines because they are one grammar. Three values as in SQL: `no and unknown` is no, `yes or unknown` is yes, the rest with an unknown in it
// is unknown.
#include "rule/condition/condition.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <cctype>

#include "base/near.hpp"
#include "base/text.hpp"

namespace rule::condition {

enum class Op : std::uint8_t { literal, word, both, either, no, equal, unequal, less, at_most, more, at_least, in, is_set, plus, minus, times, over, items };

struct Node {
  Op op = Op::literal;
  Type type = Type::truth;
  bool plain = false;                // a bare number: it fits numbers, seconds (as seconds) and bytes
  model::Value value;                // of a literal
  std::string word;
  std::vector<Node> parts;
};

std::string_view type_text(Type type) {
  constexpr std::array<std::string_view, 7> texts{"a number", "a time", "a size", "a text", "a truth", "a list", "a version"};
  return texts[static_cast<std::size_t>(type)];
}

namespace {

bool letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool digit(char c) { return c >= '0' && c <= '9'; }

class Reader {
 public:
  Reader(std::string_view text, const Scope& scope) : text_(text), scope_(scope) {}

  base::Result<Condition> run() {
    Condition condition;
    Node root = either(0);
    skip();
    if (at_ < text_.size()) wrong(at_, "this is left over");
    if (!wrong_ && root.type != Type::truth) wrong(0, "the whole is " + std::string(type_text(root.type)) + ", not a truth");
    if (wrong_) return base::fail({base::Kind::malformed, "column " + std::to_string(wrong_at_ + 1), *wrong_, "docs/add-a-rule.md shows the language", 0});
    condition.words = words_;
    condition.root = std::make_shared<const Node>(std::move(root));
    return condition;
  }

 private:
  void wrong(std::size_t at, std::string what) { if (!wrong_) { wrong_ = std::move(what); wrong_at_ = at; } }
  void skip() { while (at_ < text_.size() && text_[at_] == ' ') ++at_; }
  bool take(std::string_view mark) {
    skip();
    if (!base::starts_with(text_.substr(at_), mark)) return false;
    if (letter(mark.front()) && at_ + mark.size() < text_.size() && (letter(text_[at_ + mark.size()]) || digit(text_[at_ + mark.size()]))) return false;
    at_ += mark.size();
    return true;
  }
  Node two(Op op, Type type, Node left, Node right) {
    Node node;
    node.op = op;
    node.type = type;
    node.parts.push_back(std::move(left));
    node.parts.push_back(std::move(right));
    return node;
  }
  void truth_of(const Node& node, std::size_t at) { if (node.type != Type::truth) wrong(at, "this is " + std::string(type_text(node.type)) + ", where a truth is needed"); }

  Node either(int depth) {
    skip();
    const std::size_t from = at_;
    Node left = both(depth);
    while (!wrong_ && take("or")) {
      truth_of(left, from);
      skip();
      const std::size_t at = at_;
      Node right = both(depth);
      truth_of(right, at);
      left = two(Op::either, Type::truth, std::move(left), std::move(right));
    }
    return left;
  }
  Node both(int depth) {
    skip();
    const std::size_t from = at_;
    Node left = negation(depth);
    while (!wrong_ && take("and")) {
      truth_of(left, from);
      skip();
      const std::size_t at = at_;
      Node right = negation(depth);
      truth_of(right, at);
      left = two(Op::both, Type::truth, std::move(left), std::move(right));
    }
    return left;
  }
  Node negation(int depth) {
    if (depth > 40) { wrong(at_, "it is nested too deep"); return {}; }
    if (!take("not")) return comparison(depth);
    skip();
    const std::size_t at = at_;
    Node node;
    node.op = Op::no;
    node.parts.push_back(negation(depth + 1));
    truth_of(node.parts.front(), at);
    return node;
  }

  // Do two sides compare? A bare number takes the unit of the other side.
  bool fit(const Node& a, const Node& b) const {
    if (a.type == b.type) return true;
    const auto measured = [](const Node& node) { return node.type == Type::seconds || node.type == Type::bytes || node.type == Type::number; };
    return (a.plain && measured(b)) || (b.plain && measured(a));
  }

  Node comparison(int depth) {
    Node left = sum(depth);
    skip();
    const std::size_t at = at_;
    if (take("is")) {
      const bool negated = take("not");
      if (!take("set")) wrong(at_, "'is' goes on with 'set' or 'not set'");
      if (left.op != Op::word) wrong(at, "only a word can be set");
      left.op = Op::is_set;
      left.type = Type::truth;
      if (!negated) return left;
      Node node;
      node.op = Op::no;
      node.parts.push_back(std::move(left));
      return node;
    }
    const bool not_in = [&] { const std::size_t here = at_; if (take("not") && take("in")) return true; at_ = here; return false; }();
    if (not_in || take("in")) {
      skip();
      const std::size_t there = at_;
      Node right = sum(depth);
      if (right.type != Type::list) wrong(there, "this is " + std::string(type_text(right.type)) + ", where a list is needed");
      if (left.type != Type::text) wrong(at, "only a text can be in a list");
      Node node = two(Op::in, Type::truth, std::move(left), std::move(right));
      if (!not_in) return node;
      Node no;
      no.op = Op::no;
      no.parts.push_back(std::move(node));
      return no;
    }
    struct Sign { std::string_view text; Op op; };
    for (const Sign sign : {Sign{"==", Op::equal}, Sign{"!=", Op::unequal}, Sign{"<=", Op::at_most}, Sign{">=", Op::at_least}, Sign{"<", Op::less}, Sign{">", Op::more}}) {
      if (!take(sign.text)) continue;
      Node right = sum(depth);
      if (!wrong_ && !fit(left, right)) wrong(at, std::string(type_text(left.type)) + " and " + std::string(type_text(right.type)) + " do not compare");
      const bool ordered = sign.op != Op::equal && sign.op != Op::unequal;
      if (!wrong_ && ordered && (left.type == Type::text || left.type == Type::truth || left.type == Type::list)) wrong(at, std::string(type_text(left.type)) + " has no order");
      return two(sign.op, Type::truth, std::move(left), std::move(right));
    }
    return left;
  }

  Node sum(int depth) {
    Node left = product(depth);
    while (!wrong_) {
      skip();
      const std::size_t at = at_;
      const Op op = take("+") ? Op::plus : take("-") ? Op::minus : Op::literal;
      if (op == Op::literal) return left;
      Node right = product(depth);
      if (!fit(left, right) || (left.type != Type::number && left.type != Type::seconds && left.type != Type::bytes)) wrong(at, std::string(type_text(left.type)) + " and " + std::string(type_text(right.type)) + " cannot be added");
      const Type type = left.plain ? right.type : left.type;
      const bool plain = left.plain && right.plain;
      left = two(op, type, std::move(left), std::move(right));
      left.plain = plain;
    }
    return left;
  }
  Node product(int depth) {
    Node left = atom(depth);
    while (!wrong_) {
      skip();
      const std::size_t at = at_;
      const Op op = take("*") ? Op::times : take("/") ? Op::over : Op::literal;
      if (op == Op::literal) return left;
      Node right = atom(depth);
      if ((left.type != Type::number && right.type != Type::number) || left.type == Type::text || right.type == Type::text || left.type == Type::truth || right.type == Type::truth) wrong(at, "one side must be a number");
      const Type type = left.type == Type::number ? right.type : left.type;
      const bool plain = left.plain && right.plain;
      left = two(op, type, std::move(left), std::move(right));
      left.plain = plain;
    }
    return left;
  }

  Node atom(int depth) {
    skip();
    Node node;
    const std::size_t from = at_;
    if (at_ >= text_.size()) { wrong(at_, "something is missing here"); return node; }
    const char c = text_[at_];
    if (c == '(') {
      ++at_;
      if (depth > 40) { wrong(at_, "it is nested too deep"); return node; }
      node = either(depth + 1);
      if (!take(")")) wrong(at_, "the bracket is not closed");
      return node;
    }
    if (c == '[') {
      ++at_;
      node.type = Type::list;
      std::vector<std::string> items;
      while (!wrong_ && !take("]")) {
        Node item = atom(depth);
        if (item.op != Op::literal || item.type != Type::text) wrong(at_, "a list holds texts");
        items.push_back(item.value.text);
        take(",");
        if (at_ >= text_.size()) wrong(at_, "the bracket is not closed");
      }
      node.value = model::list_value(std::move(items));
      return node;
    }
    if (c == '\'') {
      const auto close = text_.find('\'', at_ + 1);
      if (close == std::string_view::npos) { wrong(at_, "the quote is not closed"); return node; }
      node.type = Type::text;
      node.value = model::text_value(std::string(text_.substr(at_ + 1, close - at_ - 1)));
      at_ = close + 1;
      return node;
    }
    if (c == 'v' && at_ + 1 < text_.size() && digit(text_[at_ + 1])) {
      std::size_t end = at_ + 1;
      while (end < text_.size() && (digit(text_[end]) || text_[end] == '.')) ++end;
      node.type = Type::version;
      node.value = model::number_value(version_number(text_.substr(at_ + 1, end - at_ - 1)).value_or(0));
      at_ = end;
      return node;
    }
    if (digit(c)) return measured();
    if (!letter(c)) { wrong(at_, "this is no value"); return node; }
    while (at_ < text_.size() && (letter(text_[at_]) || digit(text_[at_]) || text_[at_] == '.')) ++at_;
    const std::string_view name = text_.substr(from, at_ - from);
    if (name == "true" || name == "false") { node.value = model::truth_value(name == "true"); return node; }
    std::vector<std::string_view> known;
    for (const Word& word : scope_.words) {
      known.push_back(word.name);
      if (word.name != name) continue;
      node.op = Op::word;
      node.type = word.type;
      node.word = name;
      if (std::find(words_.begin(), words_.end(), name) == words_.end()) words_.emplace_back(name);
      return node;
    }
    wrong(from, "no word of " + std::string(scope_.name) + " is called '" + std::string(name) + "'" + base::did_you_mean(name, known));
    return node;
  }

  Node measured() {
    Node node;
    const std::size_t from = at_;
    double number = 0;
    const auto [end, failure] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), number, std::chars_format::fixed);
    if (failure != std::errc()) wrong(at_, "this number cannot be read");
    at_ = static_cast<std::size_t>(end - text_.data());
    const std::size_t unit_at = at_;
    while (at_ < text_.size() && letter(text_[at_])) ++at_;
    const std::string_view unit = text_.substr(unit_at, at_ - unit_at);
    struct Unit { std::string_view name; Type type; double times; };
    constexpr Unit units[] = {{"ms", Type::seconds, 1e-3}, {"s", Type::seconds, 1}, {"m", Type::seconds, 60}, {"h", Type::seconds, 3600}, {"d", Type::seconds, 86400},
                              {"B", Type::bytes, 1}, {"KiB", Type::bytes, 1024}, {"MiB", Type::bytes, 1 << 20}, {"GiB", Type::bytes, 1 << 30}, {"k", Type::bytes, 1024}, {"M", Type::bytes, 1 << 20}, {"G", Type::bytes, 1 << 30}};
    node.type = Type::number;
    node.plain = unit.empty();
    std::vector<std::string_view> names;
    bool known = unit.empty();
    for (const Unit& one : units) {
      names.push_back(one.name);
      if (one.name == unit) { node.type = one.type; number *= one.times; known = true; }
    }
    if (!known) wrong(unit_at, "no unit is called '" + std::string(unit) + "'" + base::did_you_mean(unit, names));
    node.value = model::number_value(number, std::string(text_.substr(from, at_ - from)));
    return node;
  }

  std::string_view text_;
  const Scope& scope_;
  std::size_t at_ = 0, wrong_at_ = 0;
  std::optional<std::string> wrong_;
  std::vector<std::string> words_;
};

struct Result { Truth truth = Truth::unknown; model::Value value; };

Truth negated(Truth truth) { return truth == Truth::unknown ? truth : truth == Truth::yes ? Truth::no : Truth::yes; }

class Judge {
 public:
  explicit Judge(const Values& values) : values_(values) {}

  Truth truth(const Node& node) const {
    switch (node.op) {
      case Op::both: {
        const Truth left = truth(node.parts[0]);
        if (left == Truth::no) return left;
        const Truth right = truth(node.parts[1]);
        return right == Truth::no ? right : left == Truth::unknown ? left : right;
      }
      case Op::either: {
        const Truth left = truth(node.parts[0]);
        if (left == Truth::yes) return left;
        const Truth right = truth(node.parts[1]);
        return right == Truth::yes ? right : left == Truth::unknown ? left : right;
      }
      case Op::no: return negated(truth(node.parts[0]));
      case Op::is_set: {
        const model::Choice* choice = values_(node.word);
        if (!choice || choice->from == model::From::unknown) return Truth::unknown;
        return choice->from == model::From::built_in ? Truth::no : Truth::yes;
      }
      case Op::in: {
        const model::Value one = value(node.parts[0]), all = value(node.parts[1]);
        if (!one.known() || !all.known()) return Truth::unknown;
        return std::find(all.items.begin(), all.items.end(), one.text) != all.items.end() ? Truth::yes : Truth::no;
      }
      case Op::equal:
      case Op::unequal:
      case Op::less:
      case Op::at_most:
      case Op::more:
      case Op::at_least: return compared(node);
      default: {
        const model::Value one = value(node);
        return !one.known() ? Truth::unknown : one.number != 0 ? Truth::yes : Truth::no;
      }
    }
  }

 private:
  Truth compared(const Node& node) const {
    const model::Value a = value(node.parts[0]), b = value(node.parts[1]);
    if (!a.known() || !b.known()) return Truth::unknown;
    const Type type = node.parts[0].type;
    bool yes = false;
    if (type == Type::text || type == Type::list) {
      const bool none = a.kind == model::Value::Kind::none || b.kind == model::Value::Kind::none;
      const bool same = none ? (a.kind == model::Value::Kind::none ? "" : a.text) == (b.kind == model::Value::Kind::none ? "" : b.text) : a.text == b.text;
      yes = same == (node.op == Op::equal);
    } else {
      using Kind = model::Value::Kind;
      // A setting that holds something of another kind than the table says ("auto" for a number): nothing is said about it.
      if ((a.kind != Kind::number && a.kind != Kind::truth) || (b.kind != Kind::number && b.kind != Kind::truth)) return Truth::unknown;
      switch (node.op) {
        case Op::equal: yes = a.number == b.number; break;
        case Op::unequal: yes = a.number != b.number; break;
        case Op::less: yes = a.number < b.number; break;
        case Op::at_most: yes = a.number <= b.number; break;
        case Op::more: yes = a.number > b.number; break;
        default: yes = a.number >= b.number; break;
      }
    }
    return yes ? Truth::yes : Truth::no;
  }

  model::Value value(const Node& node) const {
    switch (node.op) {
      case Op::literal: return node.value;
      case Op::word: {
        const model::Choice* choice = values_(node.word);
        return choice ? choice->value : model::unknown_value();
      }
      case Op::plus:
      case Op::minus:
      case Op::times:
      case Op::over: {
        const model::Value a = value(node.parts[0]), b = value(node.parts[1]);
        using Kind = model::Value::Kind;
        if (a.kind != Kind::number || b.kind != Kind::number) return model::unknown_value();
        if (node.op == Op::over && b.number == 0) return model::unknown_value();
        return model::number_value(node.op == Op::plus ? a.number + b.number : node.op == Op::minus ? a.number - b.number : node.op == Op::times ? a.number * b.number : a.number / b.number, "sum");
      }
      default: {
        const Truth truth_here = truth(node);
        return truth_here == Truth::unknown ? model::unknown_value() : model::truth_value(truth_here == Truth::yes);
      }
    }
  }

  const Values& values_;
};

}  // namespace

base::Result<Condition> read(std::string_view text, const Scope& scope) { return Reader(text, scope).run(); }

Truth answer(const Condition& condition, const Values& values) { return condition.root ? Judge(values).truth(*condition.root) : Truth::unknown; }

}  // namespace rule::condition
