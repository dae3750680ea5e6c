// What an expression can be without running it: a value that is known, one that is not, or several under conditions.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace parse::python {

struct Value {
  enum class Kind : std::uint8_t { unknown, none, boolean, integer, real, text, list, tuple, dict, processors } kind = Kind::unknown;
  std::int64_t number = 0;      // boolean, integer; of processors: what each counts for
  std::int64_t plus = 0;        // of processors: cpu_count() * number + plus
  double real = 0;
  std::string text;
  std::vector<Value> items;     // of a dict: key, value, key, value

  bool known() const { return kind != Kind::unknown; }
  friend bool operator==(const Value&, const Value&) = default;
};

Value none();
Value boolean(bool yes);
Value integer(std::int64_t number);
Value real(double number);
Value text(std::string value);  // unknown when it is longer than 64 KiB

/// bool(value); nullopt when that cannot be told.
std::optional<bool> truth(const Value& value);
/// As a setting is shown: strings bare, items joined by commas, "True", "None", "cpu_count() * 2 + 1"; "" for unknown.
std::string shown(const Value& value);
/// As str() or an f-string gives it; nullopt for what has no short text here.
std::optional<std::string> as_text(const Value& value);
/// `left op right` for + - * / // % **, == != < > <= >=, in; unknown for anything else, on overflow and where Python raises.
Value apply(std::string_view op, const Value& left, const Value& right);

/// A value and the condition under which it is that; "" = always. `absent`: the name is not bound there.
struct Alternative {
  Value value;
  std::string condition;
  bool absent = false;
};
using Alternatives = std::vector<Alternative>;  // never empty
constexpr std::size_t most_alternatives = 16;   // more become one unknown

Alternatives only(Value value);
/// "a and b"; at most 240 bytes.
std::string both(const std::string& a, const std::string& b);
Alternatives map(const Alternatives& of, const std::function<Value(const Value&)>& make);
Alternatives map(const Alternatives& left, const Alternatives& right, const std::function<Value(const Value&, const Value&)>& make);
/// Equal values without a condition between them become one; too many become unknown.
Alternatives settled(Alternatives all);

}  // namespace parse::python
