// triage: what is wrong with the servers on this host, or in what was left behind, now.
#include <cstdio>
#include <string>
#include <unistd.h>
#include <vector>

#include "bundle.hpp"
#include "doctor.hpp"
#include "explain.hpp"
#include "look.hpp"
#include "options.hpp"
#include "stacks.hpp"
#include "watch.hpp"

namespace {

// As git does: `triage lint` is the program triage-lint beside this one, else wherever PATH has it.
int run_beside(const triage::Options& options, char** words) {
  std::string own(4096, '\0');
  const ssize_t size = ::readlink("/proc/self/exe", own.data(), own.size());
  own.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  const std::string folder = own.substr(0, own.rfind('/') + 1);
  std::string program = folder + options.beside;
  std::vector<char*> arguments{program.data()};
  for (char** word = words + 2; *word; ++word) arguments.push_back(*word);
  arguments.push_back(nullptr);
  ::execv(program.c_str(), arguments.data());
  ::execvp(options.beside.c_str(), arguments.data());
  std::fprintf(stderr, "triage: %s is not installed beside triage (%s) nor in PATH\n", options.beside.c_str(), folder.c_str());
  return 2;
}

int run_explain(const triage::Options& options) {
  const auto cards = triage::cards_of(options);
  if (!cards) {
    std::fprintf(stderr, "triage: %s\n", base::sentence(cards.error()).c_str());
    return 2;
  }
  std::map<std::string, rule::Card> whole = rule::built_in_cards();  // with their examples, which a page counts
  if (!options.rules.empty())
    for (const auto& [id, card] : cards->all())
      if (const auto ours = whole.find(id); ours == whole.end() || ours->second.file != card.file) whole.insert_or_assign(id, card);
  return triage::explain(options.rule, whole);
}

}  // namespace

int main(int count, char** words) {
  const triage::Asked asked = triage::read_options(count, words);
  if (!asked.options) {
    std::fputs(asked.text.c_str(), asked.code == 0 ? stdout : stderr);
    return asked.code;
  }
  const triage::Options& options = *asked.options;
  switch (options.command) {
    case triage::Command::beside: return run_beside(options, words);
    case triage::Command::look: return triage::look(options);
    case triage::Command::doctor: return triage::doctor({options.format});
    case triage::Command::bundle: return triage::bundle({options.output, triage::target_of(options), options.redact});
    case triage::Command::explain: return run_explain(options);
    case triage::Command::stacks: return triage::stacks(options);
    case triage::Command::watch: return triage::watch(options);
    default: return triage::look(options);
  }
}
