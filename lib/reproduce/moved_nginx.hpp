// A user's nginx configuration, moved into a run's folder: the site that leads to the server, as it stood there, with the addresses, paths and limits of
// the run. Whatever was changed or left out is told.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "parse/nginx/tree.hpp"

namespace reproduce {

struct MovedNginx {
  std::string text;                    // a file of a scenario: {proxy_port}, {server} and scaled times in it
  std::vector<std::string> changed;    // a sentence each
};

/// `asked`: the paths that the scenario's clients ask for; each must lead to the server, or the reason is told and there is no text.
struct Move { std::optional<MovedNginx> moved; std::string why; };
Move move_nginx(const parse::nginx::Tree& tree, const std::vector<std::string>& asked);

}  // namespace reproduce
