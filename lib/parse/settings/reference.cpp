// triage-server.json: one object, a setting a member, with // comments; read by the same reader as the server's own (source/json_place).
#include "base/near.hpp"
#include "base/text.hpp"
#include "flavour/flavour.hpp"
#include "parse/settings/document.hpp"
#include "source/json_place.hpp"

namespace parse::settings {
namespace {

using source::PlacedJson;
using source::Shape;

// The text of a value in gunicorn's notation: True, False, None; the items of a list joined by commas. Of raw_env only the names.
std::string value_text(std::string_view name, const PlacedJson& value) {
  const auto item_text = [&](const std::string& text) { return name == "raw_env" ? text.substr(0, text.find('=')) : text; };
  switch (value.shape) {
    case Shape::boolean: return value.truth ? "True" : "False";
    case Shape::null: return "None";
    case Shape::number: return value.text;
    case Shape::text: return item_text(value.text);
    case Shape::list: {
      std::string all;
      for (const PlacedJson& item : value.items) all += (all.empty() ? "" : ",") + item_text(item.text);
      return all;
    }
    case Shape::object: return "";
  }
  return "";
}

// Line and column, as the reader gives them, are found again in the text.
Place place_of(std::string_view text, source::Place at, std::size_t length) {
  std::size_t offset = 0;
  for (std::uint32_t line = 1; line < at.line; ++line) {
    const auto end = text.find('\n', offset);
    if (end == std::string_view::npos) break;
    offset = end + 1;
  }
  offset = std::min(offset + at.column - 1, text.size());
  return {at.line, at.column, offset, std::min(offset + length, text.size())};
}

source::Place place_in(std::string_view doing) {
  const auto parts = base::split(doing, ':');
  const auto line = parts.size() < 2 ? std::nullopt : base::read_number(parts[parts.size() - 2]), column = base::read_number(parts.back());
  return {static_cast<std::uint32_t>(line.value_or(1)), static_cast<std::uint32_t>(column.value_or(1))};
}

}  // namespace

Document read_reference(std::string_view text) {
  Document document;
  document.dialect = Dialect::reference;
  const auto root = source::read_placed_json(text, "");
  if (!root) {
    document.wrong.push_back({place_of(text, place_in(root.error().doing), 1), root.error().answer});
    return document;
  }
  if (root->shape != Shape::object) {
    document.wrong.push_back({place_of(text, root->place, 1), "the settings are an object: { \"workers\": 2 }"});
    return document;
  }
  std::vector<std::string_view> known;
  for (const flavour::Default& row : flavour::flavour("reference")->defaults) known.push_back(row.name);
  for (const source::JsonMember& member : root->members) {
    const Place key = place_of(text, member.place, member.key.size() + 2);
    if (!flavour::knows("reference", member.key)) {
      document.wrong.push_back({key, "there is no setting '" + base::printable(member.key, 80) + "'" + base::did_you_mean(member.key, known)});
      continue;
    }
    if (member.value.shape == Shape::object) {
      document.wrong.push_back({place_of(text, member.value.place, 1), "a setting is text, a number, true, false or a list"});
      continue;
    }
    document.entries.push_back({"", member.key, value_text(member.key, member.value), key, place_of(text, member.value.place, std::max<std::size_t>(member.value.text.size(), 1))});
  }
  return document;
}

}  // namespace parse::settings
