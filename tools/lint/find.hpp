// The files to look at: named ones, and below folders everything that is a configuration by its name and content.
#pragma once

#include <string>
#include <vector>

#include "evidence/evidence.hpp"
#include "model/deployment.hpp"
#include "source/host.hpp"

namespace lint {

struct Found {
  std::vector<model::File> files;
  std::vector<std::string> roots;     // absolute: folders that were given, or the folders of files that were
  std::vector<evidence::Gap> gaps;    // what was named and could not be read or is nothing known
  std::size_t unreadable = 0;
};

Found find(const source::Host& host, const std::vector<std::string>& paths, const std::string& working_folder);

/// "/a/b/../c" -> "/a/c"; relative ones stand below `working_folder`.
std::string absolute(const std::string& path, const std::string& working_folder);

}  // namespace lint
