// From a card's "repair" to the bytes of a file that give way: the setting of the card's "at" gets another value where it is written, or a line of
// its own where it is not. One place for how each dialect writes a setting, so that cards only say what it should hold.
#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "model/deployment.hpp"
#include "rule/card.hpp"
#include "rule/finding.hpp"

namespace rule {

/// What a word of the card's scope holds in this case; null where that is not known.
using Held = std::function<const model::Choice*(std::string_view word)>;

/// `at`: the choice that the finding points at; `start`: the command that starts the server, below which a unit gets its new line.
/// nullopt where the value cannot be told, or where it is written in a way that no edit of one place can change.
std::optional<Edit> repaired(const model::Deployment& deployment, const Card::Repair& repair, const model::Choice& at, const model::Spot& start, const Held& held);

}  // namespace rule
