// Where a server's code may lie among the files that are looked at.
#pragma once

#include <string>
#include <vector>

#include "model/deployment.hpp"

namespace model {

/// The folder that the server surely starts in: a Procfile's own, where its command goes nowhere else; "" for any other.
std::string own_folder(const Deployment& all, const Backend& server);
/// Every folder, with its slash, from which its modules may be imported; the nearest first, at most 120.
std::vector<std::string> code_folders(const Deployment& all, const Backend& server);

}  // namespace model
