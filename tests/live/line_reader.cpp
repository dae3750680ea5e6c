// Line tables on standard input, one a line: "MINOR FIRST UNITS HEX"; on standard output the line of each code unit, -1 where the table ends before it.
// What stacks_live.py holds against the interpreters' own answers.
#include <iostream>
#include <string>

#include "base/text.hpp"
#include "probe/python/line_table.hpp"

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    const auto words = base::split(line, ' ');
    if (words.size() != 4) return 2;
    const auto minor = base::read_number(words[0]), first = base::read_number(words[1]), units = base::read_number(words[2]);
    if (!minor || !first || !units) return 2;
    std::string table;
    for (std::size_t i = 0; i + 1 < words[3].size(); i += 2) table += static_cast<char>(std::stoi(std::string(words[3].substr(i, 2)), nullptr, 16));
    std::string out;
    for (std::int64_t unit = 0; unit < *units; ++unit) {
      const auto at = probe::line_at(static_cast<int>(*minor), table, static_cast<int>(*first), static_cast<int>(unit * 2));
      out += (unit ? " " : "") + std::to_string(at.value_or(-1));
    }
    std::cout << out << '\n';
  }
}
