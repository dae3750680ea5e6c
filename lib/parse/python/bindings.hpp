// What the top level of a Python file binds its names to at its end, without running it.
#pragma once

#include "parse/python/expression.hpp"

namespace parse::python {

struct Place { std::uint32_t line = 0, column = 0; };

/// One possible value of a name and the assignment that gives it.
struct Bound {
  Value value;
  std::string condition;  // the source of the conditions that lead there; "" = always
  bool absent = false;    // under that condition nothing binds it
  Place at;
};

struct Binding { std::string name; std::vector<Bound> values; };

struct Bindings {
  std::vector<Binding> names;                  // in the order of their first assignment
  std::vector<Place> star_imports;             // `from x import *` and exec(): names may come from there
  std::uint32_t wrong_line = 0;                // the first thing that is no Python; 0 = none
};

/// Follows assignments, if/elif/else, try, with; functions and classes are passed over, names assigned in loops are unknown. Bounded by
/// the tokens and by a nesting of 40.
Bindings bindings_of(std::string_view source);

}  // namespace parse::python
