// YAML with the place of every key and value: block and flow collections, plain, quoted and block scalars, anchors, aliases, merge keys and
// several documents; what compose files and Kubernetes manifests are written in. Our own, because yaml-cpp throws across rooms and recurses
// without a bound (docs/decisions/0006-lint.md). Tags are passed over. At most 64 levels and 200,000 nodes; aliases are copied at most 10,000
// nodes deep together, so that no small file becomes a large tree.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "parse/settings/document.hpp"

namespace parse::settings {

struct YamlMember;

struct Yaml {
  enum class Shape : std::uint8_t { null, scalar, list, map } shape = Shape::null;
  std::string text;                 // of a scalar, quotes undone
  bool quoted = false;
  Place at;                         // of the scalar, or of a collection's first character
  std::vector<Yaml> items;
  std::vector<YamlMember> members;  // in their order; merged ones last

  const Yaml* find(std::string_view key) const;
  /// find() along "a.b.c"; nullptr where a step is missing.
  const Yaml* path(std::string_view dotted) const;
  bool scalar() const { return shape == Shape::scalar; }
};

struct YamlMember { std::string key; Place key_at; Yaml value; };

struct YamlFile {
  std::vector<Yaml> documents;
  std::vector<Wrong> wrong;         // the first thing that is no YAML
};

YamlFile read_yaml(std::string_view text);

}  // namespace parse::settings
