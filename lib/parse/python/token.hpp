// Python source as tokens with their places. Bounded and total: any bytes give tokens, what is no Python gives `wrong` tokens.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace parse::python {

enum class Kind : std::uint8_t { name, number, text, mark, line_end, indent, dedent, wrong, end };

/// Line and column count from 1, columns in characters. `text` is the source of the token: prefix and quotes included.
struct Token {
  Kind kind = Kind::end;
  std::string_view text;
  std::uint32_t line = 1, column = 1;
  std::size_t at = 0;  // offset in the source
};

struct Tokens {
  std::vector<Token> all;       // ends with one `end`
  std::uint32_t wrong_line = 0;  // of the first thing that is no Python: an open bracket or quote, a stray byte; 0 = none
};

/// At most `most` tokens; what follows them is left out.
Tokens tokens_of(std::string_view source, std::size_t most = 200'000);

/// Where a statement holds what no Python does although every token is one: two values side by side (`timeout 120`), or an assignment of
/// nothing (`workers =`). Line 0: none was found, which does not mean that the file is right.
struct Stumble { std::uint32_t line = 0, column = 0; bool python_2 = false; };  // python_2: it was Python once
Stumble stumble(std::string_view source);

/// A string literal's value: escapes replaced, \N{...} kept as written; an f-string keeps its braces.
struct Literal { std::string value; bool formatted = false, bytes = false, named = false; };  // named: \N{...}, whose character is not looked up
Literal literal_of(std::string_view token);

}  // namespace parse::python
