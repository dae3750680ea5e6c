// Every file of fixtures/configs beside its .facts: a line a fact, with its place, word and fields. Run with TRIAGE_WRITE_FACTS=1 to write them
// anew, and read what changed before committing it.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "evidence/vocabulary.hpp"
#include "parse/read.hpp"
#include "source/live_host.hpp"
#include "support/catch.hpp"

namespace {

std::string facts_of(const std::filesystem::path& file) {
  const source::LiveHost host;
  evidence::Evidence evidence;
  parse::read(host, {file.string()}, {}, evidence);
  std::string all;
  for (evidence::FactId id = 0; id < evidence.facts.size(); ++id) {
    const auto json = nlohmann::ordered_json::parse(evidence::to_ndjson(evidence, id));
    all += std::to_string(evidence.facts[id].origin.line) + ":" + std::to_string(evidence.facts[id].origin.column) + " " + json.value("word", "");
    for (const auto& [key, value] : json.items())
      if (key.starts_with("f.") && value != "" && key != "f.literal") all += " " + key.substr(2) + "=" + value.dump();
    if (json.contains("f.literal") && json["f.literal"] == false) all += " unknown";
    all += "\n";
  }
  for (const auto& gap : evidence.gaps) all += "gap: " + gap.reason + "\n";
  return all;
}

}  // namespace

TEST_CASE("every configuration of the fixtures gives the facts that stand beside it") {
  const std::filesystem::path folder = std::filesystem::path(TRIAGE_SOURCE_DIR) / "fixtures" / "configs";
  const bool write = std::getenv("TRIAGE_WRITE_FACTS") != nullptr;
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file() || entry.path().extension() == ".facts" || entry.path().extension() == ".md") continue;
    const std::filesystem::path beside = entry.path().string() + ".facts";
    const std::string found = facts_of(entry.path());
    if (write) std::ofstream(beside) << found;
    std::ifstream in(beside);
    const std::string expected((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    INFO(entry.path().string());
    CHECK(found == expected);
    ++files;
  }
  CHECK(files >= 5);
}
