// "did you mean": the known word that a misspelt one stands nearest to.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace base {

/// The nearest of `known` by insertions, deletions, replacements and swapped neighbours; empty when none is near enough to be meant
/// (more than a third of the word would have to change). The first of equals. Words longer than 64 characters are not compared.
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& known);

/// How many of those it takes from one word to the other; SIZE_MAX where one is longer than 64 characters.
std::size_t changes_between(std::string_view a, std::string_view b);

/// "; did you mean 'x'?" or nothing: to be put behind an answer.
std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& known);

}  // namespace base
