// JSON with // comments, read with the place of every value and key: for files that people write (cards, scenarios, settings), where an
// error must say file:line:column. Stricter than the JSON libraries: a duplicate key is refused (they keep the last and say nothing), and so
// is everything after the value. Bounded in size and depth; no exceptions. Not for large machine-made documents.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace source {

/// Line and column count from 1; the column counts bytes, as compilers do.
struct Place {
  std::uint32_t line = 1, column = 1;
  friend bool operator==(const Place&, const Place&) = default;
};

enum class Shape : std::uint8_t { null, boolean, number, text, list, object };
/// "a number", "text", "a list"...: for errors.
std::string_view shape_text(Shape shape);

struct JsonMember;

/// A value where it stands. Only the members that fit `shape` mean something.
struct PlacedJson {
  Shape shape = Shape::null;
  Place place;
  bool truth = false;
  double number = 0;
  std::string text;                  // of a text: decoded, UTF-8; of a number: as it was written
  std::vector<PlacedJson> items;
  std::vector<JsonMember> members;   // in the order they were written

  /// The member of that name, or nullptr.
  const PlacedJson* find(std::string_view key) const;
};

struct JsonMember {
  std::string key;
  Place place;                       // of the key
  PlacedJson value;
};

struct JsonLimits {
  std::size_t bytes = 1 << 20;
  int depth = 32;
};

/// "file:line:column: what; remedy", the form of every complaint about such a file.
base::Error complaint(const std::string& file, Place place, std::string what, std::string remedy = {});

base::Result<PlacedJson> read_placed_json(std::string_view text, const std::string& file, const JsonLimits& limits = {});

}  // namespace source
