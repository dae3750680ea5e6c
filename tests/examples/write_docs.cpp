// write_docs FOLDER: writes rules.md and vocabulary.md there, from the cards and the vocabulary that are compiled in.
#include <cstdio>
#include <fstream>

#include "rule/docs.hpp"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: write_docs FOLDER\n", stderr);
    return 2;
  }
  const std::string folder = std::string(argv[1]) + "/";
  std::ofstream rules(folder + "rules.md", std::ios::binary), words(folder + "vocabulary.md", std::ios::binary);
  rules << rule::rules_markdown(rule::built_in_cards());
  words << rule::vocabulary_markdown();
  rules.flush();
  words.flush();
  if (rules && words) return 0;
  std::fprintf(stderr, "write_docs: cannot write into %s\n", argv[1]);
  return 3;
}
