// The house's own rules, held over the sources: layers, names, tests that assert, words that somebody says.
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "base/text.hpp"
#include "evidence/vocabulary.hpp"
#include "support/catch.hpp"

namespace fs = std::filesystem;

namespace {

const fs::path root = TRIAGE_SOURCE_DIR;

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<fs::path> sources(const std::string& folder, const std::set<std::string>& endings) {
  std::vector<fs::path> found;
  if (!fs::exists(root / folder)) return found;
  for (const auto& entry : fs::recursive_directory_iterator(root / folder))
    if (entry.is_regular_file() && endings.contains(entry.path().extension().string())) found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  return found;
}

std::string shown(const fs::path& path) { return fs::relative(path, root).string(); }

// room -> the rooms it USES, from the one place where that is declared.
std::map<std::string, std::set<std::string>> rooms() {
  std::map<std::string, std::set<std::string>> all;
  std::istringstream lists(text_of(root / "lib/CMakeLists.txt"));
  for (std::string line; std::getline(lists, line);) {
    if (!base::starts_with(line, "room(")) continue;
    std::istringstream words(line.substr(5, line.rfind(')') - 5));
    std::string name, word;
    words >> name;
    bool using_them = false;
    all[name] = {name};
    while (words >> word) {
      if (word == "USES") using_them = true;
      else if (word == "LINK" || word == "EXTRA") using_them = false;
      else if (using_them) all[name].insert(word);
    }
  }
  return all;
}

// The includes in quotes, with their line.
std::vector<std::pair<int, std::string>> includes(const std::string& text) {
  std::vector<std::pair<int, std::string>> all;
  std::istringstream lines(text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (!base::starts_with(line, "#include \"")) continue;
    all.emplace_back(number, line.substr(10, line.find('"', 10) - 10));
  }
  return all;
}

// The code without comments and without the inside of texts, so that only names are left.
std::string names_only(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.compare(i, 2, "//") == 0) { i = std::min(text.find('\n', i), text.size() - 1); out += '\n'; }
    else if (text.compare(i, 2, "/*") == 0) { const auto end = text.find("*/", i + 2); i = end == std::string::npos ? text.size() : end + 1; out += ' '; }
    else if (text.compare(i, 2, "R\"") == 0 && (i == 0 || std::isalnum(static_cast<unsigned char>(text[i - 1])) == 0)) {
      const auto open = text.find('(', i);
      const std::string close = ")" + text.substr(i + 2, open - i - 2) + "\"";
      const auto end = open == std::string::npos ? open : text.find(close, open);
      i = end == std::string::npos ? text.size() : end + close.size() - 1;
      out += ' ';
    } else if (text[i] == '"') {
      for (++i; i < text.size() && text[i] != '"' && text[i] != '\n'; ++i) if (text[i] == '\\') ++i;
      out += ' ';
    } else if (text[i] == '\'' && (i == 0 || std::isalnum(static_cast<unsigned char>(text[i - 1])) == 0)) {
      for (++i; i < text.size() && text[i] != '\'' && text[i] != '\n'; ++i) if (text[i] == '\\') ++i;
      out += ' ';
    } else out += text[i];
  }
  return out;
}

std::vector<std::string> words_of(const std::string& code) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : code + " ") {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_') word += c;
    else if (!word.empty()) { words.push_back(word); word.clear(); }
  }
  return words;
}

// The parts of a name: "LineReader", "line_reader_" -> line, reader.
std::vector<std::string> parts_of(const std::string& name) {
  std::vector<std::string> parts;
  std::string part;
  for (const char c : name) {
    const bool upper = std::isupper(static_cast<unsigned char>(c)) != 0;
    if ((c == '_' || upper) && !part.empty()) { parts.push_back(part); part.clear(); }
    if (c != '_') part += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  if (!part.empty()) parts.push_back(part);
  return parts;
}

}  // namespace

TEST_CASE("a room includes only from the rooms it is said to use") {
  const auto known = rooms();
  REQUIRE(known.size() >= 9);
  REQUIRE(known.at("rule").contains("model"));
  std::size_t seen = 0;
  for (const auto& path : sources("lib", {".hpp", ".cpp", ".h", ".c"})) {
    const std::string room = fs::relative(path, root / "lib").begin()->string();
    const auto uses = known.find(room);
    INFO(shown(path));
    REQUIRE(uses != known.end());
    for (const auto& [line, name] : includes(text_of(path))) {
      const std::string from = name.substr(0, name.find('/'));
      if (!known.contains(from)) continue;  // beside it, or from outside
      ++seen;
      INFO("line " << line << " includes \"" << name << "\"");
      CHECK(uses->second.contains(from));
    }
  }
  CHECK(seen > 50);
}

