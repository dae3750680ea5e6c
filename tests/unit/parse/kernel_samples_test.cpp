// Every kernel log of ../shared/samples/kernel against its INDEX.tsv: all victims found, none invented.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "parse/read.hpp"
#include "source/live_host.hpp"
#include "support/catch.hpp"

namespace {

struct Truth {
  std::set<std::pair<int, std::string>> victims;              // pid as the line names it, comm
  std::map<int, std::pair<std::string, std::string>> where;   // pid -> task_memcg, constraint, where the index knows them
  std::set<int> candidates;
};

std::string without_escapes(const std::string& comm) {
  const std::size_t at = comm.find("\\x0a");
  return at == std::string::npos ? comm : comm.substr(0, at) + '\n' + comm.substr(at + 4);
}

std::map<std::string, Truth> read_index(const std::filesystem::path& path) {
  std::map<std::string, Truth> all;
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  while (std::getline(in, line)) {
    std::vector<std::string> cells;
    std::istringstream row(line);
    for (std::string cell; std::getline(row, cell, '\t');) cells.push_back(cell);
    if (cells.size() != 8) continue;
    Truth& truth = all[cells[0]];
    if (cells[3] == "none") continue;
    const int pid = std::stoi(cells[4]);
    if (cells[3].find("candidate") == 0) { truth.candidates.insert(pid); continue; }
    truth.victims.insert({pid, without_escapes(cells[5])});
    const auto known = truth.where.find(pid);
    if (known == truth.where.end() || known->second.first == "-") truth.where[pid] = {cells[6], cells[7]};
  }
  return all;
}

// The labels were made line by line, so a victim whose name holds a newline is missing from them in the forms that print it raw.
const std::set<std::pair<std::string, int>> torn_names{{"klog-5.10.dmesg", 106}, {"klog-6.12.107.dmesg", 170}, {"panic_on_oom-6.12.console.dmesg", 166}};

std::string constraint_word(const std::string& label) {
  if (label.find("MEMCG") != std::string::npos) return "memcg";
  if (label.find("CPUSET") != std::string::npos) return "cpuset";
  return label.find("NONE") != std::string::npos ? "none" : "";
}

}  // namespace

TEST_CASE("every sample kernel log gives exactly its labelled victims") {
  const std::filesystem::path folder = std::filesystem::path(TRIAGE_SOURCE_DIR) / ".." / "shared" / "samples" / "kernel";
  if (!std::filesystem::exists(folder / "INDEX.tsv")) {
    SKIP_CASE("no ../shared/samples/kernel beside the source");
  }
  const source::LiveHost host;
  std::size_t victims = 0;
  for (const auto& [file, truth] : read_index(folder / "INDEX.tsv")) {
    INFO(file);
    evidence::Evidence evidence;
    parse::read(host, {(folder / file).string()}, {}, evidence);
    std::set<std::pair<int, std::string>> found;
    std::set<int> candidates;
    std::size_t kills = 0;
    for (const auto& fact : evidence.facts) {
      if (const auto* candidate = evidence::as<evidence::OomCandidate>(fact)) candidates.insert(candidate->pid);
      const auto* kill = evidence::as<evidence::OomKill>(fact);
      if (!kill) continue;
      ++kills;
      INFO("pid " << kill->pid << " " << kill->comm);
      if (torn_names.contains({file, kill->pid})) {
        CHECK(kill->comm == "uwsgi\n9");
        continue;
      }
      found.insert({kill->pid, kill->comm});
      CHECK_FALSE(kill->forged);
      CHECK(fact.about.space == evidence::PidSpace::host);
      const auto label = truth.where.find(kill->pid);
      if (label == truth.where.end()) continue;
      if (const std::string word = constraint_word(label->second.second); !word.empty()) CHECK(kill->constraint == word);
      if (label->second.first != "-" && label->second.first.find("...") == std::string::npos) CHECK(kill->task_memcg == label->second.first);
    }
    CHECK(found == truth.victims);
    CHECK(candidates == truth.candidates);
    std::size_t torn = 0;
    for (const auto& [name, pid] : torn_names) torn += name == file;
    CHECK(kills == truth.victims.size() + torn);  // nobody is killed twice, not even the first of a group
    victims += found.size();
    const auto form = std::filesystem::path(file).extension();
    if (form == ".kmsg") {
      CHECK(evidence.sources.at(0).kernel_facility_known);
      CHECK(evidence.sources.at(0).kind == evidence::SourceKind::kernel_log);
    }
  }
  CHECK(victims > 60);
}

TEST_CASE("the kernel logs of the incidents: a thread's kill names its process, a crash its thread") {
  const std::filesystem::path folder = std::filesystem::path(TRIAGE_SOURCE_DIR) / ".." / "shared" / "incidents";
  if (!std::filesystem::exists(folder)) {
    SKIP_CASE("no ../shared/incidents beside the source");
  }
  const source::LiveHost host;
  std::size_t logs = 0, kills = 0, crashes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().filename() != "dmesg.txt" || std::filesystem::file_size(entry.path()) == 0) continue;
    // What grep finds, line by line, must be what the format finds.
    std::ifstream in(entry.path());
    std::size_t killed_lines = 0, crash_lines = 0;
    for (std::string line; std::getline(in, line);) {
      killed_lines += line.find(": Killed process ") != std::string::npos;
      crash_lines += line.find(": segfault at ") != std::string::npos || line.find("] traps: ") != std::string::npos;
    }
    evidence::Evidence evidence;
    parse::read(host, {entry.path().string()}, {}, evidence);
    INFO(entry.path().string());
    std::size_t found_kills = 0, found_crashes = 0, repeated = 0;
    for (const auto& fact : evidence.facts) {
      if (const auto* kill = evidence::as<evidence::OomKill>(fact)) { ++found_kills; repeated += kill->group; }
      found_crashes += evidence::as<evidence::KernelCrash>(fact) != nullptr;
    }
    CHECK(found_kills + (repeated > 0 ? 1 : 0) == killed_lines);
    CHECK(found_crashes == crash_lines);
    ++logs;
    kills += found_kills;
    crashes += found_crashes;
  }
  CHECK(logs > 20);
  CHECK(kills > 40);
  CHECK(crashes > 5);
}
