// The language of a card's "when": `class == 'sync' and timeout >= 120s`. Typed and three-valued: comparisons and arithmetic over the words of a
// scope, and/or/not, `in`, `is set`, units (ms s m h d, KiB MiB GiB k M G), versions (v1.29.7). A word that is misspelt, a type or a unit that
// does not fit is an error at its column. What a condition cannot say is a named check.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "model/deployment.hpp"
#include "rule/finding.hpp"

namespace rule::condition {

enum class Type : std::uint8_t { number, seconds, bytes, text, truth, list, version };
std::string_view type_text(Type type);

/// A word that conditions over one scope may use.
struct Word { std::string_view name; Type type; std::string_view means; };
/// What a rule is about: "nginx.pass", "gunicorn.server"...
struct Scope { std::string_view name; std::span<const Word> words; std::string_view means; };
std::span<const Scope> scopes();
const Scope* scope(std::string_view name);

struct Node;
/// A condition that was read and found well typed.
struct Condition {
  std::shared_ptr<const Node> root;
  std::vector<std::string> words;  // those it uses, each once
};

/// Error: "column 14: no word is called 'timout'; did you mean 'timeout'?".
base::Result<Condition> read(std::string_view text, const Scope& scope);

/// The values of the words, each as one choice.
using Values = std::function<const model::Choice*(std::string_view word)>;
Truth answer(const Condition& condition, const Values& values);

using model::version_number;

}  // namespace rule::condition
