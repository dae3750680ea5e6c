// Prints the marks of every log format, one a line: the pattern set that log_bench.py gives to rg.
#include <cstdio>
#include <set>

#include "parse/format.hpp"

int main() {
  std::set<std::string_view> marks;
  for (const parse::Format* const format : parse::formats()) marks.insert(format->marks.begin(), format->marks.end());
  for (const std::string_view mark : marks) std::printf("%.*s\n", static_cast<int>(mark.size()), mark.data());
}