TEST_CASE("rooms use only rooms that stand before them") {
  std::set<std::string> before;
  std::istringstream lists(text_of(root / "lib/CMakeLists.txt"));
  const auto known = rooms();
  for (std::string line; std::getline(lists, line);) {
    if (!base::starts_with(line, "room(")) continue;
    const std::string name = line.substr(5, line.find(' ') - 5);
    before.insert(name);
    for (const auto& used : known.at(name)) {
      INFO(name << " uses " << used);
      CHECK(before.contains(used));
    }
  }
  CHECK(before.size() == known.size());
}

TEST_CASE("json.hpp stays in .cpp files, CLI11 in options.cpp, Catch in tests") {
  for (const auto& folder : {"lib", "tools"}) {
    for (const auto& path : sources(folder, {".hpp", ".cpp", ".h"})) {
      const std::string text = text_of(path);
      INFO(shown(path));
      if (path.extension() != ".cpp") CHECK_FALSE(base::contains(text, "#include <nlohmann/json.hpp>"));
      if (path.filename() != "options.cpp") CHECK_FALSE(base::contains(text, "#include <CLI/"));
      CHECK_FALSE(base::contains(text, "catch2/"));
      CHECK_FALSE(base::contains(text, "#include <regex>"));
      const std::string code = names_only(text);
      CHECK_FALSE(base::contains(code, "using namespace std;"));
      CHECK_FALSE(base::contains(code, "catch (...)"));
    }
  }
}

TEST_CASE("no file, folder or name is called manager, helper, util, data, info, handler, impl or get_") {
  const std::set<std::string> banned{"manager", "helper", "helpers", "util", "utils", "data", "info", "handler", "impl"};
  // Names that others gave: members of the kernel's, libc's, libbpf's and the standard library's types are written as they are.
  const std::set<std::string> foreign{"siginfo_t", "siginfo", "si_info", "utsname", "data", "sa_handler", "user_data", "epoll_data", "nlmsg_data", "NLMSG_DATA", "ctx_data", "get"};
  for (const auto& folder : {"lib", "tools", "tests"}) {
    for (const auto& path : sources(folder, {".hpp", ".cpp", ".h", ".c", ".cmake", ".py", ".sh", ".json"})) {
      INFO(shown(path));
      for (const auto& part : fs::relative(path, root))
        for (const auto& word : parts_of(part.stem().string())) { INFO(word); CHECK_FALSE(banned.contains(word)); }
      // Declarations are what we name: a type after class/struct/enum/namespace, in our own headers.
      if (path.extension() != ".hpp") continue;
      const auto words = words_of(names_only(text_of(path)));
      for (std::size_t i = 0; i + 1 < words.size(); ++i) {
        const std::string& name = words[i + 1];
        if (words[i] == "class" || words[i] == "struct" || words[i] == "enum" || words[i] == "namespace")
          for (const auto& word : parts_of(name)) { INFO(name); CHECK_FALSE((banned.contains(word) && !foreign.contains(name))); }
        INFO(name);
        CHECK((name == "get_if" || !base::starts_with(name, "get_")));  // std::get_if
      }
    }
  }
}

TEST_CASE("every test asserts something") {
  const auto tests = sources("tests", {".cpp"});
  std::size_t seen = 0;
  for (const auto& path : tests) {
    if (!path.filename().string().ends_with("_test.cpp")) continue;
    ++seen;
    INFO(shown(path));
    const std::string code = names_only(text_of(path));
    CHECK((base::contains(code, "CHECK") || base::contains(code, "REQUIRE")));
    CHECK_FALSE(base::contains(code, "sleep("));
    CHECK_FALSE(base::contains(code, "sleep_for"));
  }
  CHECK(seen > 5);
}

TEST_CASE("every word of the vocabulary is said by some code") {
  // A kind of fact is said where its struct is made or looked for: in parse, probe, model or rule, not only where it is declared.
  std::string code;
  for (const auto& folder : {"lib/parse", "lib/probe", "lib/flavour", "lib/model", "lib/rule", "lib/report", "tools"})
    for (const auto& path : sources(folder, {".cpp", ".hpp"})) code += names_only(text_of(path));
  const auto words = words_of(code);
  const std::set<std::string> said(words.begin(), words.end());
  std::istringstream table(text_of(root / "lib/evidence/vocabulary.cpp"));
  std::size_t rows = 0;
  for (std::string line; std::getline(table, line);) {
    if (!base::starts_with(line, "ROW(")) continue;
    ++rows;
    const std::string type = line.substr(4, line.find(',') - 4);
    INFO(line.substr(0, 60));
    CHECK(said.contains(type));
  }
  CHECK(rows == evidence::vocabulary().size());
}
