#include "reproduce/shrink.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace reproduce {

using source::JsonMember;
using source::PlacedJson;
using source::Shape;

namespace {

std::string quoted(const std::string& text) { return nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace); }

std::string on_one_line(const PlacedJson& value) {
  std::string text;
  switch (value.shape) {
    case Shape::null: return "null";
    case Shape::boolean: return value.truth ? "true" : "false";
    case Shape::number: return value.text;
    case Shape::text: return quoted(value.text);
    case Shape::list:
      for (const PlacedJson& item : value.items) text += (text.empty() ? "" : ", ") + on_one_line(item);
      return "[" + text + "]";
    case Shape::object:
      for (const JsonMember& member : value.members) text += (text.empty() ? " " : ", ") + quoted(member.key) + ": " + on_one_line(member.value);
      return "{" + text + (text.empty() ? "}" : " }");
  }
  return "null";
}

std::string laid_out(const PlacedJson& value, std::size_t indent) {
  const std::string line = on_one_line(value);
  if ((value.shape != Shape::list && value.shape != Shape::object) || (indent > 0 && line.size() + indent <= 140)) return line;
  const std::string blanks(indent + 2, ' ');
  std::string text;
  for (const PlacedJson& item : value.items) text += (text.empty() ? "\n" : ",\n") + blanks + laid_out(item, indent + 2);
  for (const JsonMember& member : value.members) text += (text.empty() ? "\n" : ",\n") + blanks + quoted(member.key) + ": " + laid_out(member.value, indent + 2);
  const bool list = value.shape == Shape::list;
  return (list ? "[" : "{") + text + "\n" + std::string(indent, ' ') + (list ? "]" : "}");
}

PlacedJson* member(PlacedJson& object, std::string_view key) {
  const auto found = std::ranges::find(object.members, key, &JsonMember::key);
  return found == object.members.end() ? nullptr : &found->value;
}

void keep_verdict(PlacedJson& root) {
  PlacedJson* expect = member(root, "expect");
  if (!expect) return;
  std::vector<PlacedJson> verdicts;
  for (const PlacedJson& one : expect->items) {
    const PlacedJson* most = one.find("at_most");
    if (one.find("triage") && (!most || most->number > 0)) verdicts.push_back(one);
  }
  if (!verdicts.empty()) expect->items = std::move(verdicts);
}

/// A place in the tree: keys, or numbers of a list's entries.
using Path = std::vector<std::string>;

PlacedJson* at(PlacedJson& root, const Path& path, std::size_t depth) {
  PlacedJson* value = &root;
  for (std::size_t i = 0; value && i < depth; ++i)
    value = value->shape == Shape::list ? (std::stoul(path[i]) < value->items.size() ? &value->items[std::stoul(path[i])] : nullptr) : member(*value, path[i]);
  return value;
}

void places(const PlacedJson& value, Path path, std::size_t deepest, std::vector<Path>& into) {
  const auto add = [&](const std::string& word, const PlacedJson& inner) {
    Path longer = path;
    longer.push_back(word);
    if (longer.front() == "name" || longer.front() == "proves" || longer.front() == "expect" || longer.front() == "see" || longer.front() == "on" || longer.front() == "floors") return;
    into.push_back(longer);
    if (longer.size() < deepest) places(inner, longer, deepest, into);
  };
  if (value.shape == Shape::object)
    for (const JsonMember& one : value.members) add(one.key, one.value);
  if (value.shape == Shape::list)
    for (std::size_t i = value.items.size(); i-- > 0;) add(std::to_string(i), value.items[i]);
}

void remove(PlacedJson& parent, const std::string& word) {
  if (parent.shape == Shape::list) parent.items.erase(parent.items.begin() + static_cast<std::ptrdiff_t>(std::stoul(word)));
  else std::erase_if(parent.members, [&](const JsonMember& one) { return one.key == word; });
}

std::string named(const Path& path) {
  std::string text;
  for (const std::string& word : path) text += (text.empty() ? "" : ".") + word;
  return text;
}

}  // namespace

std::string json_text(const PlacedJson& value) { return laid_out(value, 0) + "\n"; }

PlacedJson shrink(PlacedJson root, const std::string& file, const Holds& holds, const Tried& tried) {
  keep_verdict(root);
  // Whole parts first, then entries, then their members; what a removal changes is looked at again from the start of its depth.
  for (std::size_t depth = 1; depth <= 3; ++depth) {
    std::vector<Path> all;
    places(root, {}, depth, all);
    for (const Path& path : all) {
      if (path.size() != depth) continue;
      PlacedJson candidate = root;
      PlacedJson* parent = at(candidate, path, depth - 1);
      if (!parent || (parent->shape == Shape::list ? std::stoul(path.back()) >= parent->items.size() : !member(*parent, path.back()))) continue;
      remove(*parent, path.back());
      const auto scenario = read_scenario(candidate, file);
      if (!scenario) continue;   // it would be none any more
      const bool stays = holds(*scenario);
      tried(named(path), stays);
      if (stays) root = std::move(candidate);
    }
  }
  return root;
}

}  // namespace reproduce
