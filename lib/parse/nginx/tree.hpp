// The whole configuration of an nginx as one tree: the main file with everything it includes in its place, each directive with its file, line
// and column. Includes are relative to the folder of the main file, also from nested files, and globbed only where the name has * ? or [
// (ngx_conf_file.c:ngx_conf_include@1.31.4).
#pragma once

#include <string>
#include <vector>

#include "parse/nginx/syntax.hpp"
#include "source/host.hpp"

namespace parse::nginx {

struct Node {
  Directive directive;
  std::uint32_t file = 0;        // index into Tree::files
  std::vector<Node> children;    // of a block, includes in their place
};

struct Wrong { std::string file; std::uint32_t line = 0; std::string what; std::uint32_t column = 0; };

/// An include that was not followed: its file could not be read, or it leads back into a file that is being read. It stays in the tree as a
/// directive without children, for whoever must know that settings may be missing there.
struct Unread { Directive directive; std::uint32_t file = 0; std::string path; bool cycle = false; };

struct Tree {
  std::string root;                     // what stands before every path: "/proc/PID/root" or ""
  std::vector<std::string> files;       // as nginx names them, the main file first; at most 2000
  std::vector<std::string> missing;     // named without a wildcard and not there: nginx would not start with it
  std::vector<Wrong> wrong;             // what nginx would refuse in the syntax
  std::vector<Unread> unread;
  std::vector<Node> top;

  /// "/etc/nginx/conf.d/a.conf:2:40"
  std::string place(const Node& node) const;
};

/// Where a file stands here that the configuration names: of a repository that is checked, /etc/nginx is its own folder. Empty = nowhere.
using Locate = std::function<std::string(const std::string& path)>;
Tree read_tree(const source::Host& host, const std::string& root, const std::string& main, const Locate& locate = {});

/// Does a file name fit a pattern of * ? [...] as glob(3) reads it within one folder?
bool fits(std::string_view name, std::string_view pattern);

/// The first child of that name, or nullptr.
const Node* child(const Node& node, std::string_view name);

}  // namespace parse::nginx
