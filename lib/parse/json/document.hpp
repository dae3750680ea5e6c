// A JSON document that a tool printed whole (kubectl, docker): bounded in depth, every field optional, no exception leaves.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "parse/format.hpp"

namespace parse::json {

/// The document; nullopt with a Gap when it is no JSON or nested deeper than 64.
std::optional<nlohmann::json> read_document(std::string_view text, std::string_view what, Sink& sink);

/// obj.at(key) where obj is an object that has it, else a null value.
const nlohmann::json& member(const nlohmann::json& object, const char* key);
/// Text of at most 4096 bytes; "" when it is no text.
std::string text_of(const nlohmann::json& value);
std::optional<int> int_of(const nlohmann::json& value);
bool truth_of(const nlohmann::json& value);

/// "512Mi", "1G", "1e9", "134217728", "100m" of Kubernetes in bytes; 0 when it is none.
std::uint64_t quantity(std::string_view text);

/// Where the parts of a document stand, found by their text because the library keeps no places. Parts are asked for in the document's
/// order; each is looked for behind the one before, so the whole costs one pass.
class Places {
 public:
  explicit Places(std::string_view document) : document_(document) {}
  /// The next part holds `needle`; nothing moves when it cannot be found.
  void part(std::string_view needle);
  /// A record with the place of `needle` within the part (else the part's own) and with `excerpt` as its text, which must outlive it.
  Record at(std::string_view needle, std::string_view excerpt) const;

 private:
  std::string_view document_;
  std::size_t at_ = 0;
  std::uint32_t line_ = 1;
  int misses_ = 0;
};

/// An instant from RFC 3339; nullopt for "", null and the zero times of Go.
std::optional<base::Instant> time_of(const std::string& text);

/// The kind of the thing in a head of 4 KiB: whether `"key": "value"` stands in it, with any blanks.
bool says(std::string_view head, std::string_view key, std::string_view value);

}  // namespace parse::json
