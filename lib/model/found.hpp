// The files to look at: named ones, and below folders everything that is a configuration by its name and content.
#pragma once

#include <string>
#include <vector>

#include "evidence/evidence.hpp"
#include "model/deployment.hpp"
#include "source/host.hpp"

namespace model {

struct Found {
  std::vector<File> files;
  std::vector<std::string> roots;     // absolute: folders that were given, or the folders of files that were
  std::vector<evidence::Gap> gaps;    // what was named and could not be read or is nothing known
  std::size_t unreadable = 0;
};

Found find_files(const source::Host& host, const std::vector<std::string>& paths, const std::string& working_folder);

/// Where a path of nginx's configuration stands: below what is looked at as it is; what is /etc/nginx on the machine it is made for is the folder
/// of the main file here; nothing else of this machine is read.
parse::nginx::Locate locate_in(const Found& found);

/// "/a/b/../c" -> "/a/c"; relative ones stand below `working_folder`.
std::string absolute(const std::string& path, const std::string& working_folder);

}  // namespace model
