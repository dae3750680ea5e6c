// Every fixtures/logs/<kind>/*.log beside its .facts: a line a fact, with its line number, word, who and fields. Run with
// TRIAGE_WRITE_FACTS=1 to write them anew, and read what changed before committing it.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "evidence/vocabulary.hpp"
#include "parse/read.hpp"
#include "source/live_host.hpp"
#include "support/catch.hpp"

namespace {

std::string facts_of(const std::filesystem::path& log) {
  const source::LiveHost host;
  evidence::Evidence evidence;
  parse::Window window;
  window.about_ns = 1'795'390'000'000'000'000;  // 2026-11-23: stamps without a year
  parse::read(host, {log.string()}, window, evidence);
  std::string all;
  for (const auto& source : evidence.sources) {
    all += "# " + std::string(evidence::source_text(source.kind)) + (source.suppressed ? ", lines suppressed" : "") + (source.lost ? ", records lost" : "") +
           (source.kernel_facility_known ? ", facility known" : "") + (source.whole_boot ? ", whole boot" : "") + "\n";
  }
  for (evidence::FactId id = 0; id < evidence.facts.size(); ++id) {
    const auto json = nlohmann::ordered_json::parse(evidence::to_ndjson(evidence, id));
    std::ostringstream line;
    line << evidence.facts[id].origin.line << " " << json.value("word", "");
    for (const auto& [key, value] : json.items()) {
      static const std::vector<std::string> left_out{"id", "word", "clock", "at_ns", "give_ns", "source", "line", "column", "offset", "text", "server", "level"};
      if (std::find(left_out.begin(), left_out.end(), key) != left_out.end()) continue;
      if (value == 0 || value == "" || value == false || (key == "f.place" && value == -1)) continue;
      line << " " << (key.find("f.") == 0 ? key.substr(2) : key) << "=" << value.dump();
    }
    all += line.str() + "\n";
  }
  for (const auto& gap : evidence.gaps) all += "gap " + gap.wanted + ": " + gap.reason + " (" + std::to_string(gap.count) + ")\n";
  return all;
}

}  // namespace

TEST_CASE("every log of the fixtures gives the facts that stand beside it") {
  const std::filesystem::path folder = std::filesystem::path(TRIAGE_SOURCE_DIR) / "fixtures" / "logs";
  const bool write = std::getenv("TRIAGE_WRITE_FACTS") != nullptr;
  std::size_t logs = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".log") continue;
    auto beside = entry.path();
    beside.replace_extension(".facts");
    const std::string found = facts_of(entry.path());
    if (write) std::ofstream(beside) << found;
    if (!std::filesystem::exists(beside)) continue;  // a log that another test reads
    std::ifstream in(beside);
    const std::string expected((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    INFO(entry.path().string());
    CHECK(found == expected);
    ++logs;
  }
  CHECK(logs >= 7);
}
