// What readers of a status need of its JSON: any bytes, no exception, numbers that are there or 0.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string_view>

namespace probe {

/// nullopt for what is no JSON object. Servers copy the bytes of a request as they came: those that are no ASCII are "?" here.
std::optional<nlohmann::json> status_json(std::string_view text);
std::uint64_t count_of(const nlohmann::json& object, const char* key);

}  // namespace probe
