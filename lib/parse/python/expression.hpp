// Python expressions whose value can be told without running anything: literals, names bound before, arithmetic, comparisons, conditional
// expressions, f-strings, the environment with a default, the number of processors, a few built-in functions and methods of strings. Everything
// else is unknown, never an error.
#pragma once

#include <map>
#include <span>

#include "parse/python/token.hpp"
#include "parse/python/value.hpp"

namespace parse::python {

using Names = std::map<std::string, Alternatives, std::less<>>;

/// Reads one expression (with its commas: a tuple) from tokens[at] on; `at` is moved behind it, to the first token at its own depth that cannot
/// continue it. `names` are those bound by now.
Alternatives expression(std::span<const Token> tokens, std::size_t& at, const Names& names);
/// The same without commas: a condition, an item.
Alternatives condition(std::span<const Token> tokens, std::size_t& at, const Names& names);

/// The source between two tokens on one line: blanks and line breaks are one blank, at most 120 bytes.
std::string source_text(std::span<const Token> tokens, std::size_t from, std::size_t to);

}  // namespace parse::python
