// The applications that this server brings, one a file of apps/: builtin:hello, builtin:echo, ... `demo` holds them all by the first word of the path.
#pragma once

#include <span>
#include <string_view>

#include "prefork/app.hpp"

namespace prefork {

struct BuiltIn {
  std::string_view name, about;
  App app;
};

std::span<const BuiltIn* const> apps();
const BuiltIn* built_in(std::string_view name);

/// Of "a=1&b=2" the value of `name`; `fallback` when it is missing or no number from 0 to `most`.
double query_number(std::string_view query, std::string_view name, double fallback, double most);
std::string_view query_text(std::string_view query, std::string_view name);

}  // namespace prefork
