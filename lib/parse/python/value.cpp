#include "parse/python/value.hpp"

#include <fmt/format.h>

#include <cmath>

#include "base/text.hpp"

namespace parse::python {

namespace {

constexpr std::size_t longest_text = 65536, most_items = 512;

using Kind = Value::Kind;

bool whole(const Value& value) { return value.kind == Kind::integer || value.kind == Kind::boolean; }
bool numeric(const Value& value) { return whole(value) || value.kind == Kind::real; }
double as_real(const Value& value) { return value.kind == Kind::real ? value.real : static_cast<double>(value.number); }
bool sequence(const Value& value) { return value.kind == Kind::list || value.kind == Kind::tuple; }

Value processors(std::int64_t times, std::int64_t plus) {
  if (times == 0) return integer(plus);
  Value value;
  value.kind = Kind::processors;
  value.number = times;
  value.plus = plus;
  return value;
}

Value finite(double number) { return std::isfinite(number) ? real(number) : Value{}; }

// Python rounds towards minus infinity.
std::int64_t floor_divide(std::int64_t a, std::int64_t b) { return a / b - ((a % b != 0 && (a % b < 0) != (b < 0)) ? 1 : 0); }

Value whole_numbers(std::string_view op, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (op == "+") return __builtin_add_overflow(a, b, &result) ? Value{} : integer(result);
  if (op == "-") return __builtin_sub_overflow(a, b, &result) ? Value{} : integer(result);
  if (op == "*") return __builtin_mul_overflow(a, b, &result) ? Value{} : integer(result);
  if (op == "/") return b == 0 ? Value{} : finite(static_cast<double>(a) / static_cast<double>(b));
  if (op == "//" || op == "%") {
    if (b == 0 || (a == INT64_MIN && b == -1)) return {};
    const std::int64_t quotient = floor_divide(a, b);
    return integer(op == "%" ? a - quotient * b : quotient);
  }
  if (op == "**") {
    if (b < 0 || b > 62) return {};
    result = 1;
    for (; b > 0; --b)
      if (__builtin_mul_overflow(result, a, &result)) return {};
    return integer(result);
  }
  if (op == "|") return integer(a | b);
  if (op == "&") return integer(a & b);
  if (op == "<<") return a < 0 || b < 0 || b > 40 || a > (INT64_MAX >> b) ? Value{} : integer(a << b);
  if (op == ">>") return b < 0 || b > 62 ? Value{} : integer(a >> b);
  return {};
}

Value real_numbers(std::string_view op, double a, double b) {
  if (op == "+") return finite(a + b);
  if (op == "-") return finite(a - b);
  if (op == "*") return finite(a * b);
  if (op == "/") return b == 0 ? Value{} : finite(a / b);
  if (op == "//") return b == 0 ? Value{} : finite(std::floor(a / b));
  if (op == "%") {
    const double rest = b == 0 ? 0 : a - std::floor(a / b) * b;
    return b == 0 ? Value{} : finite(rest == 0 ? std::copysign(0.0, b) : rest);
  }
  if (op == "**") return finite(std::pow(a, b));
  return {};
}

// cpu_count() * 2 + 1 stays what it is; only whole factors and sums can be followed.
Value with_processors(std::string_view op, const Value& left, const Value& right) {
  const auto times = [](const Value& v) { return v.kind == Kind::processors ? v.number : 0; };
  const auto plus = [](const Value& v) { return v.kind == Kind::processors ? v.plus : v.number; };
  for (const auto number : {times(left), plus(left), times(right), plus(right)})
    if (number > 1'000'000 || number < -1'000'000) return {};
  if (op == "+") return processors(times(left) + times(right), plus(left) + plus(right));
  if (op == "-") return processors(times(left) - times(right), plus(left) - plus(right));
  if (op == "*" && times(right) == 0) return processors(times(left) * plus(right), plus(left) * plus(right));
  if (op == "*" && times(left) == 0) return processors(times(right) * plus(left), plus(right) * plus(left));
  return {};
}

// "%s:%d" % (host, port): %s %d %i %% only.
Value percent(const std::string& format, const Value& right) {
  std::string result;
  std::size_t used = 0;
  const auto count = right.kind == Kind::tuple ? right.items.size() : 1;
  for (std::size_t at = 0; at < format.size(); ++at) {
    if (format[at] != '%') { result += format[at]; continue; }
    if (++at == format.size()) return {};
    if (format[at] == '%') { result += '%'; continue; }
    if ((format[at] != 's' && format[at] != 'd' && format[at] != 'i') || used == count) return {};
    const auto part = as_text(right.kind == Kind::tuple ? right.items[used] : right);
    if (!part) return {};
    ++used;
    result += *part;
  }
  return used == count ? text(std::move(result)) : Value{};
}

std::optional<int> order(const Value& left, const Value& right) {
  if (whole(left) && whole(right)) return left.number < right.number ? -1 : left.number > right.number ? 1 : 0;
  if (numeric(left) && numeric(right)) return as_real(left) < as_real(right) ? -1 : as_real(left) > as_real(right) ? 1 : 0;
  if (left.kind == Kind::text && right.kind == Kind::text) return left.text < right.text ? -1 : left.text > right.text ? 1 : 0;
  return std::nullopt;
}

// Unknown inside a list makes its equality unknown.
bool all_known(const Value& value) {
  if (!value.known() || value.kind == Kind::processors) return false;
  for (const Value& item : value.items)
    if (!all_known(item)) return false;
  return true;
}

std::optional<bool> equal(const Value& left, const Value& right) {
  if (!all_known(left) || !all_known(right)) return std::nullopt;
  if (numeric(left) && numeric(right)) return order(left, right) == 0;
  return left == right;
}

Value compare(std::string_view op, const Value& left, const Value& right) {
  if (op == "==" || op == "!=") {
    const auto same = equal(left, right);
    return same ? boolean(*same == (op == "==")) : Value{};
  }
  if (op == "in") {
    if (left.kind == Kind::text && right.kind == Kind::text) return boolean(base::contains(right.text, left.text));
    if (!sequence(right) && right.kind != Kind::dict) return {};
    for (std::size_t i = 0; i < right.items.size(); i += right.kind == Kind::dict ? 2 : 1) {
      const auto same = equal(left, right.items[i]);
      if (!same) return {};
      if (*same) return boolean(true);
    }
    return boolean(false);
  }
  const auto ordered = order(left, right);
  if (!ordered) return {};
  if (op == "<") return boolean(*ordered < 0);
  if (op == ">") return boolean(*ordered > 0);
  if (op == "<=") return boolean(*ordered <= 0);
  return boolean(*ordered >= 0);
}

}  // namespace

Value none() { Value value; value.kind = Kind::none; return value; }
Value boolean(bool yes) { Value value; value.kind = Kind::boolean; value.number = yes; return value; }
Value integer(std::int64_t number) { Value value; value.kind = Kind::integer; value.number = number; return value; }
Value real(double number) { Value value; value.kind = Kind::real; value.real = number; return value; }
Value text(std::string content) {
  Value value;
  if (content.size() > longest_text) return value;
  value.kind = Kind::text;
  value.text = std::move(content);
  return value;
}

std::optional<bool> truth(const Value& value) {
  switch (value.kind) {
    case Kind::unknown: case Kind::processors: return std::nullopt;
    case Kind::none: return false;
    case Kind::boolean: case Kind::integer: return value.number != 0;
    case Kind::real: return value.real != 0;
    case Kind::text: return !value.text.empty();
    default: return !value.items.empty();
  }
}

std::optional<std::string> as_text(const Value& value) {
  switch (value.kind) {
    case Kind::none: return "None";
    case Kind::boolean: return value.number ? "True" : "False";
    case Kind::integer: return std::to_string(value.number);
    case Kind::real: return value.real == std::floor(value.real) && std::fabs(value.real) < 1e15 ? fmt::format("{:.1f}", value.real) : fmt::format("{}", value.real);
    case Kind::text: return value.text;
    default: return std::nullopt;
  }
}

std::string shown(const Value& value) {
  if (const auto simple = as_text(value)) return *simple;
  if (value.kind == Kind::processors) {
    std::string expression = "cpu_count()";
    if (value.number != 1) expression += " * " + std::to_string(value.number);
    if (value.plus) expression += (value.plus < 0 ? " - " : " + ") + std::to_string(value.plus < 0 ? -value.plus : value.plus);
    return expression;
  }
  std::string joined;
  for (std::size_t i = 0; i < value.items.size() && joined.size() < 4096; ++i) {
    if (value.kind == Kind::dict) joined += i % 2 ? ": " : i ? ", " : "{";
    else if (i) joined += ",";
    joined += shown(value.items[i]);
  }
  if (value.kind == Kind::dict) joined += joined.empty() ? "{}" : "}";
  return joined;
}

Value apply(std::string_view op, const Value& left, const Value& right) {
  if (!left.known() || !right.known()) return {};
  if (op == "==" || op == "!=" || op == "<" || op == ">" || op == "<=" || op == ">=" || op == "in") return compare(op, left, right);
  if ((left.kind == Kind::processors && (whole(right) || right.kind == Kind::processors)) || (right.kind == Kind::processors && whole(left))) return with_processors(op, left, right);
  if (whole(left) && whole(right)) return whole_numbers(op, left.number, right.number);
  if (numeric(left) && numeric(right)) return real_numbers(op, as_real(left), as_real(right));
  if (op == "%" && left.kind == Kind::text) return percent(left.text, right);
  if (op == "+" && left.kind == Kind::text && right.kind == Kind::text) return text(left.text + right.text);
  if (op == "+" && sequence(left) && left.kind == right.kind) {
    if (left.items.size() + right.items.size() > most_items) return {};
    Value joined = left;
    joined.items.insert(joined.items.end(), right.items.begin(), right.items.end());
    return joined;
  }
  if (op == "*" && left.kind == Kind::text && whole(right)) {
    if (right.number > 0 && left.text.size() > longest_text / static_cast<std::size_t>(right.number)) return {};
    std::string repeated;
    for (std::int64_t i = 0; i < right.number && !left.text.empty(); ++i) repeated += left.text;
    return text(std::move(repeated));
  }
  return {};
}

Alternatives only(Value value) {
  Alternatives all(1);
  all.front().value = std::move(value);
  return all;
}

std::string both(const std::string& a, const std::string& b) {
  if (a.empty() || a == b) return b;
  if (b.empty()) return a;
  std::string joined = a + " and " + b;
  if (joined.size() > 240) joined = joined.substr(0, 237) + "...";
  return joined;
}

Alternatives map(const Alternatives& of, const std::function<Value(const Value&)>& make) {
  Alternatives all;
  for (const Alternative& one : of) all.push_back({make(one.value), one.condition, false});
  return settled(std::move(all));
}

Alternatives map(const Alternatives& left, const Alternatives& right, const std::function<Value(const Value&, const Value&)>& make) {
  if (left.size() * right.size() > most_alternatives) return only({});
  Alternatives all;
  for (const Alternative& a : left)
    for (const Alternative& b : right) all.push_back({make(a.value, b.value), both(a.condition, b.condition), false});
  return settled(std::move(all));
}

Alternatives settled(Alternatives all) {
  if (all.size() > most_alternatives || all.empty()) return only({});
  bool same = true;
  for (const Alternative& one : all) same &= one.value == all.front().value && one.absent == all.front().absent;
  if (!same || all.size() == 1) return all;
  all.resize(1);
  all.front().condition.clear();
  return all;
}

}  // namespace parse::python
