#include "parse/nginx/tree.hpp"

#include <algorithm>
#include <unordered_map>

#include "base/text.hpp"

namespace parse::nginx {

namespace {

constexpr std::size_t most_files = 2000, most_bytes = 8 << 20, most_nodes = 400'000;
constexpr int deepest_include = 32;

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

// glob(3): each component on its own; names in byte order, hidden ones only where the pattern names the dot.
void expand(const source::Host& host, const std::string& root, const std::string& at, std::string_view rest, std::vector<std::string>& found) {
  while (base::starts_with(rest, "/")) rest.remove_prefix(1);
  const auto slash = rest.find('/');
  const std::string_view part = rest.substr(0, slash), further = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  std::vector<std::string> names;
  if (part.find_first_of("*?[") == std::string_view::npos) names.emplace_back(part);
  else if (const auto entries = host.list(root + (at.empty() ? "/" : at))) {
    for (const auto& entry : *entries)
      if (fits(entry.name, part)) names.push_back(entry.name);
    std::sort(names.begin(), names.end());
  }
  for (const auto& name : names) {
    if (found.size() >= most_files) return;
    const std::string path = at + "/" + name;
    if (!further.empty()) expand(host, root, path, further, found);
    else if (host.stat(root + path)) found.push_back(path);
  }
}

class Reader {
 public:
  Reader(const source::Host& host, Tree& tree, const Locate& locate) : host_(host), tree_(tree), locate_(locate), folder_(folder_of(tree.files.empty() ? "" : tree.files.front())) {
    for (const std::string& file : tree.files) indexes_.emplace(file, static_cast<std::uint32_t>(indexes_.size()));
  }

  // `by` is the directive that includes it; null for the main file.
  void read(const std::string& path, std::vector<Node>& into, int depth, const Unread* by) {
    if (depth > deepest_include || tree_.files.size() > most_files || std::find(open_.begin(), open_.end(), path) != open_.end()) {
      tree_.wrong.push_back({path, 0, "it includes itself, or too many files"});
      if (by) { tree_.unread.push_back(*by); tree_.unread.back().path = path; tree_.unread.back().cycle = true; }
      return;
    }
    const auto text = host_.read(tree_.root + path, most_bytes);
    if (!text) {
      tree_.missing.push_back(path);
      if (by) {
        tree_.unread.push_back(*by);
        tree_.unread.back().path = path;
        into.push_back({by->directive, by->file, {}});
      }
      return;
    }
    const auto [known, fresh] = indexes_.emplace(path, static_cast<std::uint32_t>(tree_.files.size()));  // one file may be included at several places
    const std::uint32_t file = known->second;
    if (fresh) tree_.files.push_back(path);
    open_.push_back(path);
    std::vector<std::vector<Node>*> blocks{&into};
    const auto reading = walk(*text, {[&](const Directive& directive, std::span<const Directive>) {
                                        if (++nodes_ > most_nodes) return;
                                        std::vector<Node>& here = *blocks.back();
                                        if (directive.name() == "include" && !directive.block && directive.words.size() == 2) {
                                          include(directive, file, here, depth);
                                          return;
                                        }
                                        here.push_back({directive, file, {}});
                                        if (directive.block) blocks.push_back(&here.back().children);
                                      },
                                      [&](const Directive&, std::span<const Directive>) {
                                        if (blocks.size() > 1) blocks.pop_back();
                                      }});
    if (reading.wrong_line) tree_.wrong.push_back({path, reading.wrong_line, reading.wrong});
    open_.pop_back();
  }

 private:
  void include(const Directive& directive, std::uint32_t from, std::vector<Node>& into, int depth) {
    const std::string word = directive.argument(0);
    std::string full = base::starts_with(word, "/") ? word : folder_ + "/" + word;
    if (locate_) full = locate_(full);
    const Unread by{directive, from, "", false};
    if (full.empty() || word.find_first_of("*?[") == std::string::npos) {
      read(full.empty() ? word : full, into, depth + 1, &by);
      return;
    }
    std::vector<std::string> found;
    expand(host_, tree_.root, "", full, found);
    for (const auto& one : found) read(one, into, depth + 1, &by);
  }

  const source::Host& host_;
  Tree& tree_;
  const Locate& locate_;
  const std::string folder_;
  std::vector<std::string> open_;
  std::unordered_map<std::string, std::uint32_t> indexes_;  // of tree_.files
  std::size_t nodes_ = 0;
};

}  // namespace

std::string Tree::place(const Node& node) const {
  const Word& word = node.directive.words.front();
  return (node.file < files.size() ? files[node.file] : std::string("?")) + ":" + std::to_string(word.line) + ":" + std::to_string(word.column);
}

bool fits(std::string_view name, std::string_view pattern) {
  if (base::starts_with(name, ".") && !base::starts_with(pattern, ".")) return false;
  std::size_t n = 0, p = 0, star = std::string_view::npos, from = 0;
  const auto one = [&](std::size_t& at) {  // does the pattern at `at` take name[n]? moves `at` behind it
    if (pattern[at] == '?') { ++at; return true; }
    if (pattern[at] == '[') {
      std::size_t i = at + 1;
      const bool no = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
      if (no) ++i;
      bool in = false;
      for (const std::size_t first = i; i < pattern.size() && (pattern[i] != ']' || i == first); ++i) {
        if (i + 2 < pattern.size() && pattern[i + 1] == '-' && pattern[i + 2] != ']') {
          in = in || (pattern[i] <= name[n] && name[n] <= pattern[i + 2]);
          i += 2;
        } else {
          in = in || pattern[i] == name[n];
        }
      }
      if (i < pattern.size()) { at = i + 1; return in != no; }
    } else if (pattern[at] == '\\' && at + 1 < pattern.size()) {
      ++at;
    }
    return pattern[at++] == name[n];
  };
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') { star = p++; from = n; continue; }
    std::size_t next = p;
    if (p < pattern.size() && one(next)) { p = next; ++n; continue; }
    if (star == std::string_view::npos) return false;
    p = star + 1;
    n = ++from;
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

Tree read_tree(const source::Host& host, const std::string& root, const std::string& main, const Locate& locate) {
  Tree tree;
  tree.root = root;
  tree.files.push_back(main);
  Reader(host, tree, locate).read(main, tree.top, 0, nullptr);
  if (!tree.missing.empty() && tree.missing.front() == main) tree.files.clear();
  return tree;
}

const Node* child(const Node& node, std::string_view name) {
  const auto found = std::find_if(node.children.begin(), node.children.end(), [&](const Node& one) { return one.directive.name() == name; });
  return found == node.children.end() ? nullptr : &*found;
}

}  // namespace parse::nginx
